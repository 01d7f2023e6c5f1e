//! How much is in work at once. What goes beyond is told to come again, before it costs
//! anything.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::metrics;

/// Bodies are accounted for in pieces of this size.
const PIECE: usize = 16 * 1024;

pub struct Admission {
    requests: Arc<Semaphore>,
    accounts: Arc<Accounts>,
    pieces: Arc<Semaphore>,
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

/// Memory that a body uses; given back when dropped.
pub struct Hold {
    pieces: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Admission {
    pub fn new(requests: usize, account_requests: usize, body_bytes: usize) -> Self {
        Self {
            requests: Arc::new(Semaphore::new(requests)),
            accounts: Arc::new(Accounts {
                most: account_requests,
                counts: Mutex::default(),
            }),
            pieces: Arc::new(Semaphore::new(body_bytes.div_ceil(PIECE))),
        }
    }

    /// A slot for a request of this account.
    ///
    /// # Errors
    /// 503 when there is none.
    pub fn enter(&self, account_id: &str) -> Result<Slot, Problem> {
        let Ok(request) = self.requests.clone().try_acquire_owned() else {
            metrics::shed("requests");
            return Err(Problem::overloaded("too many requests are in work"));
        };
        if !self.accounts.enter(account_id) {
            metrics::shed("account_requests");
            return Err(Problem::overloaded(
                "too many requests of this account are in work",
            ));
        }
        Ok(Slot {
            _request: request,
            accounts: self.accounts.clone(),
            account_id: account_id.to_owned(),
        })
    }

    /// Room for a body, to be grown while it arrives.
    pub fn hold(&self) -> Hold {
        Hold {
            pieces: self.pieces.clone(),
            held: None,
        }
    }
}

impl Accounts {
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
    /// 503 when all requests together hold too much.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let have = self
            .held
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        let more = bytes.div_ceil(PIECE).saturating_sub(have);
        if more == 0 {
            return Ok(());
        }
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let Ok(permit) = self.pieces.clone().try_acquire_many_owned(more) else {
            metrics::shed("bodies");
            return Err(Problem::overloaded("too many bodies are in memory"));
        };
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn bodies_share_a_bounded_memory() {
        let admission = Admission::new(1, 1, 4 * PIECE);
        let mut first = admission.hold();
        first.grow(1).unwrap();
        first.grow(PIECE + 1).unwrap();
        let mut second = admission.hold();
        second.grow(2 * PIECE).unwrap();
        assert!(first.grow(2 * PIECE + 1).is_err());
        drop(second);
        first.grow(4 * PIECE).unwrap();
    }
}
