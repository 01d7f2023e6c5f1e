//! Mappings as they lie in `jsonb` columns.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use weir_postgres::Failure;
use weir_values::ValueType;
use weir_values::format::Format;

use super::corrupt;
use crate::domain::field;
use crate::domain::mapping::{AttributePair, FieldPair, GivenPair};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredField {
    path: String,
    field: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    format: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredAttribute {
    path: String,
    attribute: String,
    r#type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    format: Option<String>,
}

impl From<&FieldPair> for StoredField {
    fn from(pair: &FieldPair) -> Self {
        Self {
            path: pair.path.as_str().to_owned(),
            field: pair.field.to_string(),
            format: pair.date_format.as_ref().map(ToString::to_string),
        }
    }
}

impl From<&AttributePair> for StoredAttribute {
    fn from(pair: &AttributePair) -> Self {
        Self {
            path: pair.path.as_str().to_owned(),
            attribute: pair.attribute.clone(),
            r#type: pair.value_type.name().to_owned(),
            format: pair.date_format.as_ref().map(ToString::to_string),
        }
    }
}

/// As they were saved, whatever became of their fields since.
pub(super) fn given_fields(stored: Vec<StoredField>) -> Vec<GivenPair> {
    let given = |pair: StoredField| GivenPair {
        path: pair.path,
        field_id: pair.field,
        date_format: pair.format.unwrap_or_default(),
    };
    stored.into_iter().map(given).collect()
}

pub(super) fn read_fields(
    stored: Vec<StoredField>,
    custom: &HashMap<String, ValueType>,
) -> Result<Vec<FieldPair>, Failure> {
    let broken = || corrupt("pair of a contact mapping");
    stored
        .into_iter()
        .map(|pair| {
            let value_type = field::type_of(&pair.field, custom).ok_or_else(broken)?;
            Ok(FieldPair {
                path: pair.path.parse().map_err(|_| broken())?,
                value_type,
                field: pair.field.parse().map_err(|_| broken())?,
                date_format: read_format(value_type, pair.format)?,
            })
        })
        .collect()
}

pub(super) fn read_attributes(stored: Vec<StoredAttribute>) -> Result<Vec<AttributePair>, Failure> {
    let broken = || corrupt("pair of an activity mapping");
    stored
        .into_iter()
        .map(|pair| {
            let value_type = ValueType::named(&pair.r#type).ok_or_else(broken)?;
            Ok(AttributePair {
                path: pair.path.parse().map_err(|_| broken())?,
                attribute: pair.attribute,
                value_type,
                date_format: read_format(value_type, pair.format)?,
            })
        })
        .collect()
}

fn read_format(value_type: ValueType, format: Option<String>) -> Result<Option<Format>, Failure> {
    Format::of(value_type, &format.unwrap_or_default()).map_err(|_| corrupt("date format"))
}
