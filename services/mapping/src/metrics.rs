//! Names and labels of metrics, declared once. No labels of accounts or sources.

use metrics::{Counter, counter, describe_counter};

const FAILED_ERASURES: &str = "mapping.failed_erasures_total";
const EVENTS: &str = "mapping.events_total";
const IGNORED_VALUES: &str = "mapping.ignored_values_total";
const LOST_NOTES: &str = "mapping.lost_notes_total";
const OUTGROWN_BATCHES: &str = "mapping.outgrown_batches_total";
const SNAPSHOT_LOADS: &str = "mapping.snapshot_loads_total";
const UNREADABLE_ROWS: &str = "mapping.unreadable_rows_total";

/// Tells what each is, to whoever reads them.
pub fn describe() {
    describe_counter!(
        EVENTS,
        "Events, by whether they were mapped, rejected or refused."
    );
    describe_counter!(
        FAILED_ERASURES,
        "Steps of the deletion of an account that failed; they come again."
    );
    describe_counter!(IGNORED_VALUES, "Values that did not convert.");
    describe_counter!(
        LOST_NOTES,
        "Batches whose samples and log lines were dropped, by reason."
    );
    describe_counter!(
        OUTGROWN_BATCHES,
        "Batches that came to more values than an answer holds."
    );
    describe_counter!(
        SNAPSHOT_LOADS,
        "Snapshots that were loaded from PostgreSQL."
    );
    describe_counter!(
        UNREADABLE_ROWS,
        "Stored rows that can't be read, and were left out of a list."
    );
}

/// Events that were mapped, rejected or refused.
pub fn events(outcome: &'static str) -> Counter {
    counter!(EVENTS, "outcome" => outcome)
}

/// Steps of the deletion of an account that failed.
pub fn failed_erasures() -> Counter {
    counter!(FAILED_ERASURES)
}

/// Values that did not convert.
pub fn ignored_values() -> Counter {
    counter!(IGNORED_VALUES)
}

/// Batches whose samples and log lines were dropped, and why.
pub fn lost_notes(reason: &'static str) -> Counter {
    counter!(LOST_NOTES, "reason" => reason)
}

/// Batches that came to more values than an answer holds.
pub fn outgrown_batches() -> Counter {
    counter!(OUTGROWN_BATCHES)
}

/// Snapshots that were loaded from PostgreSQL.
pub fn snapshot_loads() -> Counter {
    counter!(SNAPSHOT_LOADS)
}

/// Rows of lists that could not be read, and were left out.
pub fn unreadable_rows() -> Counter {
    counter!(UNREADABLE_ROWS)
}
