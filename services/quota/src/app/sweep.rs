//! Settles reservations whose lease ran out, by the ledgers' word.
//!
//! One replica sweeps at a time: the others stand by, and one of them goes on within seconds
//! where it dies, or could not do it all. That two might do so at once is no harm: closing is
//! idempotent, and the first to settle wins. A batch is closed in both ledgers before its units
//! are freed, so that one that is still on its way can't commit any more.
//!
//! What fails is counted and passed over, and comes again with the next round.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use tokio::time::Instant;
use uuid::Uuid;
use weir_ids::AccountId;
use weir_rpc::Deadline;
use weir_service::Pulse;

use super::near::Found;
use super::{App, Error};
use crate::domain::{MAX_SETTLEMENTS, Settlement, Window};
use crate::metrics;
use crate::store::{self, Expired};

/// Of one account in one go; the ledgers take 1,000 at most, and a script keeps all others
/// waiting.
const BATCHES: usize = 500;
/// How often the replica that sweeps says that it is there, and the others look.
const LOOK: Duration = Duration::from_secs(2);
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
    /// Sweeps again and again, while no other replica does.
    pub async fn sweep_for_ever(self: Arc<Self>, interval: Duration, pulse: Pulse) {
        let process = weir_ids::random();
        let mut ticks = tokio::time::interval(interval.min(LOOK));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut due, mut has_left) = (Instant::now(), false);
        let mut found = Found::default();
        loop {
            ticks.tick().await;
            pulse.beat();
            let is_due = due <= Instant::now();
            if has_left && !is_due {
                continue;
            }
            has_left = false;
            // The part of a cluster that would know may be the one that is away.
            let known = self.store.is_sweeper(process).await;
            let is_sweeper = known.unwrap_or_else(|_| self.store.is_cluster());
            metrics::sweeps_here(is_sweeper);
            if !(is_sweeper && is_due) {
                continue;
            }
            due = Instant::now() + interval;
            tokio::select! {
                is_done = self.sweep_and_find(&pulse, &mut found) => has_left = !is_done,
                () = self.until_another_sweeps(process) => {}
            }
            if has_left {
                // The trouble may be this replica's alone.
                self.store.leave_sweeping(process).await;
                metrics::sweeps_here(false);
            }
        }
    }

    /// Says in between that this replica is the one; returns where it no longer is.
    async fn until_another_sweeps(&self, process: Uuid) {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Ok(false) = self.store.is_sweeper(process).await {
                return;
            }
        }
    }

    /// One round: whether all leases that ran out are settled.
    async fn sweep_and_find(self: &Arc<Self>, pulse: &Pulse, found: &mut Found) -> bool {
        let is_done = self.sweep(pulse).await;
        self.find_near(found).await;
        pulse.beat();
        is_done
    }

    /// Whether nothing failed.
    async fn sweep(self: &Arc<Self>, pulse: &Pulse) -> bool {
        let mut is_done = true;
        for shard in 0..store::SHARDS {
            pulse.beat();
            // One shard's trouble is not the others': they may lie on other nodes.
            is_done &= self.sweep_shard(shard, pulse).await;
        }
        is_done
    }

    /// Looks once at all accounts of a shard that may have leases: whether nothing failed.
    async fn sweep_shard(self: &Arc<Self>, shard: u8, pulse: &Pulse) -> bool {
        let (mut skip, mut is_done) = (0, true);
        loop {
            let Ok((active, more)) = self.store.active(shard, skip).await else {
                metrics::sweep_failed("shard");
                return false;
            };
            let swept = futures_util::stream::iter(active)
                .map(|(account, noted)| self.sweep_or_renew(account, noted, pulse))
                .buffer_unordered(SIDE_BY_SIDE);
            // Nor is one account's trouble.
            is_done &= swept.fold(true, async |all, one| all & one).await;
            if !more {
                return is_done;
            }
            // Those that were forgotten meanwhile let others slip by until the next sweep.
            skip += store::ACTIVE_PAGE;
        }
    }

    /// Whether the account is swept, or as good as: all leases of a state that is built anew
    /// are closed by that.
    async fn sweep_or_renew(
        self: &Arc<Self>,
        account: AccountId,
        noted: DateTime<Utc>,
        pulse: &Pulse,
    ) -> bool {
        let mut swept = self.sweep_account(account, noted, pulse).await;
        if let Err(Error::Store(store::Error::Unreadable)) = swept {
            let window = Window::of(self.clock.now());
            let renewed = self.renew(account, window, Deadline::after(CLOSE_TIME));
            swept = match renewed.await {
                // What it held can't be stored any more.
                Ok(_) | Err(Error::ByLedgers) => Ok(()),
                Err(error) => Err(error),
            };
        }
        pulse.beat();
        if let Err(error) = &swept {
            metrics::sweep_failed("account");
            tracing::warn!(%account, %error, "leases that ran out could not be settled");
        }
        swept.is_ok()
    }

    async fn sweep_account(
        &self,
        account: AccountId,
        noted: DateTime<Utc>,
        pulse: &Pulse,
    ) -> Result<(), Error> {
        loop {
            let expired = self.store.expired(account, BATCHES).await?;
            if expired.standing == 0 && self.clock.now() - noted > FORGET_AFTER {
                self.store.forget_active(account, noted).await?;
            }
            let is_settled =
                expired.batches.is_empty() || self.settle_expired(account, &expired).await?;
            pulse.beat();
            // What another has settled meanwhile is looked at in the next round.
            if !(expired.more && is_settled) {
                return Ok(());
            }
        }
    }

    /// Whether there was anything left to settle.
    async fn settle_expired(&self, account: AccountId, expired: &Expired) -> Result<bool, Error> {
        let deadline = Deadline::after(CLOSE_TIME);
        let ledgers = &self.others.ledgers;
        let stored = ledgers.close(account, &expired.batches, deadline).await?;
        let batches = expired.batches.iter().zip(stored);
        let settlements: Vec<Settlement> = batches
            .map(|((batch, _), stored)| Settlement {
                batch: *batch,
                epoch: expired.epoch,
                stored,
            })
            .collect();
        let mut settled = 0;
        for settlements in settlements.chunks(MAX_SETTLEMENTS) {
            settled += self.store.settle_by_ledgers(account, settlements).await?;
        }
        metrics::swept(settled);
        tracing::info!(%account, settled, "leases ran out; settled by the ledgers");
        Ok(settled > 0)
    }
}
