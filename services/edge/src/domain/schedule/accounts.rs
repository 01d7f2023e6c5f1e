//! Accounts that wait or are under way, and whose turn it is.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::pace::Queued;
use super::{Entry, Limits, Moment, Queue, QueueKey, Size};

/// What an account may use up in a round, in events: as little as can be, so that turns alternate
/// even where batches are small. Rounds in which nobody gets ahead are counted, not gone through.
const QUANTUM: i64 = 1;

#[derive(Debug)]
pub(super) struct Accounts<T> {
    all: HashMap<Arc<str>, Account<T>>,
    /// In the order of their turns: who has not been seen in this round stands in front.
    ring: VecDeque<Arc<str>>,
}

#[derive(Debug)]
pub(super) struct Account<T> {
    id: Arc<str>,
    /// Each is not empty; they are a few.
    queues: Vec<Queue<T>>,
    pub(super) waiting: Size,
    busy: usize,
    /// Of `busy`.
    small: usize,
    /// What is left of its quantum; less than nothing where it used more.
    credit: i64,
}

impl<T> Default for Accounts<T> {
    fn default() -> Self {
        Self {
            all: HashMap::new(),
            ring: VecDeque::new(),
        }
    }
}

impl<T> Accounts<T> {
    /// What of this account waits.
    pub fn waiting(&self, account_id: &str) -> Size {
        self.all
            .get(account_id)
            .map_or_else(Size::default, |account| account.waiting)
    }

    /// Whether something of it waits, or one more batch would take its last slot.
    pub fn is_pressed(&self, account_id: &str, limits: &Limits) -> bool {
        let its = self.all.get(account_id);
        its.is_some_and(|account| {
            account.waiting != Size::default() || account.busy + 1 >= limits.account_slots
        })
    }

    /// What is in front of a request of this account that comes now.
    pub fn queued(&self, account_id: &str, limits: &Limits, busy: usize) -> Queued {
        let its = self.all.get(account_id);
        let size = its.map_or_else(Size::default, |account| account.waiting);
        let is_free = its.is_none_or(|account| account.may_begin(limits));
        let slots = if is_free && busy < limits.slots {
            0
        } else {
            let share = limits.slots / self.ring.len().max(1);
            share.clamp(1, limits.account_slots.max(1))
        };
        Queued {
            size,
            slots: u32::try_from(slots).unwrap_or(u32::MAX),
        }
    }

    /// The queue in which so much more is going to wait.
    pub fn queue(&mut self, account_id: &str, key: QueueKey, more: Size) -> &mut Queue<T> {
        if !self.all.contains_key(account_id) {
            let id: Arc<str> = account_id.into();
            self.ring.push_front(id.clone());
            self.all.insert(id.clone(), Account::new(id));
        }
        let account = self
            .all
            .get_mut(account_id)
            .expect("it is there, or was just put there");
        account.waiting = account.waiting.plus(more);
        let known = account.queues.iter().position(|queue| queue.key == key);
        let at = known.unwrap_or_else(|| {
            account.queues.push(Queue::new(key));
            account.queues.len() - 1
        });
        let queue = &mut account.queues[at];
        queue.waiting = queue.waiting.plus(more);
        queue
    }

    /// The account whose turn it is, among those of which one more batch may begin.
    pub fn turn(&mut self, limits: &Limits) -> Option<&mut Account<T>> {
        // Rounds until the first that may begin has credit: none where it has some.
        let ready = self.ring.iter().enumerate().filter_map(|(at, id)| {
            let account = &self.all[id];
            let is_ready = account.may_begin(limits);
            is_ready.then(|| (account.rounds_to_credit(), at))
        });
        let (rounds, at) = ready.min_by_key(|(rounds, _)| *rounds)?;
        // Others have theirs before its next one.
        let id = self.ring.remove(at)?;
        self.ring.push_back(id.clone());
        if rounds > 0 {
            self.end_rounds(rounds);
        }
        self.all.get_mut(&id)
    }

    /// Everybody gets a quantum for each round; who has nothing under way, and no debt, is
    /// forgotten.
    fn end_rounds(&mut self, rounds: i64) {
        self.all.retain(|_, account| {
            let is_over = account.is_idle() && account.credit > 0;
            let more = rounds.saturating_mul(QUANTUM);
            account.credit = account.credit.saturating_add(more).min(QUANTUM);
            !is_over
        });
        self.ring.retain(|id| self.all.contains_key(id));
    }

    pub fn ended(&mut self, account_id: &str, size: Size) {
        if let Some(account) = self.all.get_mut(account_id) {
            account.busy -= 1;
            account.small -= usize::from(!size.is_large());
        }
    }

    /// Where nothing waits, nobody has used up anything that another one wanted.
    pub fn forget_idle(&mut self) {
        self.all.retain(|_, account| {
            account.credit = QUANTUM;
            !account.is_idle()
        });
        self.ring.retain(|id| self.all.contains_key(id));
    }
}

impl<T> Account<T> {
    fn new(id: Arc<str>) -> Self {
        Self {
            id,
            queues: Vec::new(),
            waiting: Size::default(),
            busy: 0,
            small: 0,
            credit: QUANTUM,
        }
    }

    fn is_idle(&self) -> bool {
        self.queues.is_empty() && self.busy == 0
    }

    /// Whether one more of its batches may begin: a small one where few are under way that are
    /// small, else a large one.
    fn may_begin(&self, limits: &Limits) -> bool {
        let Some(first) = self.first() else {
            return false;
        };
        let waits = &self.queues[first].waiting;
        self.busy < limits.account_slots && (self.small < limits.small_slots || waits.is_large())
    }

    /// The queue whose first has waited longest.
    fn first(&self) -> Option<usize> {
        (0..self.queues.len()).min_by_key(|at| self.queues[*at].since())
    }

    /// How many rounds give it credit.
    fn rounds_to_credit(&self) -> i64 {
        if self.credit > 0 {
            0
        } else {
            -self.credit / QUANTUM + 1
        }
    }

    /// Takes what goes together now, from the queue whose first has waited longest.
    pub fn take(&mut self, done: Moment, late: &mut Vec<T>) -> (Vec<Entry<T>>, Size) {
        let Some(first) = self.first() else {
            return (Vec::new(), Size::default());
        };
        let queue = &mut self.queues[first];
        let before = queue.waiting;
        let taken = queue.take(done, late);
        self.waiting = self.waiting.minus(before.minus(queue.waiting));
        if queue.is_empty() {
            self.queues.swap_remove(first);
        }
        taken
    }

    /// One more of its batches is under way.
    pub fn begin(&mut self, size: Size) -> String {
        self.busy += 1;
        self.small += usize::from(!size.is_large());
        self.credit = self.credit.saturating_sub(size.cost());
        self.id.to_string()
    }
}
