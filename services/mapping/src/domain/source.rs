//! Data sources: where events come from.

use chrono::{DateTime, Utc};
use weir_ids::{AccountId, SourceId};

use super::invalid::Invalid;

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

/// What a request says of a source. What it does not say stays as it is.
#[derive(Debug, Clone)]
pub struct SourceChange {
    pub kind: Option<SourceKind>,
    pub name: String,
    pub merge_strategy: Option<MergeStrategy>,
    pub existing_only: Option<bool>,
}

impl SourceChange {
    /// The settings of a new source.
    ///
    /// # Errors
    /// Names the field that is wrong, or missing.
    pub fn to_new(&self) -> Result<SourceSettings, Invalid> {
        let expected = "must be segment_actions or segment_classic";
        let kind = self.kind.ok_or_else(|| Invalid::new("kind", expected))?;
        self.applied_to(&SourceSettings {
            kind,
            name: self.name.clone(),
            merge_strategy: MergeStrategy::Overwrite,
            existing_only: false,
        })
    }

    /// The settings that come of it; kind and name are fixed.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub fn applied_to(&self, before: &SourceSettings) -> Result<SourceSettings, Invalid> {
        let merge_strategy = self.merge_strategy.unwrap_or(before.merge_strategy);
        let existing_only = self.existing_only.unwrap_or(before.existing_only);
        if existing_only && merge_strategy == MergeStrategy::Ignore {
            return Err(Invalid::new(
                "existing_only",
                "goes with overwrite or append, not with ignore",
            ));
        }
        Ok(SourceSettings {
            kind: before.kind,
            name: before.name.clone(),
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

    fn change() -> SourceChange {
        SourceChange {
            kind: Some(SourceKind::SegmentActions),
            name: "Website".to_owned(),
            merge_strategy: None,
            existing_only: None,
        }
    }

    #[test]
    fn ignore_does_not_go_with_existing_only() {
        let of = |strategy| {
            let only = SourceChange {
                merge_strategy: Some(strategy),
                existing_only: Some(true),
                ..change()
            };
            only.to_new()
        };
        assert!(of(MergeStrategy::Overwrite).is_ok());
        assert!(of(MergeStrategy::Ignore).is_err());
        // Whichever of both comes later.
        let append = of(MergeStrategy::Append).unwrap();
        let ignore = SourceChange {
            merge_strategy: Some(MergeStrategy::Ignore),
            ..change()
        };
        assert_eq!(
            ignore.applied_to(&append).unwrap_err().field,
            "existing_only"
        );
    }

    #[test]
    fn what_is_not_said_of_a_source_stays() {
        let new = change().to_new().unwrap();
        assert_eq!(new.merge_strategy, MergeStrategy::Overwrite);
        assert!(!new.existing_only);
        let append = SourceSettings {
            merge_strategy: MergeStrategy::Append,
            existing_only: true,
            ..new
        };
        let silent = SourceChange {
            kind: None,
            ..change()
        };
        assert_eq!(silent.applied_to(&append).unwrap(), append);
        assert_eq!(silent.to_new().unwrap_err().field, "kind");
    }
}
