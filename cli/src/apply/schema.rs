//! What can stand in a configuration file; every value knows its place.

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub accounts: Vec<Account>,
}

/// An account and all that belongs to it. What is not there stays as it is; nothing is removed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    pub name: Spanned<String>,
    pub plan: Option<Plan>,
    pub notification_address: Option<Spanned<String>>,
    pub unique_identifiers: Option<Spanned<Vec<Spanned<String>>>>,
    pub key_strategy: Option<Spanned<String>>,
    #[serde(default)]
    pub fields: Vec<Field>,
    #[serde(default)]
    pub sources: Vec<Source>,
    #[serde(default)]
    pub audiences: Vec<Audience>,
}

/// What the account may use. What is not there stays as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub included_contacts: Option<Spanned<i64>>,
    pub additional_contacts: Option<Spanned<i64>>,
    pub activity_slots: Option<Spanned<i64>>,
    pub profile_factor: Option<Spanned<i64>>,
    pub activity_factor: Option<Spanned<i64>>,
}

/// A custom field.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub name: Spanned<String>,
    #[serde(rename = "type")]
    pub value_type: Spanned<String>,
}

/// A data source.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub name: Spanned<String>,
    pub kind: Spanned<String>,
    pub key: Option<Spanned<String>>,
    pub merge_strategy: Option<Spanned<String>>,
    pub existing_only: Option<Spanned<bool>>,
    /// There and empty: none.
    pub contact_mapping: Option<Spanned<Vec<FieldMapping>>>,
    #[serde(default)]
    pub activities: Vec<Activity>,
}

/// A trait and the field it fills.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldMapping {
    #[serde(rename = "trait")]
    pub trait_path: Spanned<String>,
    #[serde(default)]
    pub fallback_paths: Vec<Spanned<String>>,
    pub field: Spanned<String>,
    pub date_format: Option<Spanned<String>>,
    #[serde(default)]
    pub fallback_formats: Vec<Spanned<String>>,
    pub phone_country: Option<Spanned<String>>,
    pub round: Option<Spanned<bool>>,
    pub words: Option<Spanned<bool>>,
    pub truncate: Option<Spanned<bool>>,
    pub blank: Option<Spanned<String>>,
}

/// A mapped activity.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activity {
    pub event: Spanned<String>,
    pub retention_days: Option<Spanned<u32>>,
    /// There and empty: none.
    pub attributes: Option<Vec<Attribute>>,
}

/// A property and the attribute it fills.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    pub property: Spanned<String>,
    #[serde(default)]
    pub fallback_paths: Vec<Spanned<String>>,
    pub attribute: Option<Spanned<String>>,
    #[serde(rename = "type")]
    pub value_type: Spanned<String>,
    pub date_format: Option<Spanned<String>>,
    #[serde(default)]
    pub fallback_formats: Vec<Spanned<String>>,
    pub phone_country: Option<Spanned<String>>,
    pub round: Option<Spanned<bool>>,
    pub words: Option<Spanned<bool>>,
    pub truncate: Option<Spanned<bool>>,
    pub blank: Option<Spanned<String>>,
}

/// An audience of Segment (Actions).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audience {
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
    first[..end].trim_end_matches([' ', ',', ':']).to_owned()
}
