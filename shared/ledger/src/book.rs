//! What a ledger grants while Redis is away: the rules (semantics 6.6a).

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;
use weir_ids::{AccountId, BatchId};

/// Closed at once with a grant, so that whoever waits for the account's lock does not wait long;
/// more of them are closed with the next.
const MOST_EXPIRED: usize = 100;

/// What is asked of a ledger.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub account: AccountId,
    /// Under which the ledgers are to grant.
    pub epoch: i64,
    pub window: NaiveDate,
    /// None: nothing is to be granted.
    pub batch: Option<BatchId>,
    pub units: i64,
    pub limit: i64,
    pub lease: Duration,
    pub settled: Vec<BatchId>,
    /// The replica that asks, where it misses Redis.
    pub missing: Option<Uuid>,
}

/// A replica said that it misses Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hold {
    pub by: Uuid,
    pub end: DateTime<Utc>,
}

/// What a batch was granted, and what is not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    pub batch: BatchId,
    pub window: NaiveDate,
    pub units: i64,
    pub end: DateTime<Utc>,
}

/// The answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Granted {
    pub units: i64,
    pub used: i64,
    /// This grant included.
    pub reserved: i64,
    /// Of the batches that were to be settled.
    pub settled: usize,
    pub hold: Option<Hold>,
}

/// Leases whose batches are over: settled ones, and those that ran out. In the order of keys, so
/// that two that close batches do not wait for each other in a circle.
pub(crate) fn over(leases: &[Lease], settled: &[BatchId], now: DateTime<Utc>) -> Vec<Lease> {
    let is_settled = |lease: &&Lease| settled.contains(&lease.batch);
    let ran_out = leases
        .iter()
        .filter(|lease| !is_settled(lease) && lease.end <= now);
    let done = leases.iter().filter(is_settled);
    let mut over: Vec<Lease> = done.chain(ran_out.take(MOST_EXPIRED)).copied().collect();
    over.sort_unstable_by_key(|lease| (lease.window, lease.batch));
    over
}

/// What is free of a limit, up to what is wanted.
pub(crate) fn free(wanted: i64, limit: i64, used: i64, reserved: i64) -> i64 {
    let taken = used.saturating_add(reserved);
    wanted.min(limit.saturating_sub(taken)).max(0)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    const START: &str = "2026-11-24T10:00:00Z";

    /// A ledger, as the statements keep it.
    #[derive(Default)]
    struct Model {
        /// What is stored: batch and units.
        usage: Vec<(BatchId, i64)>,
        used: i64,
        leases: Vec<Lease>,
    }

    impl Model {
        fn ask(
            &mut self,
            batch: BatchId,
            wanted: i64,
            limit: i64,
            settled: &[BatchId],
            now: DateTime<Utc>,
        ) -> i64 {
            for lease in over(&self.leases, settled, now) {
                if !self.usage.iter().any(|(of, _)| *of == lease.batch) {
                    self.usage.push((lease.batch, 0));
                }
                let stored = self.usage.iter().find(|(of, _)| *of == lease.batch);
                self.used += stored.unwrap().1;
                self.leases.retain(|one| one.batch != lease.batch);
            }
            let reserved = self.leases.iter().map(|lease| lease.units).sum();
            let units = free(wanted, limit, self.used, reserved);
            let end = now + TimeDelta::seconds(30);
            self.leases.push(Lease {
                batch,
                window: now.date_naive(),
                units,
                end,
            });
            units
        }

        /// As a store commits: once, and never one that is closed.
        fn commit(&mut self, batch: BatchId, units: i64) {
            if !self.usage.iter().any(|(of, _)| *of == batch) {
                self.usage.push((batch, units));
            }
        }

        fn stored(&self) -> i64 {
            self.usage.iter().map(|(_, units)| units).sum()
        }
    }

    proptest! {
        /// Semantics 6.5, 6.6a: batches that are stored in part, late or never, that are settled,
        /// or not, or run out, and a limit that changes.
        #[test]
        fn what_is_stored_never_exceeds_the_limit_that_it_was_granted_under(
            deeds in prop::collection::vec((0..6_u8, 0..20_i64, 0..8_usize), 1..120),
            limit in 0..60_i64,
        ) {
            let mut now: DateTime<Utc> = START.parse().unwrap();
            let (mut model, mut open, mut settled) = (Model::default(), Vec::new(), Vec::new());
            for (number, (deed, amount, which)) in deeds.into_iter().enumerate() {
                let chosen = open.get(which % open.len().max(1)).copied();
                match (deed, chosen) {
                    (0 | 1, _) => {
                        let batch = BatchId(Uuid::from_u128(number as u128));
                        let done = std::mem::take(&mut settled);
                        let granted = model.ask(batch, amount, limit, &done, now);
                        open.push((batch, granted));
                    }
                    (2 | 3, Some((batch, granted))) => model.commit(batch, amount.min(granted)),
                    (4, Some((batch, _))) => {
                        open.retain(|(one, _)| *one != batch);
                        settled.push(batch);
                    }
                    (5, _) => now += TimeDelta::seconds(amount),
                    _ => {}
                }
                let reserved: i64 = model.leases.iter().map(|lease| lease.units).sum();
                prop_assert!(model.used + reserved <= limit);
                prop_assert!(model.stored() <= limit);
            }
            // Everything that was not stored is free in the end.
            now += TimeDelta::seconds(31);
            let batch = BatchId(Uuid::max());
            prop_assert_eq!(model.ask(batch, limit, limit, &[], now), limit - model.stored());
        }
    }
}
