//! What an account uses of its limits (semantics 6).

use crate::domain::Time;

/// What an account used of a window (semantics 6).
#[derive(Debug, Clone)]
pub struct Usage {
    pub window: String,
    pub end: Option<Time>,
    pub profile: Used,
    pub activity: Used,
}

/// Of one kind of units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Used {
    pub used: i64,
    pub reserved: i64,
    pub limit: i64,
    /// How the limit comes about.
    pub formula: String,
}

/// What was used before, and what today comes to (semantics 6.8).
#[derive(Debug, Clone, Default)]
pub struct History {
    /// At the end of the present window; none while there is nothing to tell it by.
    pub profile_forecast: Option<i64>,
    pub activity_forecast: Option<i64>,
    /// Of today; none where nobody can say.
    pub rejected: Option<i64>,
    /// Newest first; those in which nothing happened are left out.
    pub windows: Vec<Window>,
}

/// A day that is over.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// `2026-11-27`
    pub day: String,
    pub profile: i64,
    pub activity: i64,
    pub rejected: Option<i64>,
}

/// What spent the units of some days.
#[derive(Debug, Clone, Default)]
pub struct Spending {
    /// Of all of them, on whatever page they stand.
    pub profile: i64,
    pub activity: i64,
    pub rejected: i64,
    pub spenders: Vec<Spender>,
    /// Where the list goes on; empty: nowhere.
    pub next: String,
}

/// The events of one name of a source.
#[derive(Debug, Clone, Default)]
pub struct Spender {
    pub source_id: String,
    /// Empty where they are no tracks.
    pub event_name: String,
    /// It stands for many names.
    pub is_rest: bool,
    pub profile: i64,
    pub activity: i64,
    pub rejected: i64,
}
