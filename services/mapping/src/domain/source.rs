//! Data sources: where events come from.

use chrono::{DateTime, Utc};
use weir_ids::{AccountId, SourceId};
use weir_values::{MAX_ORIGINS, read_origin};

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
    /// Pages of which origins may send with its keys (semantics 8.3).
    pub allowed_origins: Vec<String>,
}

/// What a request says of a source. What it does not say stays as it is.
#[derive(Debug, Clone)]
pub struct SourceChange {
    pub kind: Option<SourceKind>,
    pub name: String,
    pub merge_strategy: Option<MergeStrategy>,
    pub existing_only: Option<bool>,
    pub allowed_origins: Option<Vec<String>>,
    /// It is of a source that is not there yet.
    pub create_only: bool,
    /// The version of the account's configuration that the caller saw; whatever stands, where it
    /// is absent.
    pub expected_version: Option<i64>,
}

impl SourceChange {
    /// The settings of a new source.
    ///
    /// # Errors
    /// Names the fields that are wrong, or missing.
    pub fn to_new(&self) -> Result<SourceSettings, Vec<Invalid>> {
        let expected = "must be segment_actions or segment_classic";
        let kind = self
            .kind
            .ok_or_else(|| vec![Invalid::new("kind", expected)])?;
        self.applied_to(&SourceSettings {
            kind,
            name: self.name.clone(),
            merge_strategy: MergeStrategy::Overwrite,
            existing_only: false,
            allowed_origins: Vec::new(),
        })
    }

    /// The settings that come of it; kind and name are fixed.
    ///
    /// # Errors
    /// Names the fields that are wrong.
    pub fn applied_to(&self, before: &SourceSettings) -> Result<SourceSettings, Vec<Invalid>> {
        let merge_strategy = self.merge_strategy.unwrap_or(before.merge_strategy);
        let existing_only = self.existing_only.unwrap_or(before.existing_only);
        if existing_only && merge_strategy == MergeStrategy::Ignore {
            let expected = "goes with overwrite or append, not with ignore";
            return Err(vec![Invalid::new("existing_only", expected)]);
        }
        let allowed_origins = match &self.allowed_origins {
            Some(given) => read_origins(before.kind, given)?,
            None => before.allowed_origins.clone(),
        };
        Ok(SourceSettings {
            kind: before.kind,
            name: before.name.clone(),
            merge_strategy,
            existing_only,
            allowed_origins,
        })
    }
}

/// Names every entry that is wrong. An origin that stands there twice is one.
fn read_origins(kind: SourceKind, given: &[String]) -> Result<Vec<String>, Vec<Invalid>> {
    let field = "allowed_origins.origins";
    if kind != SourceKind::SegmentClassic && !given.is_empty() {
        let expected = "are of a segment_classic source: browsers send to no other";
        return Err(vec![Invalid::new(field, expected)]);
    }
    if given.len() > MAX_ORIGINS {
        let expected = format!("must be at most {MAX_ORIGINS}");
        return Err(vec![Invalid::new(field, expected)]);
    }
    let (mut origins, mut wrong) = (Vec::new(), Vec::new());
    for (number, text) in given.iter().enumerate() {
        match read_origin(text) {
            Ok(origin) if origins.contains(&origin) => {}
            Ok(origin) => origins.push(origin),
            Err(expected) => wrong.push(Invalid::new(format!("{field}[{number}]"), expected)),
        }
    }
    if wrong.is_empty() {
        Ok(origins)
    } else {
        Err(wrong)
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
    /// Of all that is set up in the account.
    pub settings_version: i64,
    pub create_time: DateTime<Utc>,
    /// Since when nothing of it is taken (semantics 8.4).
    pub pause_time: Option<DateTime<Utc>>,
}

impl Source {
    /// Pauses it, or resumes it; whether that changed anything.
    pub fn pause(&mut self, is_paused: bool, now: DateTime<Utc>) -> bool {
        if self.pause_time.is_some() == is_paused {
            return false;
        }
        self.pause_time = is_paused.then_some(now);
        true
    }
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
            create_only: false,
            expected_version: None,
            kind: Some(SourceKind::SegmentActions),
            name: "Website".to_owned(),
            merge_strategy: None,
            existing_only: None,
            allowed_origins: None,
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
        let wrong = ignore.applied_to(&append).unwrap_err();
        assert_eq!(wrong[0].field, "existing_only");
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
        assert_eq!(silent.to_new().unwrap_err()[0].field, "kind");
    }

    #[test]
    fn origins_are_of_classic_sources_and_every_wrong_one_is_named() {
        let of = |kind, origins: &[&str]| {
            let change = SourceChange {
                kind: Some(kind),
                allowed_origins: Some(origins.iter().map(|one| (*one).to_owned()).collect()),
                ..change()
            };
            change.to_new()
        };
        let classic = SourceKind::SegmentClassic;
        let good = of(classic, &["https://A.example/", "*", "https://a.example"]).unwrap();
        assert_eq!(good.allowed_origins, ["https://a.example", "*"]);
        let wrong = of(classic, &["a.example", "*", "https://a.example/x"]).unwrap_err();
        let fields: Vec<&str> = wrong.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(
            fields,
            ["allowed_origins.origins[0]", "allowed_origins.origins[2]"]
        );
        assert!(of(SourceKind::SegmentActions, &["*"]).is_err());
        assert!(of(SourceKind::SegmentActions, &[]).is_ok());
        assert!(of(classic, &vec!["*"; MAX_ORIGINS + 1]).is_err());
        let silent = SourceChange {
            kind: None,
            ..change()
        };
        assert_eq!(silent.applied_to(&good).unwrap(), good);
    }
}
