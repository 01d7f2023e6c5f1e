//! Names and labels of the metrics, declared once. No label names an account.

use crate::app::{Attached, Outcome};

/// Events by `outcome`.
const EVENTS: &str = "activity.events";
/// Activities that went from the backlog to a contact.
const ATTACHED: &str = "activity.backlog.attached";
/// Activities of the backlog that were over the cap of a contact's day.
const DISCARDED: &str = "activity.backlog.discarded";
/// Transactions that were begun anew after losing against another.
const CONFLICTS: &str = "activity.transaction.conflicts";

/// A batch was stored.
pub fn recorded(outcomes: &[Outcome]) {
    let labels = [
        (Outcome::Stored, "stored"),
        (Outcome::Backlogged, "backlogged"),
        (Outcome::Repeated, "repeated"),
        (Outcome::NotFunded, "not_funded"),
    ];
    for (outcome, label) in labels {
        let count = outcomes.iter().filter(|one| **one == outcome).count();
        if count > 0 {
            metrics::counter!(EVENTS, "outcome" => label).increment(count as u64);
        }
    }
}

/// Backlog was attached.
pub fn attached(attached: Attached) {
    metrics::counter!(ATTACHED).increment(attached.attached.unsigned_abs());
    metrics::counter!(DISCARDED).increment(attached.discarded.unsigned_abs());
}

/// A transaction lost against another.
pub fn conflict() {
    metrics::counter!(CONFLICTS).increment(1);
}
