//! What became of units that bring an account near a limit, when nothing comes behind them.
//!
//! Redis is asked, or what the ledgers hold is summed up where it is away or they grant: news of
//! a limit does not wait for Redis. What is near when a process ends in order is looked
//! at once more. What a process that was killed had in mind is in Redis as well: the account is
//! noted there when it comes near, and the replica that sweeps looks at all that were.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use weir_ids::AccountId;
use weir_rpc::Deadline;
use weir_service::Pulse;

use super::alerts::{DAYS_BEFORE, KEPT, Near, Place};
use super::{App, Error};
use crate::domain::{Units, Window};
use crate::store::{self, Read};

/// How often what is near is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// In one go, and side by side: each may cost the ledgers a call.
const LOOKS: usize = 1_000;
const SIDE_BY_SIDE: usize = 8;
/// For all of one go: what was not looked at is next.
const LOOK_TIME: Duration = Duration::from_secs(5);
/// A ledger that takes longer is asked again at the next look.
const CALL: Duration = Duration::from_secs(2);
/// A pause and a look are the longest between two beats.
pub const LOOKS_NEAR_WITHIN: Duration = Duration::from_secs(30);
/// Whoever stops a process waits for it; mapping and the ledgers answer in milliseconds.
const LAST: Duration = Duration::from_secs(2);
/// Of that, what is not spent on looking.
const LAST_LOOK: Duration = Duration::from_millis(1_200);
/// How often the replica that sweeps looks at what others noted, and how long at once.
const FIND: Duration = Duration::from_secs(15);
const FIND_TIME: Duration = Duration::from_secs(10);

/// What was used when the replica that sweeps looked last: as long as that stays, nobody has to
/// be asked for the plan.
#[derive(Default)]
pub(super) struct Found {
    used: Mutex<HashMap<Place, Units>>,
    last: Option<Instant>,
}

impl Found {
    fn is_new(&self, place: Place, used: Units) -> bool {
        self.all().get(&place) != Some(&used)
    }

