//! Which requests are driven next, and which of them together (semantics 1.9).
//!
//! Requests wait in a queue for each account, source, endpoint and day. A bounded number of
//! batches is under way at once; whenever one more may begin, it is made of what has waited
//! longest in a queue of the account whose turn it is. Nobody waits for others to come: while
//! little arrives each request is a batch of its own, and where more arrives than can be begun,
//! batches grow by themselves.
//!
//! Whose turn it is says deficit round robin: in each round an account may use up a quantum, by
//! what its batches cost, and who overdrew it waits until rounds have paid for it. An account
//! that has not been seen in this round comes first, so that a quiet one waits for no queue of
//! a loud one.
//!
//! **Invariant:** nothing here waits, and nothing is held beyond the limits.

mod accounts;
mod pace;

use std::collections::VecDeque;
use std::time::Duration;

use super::envelope::Kind;
use accounts::Accounts;
use pace::Pace;

/// What a batch is filled up to. A request that is larger goes alone, as a whole.
pub const FULL: Size = Size {
    events: 500,
    bytes: 4 * 1024 * 1024,
};

/// What a batch costs whatever its size, in events: 2.5 ms of processor time against 20 µs.
const ONE_BATCH: usize = 125;

/// Since any moment that stays the same.
pub type Moment = Duration;

/// What a request, or several together, come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    pub events: usize,
    pub bytes: usize,
}

impl Size {
    fn plus(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            bytes: self.bytes + other.bytes,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            events: self.events - other.events,
            bytes: self.bytes - other.bytes,
        }
    }

    fn fits(self, most: Self) -> bool {
        self.events <= most.events && self.bytes <= most.bytes
    }

    /// Half of a full batch, or more: it costs little more than a full one for each event.
    fn is_large(self) -> bool {
        self.events >= FULL.events / 2 || self.bytes >= FULL.bytes / 2
    }

    /// What a batch of this size costs, in events of ordinary size.
    fn cost(self) -> i64 {
        let cost = ONE_BATCH + self.events.max(self.bytes / 1024);
        i64::try_from(cost).unwrap_or(i64::MAX)
    }
}

/// How much is under way, and waits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Batches under way at once.
    pub slots: usize,
    /// Of these, one account's.
    pub account_slots: usize,
    /// Of these, how many may be small: a few keep an account's answers quick, and what comes
    /// meanwhile makes a larger batch, which costs less for each event.
    pub small_slots: usize,
    /// What may wait, of all accounts together; half of it may be one account's.
    pub waiting: Size,
}

/// What may go together, of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueKey {
    pub source_id: String,
    pub kind: Kind,
    /// Of its arrival, in UTC: units belong to a day.
    pub day: i64,
    /// It is taken anew, and never goes together with what was just sent.
    pub is_replay: bool,
}

/// A request that is to wait, or others that are to go on together.
#[derive(Debug)]
pub struct Entry<T> {
    pub item: T,
    pub size: Size,
    /// Since when it waits.
    pub since: Moment,
    /// When nobody waits for its answer any more.
    pub due: Moment,
}

/// Why a request can't wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Too much waits.
    All,
    /// Too much of this account waits.
    Account,
    /// It would wait beyond its deadline.
    Late,
}

/// What begins now.
#[derive(Debug)]
pub struct Next<T> {
    pub batch: Option<Batch<T>>,
    /// Whose time would not do any more: nothing of them has begun.
    pub late: Vec<T>,
}

/// Goes on together; holds a slot until [`Schedule::ended`].
#[derive(Debug)]
pub struct Batch<T> {
    pub account_id: String,
    /// In the order in which they came.
    pub entries: Vec<Entry<T>>,
    pub size: Size,
}

/// What waits and what is under way, of all accounts.
#[derive(Debug)]
pub struct Schedule<T> {
    limits: Limits,
    accounts: Accounts<T>,
    /// Batches under way.
    busy: usize,
    waiting: Size,
    pace: Pace,
}

