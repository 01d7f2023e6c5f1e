//! Rows of mappings.

use weir_proto::mapping::v1 as pb;
use weir_values::ValueType;
use weir_values::options::{Options, RawBlank};

use super::{value_type, value_type_of};
use crate::domain::mapping::ActivityMapping;
use crate::domain::row::{AttributeRow, FieldRow, GivenRow, Row};

/// As it was sent: what of it is wrong is said of all of them together.
pub fn given_field(mapping: pb::FieldMapping) -> GivenRow {
    given(
        all(mapping.trait_path, mapping.fallback_paths),
        mapping.field_id,
        all(mapping.date_format, mapping.fallback_formats),
        mapping.options.unwrap_or_default(),
    )
}

/// As [`given_field`]; without a type where it is none that is known.
pub fn given_attribute(mapping: pb::AttributeMapping) -> (GivenRow, Option<ValueType>) {
    let row = given(
        all(mapping.property_path, mapping.fallback_paths),
        mapping.attribute,
        all(mapping.date_format, mapping.fallback_formats),
        mapping.options.unwrap_or_default(),
    );
    (row, value_type_of(mapping.r#type))
}

fn given(
    paths: Vec<String>,
    target: String,
    formats: Vec<String>,
    options: pb::RowOptions,
) -> GivenRow {
    GivenRow {
        paths,
        target,
        formats,
        blank: match pb::BlankRule::try_from(options.blank) {
            Ok(pb::BlankRule::Unspecified) => RawBlank::Nothing,
            Ok(pb::BlankRule::Clear) => RawBlank::Null,
            Err(_) => RawBlank::Unknown,
        },
        phone_country: options.phone_country,
        round: options.round,
        words: options.words,
        truncate: options.truncate,
    }
}

/// None where there is neither.
fn all(first: String, others: Vec<String>) -> Vec<String> {
    if first.is_empty() && others.is_empty() {
        return Vec::new();
    }
    std::iter::once(first).chain(others).collect()
}

pub fn field_mapping(row: &FieldRow) -> pb::FieldMapping {
    let (trait_path, fallback_paths) = apart(&row.row.paths);
    let (date_format, fallback_formats) = apart(&row.row.options.formats);
    pb::FieldMapping {
        trait_path,
        field_id: row.field.to_string(),
        date_format,
        fallback_paths,
        fallback_formats,
        options: options(&row.row),
    }
}

/// As it was saved once, whatever became of its field.
pub fn unchecked_field_mapping(row: GivenRow) -> pb::FieldMapping {
    let (trait_path, fallback_paths) = apart(&row.paths);
    let (date_format, fallback_formats) = apart(&row.formats);
    let blank = match row.blank {
        RawBlank::Null => pb::BlankRule::Clear,
        RawBlank::Nothing | RawBlank::Unknown => pb::BlankRule::Unspecified,
    };
    let options = pb::RowOptions {
        phone_country: row.phone_country,
        round: row.round,
        words: row.words,
        truncate: row.truncate,
        blank: blank.into(),
    };
    pb::FieldMapping {
        trait_path,
        field_id: row.target,
        date_format,
        fallback_paths,
        fallback_formats,
        options: (options != pb::RowOptions::default()).then_some(options),
    }
}

pub fn activity_mapping(mapping: ActivityMapping) -> pb::ActivityMapping {
    pb::ActivityMapping {
        activity_id: mapping.activity.activity_id.to_string(),
        event_name: mapping.activity.event_name,
        retention_days: mapping.activity.retention_days,
        attributes: mapping
            .attributes
            .into_iter()
            .map(attribute_mapping)
            .collect(),
    }
}

pub fn attribute_mapping(row: AttributeRow) -> pb::AttributeMapping {
    let (property_path, fallback_paths) = apart(&row.row.paths);
    let (date_format, fallback_formats) = apart(&row.row.options.formats);
    pb::AttributeMapping {
        property_path,
        attribute: row.attribute,
        r#type: value_type(row.row.value_type).into(),
        date_format,
        fallback_paths,
        fallback_formats,
        options: options(&row.row),
    }
}

/// The first, and those behind it.
fn apart<T: ToString>(all: &[T]) -> (String, Vec<String>) {
    let mut texts = all.iter().map(ToString::to_string);
    (texts.next().unwrap_or_default(), texts.collect())
}

/// None where all are as by default.
fn options(row: &Row) -> Option<pb::RowOptions> {
    let Options {
        formats: _,
        phone_country,
        round,
        words,
        truncate,
        blank_clears,
    } = &row.options;
    let blank = match blank_clears {
        true => pb::BlankRule::Clear,
        false => pb::BlankRule::Unspecified,
    };
    let options = pb::RowOptions {
        phone_country: phone_country.map_or_else(String::new, |country| country.to_string()),
        round: *round,
        words: *words,
        truncate: *truncate,
        blank: blank.into(),
    };
    (options != pb::RowOptions::default()).then_some(options)
}
