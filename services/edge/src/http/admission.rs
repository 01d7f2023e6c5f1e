//! How much is in work, and in memory, at once. What goes beyond is told to come again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::clients::Caller;
use crate::domain::shares::Shares;
use crate::metrics;

/// Bodies are accounted for in pieces of this size.
const PIECE: usize = 16 * 1024;

pub struct Admission {
    requests: Arc<Semaphore>,
    accounts: Arc<Accounts>,
    memory: Arc<Mutex<Shares>>,
}

/// Requests in work by account; accounts without any are not in it.
struct Accounts {
    most: usize,
    counts: Mutex<HashMap<String, usize>>,
}

/// A slot among the requests in work; given back when dropped.
pub struct Slot {
    _request: OwnedSemaphorePermit,
    accounts: Arc<Accounts>,
    account_id: String,
}

/// Memory that a body or an answer uses of its account's; given back when dropped.
pub struct Hold {
    memory: Arc<Mutex<Shares>>,
    caller: Arc<Caller>,
    pieces: usize,
}

impl Admission {
    pub fn new(requests: usize, account_requests: usize, body_bytes: usize) -> Self {
        Self {
            requests: Arc::new(Semaphore::new(requests)),
            accounts: Arc::new(Accounts {
                most: account_requests,
                counts: Mutex::default(),
            }),
            memory: Arc::new(Mutex::new(Shares::new(body_bytes.div_ceil(PIECE)))),
        }
    }

    /// A slot for a request of this account.
    ///
    /// # Errors
    /// 503 when there is none.
    pub fn enter(&self, account_id: &str) -> Result<Slot, Problem> {
        let Ok(request) = self.requests.clone().try_acquire_owned() else {
            return Err(all());
        };
        if !self.accounts.enter(account_id) {
            return Err(account());
        }
        Ok(Slot {
            _request: request,
            accounts: self.accounts.clone(),
            account_id: account_id.to_owned(),
        })
    }

    /// Whether there is a slot, for a request whose body is yet to be read.
    ///
    /// # Errors
    /// 503 when there is none.
    pub fn look(&self, account_id: &str) -> Result<(), Problem> {
        if self.requests.available_permits() == 0 {
            return Err(all());
        }
        if !self.accounts.has_room(account_id) {
            return Err(account());
        }
        Ok(())
    }

    /// Room for a body or an answer of this account.
    pub fn hold(&self, caller: Arc<Caller>) -> Hold {
        Hold {
            memory: self.memory.clone(),
            caller,
            pieces: 0,
        }
    }
}

fn all() -> Problem {
    metrics::shed("requests");
    Problem::overloaded("too many requests are in work")
}

fn account() -> Problem {
    metrics::shed("account_requests");
    Problem::overloaded("too many requests of this account are in work")
}

impl Accounts {
    fn has_room(&self, account_id: &str) -> bool {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(account_id).copied().unwrap_or(0) < self.most
    }

    fn enter(&self, account_id: &str) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(account_id) {
            Some(count) if *count >= self.most => false,
            None if self.most == 0 => false,
            Some(count) => {
                *count += 1;
                true
            }
            None => {
                counts.insert(account_id.to_owned(), 1);
                true
            }
        }
    }

    fn leave(&self, account_id: &str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(account_id) {
            *count -= 1;
            if *count == 0 {
                counts.remove(account_id);
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.accounts.leave(&self.account_id);
    }
}

impl Hold {
    /// Makes it hold `bytes` at least.
    ///
    /// # Errors
    /// 503 when its account, or all together, would hold too much.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let more = bytes.div_ceil(PIECE).saturating_sub(self.pieces);
        if more == 0 {
            return Ok(());
        }
        if !self.shares().take(&self.caller.account_id, more) {
            metrics::shed("bodies");
            let detail = "too much of this account, or of all, is in memory";
            return Err(Problem::overloaded(detail));
        }
        self.pieces += more;
        Ok(())
    }

    /// Makes it hold `bytes` and no more. They are in memory, whether or not there is room.
    pub fn set(&mut self, bytes: usize) {
        let pieces = bytes.div_ceil(PIECE);
        let mut shares = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let account_id = &self.caller.account_id;
        match pieces.checked_sub(self.pieces) {
            Some(more) => shares.put(account_id, more),
            None => shares.give_back(account_id, self.pieces - pieces),
        }
        self.pieces = pieces;
    }

    fn shares(&self) -> MutexGuard<'_, Shares> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut shares = self.shares();
        shares.give_back(&self.caller.account_id, self.pieces);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::SourceKind;

    #[test]
    fn a_loud_account_leaves_room_for_others() {
        let admission = Admission::new(3, 2, 0);
        let first = admission.enter("loud").unwrap();
        let _second = admission.enter("loud").unwrap();
        assert!(admission.enter("loud").is_err());
        let _other = admission.enter("other").unwrap();
        assert!(admission.enter("third").is_err());
        drop(first);
        admission.enter("loud").unwrap();
    }

    #[test]
    fn a_slot_that_is_not_there_is_seen_before() {
        let admission = Admission::new(2, 1, 0);
        admission.look("loud").unwrap();
        let _first = admission.enter("loud").unwrap();
        assert!(admission.look("loud").is_err());
        let _other = admission.enter("other").unwrap();
        assert!(admission.look("third").is_err());
    }

    #[test]
    fn memory_is_shared_by_account_and_given_back() {
        let admission = Admission::new(1, 1, 8 * PIECE);
        let caller = |account_id: &str| {
            Arc::new(Caller {
                account_id: account_id.to_owned(),
                source_id: String::new(),
                source_kind: SourceKind::Actions,
            })
        };
        let mut first = admission.hold(caller("loud"));
        first.grow(1).unwrap();
        first.grow(3 * PIECE).unwrap();
        let mut second = admission.hold(caller("loud"));
        assert!(second.grow(PIECE + 1).is_err());
        second.grow(PIECE).unwrap();
        admission.hold(caller("other")).grow(2 * PIECE).unwrap();
        drop(first);
        second.grow(4 * PIECE).unwrap();
        // An answer is in memory, whether or not it may be.
        let mut answer = admission.hold(caller("loud"));
        answer.set(9 * PIECE);
        assert!(admission.hold(caller("other")).grow(1).is_err());
        answer.set(1);
        admission.hold(caller("other")).grow(1).unwrap();
    }
}
