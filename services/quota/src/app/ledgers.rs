//! While Redis is away: units are granted by the ledgers, slower and as exactly (semantics 6.6a).
//!
//! - **There**: a replica that misses Redis raises both ledgers to an epoch under which they
//!   grant. What Redis granted before can't be stored any more; the edge reserves anew, and names
//!   the epoch, so that replicas which still see Redis find its state below it, ask the ledgers,
//!   and follow them.
//! - **Meanwhile** a replica that misses Redis says so with each batch. Half a minute from then
//!   none but it may have Redis grant again: what one replica sees and another does not would
//!   send the account to and fro.
//! - **Back**: who has seen Redis for five seconds, and finds that no other misses it, builds the
//!   counters anew (`rebuild.rs`) under the next epoch. The others find out by the ledgers' word.
//!
//! Why no limit is overrun by it is told, and tried, in `domain/grantor.rs` and in the ledger
//! (`shared/ledger/src/grants.rs`). Nothing here costs a batch anything while Redis is there.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use weir_ids::{AccountId, BatchId};
use weir_rpc::Deadline;
use weir_service::{Outage, Pulse};

use super::{App, Ask, Error, Grant, Usage};
use crate::clients::{self, Hold, LedgerAsk, LedgerGrant};
use crate::domain::sight::MISSED_AFTER;
use crate::domain::{
    Entitlement, Grantor, Known, Progress, Reservation, Settlement, Sight, Step, Units, Window,
    Wish,
};
use crate::metrics;

/// How long the ledgers may take to answer a fence.
const FENCE_TIME: Duration = Duration::from_secs(2);
/// Others may fence at the same time: it takes a try more.
const FENCES: usize = 3;
/// How often one looks whether Redis is there, and whom it may grant for again.
const LOOK: Duration = Duration::from_millis(250);
/// Accounts that go back in one go, and side by side: each costs the ledgers two fences.
const RETURNS: usize = 200;
const SIDE_BY_SIDE: usize = 8;
/// The longest time between two beats of who looks whether Redis is there.
pub const LOOKS_WITHIN: Duration = Duration::from_secs(15);
/// The same of who has it grant again: what goes back in one go may take all the time there is.
pub const RETURNS_WITHIN: Duration = Duration::from_secs(120);
/// Health is asked of ledgers that answer within this, or not at all.
const HEALTH_TIME: Duration = Duration::from_secs(1);

impl App {
    /// Whether units can be granted: Redis answers, or else the ledgers do.
    pub async fn is_healthy(&self) -> bool {
        if !self.misses_redis() && self.store.healthy().await {
            return true;
        }
        let deadline = Deadline::after(HEALTH_TIME);
        self.others.ledgers.are_healthy(deadline).await
    }

