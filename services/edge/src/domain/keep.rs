//! Which events are kept for replay, and how many of a kind (semantics 7.5).

use std::collections::{HashMap, HashSet, VecDeque};

use bytes::Bytes;
use weir_ids::TimedKey;
use weir_reasons::Reason;

use super::envelope::Kind;
use super::outcome::Outcome;

/// Larger events are not kept, in bytes.
pub const MAX_RAW: usize = 32 * 1024;
/// Of a source and reason, of those received in one second. What is over it is not even copied;
/// mapping holds all edges together to the same.
const PER_SECOND: u32 = 50;
/// Keys that are known to be kept and not stored yet; the oldest are forgotten. A key has 16 bytes.
const MAX_OPEN: usize = 50_000;

/// Why an event is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Why {
    pub code: Reason,
    /// It was stored all the same, but for a value.
    pub stored: bool,
}

/// Why an event of this outcome is kept, if it is; `ignored` is why the first of its values was
/// ignored. An identify that merely says nothing new is not kept, and what is 500 comes again.
pub fn why(outcome: &Outcome, ignored: Option<Reason>) -> Option<Why> {
    // That a newer event has set a field is nothing to mend.
    let ignored = ignored.filter(|code| *code != Reason::Stale);
    let code = match (outcome.status, outcome.code) {
        // It is kept already, and apart.
        (206, Some(Reason::ContactDeferred)) => None,
        (422, Some(Reason::NothingNew)) => ignored,
        // There is nothing to mend, and nothing of who was deleted comes back (semantics 3.9).
        (422, Some(Reason::ContactDeleted)) => None,
        (206 | 400 | 422 | 429, code) => code,
        (200, _) => ignored,
        _ => None,
    };
    code.map(|code| Why {
        code,
        stored: outcome.status == 200,
    })
}

/// An event that is to be kept, and all that makes it the same event when it comes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToKeep {
    pub kind: Kind,
    /// Stands for endpoint, message, timestamp and content (semantics 1.4).
    pub key: TimedKey,
    pub raw: Bytes,
    /// Under which the pipeline knows it.
    pub message_id: String,
    /// The message id is one of ours.
    pub nameless: bool,
    /// Of its request, in Unix time and microseconds, and its index there.
    pub arrival: i64,
    pub index: u32,
    /// As far as they could be read; else empty.
    pub user_id: String,
    pub anonymous_id: String,
    pub event_name: String,
    /// Unix time in microseconds, where it brought one.
    pub event_time: Option<i64>,
    pub status: u16,
    pub code: Reason,
    pub message: String,
    pub stored: bool,
}

/// What a kept event is, as it is taken anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToReplay {
    pub kind: Kind,
    pub key: TimedKey,
    pub raw: Bytes,
    pub message_id: String,
    pub arrival: i64,
    pub index: u32,
    /// It was stored: its values are taken anew, and that is no repeat.
    pub correction: bool,
}

/// What became of it then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    pub key: TimedKey,
    pub outcome: Outcome,
    /// Why the first of its values was ignored.
    pub ignored: Option<Reason>,
}

/// How many events of a source and reason are kept of the present second, and of which names those
/// are that still wait to be told to mapping.
#[derive(Debug, Default)]
pub struct Rates {
    second: i64,
    counts: HashMap<String, Vec<OfReason>>,
}

#[derive(Debug)]
struct OfReason {
    code: Reason,
    kept: u32,
    /// By event name: at most as many as are kept.
    waiting: Vec<(String, u32)>,
}

/// Whether one more is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Room {
    Free,
    /// In the place of the newest that waits of this name, of which more are kept.
    InPlaceOf(String),
    None,
}

impl Rates {
    /// Whether one more of this name, which was received in this second, is to be kept. Names
    /// share what is kept of a second as long as it waits: a loud one pushes out no quiet one.
    pub fn take(&mut self, source_id: &str, code: Reason, name: &str, second: i64) -> Room {
        if second > self.second {
            self.second = second;
            self.counts.clear();
        }
        if !self.counts.contains_key(source_id) {
            self.counts.insert(source_id.to_owned(), Vec::new());
        }
        let Some(counts) = self.counts.get_mut(source_id) else {
            return Room::None;
        };
        let index = counts.iter().position(|known| known.code == code);
        let index = index.unwrap_or_else(|| {
            counts.push(OfReason {
                code,
                kept: 0,
                waiting: Vec::new(),
            });
            counts.len() - 1
        });
        counts[index].take(name)
    }

    /// What waited was told to mapping: nothing takes its place any more.
    pub fn told(&mut self) {
        for of_reason in self.counts.values_mut().flatten() {
            of_reason.waiting.clear();
        }
    }
}

impl OfReason {
    fn take(&mut self, name: &str) -> Room {
        if self.kept < PER_SECOND {
            self.kept += 1;
            self.add(name);
            return Room::Free;
        }
        let own = self.waiting.iter().find(|(known, _)| known == name);
        let own = own.map_or(0, |(_, count)| *count);
        let loudest = self.waiting.iter_mut().max_by_key(|(_, count)| *count);
        match loudest {
            Some((loud, count)) if own + 1 < *count => {
                *count -= 1;
                let loud = loud.clone();
                self.add(name);
                Room::InPlaceOf(loud)
            }
            _ => Room::None,
        }
    }

