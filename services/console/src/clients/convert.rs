//! From messages to what pages show, and back.

use prost_types::Timestamp;
use weir_proto::contact::v1::{ContactField, Value, value::Kind as ValueKind};
use weir_proto::mapping::v1 as wire;
use weir_values::ValueType;

use crate::domain::Time;
use crate::domain::model::{ContactValue, Field, LogEntry, Provenance, Row, Tried};

pub fn time(time: Option<Timestamp>) -> Option<Time> {
    weir_rpc::wire::read_time(time?)
}

pub fn stamp(time: Time) -> Timestamp {
    weir_rpc::wire::timestamp(time)
}

pub fn kind(kind: wire::EventKind) -> &'static str {
    match kind {
        wire::EventKind::Identify => "identify",
        wire::EventKind::Track => "track",
        wire::EventKind::Member => "audience member",
        wire::EventKind::Unspecified => "event",
    }
}

pub fn value_type(of: wire::ValueType) -> Option<ValueType> {
    let name = of.as_str_name().strip_prefix("VALUE_TYPE_")?;
    ValueType::named(&name.to_lowercase())
}

pub fn wire_type(of: ValueType) -> wire::ValueType {
    let name = format!("VALUE_TYPE_{}", of.name().to_uppercase());
    wire::ValueType::from_str_name(&name).unwrap_or_default()
}

pub fn field(field: wire::Field) -> Option<Field> {
    Some(Field {
        of: value_type(field.r#type())?,
        id: field.field_id,
        name: field.name,
        custom: field.custom,
    })
}

pub fn row(row: wire::FieldMapping) -> Row {
    with_options(
        Row {
            format: row.date_format,
            more_paths: row.fallback_paths,
            more_formats: row.fallback_formats,
            ..Row::new(&row.trait_path, &row.field_id)
        },
        row.options,
    )
}

pub fn attribute(row: wire::AttributeMapping) -> Row {
    with_options(
        Row {
            of: value_type(row.r#type()),
            format: row.date_format,
            more_paths: row.fallback_paths,
            more_formats: row.fallback_formats,
            ..Row::new(&row.property_path, &row.attribute)
        },
        row.options,
    )
}

fn with_options(row: Row, options: Option<wire::RowOptions>) -> Row {
    let Some(options) = options else { return row };
    Row {
        blank_clears: options.blank() == wire::BlankRule::Clear,
        phone_country: options.phone_country,
        round: options.round,
        words: options.words,
        truncate: options.truncate,
        ..row
    }
}

fn options(row: &Row) -> Option<wire::RowOptions> {
    let blank = match row.blank_clears {
        true => wire::BlankRule::Clear,
        false => wire::BlankRule::Unspecified,
    };
    let options = wire::RowOptions {
        phone_country: row.phone_country.clone(),
        round: row.round,
        words: row.words,
        truncate: row.truncate,
        blank: blank.into(),
    };
    (options != wire::RowOptions::default()).then_some(options)
}

pub fn wire_row(row: &Row) -> wire::FieldMapping {
    wire::FieldMapping {
        trait_path: row.path.clone(),
        field_id: row.target.clone(),
        date_format: row.format.clone(),
        fallback_paths: row.more_paths.clone(),
        fallback_formats: row.more_formats.clone(),
        options: options(row),
    }
}

pub fn wire_attribute(row: &Row) -> wire::AttributeMapping {
    wire::AttributeMapping {
        property_path: row.path.clone(),
        attribute: row.target.clone(),
        r#type: row
            .of
            .map_or_else(wire::ValueType::default, wire_type)
            .into(),
        date_format: row.format.clone(),
        fallback_paths: row.more_paths.clone(),
        fallback_formats: row.more_formats.clone(),
        options: options(row),
    }
}

pub fn log_entry(entry: wire::LogEntry) -> LogEntry {
    LogEntry {
        time: time(entry.log_time),
        kind: kind(entry.kind()),
        message_id: entry.message_id,
        event_name: entry.event_name,
        path: entry.path,
        field: entry.field_id,
        reason: entry.reason,
        value: entry.value,
        code: entry.code,
        status: entry.status,
        batch_id: entry.batch_id,
        index: entry.index,
        count: entry.count.max(1),
    }
}

pub fn tried(count: wire::ReplayCount) -> Tried {
    Tried {
        status: count.status,
        code: count.code,
        count: count.count,
    }
}

/// A value as text.
pub fn value(value: Option<Value>) -> String {
    match value.and_then(|value| value.kind) {
        None => String::new(),
        Some(
            ValueKind::Text(text)
            | ValueKind::Decimal(text)
            | ValueKind::Date(text)
            | ValueKind::Time(text)
            | ValueKind::ObjectJson(text),
        ) => text,
        Some(ValueKind::Integer(number)) => number.to_string(),
        Some(ValueKind::Boolean(is)) => is.to_string(),
        Some(ValueKind::TimeAndDate(at)) => time(Some(at)).map_or_else(String::new, |at| {
            at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
        }),
        Some(ValueKind::MultiSelect(list)) => list.values.join(", "),
    }
}

pub fn contact_value(field: ContactField) -> ContactValue {
    let from = field.provenance.map(|from| Provenance {
        message_id: from.message_id,
        source_id: from.source_id,
        replaced: from.replaced_value.map(|replaced| value(Some(replaced))),
        replaced_clearing: from.replaced_clearing,
    });
    ContactValue {
        field: field.field_id,
        value: value(field.value),
        time: time(field.event_time),
        from,
    }
}

/// Members of a JSON object, each value as text.
pub fn members(json: &str) -> Vec<(String, String)> {
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(json).unwrap_or_default();
    object
        .into_iter()
        .map(|(name, value)| {
            let text = match value {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            };
            (name, text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_goes_over_the_wire_and_back() {
        for (_, of) in ValueType::NAMES {
            assert_eq!(value_type(wire_type(of)), Some(of));
        }
        assert_eq!(value_type(wire::ValueType::Unspecified), None);
    }

    #[test]
    fn a_row_goes_over_the_wire_and_back() {
        let whole = Row {
            of: None,
            format: "DD-MM-YYYY".to_owned(),
            more_paths: vec!["born".to_owned()],
            more_formats: vec!["ISO 8601".to_owned()],
            phone_country: "AU".to_owned(),
            round: true,
            words: true,
            truncate: true,
            blank_clears: true,
            ..Row::new("birthday", "dtz::b")
        };
        assert_eq!(row(wire_row(&whole)), whole);
        let strict = Row::new("firstName", "str::first");
        assert_eq!(wire_row(&strict).options, None);
        assert_eq!(row(wire_row(&strict)), strict);
        let typed = Row {
            of: Some(ValueType::Date),
            ..whole
        };
        assert_eq!(attribute(wire_attribute(&typed)), typed);
    }

    #[test]
    fn members_of_an_object_are_texts() {
        let members = members(r#"{"action": "in", "count": 3, "list": ["a"]}"#);
        assert_eq!(members.len(), 3);
        assert!(members.contains(&("count".to_owned(), "3".to_owned())));
        assert!(super::members("no object").is_empty());
    }
}
