//! Names and labels of metrics, declared once. No label names an account.

use chrono::{DateTime, Utc};
use metrics::{counter, describe_counter, describe_gauge, gauge};
use uuid::Uuid;

use crate::domain::{Changes, Status};

/// By `status`.
const EVENTS: &str = "contact.events_total";
const UNITS: &str = "contact.units_total";
/// By `how`.
const CONTACTS: &str = "contact.contacts_written_total";
const MERGES: &str = "contact.merges_total";
const DELETED: &str = "contact.contacts_deleted_total";
const RETRIES: &str = "contact.batch_retries_total";
const UNSTORABLE: &str = "unstorable_events_total";
const REMOVES_HANDED_OVER: &str = "contact.kept_removes_handed_over_total";
const REMOVES_DROPPED: &str = "contact.kept_removes_dropped_total";
const OUTBOX_LAG: &str = "contact.outbox_lag_seconds";
const DELIVERED: &str = "contact.outbox_delivered_total";
/// By `table`.
const PURGED: &str = "contact.purged_rows_total";
/// By `table`.
const PURGE_FAILURES: &str = "contact.purge_failures_total";
const CROWDS: &str = "contact.crowds_total";
const UNDELIVERED: &str = "contact.outbox_failures_total";
const UNREADABLE: &str = "contact.unreadable_total";

/// Tells what each is, to whoever reads them.
pub fn describe() {
    describe_counter!(EVENTS, "Events by what became of them.");
    describe_counter!(UNITS, "Profile units charged.");
    describe_counter!(CONTACTS, "Rows of contacts, by how they were written.");
    describe_counter!(MERGES, "Contacts that were merged into others.");
    describe_counter!(RETRIES, "Batches that lost against another and came again.");
    describe_counter!(
        UNSTORABLE,
        "Events with a value that can't be stored, or of a contact that can't be read."
    );
    describe_counter!(
        REMOVES_HANDED_OVER,
        "Removes that were kept for somebody unknown, and whose person became known."
    );
    describe_counter!(
        REMOVES_DROPPED,
        "Removes that were kept, and had to go as their account had too many."
    );
    describe_gauge!(OUTBOX_LAG, "How long the oldest message has been waiting.");
    describe_counter!(DELIVERED, "Links and merges that were delivered.");
    describe_counter!(PURGED, "Rows that were dropped for their age, by table.");
    describe_counter!(
        PURGE_FAILURES,
        "Attempts to drop rows for their age that failed, by table."
    );
    describe_counter!(
        CROWDS,
        "Contacts that took over more than 20 others in a day: alerts were raised."
    );
    describe_counter!(UNDELIVERED, "Deliveries that failed; they come again.");
    describe_counter!(
        UNREADABLE,
        "Rows and values of contacts that can't be read: lists leave them out, batches their events."
    );
}

/// A batch is in PostgreSQL.
pub fn batch_stored(statuses: &[Status], units: i64) {
    for status in [
        Status::Stored,
        Status::Repeated,
        Status::NothingNew,
        Status::NotFunded,
        Status::Refused,
        Status::NotFound,
        Status::Kept,
        Status::Deleted,
        Status::Unstorable,
    ] {
        let count = statuses.iter().filter(|one| **one == status).count();
        if count > 0 {
            counter!(EVENTS, "status" => name(status)).increment(count as u64);
        }
    }
    counter!(UNITS).increment(u64::try_from(units).unwrap_or(0));
}

/// Contacts were written.
pub fn contacts_written(changes: &Changes<'_>) {
    for (how, count) in [
        ("new", changes.contacts_new.len()),
        ("changed", changes.contacts_changed.len()),
        ("moved", changes.contacts_moved.len()),
    ] {
        if count > 0 {
            counter!(CONTACTS, "how" => how).increment(count as u64);
        }
    }
    counter!(MERGES).increment(changes.merges.len() as u64);
}

/// Removes that were kept go to audience.
pub fn removes_handed_over(count: usize) {
    counter!(REMOVES_HANDED_OVER).increment(count as u64);
}

/// An account has as many removes as it may have.
pub fn removes_dropped(count: u64) {
    counter!(REMOVES_DROPPED).increment(count);
}

/// A batch begins anew.
pub fn batch_retried() {
    counter!(RETRIES).increment(1);
}

/// So many events of a batch can't be stored.
pub fn unstorable(count: usize) {
    counter!(UNSTORABLE).increment(count as u64);
}

/// The oldest message that waits, by its id, which has its time in it.
pub fn outbox_waits(oldest: Option<Uuid>, now: DateTime<Utc>) {
    let written = oldest.and_then(|id| id.get_timestamp()).map(|time| {
        let (seconds, nanos) = time.to_unix();
        seconds as f64 + f64::from(nanos) / 1e9
    });
    let now = now.timestamp_micros() as f64 / 1e6;
    gauge!(OUTBOX_LAG).set(written.map_or(0.0, |written| (now - written).max(0.0)));
}

/// So many contacts of one person were deleted.
pub fn contacts_deleted(contacts: usize) {
    counter!(DELETED).increment(contacts as u64);
}

/// So many links and merges were delivered.
pub fn delivered(count: usize) {
    counter!(DELIVERED).increment(count as u64);
}

/// Something that is stored can't be read, and was left out: a `row` or a `value`.
pub fn unreadable(what: &'static str) {
    counter!(UNREADABLE, "what" => what).increment(1);
}

/// So many rows were dropped for their age.
pub fn purged(what: &'static str, rows: u64) {
    counter!(PURGED, "table" => what).increment(rows);
}

/// Rows that are too old could not be dropped.
pub fn purge_failed(what: &'static str) {
    counter!(PURGE_FAILURES, "table" => what).increment(1);
}

/// So many contacts took over more than they should.
pub fn crowds(count: usize) {
    counter!(CROWDS).increment(count as u64);
}

/// A receiver was away.
pub fn undelivered() {
    counter!(UNDELIVERED).increment(1);
}

fn name(status: Status) -> &'static str {
    match status {
        Status::Stored => "stored",
        Status::Repeated => "repeated",
        Status::NothingNew => "nothing_new",
        Status::NotFunded => "not_funded",
        Status::Refused => "refused",
        Status::NotFound => "not_found",
        Status::Kept => "kept",
        Status::Deleted => "deleted",
        Status::Unstorable => "unstorable",
    }
}
