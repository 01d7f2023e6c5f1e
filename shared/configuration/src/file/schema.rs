//! What can stand in a configuration file; every value knows its place. The JSON schema for
//! editors (`./weir schema`) is made of the same types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_saphyr::{Location, Spanned};

use super::words;

/// The whole file.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub accounts: Vec<Account>,
}

/// An account and all that belongs to it. What is not there stays as it is; a list that is there
/// names all of its kind: `--prune` removes what it does not name.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Account {
    #[schemars(with = "String")]
    pub name: Spanned<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub notification_address: Option<Spanned<String>>,
    /// Where the same news is sent as calls. There and empty: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub webhook_url: Option<Spanned<String>>,
    /// What these calls are signed with (two with a comma in between: with both); needed and used
    /// where the URL is new or another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub webhook_secret: Option<Spanned<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<String>>")]
    pub unique_identifiers: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "words::key_strategy")]
    pub key_strategy: Option<Spanned<String>>,
    /// There and empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<BlockedValue>>")]
    pub blocked_values: Option<Spanned<Vec<BlockedValue>>>,
    /// There and empty: all defaults hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<String>>")]
    pub allowed_defaults: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<bool>")]
    pub keep_user_ids_apart: Option<Spanned<bool>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<Field>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<Source>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audiences: Option<Vec<Audience>>,
}

/// A value that means nobody, and of what kind.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockedValue {
    #[schemars(with = "String")]
    pub value: Spanned<String>,
    /// `user_id`, `anonymous_id` or a field; not there: of every kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub kind: Option<Spanned<String>>,
}

/// What the account may use. What is not there stays as it is.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i64>", range(min = 0))]
    pub included_contacts: Option<Spanned<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i64>", range(min = 0))]
    pub additional_contacts: Option<Spanned<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i64>", range(min = 0))]
    pub activity_slots: Option<Spanned<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i64>", range(min = 0))]
    pub profile_factor: Option<Spanned<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i64>", range(min = 0))]
    pub activity_factor: Option<Spanned<i64>>,
}

/// A custom field.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    #[schemars(with = "String")]
    pub name: Spanned<String>,
    #[serde(rename = "type")]
    #[schemars(schema_with = "words::value_type")]
    pub value_type: Spanned<String>,
}

/// A data source.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    #[schemars(with = "String")]
    pub name: Spanned<String>,
    /// The name that it had: it is renamed where there is a source of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub renamed_from: Option<Spanned<String>>,
    #[schemars(schema_with = "words::source_kind")]
    pub kind: Spanned<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub key: Option<Spanned<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "words::merge_strategy")]
    pub merge_strategy: Option<Spanned<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<bool>")]
    pub existing_only: Option<Spanned<bool>>,
    /// Of a segment_classic source: browsers on pages of these origins may send with its key
    /// (`https://shop.example.com`, `https://*.example.com`, `*`). There and empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<String>>")]
    pub allowed_origins: Option<Spanned<Vec<Spanned<String>>>>,
    /// There and empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<FieldMapping>>")]
    pub contact_mapping: Option<Spanned<Vec<FieldMapping>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activities: Option<Vec<Activity>>,
}

/// A trait and the field it fills.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldMapping {
    #[serde(rename = "trait")]
    #[schemars(with = "String")]
    pub trait_path: Spanned<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub fallback_paths: Vec<Spanned<String>>,
    #[schemars(with = "String")]
    pub field: Spanned<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub date_format: Option<Spanned<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub fallback_formats: Vec<Spanned<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub phone_country: Option<Spanned<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<bool>")]
    pub round: Option<Spanned<bool>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<bool>")]
    pub words: Option<Spanned<bool>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<bool>")]
    pub truncate: Option<Spanned<bool>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "words::blank")]
    pub blank: Option<Spanned<String>>,
}

/// A mapped activity.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Activity {
    #[schemars(with = "String")]
    pub event: Spanned<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "words::retention")]
    pub retention_days: Option<Spanned<u32>>,
    /// There and empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Vec<Attribute>>,
}

/// A property and the attribute it fills.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    #[schemars(with = "String")]
    pub property: Spanned<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub fallback_paths: Vec<Spanned<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub attribute: Option<Spanned<String>>,
    #[serde(rename = "type")]
    #[schemars(schema_with = "words::value_type")]
    pub value_type: Spanned<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub date_format: Option<Spanned<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub fallback_formats: Vec<Spanned<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub phone_country: Option<Spanned<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<bool>")]
    pub round: Option<Spanned<bool>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<bool>")]
    pub words: Option<Spanned<bool>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<bool>")]
    pub truncate: Option<Spanned<bool>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "words::blank")]
    pub blank: Option<Spanned<String>>,
}

/// An audience of Segment (Actions).
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Audience {
    #[schemars(with = "String")]
    pub name: Spanned<String>,
}

/// Something wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub line: u64,
    pub column: u64,
    pub message: String,
}

impl Fault {
    /// At a value of the file.
    pub fn at<T>(value: &Spanned<T>, message: impl Into<String>) -> Self {
        Self::new(value.referenced, message)
    }

    fn new(location: Location, message: impl Into<String>) -> Self {
        Self {
            line: location.line(),
            column: location.column(),
            message: message.into(),
        }
    }

    /// `weir.yaml:12:7: …`
    pub fn render(&self, file: &str) -> String {
        format!("{file}:{}:{}: {}", self.line, self.column, self.message)
    }
}

/// Reads the text of a file.
pub fn parse(text: &str) -> Result<File, Fault> {
    serde_saphyr::from_str(text).map_err(|error| {
        let error = error.without_snippet();
        // The end of an empty or cut-off file has no place of its own.
        let location = error.location().unwrap_or(Location::UNKNOWN);
        let (line, column) = match (location.line(), location.column()) {
            (0, _) => (text.lines().count().max(1) as u64, 1),
            place => place,
        };
        Fault {
            line,
            column,
            message: explain(&error.to_string()),
        }
    })
}

/// The parser's words without its own idea of the place.
fn explain(message: &str) -> String {
    let first = message.lines().next().unwrap_or(message);
    let end = ["at line ", " (line "]
        .iter()
        .filter_map(|mark| first.rfind(mark))
        .min()
        .unwrap_or(first.len());
    let words = first[..end].trim_end_matches([' ', ',', ':']);
    let (whole, list) = (
        "must be a whole number",
        "must be a list: lines that begin with -",
    );
    match words {
        "invalid i64" | "invalid u64" | "invalid i32" | "invalid u32" => whole,
        "invalid bool" | "invalid boolean" => "must be true or false",
        "expected sequence start" => list,
        "expected mapping start" => "must be names and their values, such as name: demo",
        "expected string scalar" => "must be a text",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_another_kind_is_told_what_it_should_be() {
        let account = |members: &str| format!("accounts:\n  - name: demo\n    {members}\n");
        for (members, place, words) in [
            (
                "plan: {included_contacts: many}",
                (3, 31),
                "must be a whole number",
            ),
            (
                "keep_user_ids_apart: perhaps",
                (3, 26),
                "must be true or false",
            ),
            (
                "sources: {name: x}",
                (3, 14),
                "must be a list: lines that begin with -",
            ),
            (
                "plan: 7",
                (3, 11),
                "must be names and their values, such as name: demo",
            ),
            ("notification_address: [a]", (3, 27), "must be a text"),
        ] {
            let fault = parse(&account(members)).map(|_| ()).unwrap_err();
            assert_eq!(fault.message, words, "{members}");
            assert_eq!((fault.line, fault.column), place, "{members}");
        }
    }
}
