//! Reserve, settle, tell the usage; rebuild and sweep, and what the ledgers do while Redis is away,
//! in their own files.

mod alerts;
mod ledgers;
mod memory;
mod near;
mod past;
mod rebuild;
mod sweep;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_ids::{AccountId, BatchId};
use weir_rpc::Deadline;
use weir_service::Clock;

use crate::clients::{self, Accounts, Alerts, Ledgers, Plans, Rejections};
use crate::domain::{
    Entitlement, Known, Progress, Reservation, Settlement, Sight, Units, Wanted, Window, alerts,
};
use crate::metrics;
use crate::store::{self, Read, Reserved, Store};

use alerts::Telling;
use memory::Memory;

pub use alerts::{Queue, WITHIN as TELL_WITHIN};
pub use ledgers::{LOOKS_WITHIN, RETURNS_WITHIN};
pub use near::LOOKS_NEAR_WITHIN;
pub use past::{History, Past};
pub use sweep::longest_sweep;

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
    /// The ledgers grant for the account: goes no further than who asked Redis.
    #[error("the ledgers grant")]
    ByLedgers,
    /// Ours to mend; it is logged already.
    #[error("an internal error")]
    Internal,
}

impl weir_service::Fault for Error {
    fn is_conflict(&self) -> bool {
        false
    }

    fn late() -> Self {
        Self::Late
    }

    fn internal() -> Self {
        Self::Internal
    }
}

/// The other services, as far as they are asked.
pub struct Others {
    pub ledgers: Ledgers,
    pub plans: Plans,
    pub accounts: Accounts,
    pub news: Alerts,
    pub rejections: Rejections,
}

/// Everything the service does.
pub struct App {
    store: Store,
    others: Others,
    clock: Clock,
    lease: Duration,
    memory: Memory,
    telling: Telling,
    /// What this process is known by.
    replica: Uuid,
    sight: Mutex<Sight>,
}

/// What one batch asks for.
#[derive(Debug, Clone)]
pub struct Ask {
    pub account: AccountId,
    pub batch: BatchId,
    pub units: Units,
    pub entitlement: Entitlement,
    /// The epoch that a ledger named when it refused a batch; 0 where none did.
    pub ledger_epoch: i64,
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
    pub entitlement: Entitlement,
}

impl App {
    /// What is to be told of limits comes out of the queue.
    pub fn new(store: Store, others: Others, clock: Clock, lease: Duration) -> (Self, Queue) {
        let (telling, queue) = Telling::new();
        let app = Self {
            store,
            others,
            clock,
            lease,
            memory: Memory::default(),
            telling,
            replica: weir_ids::random(),
            sight: Mutex::default(),
        };
        (app, queue)
    }

    /// Grants what is free, up to what is asked for: in Redis, or by the ledgers while that is
    /// missed (semantics 6.6a).
    pub async fn reserve(self: &Arc<Self>, ask: Ask, deadline: Deadline) -> Result<Grant, Error> {
        while !deadline.passed() {
            if let Some(epoch) = self.memory.followed(ask.account) {
                if let Some(grant) = self.reserve_by_ledgers(&ask, epoch, deadline).await? {
                    return Ok(grant);
                }
                continue;
            }
            if self.asks_redis() {
                match self.reserve_in_redis(&ask, deadline).await {
                    Err(Error::ByLedgers) => continue,
                    Err(Error::Store(store::Error::Away)) => self.note_miss(),
                    reserved => return reserved,
                }
            }
            let window = Window::of(self.clock.now());
            self.turn_to_ledgers(ask.account, window, deadline).await?;
        }
        Err(Error::Late)
    }

    /// One round trip to Redis, except where the account's state must be rebuilt first.
    async fn reserve_in_redis(
        self: &Arc<Self>,
        ask: &Ask,
        deadline: Deadline,
    ) -> Result<Grant, Error> {
        let now = self.clock.now();
        let limits = ask.entitlement.limits();
        let named = Progress {
            epoch: ask.ledger_epoch,
            grants: 0,
        };
        let mut wanted = Wanted {
            batch: ask.batch,
            window: Window::of(now),
            units: ask.units,
            limits,
            lease: self.lease,
            least: self.memory.progress(ask.account).max(named),
        };
        self.note_active(ask.account, now, deadline).await?;
        let mut is_renewed = false;
        while !deadline.passed() {
            let reserved = self.store.reserve(ask.account, &wanted, &ask.settlements);
            let reserved = match reserved.await {
                Err(store::Error::Unreadable) if !is_renewed => {
                    is_renewed = true;
                    let renewed = self.renew(ask.account, wanted.window, deadline);
                    wanted.least = renewed.await?;
                    continue;
                }
                reserved => reserved?,
            };
            match reserved {
                Reserved::Granted(reservation) => {
                    self.memory.saw(ask.account, reservation.progress);
                    metrics::settles_ignored(
                        ask.settlements.len().saturating_sub(reservation.settled),
                    );
                    metrics::reserved(reservation.granted == ask.units);
                    self.note_units(ask.account, &reservation, limits, now);
                    self.note_near((ask.account, reservation.window)).await;
                    return Ok(Grant {
                        reservation,
                        limits,
                        lease_end: now + reservation.lease,
                    });
                }
                Reserved::Past => return Err(Error::ClockBehind),
                Reserved::Stale => {
                    let rebuilt = self.rebuild(ask.account, wanted.window, wanted.least, deadline);
                    wanted.least = rebuilt.await?;
                }
            }
        }
        Err(Error::Late)
    }

