//! A configuration that was checked. Lines are kept for messages about what a service refuses.

use weir_proto::mapping::v1 as mapping;

/// Everything that a file asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    pub accounts: Vec<Account>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    pub line: u64,
    /// Which lists are there.
    pub names: Names,
    /// Without what names fields of the account's own, which must be made first.
    pub put: mapping::PutAccountRequest,
    /// How contacts are told apart, once the fields are there.
    pub identify: Option<mapping::PutAccountRequest>,
    pub fields: Vec<Field>,
    pub sources: Vec<Source>,
    pub audiences: Vec<Audience>,
}

impl Account {
    /// What tells contacts apart, where the file says it.
    pub fn identifiers(&self) -> Option<&[String]> {
        let said = self.identify.as_ref().unwrap_or(&self.put);
        let ids = said.unique_identifiers.as_ref()?;
        Some(&ids.field_ids)
    }

    /// Whether the file says anything of it.
    pub fn says_how_to_identify(&self) -> bool {
        let said = self.identify.as_ref().unwrap_or(&self.put);
        said.unique_identifiers.is_some() || said.key_strategy != 0
    }
}

/// A list that is there names all of its kind; of one that is not there nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names {
    pub fields: bool,
    pub sources: bool,
    pub audiences: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub line: u64,
    pub name: String,
    pub value_type: mapping::ValueType,
}

/// Requests lack the account's and the source's ids, which are known only when these are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    pub line: u64,
    pub renamed_from: Option<String>,
    pub put: mapping::PutSourceRequest,
    /// Given; else one is generated when the source has none.
    pub key: Option<String>,
    /// As it lies in the file, where it is there.
    pub contact_mapping: Option<(u64, mapping::PutContactMappingRequest)>,
    pub activities: Vec<Activity>,
    /// Whether the list is there, and names all of them.
    pub names_activities: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    pub line: u64,
    pub put: mapping::PutActivityMappingRequest,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    pub line: u64,
    pub name: String,
}
