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
    /// Without what names fields of the account's own, which must be made first.
    pub put: mapping::PutAccountRequest,
    /// How contacts are told apart, once the fields are there.
    pub identify: Option<mapping::PutAccountRequest>,
    pub fields: Vec<Field>,
    pub sources: Vec<Source>,
    pub audiences: Vec<Audience>,
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
    pub put: mapping::PutSourceRequest,
    /// Given; else one is generated when the source has none.
    pub key: Option<String>,
    /// As it lies in the file, where it is there.
    pub contact_mapping: Option<(u64, mapping::PutContactMappingRequest)>,
    pub activities: Vec<Activity>,
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
