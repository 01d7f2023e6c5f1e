//! The form of `weir.yaml`.
//!
//! Every scalar that validation may complain of is [`Spanned`], so that the message can name
//! its line. Unknown keys are errors.

use serde::Deserialize;
use serde_saphyr::Spanned;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub accounts: Vec<Account>,
}

/// A tenant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Unique; what the account is found by when the file is applied again.
    pub name: Spanned<String>,
    pub plan: Plan,
    #[serde(default)]
    pub notification_address: Option<Spanned<String>>,
    /// Field ids; e-mail where absent, none where empty.
    #[serde(default)]
    pub unique_identifiers: Option<Vec<Spanned<String>>>,
    /// `any` (default) or `next_if_empty`.
    #[serde(default)]
    pub key_strategy: Option<Spanned<String>>,
    /// Custom fields.
    #[serde(default)]
    pub fields: Vec<Field>,
    #[serde(default)]
    pub sources: Vec<Source>,
    /// Names.
    #[serde(default)]
    pub audiences: Vec<Spanned<String>>,
}

/// What the account may do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub included_contacts: Spanned<i64>,
    #[serde(default)]
    pub additional_contacts: Option<Spanned<i64>>,
    pub activity_slots: Spanned<i64>,
    #[serde(default)]
    pub profile_factor: Option<Spanned<i64>>,
    #[serde(default)]
    pub activity_factor: Option<Spanned<i64>>,
}

/// A custom contact field.
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
    /// `segment_actions` or `segment_classic`.
    pub kind: Spanned<String>,
    pub name: Spanned<String>,
    /// A key of your own; without one a key is generated, and shown once.
    #[serde(default)]
    pub key: Option<Spanned<String>>,
    /// `overwrite` (default), `append` or `ignore`.
    #[serde(default)]
    pub merge_strategy: Option<Spanned<String>>,
    #[serde(default)]
    pub existing_only: bool,
    #[serde(default)]
    pub contact_mapping: Vec<FieldMapping>,
    #[serde(default)]
    pub activities: Vec<Activity>,
}

/// A pair of the contact mapping.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldMapping {
    #[serde(rename = "trait")]
    pub trait_path: Spanned<String>,
    /// A field id.
    pub field: Spanned<String>,
    #[serde(default)]
    pub date_format: Option<Spanned<String>>,
}

/// An activity and its mapping.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activity {
    pub event: Spanned<String>,
    /// 30, 90 (default), 180, 365 or 730.
    #[serde(default)]
    pub retention_days: Option<Spanned<u32>>,
    #[serde(default)]
    pub attributes: Vec<Attribute>,
}

/// A property and the attribute it fills.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    pub property: Spanned<String>,
    /// The property's path where absent.
    #[serde(default)]
    pub attribute: Option<Spanned<String>>,
    #[serde(rename = "type")]
    pub value_type: Spanned<String>,
    #[serde(default)]
    pub date_format: Option<Spanned<String>>,
}
