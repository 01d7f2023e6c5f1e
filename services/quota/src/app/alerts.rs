//! Tells mapping of limits that are nearly or wholly used; it tells people.
//!
//! Nothing of a batch waits for it: what is to be told is put into a short queue, each of it once
//! a window, and a loop empties that. What does not fit, or could not be told, comes again with
//! one of the account's next batches; mapping tells people of each once a day, whoever says it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use weir_ids::AccountId;
use weir_rpc::Deadline;
use weir_service::Pulse;

use super::App;
use crate::clients::{Error, News};
use crate::domain::{LimitAlert, Units, Window, alerts};
use crate::metrics;
use crate::store::Read;

/// An account has four a day at most.
const QUEUE: usize = 1_024;
/// What was told already is forgotten beyond so many, and told again.
const KEPT: usize = 100_000;
const CALL: Duration = Duration::from_secs(5);
/// After a call that failed.
const PAUSE: Duration = Duration::from_secs(1);
/// A call and a pause are the longest between two beats.
pub const WITHIN: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_secs(5);
/// Accounts that are looked at in one go.
const LOOKS: usize = 1_000;

type Told = (AccountId, LimitAlert);

/// What is to be told, and what was.
pub(super) struct Telling {
    told: Mutex<HashSet<Told>>,
    /// Limits of accounts of which so much is reserved that there may be something to tell once it
    /// is settled. Any replica may settle it: who reserved looks again.
    near: Mutex<HashMap<AccountId, Units>>,
    queue: mpsc::Sender<News>,
}

/// Where it comes out.
pub struct Queue(mpsc::Receiver<News>);

impl Telling {
    pub(super) fn new() -> (Self, Queue) {
        let (queue, out) = mpsc::channel(QUEUE);
        let telling = Self {
            told: Mutex::default(),
            near: Mutex::default(),
            queue,
        };
        (telling, Queue(out))
    }

    /// Takes note of what an account has used.
    pub(super) fn look(
        &self,
        account: AccountId,
        window: Window,
        used: Units,
        limits: Units,
        now: DateTime<Utc>,
    ) {
        for alert in alerts(window, used, limits) {
            let mut told = self.told();
            if told.contains(&(account, alert)) {
                continue;
            }
            if told.len() >= KEPT {
                told.retain(|(_, alert)| alert.window == window);
            }
            if told.len() >= KEPT {
                told.clear();
            }
            let news = News {
                account,
                alert,
                used: alert.kind.of(used),
                limit: alert.kind.of(limits),
                time: now,
            };
            // Where there is no room, the next batch says it.
            if self.queue.try_send(news).is_ok() {
                told.insert((account, alert));
            }
        }
    }

    /// The account's limits, where it is near one of them if all is stored that is reserved.
    pub(super) fn watch(&self, account: AccountId, near: Option<Units>) {
        let mut watched = self.watched();
        match near {
            Some(limits) => {
                if watched.len() >= KEPT {
                    watched.clear();
                }
                watched.insert(account, limits);
            }
            None => {
                watched.remove(&account);
            }
        }
    }

    pub(super) fn near(&self, account: AccountId) -> Option<Units> {
        self.watched().get(&account).copied()
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<AccountId, Units>> {
        self.near.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, news: &News) {
        self.told().remove(&(news.account, news.alert));
    }

    fn told(&self) -> MutexGuard<'_, HashSet<Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Looks at what became of reservations that would bring an account near a limit.
    async fn look_again(&self) {
        let near: Vec<_> = self.telling.watched().keys().copied().take(LOOKS).collect();
        for account in near {
            self.look_at(account).await;
        }
    }

    /// Looks whether there is something to tell of an account that is near a limit. Where that is
    /// not known now, it is looked at later.
    pub(super) async fn look_at(&self, account: AccountId) {
        let Some(limits) = self.telling.near(account) else {
            return;
        };
        if self.memory.followed(account).is_some() || !self.asks_redis() {
            return;
        }
        let now = self.clock.now();
        let window = Window::of(now);
        let least = self.memory.progress(account);
        if let Ok(Read::Known(units)) = self.store.read(account, window, least).await {
            self.telling.look(account, window, units.used, limits, now);
            if units.reserved == Units::default() {
                self.telling.watch(account, None);
            }
        }
    }

    /// Tells what is to be told, for ever.
    pub async fn tell_for_ever(self: Arc<Self>, mut queue: Queue, pulse: Pulse) {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            pulse.beat();
            let next = tokio::select! {
                next = queue.0.recv() => next,
                _ = looks.tick() => {
                    // What was not looked at in time is the next time.
                    let _ = tokio::time::timeout(CALL, self.look_again()).await;
                    continue;
                }
            };
            let Some(news) = next else {
                continue;
            };
            let told = self.others.news.raise(&news, Deadline::after(CALL)).await;
            metrics::limit_alert(told.is_ok());
            match told {
                // It was deleted meanwhile.
                Ok(()) | Err(Error::UnknownAccount) => {}
                Err(error) => {
                    tracing::warn!(account = %news.account, %error, "an alert is not told yet");
                    self.telling.forget(&news);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(profile: i64) -> Units {
        Units {
            profile,
            activity: 0,
        }
    }

    #[test]
    fn what_is_told_is_told_once_a_window_and_again_where_it_failed() {
        let (telling, mut queue) = Telling::new();
        let now: DateTime<Utc> = "2026-11-24T10:00:00Z".parse().unwrap();
        let account = AccountId(uuid::Uuid::nil());
        let look = |window: Window, used| {
            telling.look(account, window, units(used), units(100), now);
        };
        let today = Window::of(now);
        for used in [10, 85, 90, 100, 100] {
            look(today, used);
        }
        let first = queue.0.try_recv().unwrap();
        assert_eq!((first.used, first.limit), (85, 100));
        assert_eq!(queue.0.try_recv().unwrap().used, 100);
        assert!(queue.0.try_recv().is_err());
        telling.forget(&first);
        look(today, 95);
        assert_eq!(queue.0.try_recv().unwrap().used, 95);
        // Another day.
        look(today.earlier(1), 90);
        assert_eq!(queue.0.try_recv().unwrap().alert.window, today.earlier(1));
    }
}
