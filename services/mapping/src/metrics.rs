//! Names and labels of metrics, declared once. No labels of accounts or sources.

use metrics::{Counter, counter, describe_counter};

const FAILED_ERASURES: &str = "mapping.failed_erasures_total";
use crate::domain::alert::Raised;
use crate::domain::delivery::{Channel, DeliveryState};

const ALERTS: &str = "mapping.alerts_total";
const DELIVERIES: &str = "mapping.deliveries_total";
const EVENTS: &str = "mapping.events_total";
const IGNORED_VALUES: &str = "mapping.ignored_values_total";
const KEPT_WRITES: &str = "mapping.kept_writes_total";
/// By `reason`: `full`, `overflow`, `postgres`, `redis`, `uses`.
const LOST_NOTES: &str = "mapping.lost_notes_total";
const OUTGROWN_BATCHES: &str = "mapping.outgrown_batches_total";
const PLACE_LOADS: &str = "mapping.place_loads_total";
const KEPT_EVENTS: &str = "mapping.kept_events_total";
const REPLAYED_EVENTS: &str = "mapping.replayed_events_total";
/// By `of`: `key`, `token`.
const REHASHED: &str = "mapping.rehashed_total";
const SNAPSHOT_LOADS: &str = "mapping.snapshot_loads_total";
const PURGED: &str = "mapping.purged_rows_total";
const PURGE_FAILURES: &str = "mapping.purge_failures_total";
const UNREADABLE_ROWS: &str = "mapping.unreadable_rows_total";

/// Why notes are lost.
const LOST_FOR: [&str; 5] = ["full", "overflow", "postgres", "redis", "uses"];

/// Tells what each is, to whoever reads them.
pub fn describe() {
    describe_counter!(
        ALERTS,
        "Alerts, by whether they were raised, repeated on their day, or dropped."
    );
    describe_counter!(
        DELIVERIES,
        "Tries to deliver news, by channel and what came of them."
    );
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
        KEPT_WRITES,
        "Writes of samples and log lines that Redis did not take, kept to be sent again."
    );
    describe_counter!(PURGED, "Rows dropped at the end of their time, by table.");
    describe_counter!(PURGE_FAILURES, "Rounds of dropping them that failed.");
    describe_counter!(
        KEPT_EVENTS,
        "Events that were to be kept for replay, by what became of them: kept, left_out by a bound, \
         pushed_out by newer ones or by age, deferred with their contact, not_deferred for want of room."
    );
    describe_counter!(
        LOST_NOTES,
        "Batches whose samples and log lines were dropped, by reason."
    );
    for reason in LOST_FOR {
        // Whoever asks for an increase has to see it from 0 on.
        lost_notes(reason).increment(0);
    }
    describe_counter!(
        OUTGROWN_BATCHES,
        "Batches that came to more values than an answer holds."
    );
    describe_counter!(
        PLACE_LOADS,
        "Times the database of places was read, or could not be, by outcome."
    );
    describe_counter!(
        REPLAYED_EVENTS,
        "Kept events that were taken anew, by kind (replay, repair) and whether they are done or \
         to be tried again."
    );
    describe_counter!(
        REHASHED,
        "Keys and tokens that an older secret had hashed, and the first one hashed anew as they were \
         used."
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

/// Alerts that were raised.
pub fn alerts(raised: Raised) {
    for (outcome, count) in [
        ("raised", raised.raised),
        ("repeated", raised.repeated),
        ("dropped", raised.dropped),
    ] {
        if count > 0 {
            counter!(ALERTS, "outcome" => outcome).increment(count.into());
        }
    }
}

/// One try to deliver news.
pub fn deliveries(channel: Channel, state: DeliveryState) {
    let channel = match channel {
        Channel::Mail => "mail",
        Channel::Webhook => "webhook",
    };
    let outcome = match state {
        DeliveryState::Waiting => "failed",
        DeliveryState::Sent => "sent",
        DeliveryState::Kept => "kept",
        DeliveryState::GivenUp => "given_up",
    };
    counter!(DELIVERIES, "channel" => channel, "outcome" => outcome).increment(1);
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

/// Writes that Redis did not take, and that are sent again.
pub fn kept_writes() -> Counter {
    counter!(KEPT_WRITES)
}

/// Rows that were dropped at the end of their time.
pub fn purged(table: &'static str) -> Counter {
    counter!(PURGED, "table" => table)
}

/// Rows that are too old could not be dropped.
pub fn purge_failures() -> Counter {
    counter!(PURGE_FAILURES)
}

/// Events that were to be kept, by what became of them.
pub fn kept_events(fate: &'static str) -> Counter {
    counter!(KEPT_EVENTS, "fate" => fate)
}

/// Kept events that were taken anew.
pub fn replayed_events(kind: &'static str, fate: &'static str) -> Counter {
    counter!(REPLAYED_EVENTS, "kind" => kind, "fate" => fate)
}

/// Batches whose samples and log lines were dropped, and why.
pub fn lost_notes(reason: &'static str) -> Counter {
    counter!(LOST_NOTES, "reason" => reason)
}

/// Batches that came to more values than an answer holds.
pub fn outgrown_batches() -> Counter {
    counter!(OUTGROWN_BATCHES)
}

/// Times the database of places was read, or could not be.
pub fn place_loads(outcome: &'static str) -> Counter {
    counter!(PLACE_LOADS, "outcome" => outcome)
}

/// What an older secret had hashed: `key`, `token`.
pub fn rehashed(of: &'static str) -> Counter {
    counter!(REHASHED, "of" => of)
}

/// Snapshots that were loaded from PostgreSQL.
pub fn snapshot_loads() -> Counter {
    counter!(SNAPSHOT_LOADS)
}

/// Rows of lists that could not be read, and were left out.
pub fn unreadable_rows() -> Counter {
    counter!(UNREADABLE_ROWS)
}
