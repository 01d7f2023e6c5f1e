//! Reserve, settle, tell the usage; rebuild and sweep in their own files.

mod rebuild;
mod sweep;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use weir_ids::{AccountId, BatchId};
use weir_rpc::Deadline;

use crate::Clock;
use crate::clients::{self, Ledgers, Plans};
use crate::domain::{Entitlement, Units, Window};
use crate::metrics;
use crate::store::{self, Known, Read, Reservation, Reserved, Store, Wanted};

pub use crate::store::{MAX_SETTLEMENTS, Settlement};

/// An account is noted as active this often at most: the sweeper forgets it an hour after
/// it was noted last, so it is never forgotten while batches come.
const NOTE_INTERVAL: TimeDelta = TimeDelta::minutes(10);
/// The notes of more accounts than this are thrown away and made anew.
const NOTES_KEPT: usize = 100_000;

/// Why units were not granted, or usage not told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Redis did not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A ledger or mapping did not answer.
    #[error(transparent)]
    Client(#[from] clients::Error),
    /// The caller's time was over first.
    #[error("no time was left")]
    Late,
    /// This replica's day is over for all others.
    #[error("the clock of this replica is days behind")]
    ClockBehind,
}

/// Everything the service does.
pub struct App {
    store: Store,
    ledgers: Ledgers,
    plans: Plans,
    clock: Clock,
    lease: Duration,
    /// When this replica last noted an account as active.
    noted: Mutex<HashMap<AccountId, DateTime<Utc>>>,
}

/// One batch's wish.
#[derive(Debug, Clone)]
pub struct Ask {
    pub account: AccountId,
    pub batch: BatchId,
    pub units: Units,
    pub entitlement: Entitlement,
    /// What earlier batches stored.
    pub settlements: Vec<Settlement>,
}

/// What it was granted.
#[derive(Debug, Clone, Copy)]
pub struct Grant {
    pub reservation: Reservation,
    pub limits: Units,
    pub lease_end: DateTime<Utc>,
}

/// The usage of an account in the present window.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    pub window: Window,
    pub units: Known,
    pub limits: Units,
}

impl App {
    pub fn new(
        store: Store,
        ledgers: Ledgers,
        plans: Plans,
        clock: Clock,
        lease: Duration,
    ) -> Self {
        Self {
            store,
            ledgers,
            plans,
            clock,
            lease,
            noted: Mutex::default(),
        }
    }

    /// Grants what is free, up to what is asked for. One round trip to Redis, except where
    /// the account's state must be rebuilt first.
    pub async fn reserve(self: &Arc<Self>, ask: Ask, deadline: Deadline) -> Result<Grant, Error> {
        let now = (self.clock)();
        let limits = ask.entitlement.limits();
        let wanted = Wanted {
            batch: ask.batch,
            window: Window::of(now),
            units: ask.units,
            limits,
            lease: self.lease,
        };
        self.note_active(ask.account, now).await?;
        while !deadline.passed() {
            let reserved = self.store.reserve(ask.account, &wanted, &ask.settlements);
            match reserved.await? {
                Reserved::Granted(reservation) => {
                    metrics::settles_ignored(
                        ask.settlements.len().saturating_sub(reservation.settled),
                    );
                    metrics::reserved(reservation.granted == ask.units);
                    return Ok(Grant {
                        reservation,
                        limits,
                        lease_end: now + reservation.lease,
                    });
                }
                Reserved::Past => return Err(Error::ClockBehind),
                Reserved::Stale => self.rebuild(ask.account, wanted.window, deadline).await?,
            }
        }
        Err(Error::Late)
    }

    /// Takes the edge's word for what batches stored.
    pub async fn settle(
        &self,
        account: AccountId,
        settlements: &[Settlement],
    ) -> Result<(), Error> {
        let settled = self.store.settle(account, settlements).await?;
        metrics::settles_ignored(settlements.len().saturating_sub(settled));
        Ok(())
    }

    /// Units of the present window, and what the plan allows now.
    pub async fn usage(
        self: &Arc<Self>,
        account: AccountId,
        deadline: Deadline,
    ) -> Result<Usage, Error> {
        let window = Window::of((self.clock)());
        let limits = self.plans.entitlement(account, deadline).await?.limits();
        while !deadline.passed() {
            match self.store.read(account, window).await? {
                Read::Known(units) => {
                    return Ok(Usage {
                        window,
                        units,
                        limits,
                    });
                }
                Read::Past => return Err(Error::ClockBehind),
                Read::Stale => self.rebuild(account, window, deadline).await?,
            }
        }
        Err(Error::Late)
    }

    /// Sees to it that sweepers know the account, before it has its first lease. Costs a
    /// round trip once in ten minutes.
    async fn note_active(&self, account: AccountId, now: DateTime<Utc>) -> Result<(), Error> {
        let fresh = |noted: &DateTime<Utc>| (now - *noted).abs() < NOTE_INTERVAL;
        if self.notes().get(&account).is_some_and(fresh) {
            return Ok(());
        }
        self.store.note_active(account, now).await?;
        let mut notes = self.notes();
        if notes.len() >= NOTES_KEPT {
            notes.clear();
        }
        notes.insert(account, now);
        Ok(())
    }

    fn notes(&self) -> std::sync::MutexGuard<'_, HashMap<AccountId, DateTime<Utc>>> {
        self.noted
            .lock()
            .expect("nothing panics while it holds this lock")
    }
}
