//! Audiences, tokens, changes, news.

use crate::domain::Time;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Actions,
    /// Another integration.
    Other,
    Manual,
}

impl Origin {
    /// Those that somebody may choose.
    pub fn of_choice(code: &str) -> Option<Self> {
        match code {
            "segment_actions" => Some(Self::Actions),
            "manual" => Some(Self::Manual),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Actions => "Segment (Actions)",
            Self::Other => "Another integration",
            Self::Manual => "By hand",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Audience {
    pub id: String,
    pub name: String,
    pub origin: Origin,
    pub created: Option<Time>,
    pub members: i64,
    /// Of the last seven days.
    pub updates: i64,
}

/// What happened in an audience on one day.
#[derive(Debug, Clone)]
pub struct AudienceDay {
    pub day: String,
    pub members: i64,
    pub joined: i64,
    pub left: i64,
    pub moved: i64,
    /// Re-entries within a minute.
    pub held_back: i64,
}

/// A daily sync, or one that somebody asked for (semantics 5.3).
#[derive(Debug, Clone)]
pub struct Sync {
    pub requested: bool,
    pub begun: Option<Time>,
    /// None while it is under way.
    pub ended: Option<Time>,
    /// Re-entries that had been held back.
    pub applied: i64,
}

#[derive(Debug, Clone)]
pub struct Member {
    pub contact_id: String,
    pub joined: Option<Time>,
}

/// A token of a team (semantics 9.2).
#[derive(Debug, Clone)]
pub struct Token {
    pub id: String,
    pub name: String,
    pub role: &'static str,
    pub all_accounts: bool,
    pub accounts: Vec<String>,
    pub hint: String,
    pub created: Option<Time>,
    pub created_by: String,
    pub expires: Option<Time>,
    pub last_used: Option<Time>,
    pub revoked: Option<Time>,
}

impl Token {
    pub fn is_past(&self, now: &Time) -> bool {
        self.expires.is_some_and(|end| end <= *now)
    }
}

/// All tokens of one name: of a person, or of a program.
#[derive(Debug, Clone)]
pub struct Person {
    pub name: String,
    /// The highest one of tokens that are good; None where none is.
    pub role: Option<&'static str>,
    pub all_accounts: bool,
    /// The first of `account_count`.
    pub accounts: Vec<String>,
    pub account_count: i64,
    /// Tokens that are good now.
    pub good: i64,
    pub last_made: Option<Time>,
    pub last_used: Option<Time>,
}

#[derive(Debug, Clone)]
pub struct NewToken {
    pub name: String,
    pub role: String,
    pub all_accounts: bool,
    pub accounts: Vec<String>,
    /// None: it has none.
    pub end: Option<Time>,
    pub wish: String,
}

/// A change that was recorded (semantics 9.5).
#[derive(Debug, Clone)]
pub struct Change {
    pub time: Option<Time>,
    pub actor: String,
    /// `PutAccount`
    pub method: String,
    pub thing: String,
    pub thing_id: String,
    pub values: Vec<ChangedValue>,
}

#[derive(Debug, Clone)]
pub struct ChangedValue {
    pub field: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// What a file of configuration comes to.
#[derive(Debug, Clone)]
pub enum Planned {
    /// What is wrong with it, line by line.
    Faulty(String),
    So {
        /// How many there are.
        changes: usize,
        /// All of them, as the front door writes them.
        text: String,
    },
}

/// What somebody should look at.
#[derive(Debug, Clone)]
pub struct Alert {
    pub id: String,
    pub kind: String,
    pub message: String,
    pub value: String,
    pub source_id: String,
    pub raised: Option<Time>,
    pub last: Option<Time>,
    pub count: i64,
    pub resolved: Option<Time>,
}

/// A mail, or a call of a webhook.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub channel: &'static str,
    pub state: &'static str,
    pub headline: String,
    pub receiver: String,
    pub file: String,
    pub error: String,
    pub created: Option<Time>,
    pub sent: Option<Time>,
}

#[derive(Debug, Clone, Default)]
pub struct MailStatus {
    pub server: String,
    pub sender: String,
    pub folder: String,
    pub waiting: i64,
    pub kept: i64,
    pub given_up: i64,
}
