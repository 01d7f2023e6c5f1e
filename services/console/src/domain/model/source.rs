//! Data sources.

use crate::domain::Time;

/// Where events come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    #[default]
    Actions,
    Classic,
}

impl Kind {
    pub fn code(self) -> &'static str {
        match self {
            Self::Actions => "segment_actions",
            Self::Classic => "segment_classic",
        }
    }

    pub fn of_code(code: &str) -> Option<Self> {
        match code {
            "segment_actions" => Some(Self::Actions),
            "segment_classic" => Some(Self::Classic),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Actions => "Segment (Actions)",
            Self::Classic => "Segment classic",
        }
    }
}

/// What a source may change of a contact that is there (semantics 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Merging {
    #[default]
    Overwrite,
    Append,
    Ignore,
}

impl Merging {
    pub const ALL: [Self; 3] = [Self::Overwrite, Self::Append, Self::Ignore];

    pub fn code(self) -> &'static str {
        match self {
            Self::Overwrite => "overwrite",
            Self::Append => "append",
            Self::Ignore => "ignore",
        }
    }

    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.code() == code)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Overwrite => "Overwrite",
            Self::Append => "Fill what is empty",
            Self::Ignore => "Leave contacts alone",
        }
    }

    pub fn what(self) -> &'static str {
        match self {
            Self::Overwrite => "The newest event decides every field.",
            Self::Append => "Fields that have a value keep it; empty ones are filled.",
            Self::Ignore => {
                "New contacts are made; the fields of those that are there are not touched."
            }
        }
    }

    /// What it does to a contact, shown: what is there, what comes, what it is then.
    pub fn example(self) -> (&'static str, &'static str, &'static str) {
        let (there, comes) = (
            "City: Sydney · Phone: –",
            "City: Perth · Phone: +61 2 9876 5432",
        );
        match self {
            Self::Overwrite => (there, comes, "City: Perth · Phone: +61 2 9876 5432"),
            Self::Append => (there, comes, "City: Sydney · Phone: +61 2 9876 5432"),
            Self::Ignore => (there, comes, "City: Sydney · Phone: –"),
        }
    }
}

/// How far the setup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Status {
    #[default]
    WaitingForEvents,
    WaitingForMapping,
    Active,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::WaitingForEvents => "Waiting for events",
            Self::WaitingForMapping => "Waiting for a mapping",
            Self::Active => "Active",
        }
    }

    pub fn class(self) -> &'static str {
        match self {
            Self::WaitingForEvents => "ignored",
            Self::WaitingForMapping => "part",
            Self::Active => "ok",
        }
    }
}

/// A data source.
#[derive(Debug, Clone, Default)]
pub struct Source {
    pub id: String,
    pub kind: Kind,
    pub name: String,
    pub status: Status,
    pub merging: Merging,
    pub existing_only: bool,
    pub mapping_version: i64,
    /// Of all that is set up in its account: a change says which one it has seen.
    pub settings_version: i64,
    pub created: Option<Time>,
    pub paused: Option<Time>,
    pub allowed_origins: Vec<String>,
    /// The one that tells that events arrived.
    pub mail: Option<Mail>,
}

impl Source {
    /// The merge settings in words: what a form carries as what its page showed, and what is said of
    /// them where they are others meanwhile.
    pub fn merging_stands_as(&self) -> String {
        let new = match self.existing_only {
            true => ", only contacts that are there already",
            false => "",
        };
        let origins = match (self.kind, &self.allowed_origins[..]) {
            (Kind::Actions, _) => String::new(),
            (Kind::Classic, []) => "; browsers may send from nowhere".to_owned(),
            (Kind::Classic, all) => format!("; browsers may send from {}", all.join(", ")),
        };
        format!("“{}”{new}{origins}", self.merging.name())
    }
}

/// What became of a mail.
#[derive(Debug, Clone)]
pub struct Mail {
    pub state: String,
    pub receiver: String,
    pub file: String,
}

/// A key of a source; never its secret.
#[derive(Debug, Clone)]
pub struct SourceKey {
    pub id: String,
    pub hint: String,
    pub created: Option<Time>,
    pub revoked: Option<Time>,
    pub expires: Option<Time>,
    pub last_used: Option<Time>,
}

impl SourceKey {
    pub fn is_good(&self, now: &Time) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|end| end > *now)
    }

    /// Whether this is its secret, by how it begins and ends.
    pub fn is_of(&self, secret: &str) -> bool {
        let (begin, end) = self.hint.split_once('…').unwrap_or((&self.hint, ""));
        !begin.is_empty() && secret.starts_with(begin) && secret.ends_with(end)
    }
}

/// An event as it was received.
#[derive(Debug, Clone)]
pub struct Sample {
    pub time: Option<Time>,
    pub kind: &'static str,
    pub event_name: String,
    pub raw: String,
}