    /// Looks whether Redis is there, for ever.
    pub async fn look_for_ever(self: Arc<Self>, pulse: Pulse) {
        loop {
            pulse.beat();
            let began = Instant::now();
            if self.store.healthy().await {
                self.sight().answered(Instant::now());
            } else {
                self.sight().failed(began);
            }
            metrics::misses_redis(self.misses_redis());
            metrics::followed(self.memory.count_followed());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Has Redis grant again where it may, for ever.
    pub async fn return_for_ever(self: Arc<Self>, pulse: Pulse) {
        let outage = &Outage::default();
        loop {
            pulse.beat();
            tokio::time::sleep(LOOK).await;
            let now = Instant::now();
            if !self.sight().is_steady(now) {
                continue;
            }
            let accounts = self.memory.may_return(self.replica, now, RETURNS);
            futures_util::stream::iter(accounts)
                .for_each_concurrent(SIDE_BY_SIDE, |(account, epoch)| {
                    self.return_account(account, epoch, outage)
                })
                .await;
        }
    }

    async fn return_account(self: &Arc<Self>, account: AccountId, epoch: i64, outage: &Outage) {
        let window = Window::of(self.clock.now());
        let least = Progress { epoch, grants: 0 };
        let deadline = Deadline::after(FENCE_TIME);
        let returned = self.rebuild_for(Wish::Return, account, window, least, deadline);
        match returned.await {
            Ok(_) => {
                // Another may have built the state.
                self.memory.leave(account, epoch);
                metrics::turned(Grantor::Redis);
                tracing::info!(%account, "Redis grants again");
                outage.worked();
            }
            // Another replica misses it.
            Err(Error::ByLedgers) => {}
            // It was deleted meanwhile.
            Err(Error::Client(clients::Error::UnknownAccount)) => self.memory.leave(account, 0),
            Err(error) => {
                // Of each account once a second.
                if let Some(left_out) = outage.failed(&error.to_string()) {
                    tracing::warn!(%account, %error, left_out, "Redis can not grant again yet");
                }
            }
        }
    }

    /// The replica does not get through to Redis: a call to it that had its whole time failed, or
    /// it may not do there what it has to.
    pub fn note_miss(&self) {
        let now = Instant::now();
        let since = now.checked_sub(MISSED_AFTER).unwrap_or(now);
        self.sight().failed(since);
    }

    pub(super) fn misses_redis(&self) -> bool {
        self.sight().is_missed(Instant::now())
    }

    /// Whether to ask Redis at all. A cluster may be there in part.
    pub(super) fn asks_redis(&self) -> bool {
        self.store.is_cluster() || !self.misses_redis()
    }

    fn sight(&self) -> std::sync::MutexGuard<'_, Sight> {
        self.sight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note that the ledgers grant.
    pub(super) fn follow(&self, account: AccountId, epoch: i64, hold: Option<Hold>) -> Error {
        self.memory.follow(account, epoch, hold, Instant::now());
        Error::ByLedgers
    }

    /// Has the ledgers grant for an account, or finds that they do. In a task of its own, so that
    /// a caller that goes away leaves nothing half done.
    pub(super) async fn turn_to_ledgers(
        self: &Arc<Self>,
        account: AccountId,
        window: Window,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let app = Arc::clone(self);
        weir_service::detached(async move { app.fence(account, window, deadline).await }).await
    }

    async fn fence(
        &self,
        account: AccountId,
        window: Window,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let deadline = Deadline::after(deadline.remaining().min(FENCE_TIME));
        let ledgers = &self.others.ledgers;
        let mut stands = ledgers.stands(account, window, deadline).await?;
        for _ in 0..FENCES {
            let to = match stands.step(Wish::Ledgers) {
                Step::Follow(epoch) => {
                    self.follow(account, epoch, stands.hold(self.replica));
                    return Ok(());
                }
                Step::Raise(to) => to,
            };
            let raised = ledgers.raise(account, &stands, to, window, deadline);
            (stands, _) = raised.await?;
            if stands.are_at(to) {
                metrics::turned(Grantor::Ledgers);
                tracing::warn!(%account, epoch = to.epoch, "Redis is missed: the ledgers grant");
                self.follow(account, to.epoch, stands.hold(self.replica));
                return Ok(());
            }
        }
        Ok(())
    }

    /// Grants what is free by the ledgers. None: they do not grant under that epoch any more.
    pub(super) async fn reserve_by_ledgers(
        &self,
        ask: &Ask,
        epoch: i64,
        deadline: Deadline,
    ) -> Result<Option<Grant>, Error> {
        let now = self.clock.now();
        let window = Window::of(now);
        let limits = ask.entitlement.limits();
        let settled = batches_of(&ask.settlements, epoch);
        let asked = LedgerAsk {
            batch: Some(ask.batch),
            units: ask.units,
            lease: self.lease,
            ..self.nothing_of(ask.account, epoch, window, limits, &settled)
        };
        let Some(granted) = self.grant_by_ledgers(&asked, deadline).await? else {
            return Ok(None);
        };
        metrics::settles_ignored(ask.settlements.len().saturating_sub(granted.settled));
        metrics::reserved(granted.granted == ask.units);
        metrics::reserved_by_ledgers();
        let reservation = Reservation {
            window,
            progress: Progress { epoch, grants: 0 },
            granted: granted.granted,
            used: granted.used,
            reserved: granted.reserved,
            lease: self.lease,
            settled: granted.settled,
        };
        self.note_units(ask.account, &reservation, limits, now);
        Ok(Some(Grant {
            reservation,
            limits,
            lease_end: now + self.lease,
        }))
    }

    /// Has the ledgers settle batches. `false`: they do not grant under that epoch any more.
    pub(super) async fn settle_by_ledgers(
        &self,
        account: AccountId,
        settlements: &[Settlement],
        epoch: i64,
        deadline: Deadline,
    ) -> Result<bool, Error> {
        let settled = batches_of(settlements, epoch);
        if settled.is_empty() {
            metrics::settles_ignored(settlements.len());
            return Ok(true);
        }
        let window = Window::of(self.clock.now());
        let asked = self.nothing_of(account, epoch, window, Units::default(), &settled);
        let Some(granted) = self.grant_by_ledgers(&asked, deadline).await? else {
            return Ok(false);
        };
        metrics::settles_ignored(settlements.len().saturating_sub(granted.settled));
        self.look_with((account, window), granted.used, granted.reserved);
        Ok(true)
    }

    /// What is used by the ledgers' word. None: they do not grant under that epoch any more.
    pub(super) async fn usage_by_ledgers(
        &self,
        account: AccountId,
        entitlement: Entitlement,
        epoch: i64,
        deadline: Deadline,
    ) -> Result<Option<Usage>, Error> {
        let window = Window::of(self.clock.now());
        let asked = self.nothing_of(account, epoch, window, Units::default(), &[]);
        let granted = self.grant_by_ledgers(&asked, deadline).await?;
        Ok(granted.map(|granted| Usage {
            window,
            units: Known {
                used: granted.used,
                reserved: granted.reserved,
            },
            entitlement,
        }))
    }

    /// What is stored, where Redis is missed and nobody had the ledgers grant yet.
    pub(super) async fn usage_as_stored(
        &self,
        account: AccountId,
        entitlement: Entitlement,
        deadline: Deadline,
    ) -> Result<Usage, Error> {
        let window = Window::of(self.clock.now());
        let sums = self.others.ledgers.windows(account, window, deadline);
        let used = sums.await?.get(&window).copied().unwrap_or_default();
        Ok(Usage {
            window,
            units: Known {
                used,
                reserved: Units::default(),
            },
            entitlement,
        })
    }

    /// To settle and look alone.
    fn nothing_of<'a>(
        &self,
        account: AccountId,
        epoch: i64,
        window: Window,
        limits: Units,
        settled: &'a [BatchId],
    ) -> LedgerAsk<'a> {
        LedgerAsk {
            account,
            epoch,
            window,
            batch: None,
            units: Units::default(),
            limits,
            lease: Duration::ZERO,
            settled,
            replica: self.replica,
            is_missing: self.misses_redis(),
        }
    }

    async fn grant_by_ledgers(
        &self,
        ask: &LedgerAsk<'_>,
        deadline: Deadline,
    ) -> Result<Option<LedgerGrant>, Error> {
        match self.others.ledgers.grant(ask, deadline).await? {
            Ok(granted) => {
                self.follow(ask.account, ask.epoch, granted.hold);
                Ok(Some(granted))
            }
            Err(stands) => {
                self.memory.leave(ask.account, stands.max(ask.epoch));
                Ok(None)
            }
        }
    }
}

/// Those of the epoch: what belongs to another is past.
fn batches_of(settlements: &[Settlement], epoch: i64) -> Vec<BatchId> {
    let of_epoch = settlements.iter().filter(|one| one.epoch == epoch);
    of_epoch.map(|one| one.batch).collect()
}
