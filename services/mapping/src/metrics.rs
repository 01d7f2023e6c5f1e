//! Names of metrics, declared once. No labels of accounts or sources.

use metrics::{Counter, counter};

/// Events that were mapped, rejected or refused.
pub fn events(outcome: &'static str) -> Counter {
    counter!("mapping.events_total", "outcome" => outcome)
}

/// Values that did not convert.
pub fn ignored_values() -> Counter {
    counter!("mapping.ignored_values_total")
}

/// Batches whose samples and log lines were dropped, and why.
pub fn lost_notes(reason: &'static str) -> Counter {
    counter!("mapping.lost_notes_total", "reason" => reason)
}

/// Snapshots that were loaded from PostgreSQL.
pub fn snapshot_loads() -> Counter {
    counter!("mapping.snapshot_loads_total")
}

/// Rows of lists that could not be read, and were left out.
pub fn unreadable_rows() -> Counter {
    counter!("mapping.unreadable_rows_total")
}
