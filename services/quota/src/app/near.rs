//! What became of units that bring an account near a limit, when nothing comes behind them.
//!
//! Redis is asked, or what the ledgers hold is summed up where it is away or they grant: news of
//! a limit does not wait for Redis. What is near when a process ends in order is looked
//! at once more.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use weir_ids::AccountId;
use weir_rpc::Deadline;
use weir_service::Pulse;

use super::App;
use super::alerts::Place;
use crate::domain::{Units, Window};
use crate::store::Read;

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

impl App {
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
            let look = places.for_each_concurrent(SIDE_BY_SIDE, async |(account, window)| {
                let Some(near) = self.telling.near((account, window)) else {
                    return;
                };
                if let Some(used) = self.stored_of(account, window).await {
                    let now = self.clock.now();
                    self.telling.look(account, window, used, near.limits, now);
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
        let Some(near) = self.telling.near(place) else {
            return;
        };
        let (account, window) = place;
        let now = self.clock.now();
        self.telling.look(account, window, used, near.limits, now);
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
        let (Some(near), Some(used)) = (
            self.telling.near(place),
            self.stored_of(account, window).await,
        ) else {
            return;
        };
        let now = self.clock.now();
        self.telling.look(account, window, used, near.limits, now);
        // Nothing is stored of what was reserved longer ago.
        if near.since.elapsed() > self.lease {
            self.telling.watch(place, None);
        }
    }

    async fn stored_of(&self, account: AccountId, window: Window) -> Option<Units> {
        let ledgers = &self.others.ledgers;
        let sums = ledgers.windows(account, window, Deadline::after(CALL));
        let sums = sums.await.ok()?;
        Some(sums.get(&window).copied().unwrap_or_default())
    }
}
