//! What is measured. Nothing is labelled by account.

/// Wishes, by what became of them: `applied`, `held_back`, `overtaken`, `unknown_audience`,
/// `unstorable`.
pub fn wished(outcome: &'static str, count: usize) {
    if count > 0 {
        metrics::counter!("audience.wishes", "outcome" => outcome).increment(count as u64);
    }
}

/// Memberships that the daily sync brought to what is wished.
pub fn synced(count: usize) {
    metrics::counter!("audience.sync.applied").increment(count as u64);
}

/// Daily syncs that were finished.
pub fn sync_finished() {
    metrics::counter!("audience.sync.finished").increment(1);
}

/// Stored rows that can't be read, and were left out of a list, by `kind`: `audience`, `member`.
pub fn unreadable(kind: &'static str) {
    metrics::counter!("audience.unreadable_rows", "kind" => kind).increment(1);
}
