//! Names and labels of metrics, declared once. No label names an account.

use metrics::{counter, describe_counter};

/// By `outcome`: `full`, `partial`.
const RESERVATIONS: &str = "quota_reservations_total";
/// By `outcome`: `installed`, `failed`.
const REBUILDS: &str = "quota_rebuilds_total";
const LEASES_EXPIRED: &str = "quota_leases_expired_total";
const SETTLES_IGNORED: &str = "quota_settles_ignored_total";

/// Tells what each is, to whoever reads them.
pub fn describe() {
    describe_counter!(RESERVATIONS, "Reservations granted in full or in part.");
    describe_counter!(REBUILDS, "States rebuilt from the ledgers, by outcome.");
    describe_counter!(
        LEASES_EXPIRED,
        "Reservations that the ledgers had to settle."
    );
    describe_counter!(
        SETTLES_IGNORED,
        "Settlements that found nothing to settle: repeated, late, or of before a rebuild."
    );
}

/// Units were reserved.
pub fn reserved(full: bool) {
    let outcome = if full { "full" } else { "partial" };
    counter!(RESERVATIONS, "outcome" => outcome).increment(1);
}

/// A state was rebuilt, or could not be.
pub fn rebuilt(installed: bool) {
    let outcome = if installed { "installed" } else { "failed" };
    counter!(REBUILDS, "outcome" => outcome).increment(1);
}

/// Leases ran out.
pub fn swept(count: usize) {
    counter!(LEASES_EXPIRED).increment(count as u64);
}

/// There was nothing to settle.
pub fn settles_ignored(count: usize) {
    if count > 0 {
        counter!(SETTLES_IGNORED).increment(count as u64);
    }
}