    /// Tells people of what is used. What is only reserved becomes so when its batch is settled:
    /// where that makes a difference, it is looked at then, and after a while.
    fn note_units(
        &self,
        account: AccountId,
        reservation: &Reservation,
        limits: Units,
        now: DateTime<Utc>,
    ) {
        let Reservation {
            window,
            used,
            reserved,
            ..
        } = *reservation;
        self.telling.look(account, window, used, limits, now);
        let all = Units {
            profile: used.profile + reserved.profile,
            activity: used.activity + reserved.activity,
        };
        let is_near = alerts(window, all, limits).next().is_some();
        self.telling
            .watch((account, window), is_near.then_some(limits));
    }

    /// Takes the edge's word for what batches stored.
    pub async fn settle(
        self: &Arc<Self>,
        account: AccountId,
        settlements: &[Settlement],
        deadline: Deadline,
    ) -> Result<(), Error> {
        if let Some(epoch) = self.memory.followed(account) {
            let settled = self.settle_by_ledgers(account, settlements, epoch, deadline);
            if settled.await? {
                return Ok(());
            }
        }
        if !self.asks_redis() {
            return Err(store::Error::Away.into());
        }
        match self.settle_units(account, settlements, deadline).await {
            // Of an epoch that is past.
            Err(Error::ByLedgers) => return Ok(()),
            settled => settled?,
        }
        self.look_at(account).await;
        Ok(())
    }

    async fn settle_units(
        self: &Arc<Self>,
        account: AccountId,
        settlements: &[Settlement],
        deadline: Deadline,
    ) -> Result<(), Error> {
        let settled = match self.store.settle(account, settlements).await {
            Err(store::Error::Unreadable) => {
                // What the ledgers hold of the batches is in the new state.
                let window = Window::of(self.clock.now());
                self.renew(account, window, deadline).await?;
                return Ok(());
            }
            settled => settled?,
        };
        if settled == 0 {
            self.account_is_known(account, deadline).await?;
        }
        metrics::settles_ignored(settlements.len().saturating_sub(settled));
        Ok(())
    }

    /// Units of the present window, and what the plan allows now; mapping is asked for it,
    /// where the caller does not know.
    pub async fn usage(
        self: &Arc<Self>,
        account: AccountId,
        entitlement: Option<Entitlement>,
        deadline: Deadline,
    ) -> Result<Usage, Error> {
        let entitlement = match entitlement {
            Some(known) => known,
            None => self.others.plans.entitlement(account, deadline).await?,
        };
        while !deadline.passed() {
            if let Some(epoch) = self.memory.followed(account) {
                let usage = self.usage_by_ledgers(account, entitlement, epoch, deadline);
                if let Some(usage) = usage.await? {
                    return Ok(usage);
                }
                continue;
            }
            if self.asks_redis() {
                match self.usage_in_redis(account, entitlement, deadline).await {
                    Err(Error::ByLedgers) => continue,
                    Err(Error::Store(store::Error::Away)) => self.note_miss(),
                    usage => return usage,
                }
            }
            self.account_exists(account, deadline).await?;
            return self.usage_as_stored(account, entitlement, deadline).await;
        }
        Err(Error::Late)
    }

    async fn usage_in_redis(
        self: &Arc<Self>,
        account: AccountId,
        entitlement: Entitlement,
        deadline: Deadline,
    ) -> Result<Usage, Error> {
        let window = Window::of(self.clock.now());
        let mut least = self.memory.progress(account);
        let mut is_renewed = false;
        while !deadline.passed() {
            let read = match self.store.read(account, window, least).await {
                Err(store::Error::Unreadable) if !is_renewed => {
                    is_renewed = true;
                    least = self.renew(account, window, deadline).await?;
                    continue;
                }
                read => read?,
            };
            match read {
                Read::Known(units) => {
                    return Ok(Usage {
                        window,
                        units,
                        entitlement,
                    });
                }
                Read::Past => return Err(Error::ClockBehind),
                Read::Stale => {
                    self.account_is_known(account, deadline).await?;
                    least = self.rebuild(account, window, least, deadline).await?;
                }
            }
        }
        Err(Error::Late)
    }

    /// Sees to it that sweepers know the account, before it has its first lease, and that there
    /// is such an account. Costs a round trip or two once in ten minutes.
    async fn note_active(
        &self,
        account: AccountId,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<(), Error> {
        if self.memory.is_noted(account, now) {
            return Ok(());
        }
        self.account_is_known(account, deadline).await?;
        self.store.note_active(account, now).await?;
        self.memory.note(account, now);
        Ok(())
    }

    /// Forgets everything of an account that mapping no longer knows: how many keys that were;
    /// none where it does.
    ///
    /// # Errors
    /// Where Redis or mapping is away.
    pub async fn erase(
        &self,
        account: AccountId,
        deadline: Deadline,
    ) -> Result<Option<i64>, Error> {
        match self.others.accounts.exists(account, deadline).await {
            Ok(true) => Ok(None),
            Ok(false) => {
                let near = self.windows_told();
                Ok(Some(self.store.erase(account, &near).await?))
            }
            Err(silent) => Err(clients::Error::from(silent).into()),
        }
    }

    /// That there is such an account: one that has a state was known when that was built;
    /// mapping is asked for all others. So nothing is ever kept of an account that is nobody's.
    async fn account_is_known(&self, account: AccountId, deadline: Deadline) -> Result<(), Error> {
        if self.store.has_state(account).await? {
            return Ok(());
        }
        self.account_exists(account, deadline).await
    }

    async fn account_exists(&self, account: AccountId, deadline: Deadline) -> Result<(), Error> {
        match self.others.accounts.exists(account, deadline).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(clients::Error::UnknownAccount.into()),
            Err(silent) => Err(clients::Error::from(silent).into()),
        }
    }
}
