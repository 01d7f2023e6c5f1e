//! How much is in memory, and how many audience calls are in work, at once. What goes beyond is
//! told to come again. Batches have queues of their own (`domain::schedule`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::problem::Problem;
use crate::clients::Caller;
use crate::domain::shares::Shares;
use crate::metrics;

/// Memory is accounted for in pieces of this size.
const PIECE: usize = 16 * 1024;
/// Audience calls in work at once.
const CALLS: usize = 128;

pub struct Admission {
    memory: Arc<Mutex<Shares>>,
    calls: Arc<Mutex<Shares>>,
}

/// What a request has of its account's share; given back when dropped.
struct Share {
    of: Arc<Mutex<Shares>>,
    caller: Arc<Caller>,
    count: usize,
}

/// Memory that a body or an answer uses.
pub struct Hold(Share);

/// A slot among the audience calls in work.
pub struct Slot {
    _one: Share,
}

impl Admission {
    /// `memory` is for bodies and answers, in bytes.
    pub fn new(memory: usize) -> Self {
        let shares = |most| Arc::new(Mutex::new(Shares::new(most)));
        Self {
            memory: shares(memory.div_ceil(PIECE)),
            calls: shares(CALLS),
        }
    }

    /// Room for a body or an answer of this account; none yet.
    pub fn hold(&self, caller: Arc<Caller>) -> Hold {
        Hold(Share::new(&self.memory, caller))
    }

    /// A slot for an audience call of this account.
    ///
    /// # Errors
    /// 503 when there is none.
    pub fn enter(&self, caller: Arc<Caller>) -> Result<Slot, Problem> {
        let mut one = Share::new(&self.calls, caller);
        if !one.take(1) {
            metrics::shed("requests");
            let detail = "too many requests of this account, or of all, are in work";
            return Err(Problem::overloaded(detail));
        }
        Ok(Slot { _one: one })
    }
}

impl Hold {
    /// Makes it hold `bytes` at least.
    ///
    /// # Errors
    /// 503 when its account, or all together, would hold too much.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let more = bytes.div_ceil(PIECE).saturating_sub(self.0.count);
        if more > 0 && !self.0.take(more) {
            metrics::shed("bodies");
            let detail = "too much of this account, or of all, is in memory";
            return Err(Problem::overloaded(detail));
        }
        Ok(())
    }

    /// Makes it hold `bytes` and no more. They are in memory, whether or not there is room.
    pub fn set(&mut self, bytes: usize) {
        self.0.set(bytes.div_ceil(PIECE));
    }
}

impl Share {
    fn new(of: &Arc<Mutex<Shares>>, caller: Arc<Caller>) -> Self {
        Self {
            of: of.clone(),
            caller,
            count: 0,
        }
    }

    fn take(&mut self, more: usize) -> bool {
        let is_taken = lock(&self.of).take(&self.caller.account_id, more);
        if is_taken {
            self.count += more;
        }
        is_taken
    }

    fn set(&mut self, count: usize) {
        let mut shares = lock(&self.of);
        match count.checked_sub(self.count) {
            Some(more) => shares.put(&self.caller.account_id, more),
            None => shares.give_back(&self.caller.account_id, self.count - count),
        }
        self.count = count;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

fn lock(shares: &Mutex<Shares>) -> MutexGuard<'_, Shares> {
    shares.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(account_id: &str) -> Arc<Caller> {
        Arc::new(Caller {
            account_id: account_id.to_owned(),
            ..Caller::default()
        })
    }

    #[test]
    fn a_loud_account_leaves_calls_to_others() {
        let admission = Admission::new(0);
        let enter = |account| admission.enter(caller(account));
        let mut loud: Vec<Slot> = (0..CALLS / 2).map(|_| enter("loud").unwrap()).collect();
        assert!(enter("loud").is_err());
        let _other = enter("other").unwrap();
        loud.truncate(CALLS / 4);
        enter("loud").unwrap();
    }

    #[test]
    fn memory_is_shared_by_account_and_given_back() {
        let admission = Admission::new(8 * PIECE);
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
