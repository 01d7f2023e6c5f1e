//! Tells mapping of limits that are nearly or wholly used; it tells people.
//!
//! Nothing of a batch waits for it: what is to be told is put into a short queue, each of it once
//! a window, and a loop empties that. What does not fit, or could not be told, comes again with
//! one of the account's next batches, or when it is looked at again (`near.rs`); mapping tells
//! people of each once a day, whoever says it.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{mpsc, watch};
use weir_ids::AccountId;
use weir_rpc::Deadline;
use weir_service::{Outage, Pulse};

use super::App;
use crate::clients::{Error, News};
use crate::domain::{LimitAlert, Units, Window, alerts};
use crate::metrics;

/// An account has four a day at most.
const QUEUE: usize = 1_024;
/// What was told already is forgotten beyond so many, and told again.
pub(super) const KEPT: usize = 100_000;
const CALL: Duration = Duration::from_secs(5);
/// After a call that failed.
const PAUSE: Duration = Duration::from_secs(1);
/// A call and a pause are the longest between two beats.
pub const WITHIN: Duration = Duration::from_secs(30);
const BEAT: Duration = Duration::from_secs(5);
/// Mapping takes news of the present day by its clock, and of the one before.
pub(super) const DAYS_BEFORE: u64 = 1;

type Told = (AccountId, LimitAlert);
/// What of an account is looked at.
pub(super) type Place = (AccountId, Window);

/// What is to be told, and what was.
pub(super) struct Telling {
    told: Mutex<HashSet<Told>>,
    /// Of which so much is reserved that there may be something to tell once it is settled. Any
    /// replica may settle it: who reserved looks again.
    watched: Mutex<Watched>,
    /// What Redis was told is near.
    noted: Mutex<HashSet<Place>>,
    queue: mpsc::Sender<News>,
    /// How many are in the queue, or being told.
    untold: watch::Sender<usize>,
}

#[derive(Default)]
struct Watched {
    near: BTreeMap<Place, Near>,
    /// The one that was looked at last: those behind it are next.
    last: Option<Place>,
}

/// What may be near a limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Near {
    pub limits: Units,
    /// When units were reserved last.
    pub since: Instant,
}

/// Where it comes out.
pub struct Queue(mpsc::Receiver<News>);

