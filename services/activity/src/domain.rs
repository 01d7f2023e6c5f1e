//! The rules of activities, as pure functions over values (semantics 4.5-4.11).
//!
//! **Invariant:** no clock, no database, no wire in here; times and lookups are arguments.

mod attach;
mod batch;
mod link;
mod record;

pub use attach::{Counts, Fate, Waiting, decide_fates, whole_milliseconds};
pub use batch::{Batch, Event, Identifier, Kind, MAX_EVENTS, Range, key_of, last_day};
pub use link::{Link, newest_links};
pub use record::{
    Known, Place, Standing, Verdict, decide, lock_free, needs_activity_lookup, needs_backlog_lookup,
};
