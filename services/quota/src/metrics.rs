//! What is measured. Nothing is labelled by account.

/// Reservations granted in full or in part, by `outcome`: `full`, `partial`.
pub fn reserved(full: bool) {
    let outcome = if full { "full" } else { "partial" };
    metrics::counter!("quota.reservations", "outcome" => outcome).increment(1);
}

/// States rebuilt from the ledgers, by `outcome`: `installed`, `failed`.
pub fn rebuilt(installed: bool) {
    let outcome = if installed { "installed" } else { "failed" };
    metrics::counter!("quota.rebuilds", "outcome" => outcome).increment(1);
}

/// Reservations that the ledgers had to settle.
pub fn swept(count: usize) {
    metrics::counter!("quota.leases_expired").increment(count as u64);
}

/// Settlements that found nothing to settle: repeated, late, or of before a rebuild.
pub fn settles_ignored(count: usize) {
    if count > 0 {
        metrics::counter!("quota.settles_ignored").increment(count as u64);
    }
}