impl Telling {
    pub(super) fn new() -> (Self, Queue) {
        let (queue, out) = mpsc::channel(QUEUE);
        let telling = Self {
            told: Mutex::default(),
            watched: Mutex::default(),
            noted: Mutex::default(),
            queue,
            untold: watch::Sender::new(0),
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
                // Of a day that is over it is that day's news: mapping tells of each day once.
                time: now.min(window.end() - TimeDelta::seconds(1)),
            };
            // Where there is no room, the next batch says it.
            if self.queue.try_send(news).is_ok() {
                self.untold.send_modify(|untold| *untold += 1);
                told.insert((account, alert));
            }
        }
    }

    /// The account's limits, where it is near one of them if all is stored that is reserved.
    pub(super) fn watch(&self, (account, window): Place, near: Option<Units>) {
        let mut watched = self.watched();
        let Some(limits) = near else {
            watched.near.remove(&(account, window));
            return;
        };
        if watched.near.len() >= KEPT {
            watched.near.clear();
        }
        let since = Instant::now();
        let near = Near { limits, since };
        watched.near.insert((account, window), near);
    }

    pub(super) fn near(&self, place: Place) -> Option<Near> {
        self.watched().near.get(&place).copied()
    }

    /// Of an account.
    pub(super) fn near_of(&self, account: AccountId) -> Vec<Place> {
        let watched = self.watched();
        let all = watched.near.range((account, Window::FIRST)..);
        let of_account = all.map(|(place, _)| *place);
        of_account.take_while(|(of, _)| *of == account).collect()
    }

    /// What is to be looked at next, each in its turn. What nobody would take any more is
    /// forgotten.
    pub(super) fn next_near(&self, today: Window, most: usize) -> Vec<Place> {
        let mut watched = self.watched();
        let first = today.earlier(DAYS_BEFORE);
        watched.near.retain(|(_, window), _| *window >= first);
        let behind = watched.last.map_or(Bound::Unbounded, Bound::Excluded);
        let near = &watched.near;
        let turn = near.range((behind, Bound::Unbounded)).chain(near.iter());
        let all = turn.map(|(place, _)| *place);
        let next: Vec<_> = all.take(most.min(near.len())).collect();
        watched.last = next.last().copied();
        next
    }

    /// Whether Redis was told that it is near, if it is.
    pub(super) fn is_noted(&self, place: Place) -> bool {
        self.near(place).is_none() || self.noted().contains(&place)
    }

    pub(super) fn note(&self, place: Place) {
        let mut noted = self.noted();
        if noted.len() >= KEPT {
            noted.clear();
        }
        noted.insert(place);
    }

    fn noted(&self) -> MutexGuard<'_, HashSet<Place>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when nothing is left in the queue.
    pub(super) async fn until_told(&self) {
        let mut untold = self.untold.subscribe();
        // It never ends: the sender is here.
        let _ = untold.wait_for(|untold| *untold == 0).await;
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, news: &News) {
        self.told().remove(&(news.account, news.alert));
    }

    fn told(&self) -> MutexGuard<'_, HashSet<Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Tells what is to be told, for ever.
    pub async fn tell_for_ever(self: Arc<Self>, mut queue: Queue, pulse: Pulse) {
        let mut beats = tokio::time::interval(BEAT);
        let outage = Outage::default();
        loop {
            pulse.beat();
            let next = tokio::select! {
                next = queue.0.recv() => next,
                _ = beats.tick() => continue,
            };
            let Some(news) = next else {
                continue;
            };
            let told = self.others.news.raise(&news, Deadline::after(CALL)).await;
            metrics::limit_alert(told.is_ok());
            match told {
                // It was deleted meanwhile.
                Ok(()) | Err(Error::UnknownAccount) => {
                    if let Some(away) = outage.worked() {
                        tracing::info!(away_secs = away.as_secs(), "alerts are told again");
                    }
                }
                Err(error) => {
                    if let Some(left_out) = outage.failed(&error.to_string()) {
                        tracing::warn!(account = %news.account, %error, left_out, "an alert is not told yet");
                    }
                    self.telling.forget(&news);
                    tokio::time::sleep(PAUSE).await;
                }
            }
            self.telling.untold.send_modify(|untold| *untold -= 1);
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
        // Of the day before, which mapping has to count by itself.
        look(today.earlier(1), 90);
        let late = queue.0.try_recv().unwrap();
        assert_eq!(late.alert.window, today.earlier(1));
        assert_eq!(Window::of(late.time), today.earlier(1));
    }

    #[test]
    fn what_is_near_is_looked_at_in_turn_as_long_as_somebody_would_take_it() {
        let (telling, _queue) = Telling::new();
        let today = Window::of("2026-11-24T10:00:00Z".parse().unwrap());
        let account = |number| AccountId(uuid::Uuid::from_u128(number));
        for number in 0..5 {
            telling.watch((account(number), today), Some(units(100)));
        }
        telling.watch((account(1), today.earlier(1)), Some(units(100)));
        telling.watch((account(1), today.earlier(2)), Some(units(100)));
        assert_eq!(telling.near_of(account(1)).len(), 3);
        let next = |most| -> Vec<_> {
            let next = telling.next_near(today, most).into_iter();
            next.map(|(account, _)| account.0.as_u128()).collect()
        };
        assert_eq!(next(4), [0, 1, 1, 2]);
        assert_eq!(next(4), [3, 4, 0, 1]);
        assert_eq!(next(10), [1, 2, 3, 4, 0, 1]);
        assert_eq!(telling.near_of(account(1)).len(), 2);
        telling.watch((account(1), today), None);
        assert_eq!(
            telling.near_of(account(1)),
            [(account(1), today.earlier(1))]
        );
    }
}
