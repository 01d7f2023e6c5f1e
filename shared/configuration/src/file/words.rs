//! The words that a value of a file may be, for the JSON schema.

use schemars::{Schema, SchemaGenerator, json_schema};
use weir_values::ValueType;

use super::check::{BLANK_RULES, KEY_STRATEGIES, MERGE_STRATEGIES, RETENTIONS, SOURCE_KINDS};

/// The type of a field or an attribute.
pub fn value_type(_: &mut SchemaGenerator) -> Schema {
    one_of(ValueType::NAMES.iter().map(|(name, _)| *name))
}

pub fn source_kind(_: &mut SchemaGenerator) -> Schema {
    one_of(SOURCE_KINDS.iter().map(|(name, _)| *name))
}

pub fn merge_strategy(_: &mut SchemaGenerator) -> Schema {
    one_of(MERGE_STRATEGIES.iter().map(|(name, _)| *name))
}

pub fn key_strategy(_: &mut SchemaGenerator) -> Schema {
    one_of(KEY_STRATEGIES.iter().map(|(name, _)| *name))
}

pub fn blank(_: &mut SchemaGenerator) -> Schema {
    one_of(BLANK_RULES.iter().map(|(name, _)| *name))
}

pub fn retention(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "enum": RETENTIONS })
}

fn one_of(words: impl Iterator<Item = &'static str>) -> Schema {
    let words: Vec<&str> = words.collect();
    json_schema!({ "type": "string", "enum": words })
}