    fn add(&mut self, name: &str) {
        match self.waiting.iter_mut().find(|(known, _)| known == name) {
            Some((_, count)) => *count += 1,
            None => self.waiting.push((name.to_owned(), 1)),
        }
    }
}

/// Keys of events that were kept and not stored since, as far as this process knows.
#[derive(Debug, Default)]
pub struct Open {
    keys: HashSet<TimedKey>,
    order: VecDeque<TimedKey>,
}

impl Open {
    pub fn add(&mut self, key: TimedKey) {
        if self.keys.insert(key) {
            self.order.push_back(key);
        }
        while self.order.len() > MAX_OPEN {
            if let Some(oldest) = self.order.pop_front() {
                self.keys.remove(&oldest);
            }
        }
    }

    /// Whether it was one of them; it is none any more.
    pub fn close(&mut self, key: TimedKey) -> bool {
        self.keys.remove(&key)
    }

    pub fn count(&self) -> usize {
        self.keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, code: Option<Reason>) -> Outcome {
        Outcome {
            status,
            code,
            message: "".into(),
        }
    }

    /// Semantics 7.5.
    #[test]
    fn what_is_not_taken_whole_is_kept_and_what_comes_again_by_itself_is_not() {
        let why = |status, code, ignored| {
            why(&outcome(status, code), ignored).map(|why| (why.code, why.stored))
        };
        let email = Some(Reason::EmailInvalid);
        for (status, code) in [
            (206, Reason::ContactLimit),
            (400, Reason::AudienceUnknown),
            (422, Reason::NoMapping),
            (429, Reason::ProfileLimit),
        ] {
            assert_eq!(why(status, Some(code), None), Some((code, false)));
            assert_eq!(why(status, Some(code), email), Some((code, false)));
        }
        assert_eq!(why(200, None, email), Some((Reason::EmailInvalid, true)));
        let nothing_new = Some(Reason::NothingNew);
        assert_eq!(
            why(422, nothing_new, email),
            Some((Reason::EmailInvalid, false))
        );
        for (status, code, ignored) in [
            (200, None, None),
            (200, None, Some(Reason::Stale)),
            (206, Some(Reason::ContactDeferred), None),
            (422, nothing_new, None),
            (422, Some(Reason::ContactDeleted), email),
            (500, Some(Reason::ContactsAway), email),
        ] {
            assert_eq!(why(status, code, ignored), None, "{status}");
        }
    }

    #[test]
    fn of_a_reason_fifty_of_a_second_are_kept_of_each_source() {
        let mut rates = Rates::default();
        let mut taken = |source, code, second| {
            let tries = (0..200).map(|_| rates.take(source, code, "e", second));
            tries.filter(|room| *room != Room::None).count()
        };
        assert_eq!(taken("a", Reason::NoMapping, 7), 50);
        assert_eq!(taken("a", Reason::NothingValid, 7), 50);
        assert_eq!(taken("b", Reason::NoMapping, 7), 50);
        assert_eq!(taken("a", Reason::NoMapping, 7), 0);
        // What was received earlier, and is done later, has no second of its own.
        assert_eq!(taken("a", Reason::NoMapping, 6), 0);
        assert_eq!(taken("a", Reason::NoMapping, 8), 50);
    }

    /// Semantics 7.5.
    #[test]
    fn a_loud_name_leaves_room_for_a_quiet_one_as_long_as_it_waits() {
        let mut rates = Rates::default();
        let mut take = |name: &str| rates.take("a", Reason::NoMapping, name, 7);
        for _ in 0..50 {
            assert_eq!(take("loud"), Room::Free);
        }
        assert_eq!(take("loud"), Room::None);
        let instead = Room::InPlaceOf("loud".to_owned());
        for _ in 0..5 {
            assert_eq!(take("quiet"), instead);
        }
        assert_eq!(take("loud"), Room::None);
        // No further than to even shares.
        assert_eq!((0..100).filter(|_| take("quiet") == instead).count(), 20);
        rates.told();
        let mut take = |name: &str| rates.take("a", Reason::NoMapping, name, 7);
        assert_eq!(take("third"), Room::None);
    }

    #[test]
    fn a_key_is_closed_once_and_no_more_are_known_than_there_is_room_for() {
        let key = |number: usize| TimedKey::new(0, &[&number.to_be_bytes()]);
        let mut open = Open::default();
        open.add(key(1));
        open.add(key(1));
        assert!(open.close(key(1)) && !open.close(key(1)));
        for number in 0..MAX_OPEN + 10 {
            open.add(key(number));
        }
        assert!(open.count() <= MAX_OPEN);
        assert!(!open.close(key(0)) && open.close(key(MAX_OPEN)));
    }
}
