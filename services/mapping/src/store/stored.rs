//! Mappings as they lie in `jsonb` columns.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use weir_postgres::Failure;
use weir_values::ValueType;
use weir_values::options::{Options, RawOptions};

use super::corrupt;
use crate::domain::field;
use crate::domain::row::{AttributeRow, FieldRow, GivenRow, Row};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredField {
    field: String,
    #[serde(flatten)]
    row: StoredRow,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredAttribute {
    attribute: String,
    r#type: String,
    #[serde(flatten)]
    row: StoredRow,
}

/// What is not there is as it is by default.
#[derive(Debug, Serialize, Deserialize)]
struct StoredRow {
    path: String,
    /// Those behind the first one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    paths: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    /// Those behind the first one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    formats: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    #[serde(default, skip_serializing_if = "is_off")]
    round: bool,
    #[serde(default, skip_serializing_if = "is_off")]
    words: bool,
    #[serde(default, skip_serializing_if = "is_off")]
    truncate: bool,
    #[serde(default, skip_serializing_if = "is_off")]
    blank_clears: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_off(option: &bool) -> bool {
    !option
}

impl From<&FieldRow> for StoredField {
    fn from(row: &FieldRow) -> Self {
        Self {
            field: row.field.to_string(),
            row: (&row.row).into(),
        }
    }
}

impl From<&AttributeRow> for StoredAttribute {
    fn from(row: &AttributeRow) -> Self {
        Self {
            attribute: row.attribute.clone(),
            r#type: row.row.value_type.name().to_owned(),
            row: (&row.row).into(),
        }
    }
}

impl From<&Row> for StoredRow {
    fn from(row: &Row) -> Self {
        let mut paths = row.paths.iter().map(ToString::to_string);
        let options = &row.options;
        let mut formats = options.formats.iter().map(ToString::to_string);
        Self {
            path: paths.next().unwrap_or_default(),
            paths: paths.collect(),
            format: formats.next(),
            formats: formats.collect(),
            country: options.phone_country.map(|country| country.to_string()),
            round: options.round,
            words: options.words,
            truncate: options.truncate,
            blank_clears: options.blank_clears,
        }
    }
}

impl StoredRow {
    fn read(&self, value_type: ValueType) -> Result<Row, Failure> {
        let broken = |_| corrupt("path of a row");
        let paths = std::iter::once(&self.path).chain(&self.paths);
        let formats = self.format.iter().chain(&self.formats);
        let options = RawOptions {
            formats: formats.map(String::as_str).collect(),
            phone_country: self.country.as_deref().unwrap_or_default(),
            round: self.round,
            words: self.words,
            truncate: self.truncate,
            blank: self.blank_clears.into(),
        };
        Ok(Row {
            paths: paths
                .map(|path| path.parse().map_err(broken))
                .collect::<Result<_, _>>()?,
            value_type,
            options: Options::read(value_type, &options)
                .map_err(|_| corrupt("options of a row"))?,
        })
    }
}

/// As they were saved, whatever became of their fields since.
pub(super) fn given_fields(stored: Vec<StoredField>) -> Vec<GivenRow> {
    let given = |stored: StoredField| GivenRow {
        paths: std::iter::once(stored.row.path)
            .chain(stored.row.paths)
            .collect(),
        target: stored.field,
        formats: stored
            .row
            .format
            .into_iter()
            .chain(stored.row.formats)
            .collect(),
        phone_country: stored.row.country.unwrap_or_default(),
        round: stored.row.round,
        words: stored.row.words,
        truncate: stored.row.truncate,
        blank: stored.row.blank_clears.into(),
    };
    stored.into_iter().map(given).collect()
}

pub(super) fn read_fields(
    stored: &[StoredField],
    custom: &HashMap<String, ValueType>,
) -> Result<Vec<FieldRow>, Failure> {
    let broken = || corrupt("row of a contact mapping");
    stored
        .iter()
        .map(|stored| {
            let value_type = field::type_of(&stored.field, custom).ok_or_else(broken)?;
            Ok(FieldRow {
                row: stored.row.read(value_type)?,
                field: stored.field.parse().map_err(|_| broken())?,
            })
        })
        .collect()
}

pub(super) fn read_attributes(stored: Vec<StoredAttribute>) -> Result<Vec<AttributeRow>, Failure> {
    let broken = || corrupt("row of an activity mapping");
    stored
        .into_iter()
        .map(|stored| {
            let value_type = ValueType::named(&stored.r#type).ok_or_else(broken)?;
            Ok(AttributeRow {
                row: stored.row.read(value_type)?,
                attribute: stored.attribute,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(raw: &RawOptions<'_>, paths: &[&str], value_type: ValueType) -> Row {
        Row {
            paths: paths.iter().map(|path| path.parse().unwrap()).collect(),
            value_type,
            options: Options::read(value_type, raw).unwrap(),
        }
    }

    #[test]
    fn a_row_reads_back_as_it_was_saved() {
        let options = RawOptions::default;
        for (field, row, text) in [
            (
                "str::email",
                row(&options(), &["email"], ValueType::Email),
                r#"{"field":"str::email","path":"email"}"#,
            ),
            (
                "dtz::b",
                row(
                    &RawOptions {
                        formats: vec!["DD-MM-YYYY", "ISO 8601"],
                        blank: true.into(),
                        ..options()
                    },
                    &["birthday", "born[0].on"],
                    ValueType::Date,
                ),
                r#"{"field":"dtz::b","path":"birthday","paths":["born[0].on"],"format":"DD-MM-YYYY","formats":["ISO 8601"],"blank_clears":true}"#,
            ),
            (
                "phn::phone",
                row(
                    &RawOptions {
                        phone_country: "NZ",
                        ..options()
                    },
                    &["phone"],
                    ValueType::Phone,
                ),
                r#"{"field":"phn::phone","path":"phone","country":"NZ"}"#,
            ),
        ] {
            let field = field.parse().unwrap();
            let saved = FieldRow { row, field };
            let stored = serde_json::to_string(&StoredField::from(&saved)).unwrap();
            assert_eq!(stored, text);
            let stored: StoredField = serde_json::from_str(&stored).unwrap();
            let read = read_fields(&[stored], &HashMap::new()).unwrap();
            assert_eq!(read, [saved]);
        }
    }

    #[test]
    fn what_cannot_be_a_row_is_a_row_that_cannot_be_read() {
        for text in [
            r#"{"field":"str::email","path":""}"#,
            r#"{"field":"str::email","path":"email","round":true}"#,
            r#"{"field":"dtz::b","path":"birthday"}"#,
            r#"{"field":"str::nope","path":"email"}"#,
        ] {
            let stored: StoredField = serde_json::from_str(text).unwrap();
            assert!(read_fields(&[stored], &HashMap::new()).is_err(), "{text}");
        }
    }
}
