//! Names and labels of metrics, declared once. No label names an account.

use metrics::{counter, describe_counter, describe_gauge, gauge};

use crate::domain::Grantor;

/// By `outcome`: `full`, `partial`.
const RESERVATIONS: &str = "quota_reservations_total";
/// By `outcome`: `installed`, `failed`.
const REBUILDS: &str = "quota_rebuilds_total";
const LEASES_EXPIRED: &str = "quota_leases_expired_total";
/// By `outcome`: `told`, `failed`.
const LIMIT_ALERTS: &str = "quota_limit_alerts_total";
const SETTLES_IGNORED: &str = "quota_settles_ignored_total";
/// By `what`: `account`, `shard`.
const SWEEP_FAILURES: &str = "quota_sweep_failures_total";
/// By `to`: `ledgers`, `redis`.
const TURNS: &str = "quota_turns_total";
const LEDGER_RESERVATIONS: &str = "quota_ledger_reservations_total";
const MISSES_REDIS: &str = "quota_misses_redis";
const FOLLOWED: &str = "quota_accounts_by_ledgers";
/// By `of`; as for jobs that PostgreSQL's locks keep to one replica.
const JOBS_HERE: &str = "background_jobs_here";

/// Tells what each is, to whoever reads them.
pub fn describe() {
    describe_counter!(RESERVATIONS, "Reservations granted in full or in part.");
    describe_counter!(REBUILDS, "States rebuilt from the ledgers, by outcome.");
    describe_counter!(
        LEASES_EXPIRED,
        "Reservations that the ledgers had to settle."
    );
    // Whoever asks for an increase has to see it from 0 on.
    counter!(LEASES_EXPIRED).increment(0);
    describe_counter!(
        LIMIT_ALERTS,
        "Limits that are nearly or wholly used, as mapping was told of them, by outcome."
    );
    describe_counter!(
        SETTLES_IGNORED,
        "Settlements that found nothing to settle: repeated, late, or of before a rebuild."
    );
    describe_counter!(
        SWEEP_FAILURES,
        "Accounts, and lists of accounts, that could not be swept; the next round tries again."
    );
    describe_counter!(
        TURNS,
        "Accounts for which this replica had others grant, by who grants now."
    );
    describe_counter!(
        LEDGER_RESERVATIONS,
        "Reservations granted by the ledgers, while Redis was away."
    );
    describe_gauge!(MISSES_REDIS, "Whether this replica misses Redis.");
    describe_gauge!(
        FOLLOWED,
        "Accounts that the ledgers grant for, as far as this replica knows."
    );
    describe_gauge!(JOBS_HERE, "Whether this replica does the job, by job.");
}

/// Units were reserved.
pub fn reserved(full: bool) {
    let outcome = if full { "full" } else { "partial" };
    counter!(RESERVATIONS, "outcome" => outcome).increment(1);
}

/// The ledgers reserved units.
pub fn reserved_by_ledgers() {
    counter!(LEDGER_RESERVATIONS).increment(1);
}

/// An account's units are granted by others from now on.
pub fn turned(to: Grantor) {
    let to = match to {
        Grantor::Redis => "redis",
        Grantor::Ledgers => "ledgers",
    };
    counter!(TURNS, "to" => to).increment(1);
}

/// Whether Redis is missed.
pub fn misses_redis(misses: bool) {
    gauge!(MISSES_REDIS).set(if misses { 1.0 } else { 0.0 });
}

/// So many accounts' units are granted by the ledgers.
pub fn followed(accounts: usize) {
    gauge!(FOLLOWED).set(accounts as f64);
}

/// A state was rebuilt, or could not be.
pub fn rebuilt(installed: bool) {
    let outcome = if installed { "installed" } else { "failed" };
    counter!(REBUILDS, "outcome" => outcome).increment(1);
}

/// Mapping was told of a limit, or could not be.
pub fn limit_alert(told: bool) {
    let outcome = if told { "told" } else { "failed" };
    counter!(LIMIT_ALERTS, "outcome" => outcome).increment(1);
}

/// Leases ran out.
pub fn swept(count: usize) {
    counter!(LEASES_EXPIRED).increment(count as u64);
}

/// An `account` or a `shard` could not be swept.
pub fn sweep_failed(what: &'static str) {
    counter!(SWEEP_FAILURES, "what" => what).increment(1);
}

/// Whether this replica is the one that sweeps.
pub fn sweeps_here(is_here: bool) {
    gauge!(JOBS_HERE, "of" => "sweep").set(if is_here { 1.0 } else { 0.0 });
}

/// There was nothing to settle.
pub fn settles_ignored(count: usize) {
    if count > 0 {
        counter!(SETTLES_IGNORED).increment(count as u64);
    }
}
