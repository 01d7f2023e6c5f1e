//! What is measured. Nothing is labelled by account.

/// Wishes, by what became of them: `applied`, `held_back`, `overtaken`, `unknown_audience`.
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

/// Transactions that were tried again, having lost against another.
pub fn retried() {
    metrics::counter!("audience.transactions_retried").increment(1);
}
