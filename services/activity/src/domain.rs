//! The rules of activities, as pure functions over values (semantics 4.5-4.11).
//!
//! **Invariant:** no clock, no database, no wire in here; times and lookups are arguments.

mod attach;
mod batch;
mod calendar;
pub mod export;
mod history;
mod link;
mod listing;
mod people;
mod record;
mod tally;

pub use attach::{
    Attached, Counts, Discards, Moves, Waiting, days_of, decide_fates, whole_milliseconds,
};
pub use batch::{
    Batch, Event, Identifier, Kind, MAX_EVENTS, ReceiptKey, Whose, key_of, receipt_of,
};
#[cfg(test)]
pub use calendar::RETENTIONS;
pub use calendar::{Range, first_day_after_month, last_day, may_drop_before};
pub use history::{DayCursor, KeyCursor, Place, Question, Span, day_of, end_of};
pub use link::{Link, newest_links};
pub use listing::{
    Activity, ActivityCount, Contacted, Cursor, Named, Occurrence, RawTime, WaitingActivity,
    WaitingIdentifier,
};
pub use people::{Counted, Erasure, Merge, Split};
pub use record::{
    Destination, Known, Outcome, Standing, Stored, Verdict, corrections, decide, lock_free,
    needs_activity_lookup, needs_backlog_lookup, outcomes,
};
pub use tally::{Tally, slot_of};
