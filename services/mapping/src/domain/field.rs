//! The fields of an account: built-in ones, and those it made itself (semantics 2.3).

use std::collections::HashMap;

use weir_values::{BUILT_IN_FIELDS, FieldId, ValueType};

use super::invalid::{Invalid, read_name};
use super::sample::caseless as lowered;

/// Semantics 2.3.
pub const MAX_CUSTOM_FIELDS: usize = 200;

/// A message names so many sources: it travels in a header.
const MAX_NAMED: usize = 5;

/// A field of a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub id: FieldId,
    pub name: String,
    pub value_type: ValueType,
    pub custom: bool,
}

impl Field {
    /// A new custom field: its id follows from its name and type.
    ///
    /// # Errors
    /// Where the name gives no id.
    pub fn custom(name: &str, value_type: ValueType) -> Result<Self, Invalid> {
        let name = read_name(name)?;
        let id = FieldId::custom(value_type, &name)
            .map_err(|error| Invalid::new("name", error.to_string()))?;
        Ok(Self {
            id,
            name,
            value_type,
            custom: true,
        })
    }

    /// What fields are listed by: the name, in any case, and the id where names are alike.
    pub fn sort_key(&self) -> String {
        format!("{}\u{1}{}", self.name.to_lowercase(), self.id)
    }

    /// Whether it is the id of a built-in field.
    pub fn is_built_in(id: &str) -> bool {
        BUILT_IN_FIELDS.iter().any(|field| field.id == id)
    }

    /// Whether a built-in field already has that name.
    pub fn is_built_in_name(name: &str) -> bool {
        BUILT_IN_FIELDS
            .iter()
            .any(|field| field.name.eq_ignore_ascii_case(name))
    }
}

/// Built-in and custom fields, alphabetically by name.
pub fn all(custom: Vec<Field>) -> Vec<Field> {
    let mut fields = custom;
    fields.extend(BUILT_IN_FIELDS.iter().map(|field| Field {
        id: field.id.parse().expect("a built-in id is an id"),
        name: field.name.to_owned(),
        value_type: field.value_type,
        custom: false,
    }));
    fields.sort_by_cached_key(Field::sort_key);
    fields
}

/// Those whose name or id contains this, in any case (semantics 7.9).
pub fn containing(mut fields: Vec<Field>, part: &str) -> Vec<Field> {
    let part = lowered(part);
    fields.retain(|field| {
        let mut texts = [field.name.as_str(), field.id.as_str()].into_iter();
        texts.any(|text| lowered(text).contains(&part))
    });
    fields
}

/// The type of a field of the account, given its custom ones.
pub fn type_of(id: &str, custom: &HashMap<String, ValueType>) -> Option<ValueType> {
    BUILT_IN_FIELDS
        .iter()
        .find(|field| field.id == id)
        .map(|field| field.value_type)
        .or_else(|| custom.get(id).copied())
}

/// Who uses a field, in words; none where nobody does. Of sources as many are named as a message
/// holds.
pub fn users(tells_apart: bool, sources: &[String]) -> Option<String> {
    let mut users: Vec<String> = Vec::new();
    if tells_apart {
        users.push("it is a unique identifier".to_owned());
    }
    let named = sources.iter().take(MAX_NAMED);
    users.extend(named.map(|source| format!("the source {source:?} maps it")));
    if sources.len() > MAX_NAMED {
        users.push(format!("and {} more", sources.len() - MAX_NAMED));
    }
    (!users.is_empty()).then(|| users.join(", "))
}

/// Those whose values are compared without regard to case: of type e-mail (semantics 3.2).
pub fn caseless(fields: &[FieldId], custom: &HashMap<String, ValueType>) -> Vec<FieldId> {
    let is_email = |id: &&FieldId| type_of(id.as_str(), custom) == Some(ValueType::Email);
    fields.iter().filter(is_email).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_uses_a_field_is_named() {
        let sources = |count: usize| -> Vec<String> {
            (0..count).map(|number| format!("S{number}")).collect()
        };
        assert_eq!(users(false, &[]), None);
        let both = users(true, &sources(1)).unwrap();
        assert_eq!(both, "it is a unique identifier, the source \"S0\" maps it");
        assert!(users(false, &sources(7)).unwrap().ends_with("and 2 more"));
    }

    #[test]
    fn a_field_is_found_by_a_part_of_its_name_or_id_in_any_case() {
        let custom = Field::custom("ΠΕΛΑΤΗΣ", ValueType::Text).unwrap();
        let found = |part: &str| {
            let found = containing(all(vec![custom.clone()]), part);
            found
                .into_iter()
                .map(|field| field.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(found("πελατης"), ["ΠΕΛΑΤΗΣ"]);
        assert_eq!(found("STR::EMAIL"), ["Email"]);
        assert_eq!(found("name"), ["First name", "Last name", "Name"]);
        assert_eq!(found("").len(), BUILT_IN_FIELDS.len() + 1);
        assert!(found("nothing such").is_empty());
    }

    #[test]
    fn custom_fields_stand_among_the_built_in_ones_by_name() {
        let custom = ["zebra", "City of birth", "active"]
            .map(|name| Field::custom(name, ValueType::Text).unwrap());
        let names: Vec<String> = all(custom.into())
            .into_iter()
            .map(|field| field.name)
            .collect();
        assert_eq!(names.len(), BUILT_IN_FIELDS.len() + 3);
        assert_eq!(names[..4], ["active", "Birthday", "City", "City of birth"]);
        assert_eq!(names.last().unwrap(), "zebra");
    }

    #[test]
    fn a_name_must_leave_an_id() {
        for (name, why) in [
            ("?!", "at least one letter or digit, such as a-z or 0-9"),
            ("。。", "at least one letter or digit, such as a-z or 0-9"),
            (&"ü".repeat(120), "too long"),
            (&"名".repeat(100), "too long"),
        ] {
            let error = Field::custom(name, ValueType::Text).unwrap_err();
            assert_eq!(error.field, "name");
            assert!(error.expected.contains(why), "{name}: {error}");
        }
        let field = Field::custom("名名", ValueType::Text).unwrap();
        assert_eq!(field.id.as_str(), "str:cm:名名");
        let field = Field::custom(" Is Active ", ValueType::Boolean).unwrap();
        assert_eq!(field.id.as_str(), "bol:cm:is-active");
        assert_eq!(field.name, "Is Active");
    }

    #[test]
    fn types_are_found_by_id() {
        let custom = HashMap::from([("bol:cm:active".to_owned(), ValueType::Boolean)]);
        assert_eq!(type_of("dtz::b", &custom), Some(ValueType::Date));
        assert_eq!(type_of("bol:cm:active", &custom), Some(ValueType::Boolean));
        assert_eq!(type_of("bol:cm:other", &custom), None);
    }
}
