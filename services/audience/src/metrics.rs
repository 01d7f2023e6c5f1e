//! Names and labels of metrics, declared once. No label names an account.

use metrics::{counter, describe_counter};

use crate::domain::{Decision, Outcome};

/// By what became of them: `applied`, `held_back`, `overtaken`, `unknown_audience`,
/// `unstorable`.
const UPDATES: &str = "audience.membership_updates_total";
const SYNCED: &str = "audience.sync.applied_total";
const SYNCS: &str = "audience.sync.finished_total";
/// By `kind`: `audience`, `member`.
const UNREADABLE: &str = "audience.unreadable_rows_total";

/// Tells what each is, to whoever reads them.
pub fn describe() {
    describe_counter!(UPDATES, "Membership updates, by what became of them.");
    describe_counter!(
        SYNCED,
        "Memberships that the daily sync brought to what is asked."
    );
    describe_counter!(SYNCS, "Daily syncs that were finished.");
    describe_counter!(
        UNREADABLE,
        "Stored rows that can't be read, and were left out of a list, by kind."
    );
}

/// Updates were answered.
pub fn applied(outcomes: &[Outcome]) {
    let labels = [
        (Outcome::Decided(Decision::Applied), "applied"),
        (Outcome::Decided(Decision::HeldBack), "held_back"),
        (Outcome::Decided(Decision::Overtaken), "overtaken"),
        (Outcome::UnknownAudience, "unknown_audience"),
        (Outcome::Unstorable, "unstorable"),
    ];
    for (outcome, label) in labels {
        let count = outcomes.iter().filter(|one| **one == outcome).count() as u64;
        if count > 0 {
            counter!(UPDATES, "outcome" => label).increment(count);
        }
    }
}

/// The daily sync changed memberships.
pub fn synced(count: usize) {
    counter!(SYNCED).increment(count as u64);
}

/// An account's daily sync is done.
pub fn sync_finished() {
    counter!(SYNCS).increment(1);
}

/// A row was left out of a list.
pub fn unreadable(kind: &'static str) {
    counter!(UNREADABLE, "kind" => kind).increment(1);
}
