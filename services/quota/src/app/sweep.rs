//! Settles reservations whose lease ran out, by the ledgers' word.
//!
//! Every replica sweeps, side by side: closing is idempotent, and the first to settle wins.
//! A batch is closed in both ledgers before its units are freed, so that one that is still
//! on its way can't commit any more.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use weir_ids::AccountId;
use weir_rpc::Deadline;
use weir_service::Pulse;

use super::{App, Error};
use crate::domain::{MAX_SETTLEMENTS, Settlement, Window};
use crate::metrics;
use crate::store;

/// Of one account in one go; the ledgers take 1,000 at most.
const BATCHES: usize = 500;
/// Accounts looked at side by side: Redis answers each in microseconds.
const SIDE_BY_SIDE: usize = 8;
/// A ledger that takes longer is asked again at the next sweep.
const CLOSE_TIME: Duration = Duration::from_secs(5);
/// An account without leases that was noted longer ago than this is forgotten.
const FORGET_AFTER: TimeDelta = TimeDelta::hours(1);

/// The longest time between two beats of the sweeper beside its interval: an account takes a
/// call to both ledgers, and some to Redis.
const LONGEST: Duration = Duration::from_secs(30);

/// The longest time that passes between two beats of [`App::sweep_for_ever`].
pub fn longest_sweep(interval: Duration) -> Duration {
    interval + LONGEST
}

impl App {
    /// Sweeps again and again. Errors are logged where they arise; the next sweep tries again.
    pub async fn sweep_for_ever(self: Arc<Self>, interval: Duration, pulse: Pulse) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for shard in 0..store::SHARDS {
                pulse.beat();
                // One shard's trouble is not the others': they may lie on other nodes.
                let _ = self.sweep_shard(shard, &pulse).await;
            }
        }
    }

    /// Looks once at all accounts of a shard that may have leases.
    async fn sweep_shard(self: &Arc<Self>, shard: u8, pulse: &Pulse) -> Result<(), Error> {
        let mut skip = 0;
        loop {
            let (active, more) = self.store.active(shard, skip).await?;
            futures_util::stream::iter(active)
                .for_each_concurrent(SIDE_BY_SIDE, |(account, noted)| async move {
                    // Nor is one account's trouble.
                    if let Err(Error::Store(store::Error::Unreadable)) =
                        self.sweep_account(account, noted).await
                    {
                        let window = Window::of(self.clock.now());
                        let deadline = Deadline::after(CLOSE_TIME);
                        let _ = self.renew(account, window, deadline).await;
                    }
                    pulse.beat();
                })
                .await;
            if !more {
                return Ok(());
            }
            // Those that were forgotten meanwhile let others slip by until the next sweep.
            skip += store::ACTIVE_PAGE;
        }
    }

    async fn sweep_account(&self, account: AccountId, noted: DateTime<Utc>) -> Result<(), Error> {
        let expired = self.store.expired(account, BATCHES).await?;
        if expired.standing == 0 && self.clock.now() - noted > FORGET_AFTER {
            self.store.forget_active(account, noted).await?;
        }
        if expired.batches.is_empty() {
            return Ok(());
        }
        let deadline = Deadline::after(CLOSE_TIME);
        let stored = self
            .others
            .ledgers
            .close(account, &expired.batches, deadline)
            .await?;
        let batches = expired.batches.iter().zip(stored);
        let settlements: Vec<Settlement> = batches
            .map(|((batch, _), stored)| Settlement {
                batch: *batch,
                epoch: expired.epoch,
                stored,
            })
            .collect();
        for settlements in settlements.chunks(MAX_SETTLEMENTS) {
            self.store.settle_by_ledgers(account, settlements).await?;
        }
        metrics::swept(expired.batches.len());
        tracing::info!(%account, batches = expired.batches.len(), "leases ran out; settled by the ledgers");
        Ok(())
    }
}
