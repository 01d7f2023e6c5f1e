//! What stands: an account's configuration as the services tell it.

use weir_proto::audience::v1 as audience;
use weir_proto::mapping::v1 as mapping;

/// An account and all that belongs to it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Actual {
    pub account: mapping::Account,
    /// Those that the account made itself.
    pub fields: Vec<mapping::Field>,
    pub sources: Vec<ActualSource>,
    /// Those of Segment (Actions); others can't be declared.
    pub audiences: Vec<audience::Audience>,
    /// It has contacts, so that what tells them apart is fixed.
    pub has_contacts: bool,
}

/// A source and its mappings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ActualSource {
    pub source: mapping::Source,
    /// Of keys that are neither revoked nor past their end.
    pub valid_keys: usize,
    pub contact_mapping: Vec<mapping::FieldMapping>,
    pub activities: Vec<mapping::ActivityMapping>,
}

/// What became of a key that the file gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenKey {
    /// Nobody has it.
    New,
    /// The source has it, and it is good.
    Valid,
    /// The source had it: it was revoked, or is past its end.
    Ended,
    /// Another source has it.
    Taken,
}

impl Actual {
    pub fn source(&self, name: &str) -> Option<&ActualSource> {
        let mut sources = self.sources.iter();
        sources.find(|source| source.source.name == name)
    }
}
