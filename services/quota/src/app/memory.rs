//! What this replica remembers of accounts. Lost without harm: it saves round trips, and sees
//! that Redis was put back to an earlier moment.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;
use weir_ids::AccountId;

use crate::clients::Hold;
use crate::domain::Progress;
use crate::domain::sight::STEADY_AFTER;

/// An account is noted as active this often at most: the sweeper forgets it an hour after
/// it was noted last, so it is never forgotten while batches come.
const NOTE_INTERVAL: TimeDelta = TimeDelta::minutes(10);
/// What is remembered of more accounts than this is thrown away, and learnt anew.
const KEPT: usize = 100_000;
/// How often one tries to have Redis grant again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Memory {
    known: Mutex<HashMap<AccountId, Known>>,
    /// Those that the ledgers grant for. Apart: it is gone through again and again, and empty
    /// while Redis is there.
    followed: Mutex<HashMap<AccountId, Followed>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// When this replica last noted the account as active.
    noted: Option<DateTime<Utc>>,
    /// How far it has seen the account's state come.
    progress: Progress,
}

#[derive(Debug, Clone, Copy)]
struct Followed {
    epoch: i64,
    /// Which replica misses Redis, and until when that counts.
    hold: Option<(Uuid, Instant)>,
    /// When to have Redis grant again is tried next.
    next_try: Instant,
}

impl Memory {
    /// Whether the account was noted as active a short while ago.
    pub(super) fn is_noted(&self, account: AccountId, now: DateTime<Utc>) -> bool {
        let known = self.of(account);
        let is_fresh = |noted: DateTime<Utc>| (now - noted).abs() < NOTE_INTERVAL;
        known.noted.is_some_and(is_fresh)
    }

    pub(super) fn note(&self, account: AccountId, now: DateTime<Utc>) {
        self.change(account, |known| known.noted = Some(now));
    }

    /// What the account's state must have reached.
    pub(super) fn progress(&self, account: AccountId) -> Progress {
        self.of(account).progress
    }

    /// The state was seen to be so far.
    pub(super) fn saw(&self, account: AccountId, progress: Progress) {
        self.change(account, |known| {
            known.progress = known.progress.max(progress)
        });
    }

    /// The state was built anew: this counts, and nothing that was seen before.
    pub(super) fn built(&self, account: AccountId, progress: Progress) {
        self.change(account, |known| known.progress = progress);
        self.all_followed().remove(&account);
    }

    /// Under which epoch the ledgers grant, if they do.
    pub(super) fn followed(&self, account: AccountId) -> Option<i64> {
        let all = self.all_followed();
        all.get(&account).map(|followed| followed.epoch)
    }

    /// The ledgers grant under this epoch: no state below it counts.
    pub(super) fn follow(&self, account: AccountId, epoch: i64, hold: Option<Hold>, now: Instant) {
        self.saw(account, Progress { epoch, grants: 0 });
        let mut all = self.all_followed();
        if all.len() >= KEPT && !all.contains_key(&account) {
            all.clear();
        }
        let followed = all.entry(account).or_insert(Followed {
            epoch,
            hold: None,
            next_try: now + STEADY_AFTER,
        });
        followed.epoch = epoch;
        followed.hold = hold.map(|hold| (hold.by, now + hold.left));
    }

    /// The ledgers do not grant any more; a state that counts has come to this epoch at least.
    pub(super) fn leave(&self, account: AccountId, epoch: i64) {
        self.saw(account, Progress { epoch, grants: 0 });
        self.all_followed().remove(&account);
    }

    /// Accounts that the ledgers grant for and that Redis may grant for again, as far as is known
    /// here: nobody but this replica has missed it for a while. They come again a second later.
    pub(super) fn may_return(
        &self,
        replica: Uuid,
        now: Instant,
        most: usize,
    ) -> Vec<(AccountId, i64)> {
        let mut all = self.all_followed();
        let due = all.iter_mut().filter_map(|(account, followed)| {
            let is_held = |(by, end): (Uuid, Instant)| by != replica && end > now;
            let is_due = followed.next_try <= now && !followed.hold.is_some_and(is_held);
            is_due.then(|| {
                followed.next_try = now + TRY_AGAIN;
                (*account, followed.epoch)
            })
        });
        due.take(most).collect()
    }

    pub(super) fn count_followed(&self) -> usize {
        self.all_followed().len()
    }

    fn all_followed(&self) -> MutexGuard<'_, HashMap<AccountId, Followed>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, account: AccountId) -> Known {
        self.all().get(&account).copied().unwrap_or_default()
    }

    fn change(&self, account: AccountId, change: impl FnOnce(&mut Known)) {
        let mut all = self.all();
        if all.len() >= KEPT && !all.contains_key(&account) {
            all.clear();
        }
        change(all.entry(account).or_default());
    }

    fn all(&self) -> MutexGuard<'_, HashMap<AccountId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_goes_back_when_it_is_time_and_nobody_else_misses_redis() {
        let (memory, now) = (Memory::default(), Instant::now());
        let [mine, theirs] = [1, 2].map(Uuid::from_u128);
        let account = AccountId(Uuid::from_u128(7));
        let held = |by| {
            Some(Hold {
                by,
                left: Duration::from_secs(30),
            })
        };
        memory.follow(account, 5, held(mine), now);
        assert_eq!(memory.followed(account), Some(5));
        let due = |now| memory.may_return(mine, now, 10);
        assert_eq!(due(now + STEADY_AFTER / 2), []);
        let later = now + STEADY_AFTER;
        assert_eq!(due(later), [(account, 5)]);
        assert_eq!(due(later), [], "a try a second");
        memory.follow(account, 6, held(theirs), later);
        assert_eq!(due(later + Duration::from_secs(29)), []);
        let end = later + Duration::from_secs(30);
        assert_eq!(due(end), [(account, 6)]);
        memory.leave(account, 8);
        assert_eq!(
            (memory.followed(account), memory.count_followed()),
            (None, 0)
        );
        assert_eq!(memory.progress(account).epoch, 8);
        assert_eq!(due(end + Duration::from_secs(60)), []);
    }
}
