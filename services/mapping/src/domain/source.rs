//! Data sources: where events come from.

use chrono::{DateTime, Utc};
use weir_ids::{AccountId, SourceId};

use super::account::{Invalid, read_name};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceKind {
    SegmentActions,
    SegmentClassic,
}

/// Semantics 3.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeStrategy {
    Overwrite,
    Append,
    Ignore,
}

/// How far the person who sets the source up has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceStatus {
    WaitingForEvents,
    WaitingForMapping,
    Active,
}

impl SourceStatus {
    /// Only an identify leaves the first state.
    #[must_use]
    pub fn after_identify(self, has_mapping: bool) -> Self {
        match self {
            Self::WaitingForEvents if has_mapping => Self::Active,
            Self::WaitingForEvents => Self::WaitingForMapping,
            later => later,
        }
    }

    /// After the contact mapping was saved, or emptied.
    #[must_use]
    pub fn after_mapping(self, has_mapping: bool) -> Self {
        match self {
            Self::WaitingForEvents => Self::WaitingForEvents,
            _ if has_mapping => Self::Active,
            _ => Self::WaitingForMapping,
        }
    }
}

/// What may be said about a source; checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSettings {
    pub kind: SourceKind,
    pub name: String,
    pub merge_strategy: MergeStrategy,
    /// Never create a contact.
    pub existing_only: bool,
}

impl SourceSettings {
    /// # Errors
    /// Names the field that is wrong.
    pub fn new(
        kind: SourceKind,
        name: &str,
        merge_strategy: MergeStrategy,
        existing_only: bool,
    ) -> Result<Self, Invalid> {
        if existing_only && merge_strategy == MergeStrategy::Ignore {
            return Err(Invalid::new(
                "existing_only",
                "goes with overwrite or append, not with ignore",
            ));
        }
        Ok(Self {
            kind,
            name: read_name(name)?,
            merge_strategy,
            existing_only,
        })
    }
}

/// A source as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub account_id: AccountId,
    pub source_id: SourceId,
    pub settings: SourceSettings,
    pub status: SourceStatus,
    pub mapping_version: i64,
    pub create_time: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_identify_leaves_the_first_state() {
        use SourceStatus::{Active, WaitingForEvents, WaitingForMapping};
        assert_eq!(WaitingForEvents.after_mapping(true), WaitingForEvents);
        assert_eq!(WaitingForEvents.after_identify(false), WaitingForMapping);
        assert_eq!(WaitingForEvents.after_identify(true), Active);
        assert_eq!(WaitingForMapping.after_mapping(true), Active);
        assert_eq!(Active.after_identify(false), Active);
        assert_eq!(Active.after_mapping(false), WaitingForMapping);
    }

    #[test]
    fn ignore_does_not_go_with_existing_only() {
        let of = |strategy| SourceSettings::new(SourceKind::SegmentActions, "a", strategy, true);
        assert!(of(MergeStrategy::Overwrite).is_ok());
        assert!(of(MergeStrategy::Append).is_ok());
        assert!(of(MergeStrategy::Ignore).is_err());
    }
}