    fn keep(&self, place: Place, used: Units) {
        let mut all = self.all();
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert(place, used);
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<Place, Units>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Notes in Redis that an account is near a limit, if it is: once a window.
    pub(super) async fn note_near(&self, place: Place) {
        if self.telling.is_noted(place) {
            return;
        }
        let (account, window) = place;
        let noted = self.store.note_near(account, window, self.clock.now());
        if noted.await.is_ok() {
            self.telling.note(place);
        }
    }

    /// Of which somebody may still be told something.
    pub(super) fn windows_told(&self) -> Vec<Window> {
        let today = Window::of(self.clock.now());
        (0..=DAYS_BEFORE).map(|days| today.earlier(days)).collect()
    }

    /// Tells of accounts that any replica noted: it may have been killed before it told. What
    /// there is no time for, and what fails, comes with the next look.
    pub(super) async fn find_near(&self, found: &mut Found) {
        if found.last.is_some_and(|last| last.elapsed() < FIND) {
            return;
        }
        found.last = Some(Instant::now());
        let find = async {
            for window in self.windows_told() {
                for shard in 0..store::SHARDS {
                    // One shard's trouble is not the others'.
                    let _ = self.find_in_shard(found, window, shard).await;
                }
            }
        };
        let _ = tokio::time::timeout(FIND_TIME, find).await;
    }

    async fn find_in_shard(
        &self,
        found: &Found,
        window: Window,
        shard: u8,
    ) -> Result<(), store::Error> {
        let (mut skip, mut more) = (0, true);
        while more {
            let accounts;
            (accounts, more) = self.store.near(window, shard, skip).await?;
            skip += store::ACTIVE_PAGE;
            futures_util::stream::iter(accounts)
                .for_each_concurrent(SIDE_BY_SIDE, async |(account, _)| {
                    let _ = self.tell_found(found, (account, window)).await;
                })
                .await;
        }
        Ok(())
    }

    async fn tell_found(&self, found: &Found, place: Place) -> Result<(), Error> {
        let (account, window) = place;
        let least = self.memory.progress(account);
        let used = match self.store.read(account, window, least).await {
            Ok(Read::Known(units)) => Some(units.used),
            _ => self.stored_of(place).await,
        };
        let Some(used) = used.filter(|used| found.is_new(place, *used)) else {
            return Ok(());
        };
        let plan = self
            .others
            .plans
            .entitlement(account, Deadline::after(CALL));
        let limits = plan.await?.limits();
        let now = self.clock.now();
        self.telling.look(account, window, used, limits, now);
        found.keep(place, used);
        Ok(())
    }

    /// Looks at what is near, for ever.
    pub async fn look_near_for_ever(self: Arc<Self>, pulse: Pulse) {
        loop {
            pulse.beat();
            tokio::time::sleep(LOOK).await;
            let places = self.next_near();
            let look = futures_util::stream::iter(places)
                .for_each_concurrent(SIDE_BY_SIDE, |place| self.look_at_place(place));
            let _ = tokio::time::timeout(LOOK_TIME, look).await;
        }
    }

    /// At the end: tells what the ledgers hold of all that is near, whether or not it was
    /// settled, and what is in the queue, while there is time.
    pub async fn tell_last(&self) {
        let last = async {
            let places = futures_util::stream::iter(self.next_near());
            let look = places.for_each_concurrent(SIDE_BY_SIDE, async |place| {
                if let Some(used) = self.stored_of(place).await {
                    self.tell_near(place, used);
                }
            });
            let _ = tokio::time::timeout(LAST_LOOK, look).await;
            self.telling.until_told().await;
        };
        if tokio::time::timeout(LAST, last).await.is_err() {
            tracing::warn!("some alerts were not told before the end");
        }
    }

    /// Looks whether there is something to tell of an account that is near a limit.
    pub(super) async fn look_at(&self, account: AccountId) {
        for place in self.telling.near_of(account) {
            self.look_at_place(place).await;
        }
    }

    /// Takes note of what an account has used that may be near a limit.
    pub(super) fn look_with(&self, place: Place, used: Units, reserved: Units) {
        self.tell_near(place, used);
        if reserved == Units::default() {
            self.telling.watch(place, None);
        }
    }

    fn next_near(&self) -> Vec<Place> {
        let today = Window::of(self.clock.now());
        self.telling.next_near(today, LOOKS)
    }

    /// Where nobody says how much is used now, it is looked at later.
    async fn look_at_place(&self, place: Place) {
        let (account, window) = place;
        // Of a day that is over nothing is granted any more: what is stored says all.
        let is_over = window < Window::of(self.clock.now());
        let is_followed = self.memory.followed(account).is_some();
        if !is_over && !is_followed && self.asks_redis() {
            let least = self.memory.progress(account);
            if let Ok(Read::Known(units)) = self.store.read(account, window, least).await {
                self.look_with(place, units.used, units.reserved);
                return;
            }
        }
        // Else the ledgers grant, or Redis is away, or lost the state, and no batch came since.
        let Some(used) = self.stored_of(place).await else {
            return;
        };
        // Nothing is stored of what was reserved longer ago.
        let near = self.tell_near(place, used);
        if near.is_some_and(|near| near.since.elapsed() > self.lease) {
            self.telling.watch(place, None);
        }
    }

    /// Tells what there is to tell of what may be near a limit; answers it, where it may be.
    fn tell_near(&self, place: Place, used: Units) -> Option<Near> {
        let near = self.telling.near(place)?;
        let ((account, window), now) = (place, self.clock.now());
        self.telling.look(account, window, used, near.limits, now);
        Some(near)
    }

    async fn stored_of(&self, (account, window): Place) -> Option<Units> {
        let ledgers = &self.others.ledgers;
        let sums = ledgers.windows(account, window, Deadline::after(CALL));
        let sums = sums.await.ok()?;
        Some(sums.get(&window).copied().unwrap_or_default())
    }
}
