//! Names and labels of the metrics, declared once. No label names an account.

use chrono::TimeDelta;

use crate::domain::{Attached, Outcome};

/// Events by `outcome`.
const EVENTS: &str = "activity.events_total";
/// Events with a value that can't be stored, each found and refused alone.
const UNSTORABLE: &str = "unstorable_events_total";
/// Activities that went from the backlog to a contact.
const ATTACHED: &str = "activity.backlog.attached_total";
/// Activities of the backlog that were over the cap of a contact's day, by `reason`.
const DISCARDED: &str = "activity.backlog.discarded_total";
/// Activities that could not be read back, and were left out of a list.
const UNREADABLE: &str = "activity.unreadable_rows_total";
/// Partitions `made` and `dropped`.
const PARTITIONS: &str = "activity.partitions_total";
/// How often a batch or a link met a partition that was missing.
const MISSING: &str = "activity.partitions.missing_total";
/// Rows that were forgotten at the end of their time, by `table`.
const FORGOTTEN: &str = "activity.forgotten_rows_total";
/// Rounds of housekeeping that failed, by `task`.
const HOUSEKEEPING: &str = "activity.housekeeping.failures_total";
/// Seconds by which the database's clock is ahead of ours.
const CLOCK: &str = "activity.database_clock_ahead_seconds";

/// Tells what each is, to whoever reads them.
pub fn describe() {
    metrics::describe_counter!(EVENTS, "Events by outcome");
    metrics::describe_counter!(UNSTORABLE, "Events with a value that can't be stored");
    metrics::describe_counter!(ATTACHED, "Backlog activities that went to a contact");
    metrics::describe_counter!(
        DISCARDED,
        "Backlog activities that were discarded, by reason"
    );
    metrics::describe_counter!(UNREADABLE, "Stored activities that could not be read back");
    metrics::describe_counter!(PARTITIONS, "Partitions made and dropped");
    metrics::describe_counter!(MISSING, "Transactions that met a missing partition");
    metrics::describe_counter!(FORGOTTEN, "Rows deleted at the end of their time, by table");
    metrics::describe_counter!(HOUSEKEEPING, "Rounds of housekeeping that failed, by task");
    metrics::describe_gauge!(
        CLOCK,
        "Seconds by which the database's clock is ahead of ours"
    );
}

/// A batch was stored.
pub fn recorded(outcomes: &[Outcome]) {
    let labels = [
        (Outcome::Stored, "stored"),
        (Outcome::Backlogged, "backlogged"),
        (Outcome::Repeated, "repeated"),
        (Outcome::NotFunded, "not_funded"),
        (Outcome::Deleted, "deleted"),
        (Outcome::Unstorable, "unstorable"),
    ];
    for (outcome, label) in labels {
        let count = outcomes.iter().filter(|one| **one == outcome).count() as u64;
        if count > 0 {
            metrics::counter!(EVENTS, "outcome" => label).increment(count);
        }
        if count > 0 && outcome == Outcome::Unstorable {
            metrics::counter!(UNSTORABLE).increment(count);
        }
    }
}

/// Backlog was attached.
pub fn attached(attached: Attached) {
    metrics::counter!(ATTACHED).increment(attached.attached.unsigned_abs());
    let code = weir_reasons::Reason::BacklogDayCap.code();
    metrics::counter!(DISCARDED, "reason" => code).increment(attached.discarded.unsigned_abs());
}

/// Rows of a list were left out.
pub fn unreadable(rows: usize) {
    metrics::counter!(UNREADABLE).increment(rows as u64);
}

/// A round over the partitions is done.
pub fn swept(made: usize, dropped: usize) {
    metrics::counter!(PARTITIONS, "what" => "made").increment(made as u64);
    metrics::counter!(PARTITIONS, "what" => "dropped").increment(dropped as u64);
}

/// A transaction met a partition that was missing.
pub fn partitions_were_missing() {
    metrics::counter!(MISSING).increment(1);
}

/// Rows' time was over, so many of each table.
pub fn forgotten(rows: [(&'static str, u64); 6]) {
    for (table, rows) in rows {
        metrics::counter!(FORGOTTEN, "table" => table).increment(rows);
    }
}

/// A part of housekeeping failed.
pub fn housekeeping_failed(task: &'static str) {
    metrics::counter!(HOUSEKEEPING, "task" => task).increment(1);
}

/// The database's clock was read.
pub fn clock_ahead(ahead: TimeDelta) {
    metrics::gauge!(CLOCK).set(ahead.as_seconds_f64());
}
