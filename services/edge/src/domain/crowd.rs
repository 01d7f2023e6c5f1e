//! Connections at once, and who makes room where there is none: those that wait for a head, who
//! waits longest first. A request that has begun is never sent away.

use std::collections::BTreeMap;

/// The place of one that waits: who began earlier has a lower one.
pub type Turn = u64;

/// `T` is how one that waits is reached.
#[derive(Debug)]
pub struct Crowd<T> {
    most: usize,
    /// How many that were sent away may still be on their way out.
    most_leaving: usize,
    open: usize,
    leaving: usize,
    waiting: BTreeMap<Turn, T>,
    next: Turn,
}

/// What becomes of a newcomer.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry<T> {
    Room,
    /// It has the place of this one, which is sent away.
    InsteadOf(T),
    /// All others are at work.
    Full,
}

impl<T> Crowd<T> {
    pub fn new(most: usize, most_leaving: usize) -> Self {
        Self {
            most,
            most_leaving,
            open: 0,
            leaving: 0,
            waiting: BTreeMap::new(),
            next: 0,
        }
    }

    pub fn enter(&mut self) -> Entry<T> {
        if self.open < self.most {
            self.open += 1;
            return Entry::Room;
        }
        match self.send_away() {
            Some(one) => {
                self.open += 1;
                Entry::InsteadOf(one)
            }
            None => Entry::Full,
        }
    }

    /// The one that has waited longest; it has no place any more.
    pub fn send_away(&mut self) -> Option<T> {
        if self.leaving >= self.most_leaving {
            return None;
        }
        let (_, one) = self.waiting.pop_first()?;
        self.open -= 1;
        self.leaving += 1;
        Some(one)
    }

    /// It waits for a head from now on.
    pub fn wait(&mut self, one: T) -> Turn {
        let turn = self.next;
        self.next += 1;
        self.waiting.insert(turn, one);
        turn
    }

    /// A head is there.
    pub fn begin(&mut self, turn: Turn) {
        self.waiting.remove(&turn);
    }

    /// It is closed. `turn` is the last that it had.
    pub fn leave(&mut self, turn: Turn, was_sent_away: bool) {
        self.waiting.remove(&turn);
        if was_sent_away {
            self.leaving -= 1;
        } else {
            self.open -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_longest_for_a_head_goes_first() {
        let mut crowd = Crowd::new(3, 9);
        let mut turns = Vec::new();
        for name in ["a", "b", "c"] {
            assert_eq!(crowd.enter(), Entry::Room);
            turns.push(crowd.wait(name));
        }
        // Its head came, it was answered, and it waits anew: behind the others.
        crowd.begin(turns[0]);
        crowd.wait("a");
        for longest in ["b", "c", "a"] {
            assert_eq!(crowd.enter(), Entry::InsteadOf(longest));
        }
    }

    #[test]
    fn who_is_at_work_keeps_its_place() {
        let mut crowd = Crowd::new(2, 9);
        crowd.enter();
        let busy = crowd.wait("busy");
        crowd.enter();
        let slow = crowd.wait("slow");
        crowd.begin(busy);
        assert_eq!(crowd.enter(), Entry::InsteadOf("slow"));
        // The newcomer's head is there already.
        assert_eq!(crowd.enter(), Entry::Full);
        crowd.leave(slow, true);
        assert_eq!(crowd.enter(), Entry::Full);
        crowd.leave(busy, false);
        assert_eq!(crowd.enter(), Entry::Room);
    }

    #[test]
    fn no_more_are_on_their_way_out_than_may_be() {
        let mut crowd = Crowd::new(2, 1);
        let turns = ["a", "b"].map(|name| {
            crowd.enter();
            crowd.wait(name)
        });
        assert_eq!(crowd.send_away(), Some("a"));
        assert_eq!(crowd.send_away(), None);
        assert_eq!(crowd.enter(), Entry::Room);
        assert_eq!(crowd.enter(), Entry::Full);
        crowd.leave(turns[0], true);
        assert_eq!(crowd.enter(), Entry::InsteadOf("b"));
    }
}