impl<T> Schedule<T> {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            accounts: Accounts::default(),
            busy: 0,
            waiting: Size::default(),
            pace: Pace::default(),
        }
    }

    /// What waits now.
    pub fn waiting(&self) -> Size {
        self.waiting
    }

    /// Whether requests of this account would wait for one more batch of it: some do already, or
    /// the last slot would be taken.
    pub fn is_pressed(&self, account_id: &str) -> bool {
        self.busy + 1 >= self.limits.slots || self.accounts.is_pressed(account_id, &self.limits)
    }

    /// Whether so much more of this account may wait.
    ///
    /// # Errors
    /// Why not.
    pub fn has_room(&self, account_id: &str, more: Size) -> Result<(), Full> {
        let half = Size {
            events: self.limits.waiting.events / 2,
            bytes: self.limits.waiting.bytes / 2,
        };
        if !self.accounts.waiting(account_id).plus(more).fits(half) {
            Err(Full::Account)
        } else if !self.waiting.plus(more).fits(self.limits.waiting) {
            Err(Full::All)
        } else {
            Ok(())
        }
    }

    /// Has a request wait behind those of its queue.
    ///
    /// # Errors
    /// Where it can't; it comes back then.
    pub fn add(
        &mut self,
        account_id: &str,
        key: QueueKey,
        entry: Entry<T>,
    ) -> Result<(), (Full, T)> {
        if let Err(full) = self.has_room(account_id, entry.size) {
            return Err((full, entry.item));
        }
        let queued = self.accounts.queued(account_id, &self.limits, self.busy);
        if entry.due <= entry.since + self.pace.until_done(queued) {
            return Err((Full::Late, entry.item));
        }
        self.waiting = self.waiting.plus(entry.size);
        let queue = self.accounts.queue(account_id, key, entry.size);
        queue.entries.push_back(entry);
        Ok(())
    }

    /// Has what was under way before go on in front of its queue, and alone.
    pub fn add_again(&mut self, account_id: &str, key: QueueKey, entry: Entry<T>) {
        self.waiting = self.waiting.plus(entry.size);
        let queue = self.accounts.queue(account_id, key, entry.size);
        queue.again.push_back(entry);
    }

    /// What begins now: no batch where none may, or nothing waits.
    pub fn next(&mut self, now: Moment) -> Next<T> {
        let mut late = Vec::new();
        while self.busy < self.limits.slots {
            let Some(account) = self.accounts.turn(&self.limits) else {
                break;
            };
            let before = account.waiting;
            let (entries, size) = account.take(now + self.pace.batch(), &mut late);
            let gone = before.minus(account.waiting);
            self.waiting = self.waiting.minus(gone);
            if entries.is_empty() {
                continue;
            }
            let account_id = account.begin(size);
            self.busy += 1;
            let batch = Batch {
                account_id,
                entries,
                size,
            };
            return Next {
                batch: Some(batch),
                late,
            };
        }
        Next { batch: None, late }
    }

    /// A batch of this account and size is not under way any more; it `took` so long.
    pub fn ended(&mut self, account_id: &str, size: Size, took: Duration) {
        self.busy -= 1;
        self.accounts.ended(account_id, size);
        self.pace.learn(took);
        if self.waiting == Size::default() {
            self.accounts.forget_idle();
        }
    }
}

/// Requests that may go together.
#[derive(Debug)]
struct Queue<T> {
    key: QueueKey,
    /// Were under way before, and go on first, each alone.
    again: VecDeque<Entry<T>>,
    entries: VecDeque<Entry<T>>,
    waiting: Size,
}

impl<T> Queue<T> {
    fn new(key: QueueKey) -> Self {
        Self {
            key,
            again: VecDeque::new(),
            entries: VecDeque::new(),
            waiting: Size::default(),
        }
    }

    fn is_empty(&self) -> bool {
        self.again.is_empty() && self.entries.is_empty()
    }

    /// Since when its first has waited.
    fn since(&self) -> Moment {
        let first = self.again.front().or(self.entries.front());
        first.map_or(Moment::MAX, |entry| entry.since)
    }

    /// Takes what goes together now. What is due by `done` would be late.
    fn take(&mut self, done: Moment, late: &mut Vec<T>) -> (Vec<Entry<T>>, Size) {
        let (mut taken, mut size) = (Vec::new(), Size::default());
        if let Some(entry) = self.again.pop_front() {
            // Its first round may be stored already: it is for its own round to find it late.
            self.waiting = self.waiting.minus(entry.size);
            size = entry.size;
            taken.push(entry);
            return (taken, size);
        }
        while let Some(entry) = self.entries.front() {
            let is_late = entry.due <= done;
            let is_more = !taken.is_empty();
            if !is_late && is_more && !size.plus(entry.size).fits(FULL) {
                break;
            }
            let Some(entry) = self.entries.pop_front() else {
                break;
            };
            self.waiting = self.waiting.minus(entry.size);
            if is_late {
                late.push(entry.item);
            } else {
                size = size.plus(entry.size);
                taken.push(entry);
            }
        }
        (taken, size)
    }
}

#[cfg(test)]
mod tests;
