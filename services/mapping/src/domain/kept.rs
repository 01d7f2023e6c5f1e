//! Events that are kept for replay, and what bounds them (semantics 7.5, 1.7).

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;
use weir_ids::TimedKey;

use super::event::EventKind;

/// A larger event is not kept, in bytes.
pub const MAX_RAW: usize = 32 * 1024;
/// Of a source and reason, of those received in one second.
pub const PER_SECOND: usize = 50;
/// Of a source and reason: one flood pushes out nothing else.
pub const PER_REASON: i64 = 2_000;
/// Of a source.
pub const PER_SOURCE: i64 = 10_000;
/// Reasons and names of which a list says how many are kept.
pub const MAX_COUNTS: i64 = 1_000;
/// Since they were received.
pub const AGE: TimeDelta = TimeDelta::days(7);
/// Of an account's tracks whose contact could not be reached: events, and bytes of them.
pub const DEFERRED_EVENTS: i64 = 100_000;
pub const DEFERRED_BYTES: i64 = 256 * 1024 * 1024;

/// An event, and all that makes it the same event when it comes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    pub kind: EventKind,
    /// Stands for endpoint, message, timestamp and content (semantics 1.4).
    pub key: TimedKey,
    pub raw: Bytes,
    /// Under which the pipeline knows it.
    pub message_id: String,
    /// The message id is one of the edge's own.
    pub nameless: bool,
    /// Of the request that it was first received in, and its index there.
    pub receive_time: DateTime<Utc>,
    pub index: u32,
}

/// An event that is to be kept, or is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToKeep {
    pub whole: Whole,
    /// As far as they could be read; else empty.
    pub user_id: String,
    pub anonymous_id: String,
    pub event_name: String,
    pub event_time: Option<DateTime<Utc>>,
    /// What it was answered last.
    pub status: u16,
    pub code: String,
    pub message: String,
    /// It was stored all the same, but for a value that was ignored.
    pub stored: bool,
}

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub event: ToKeep,
    /// Its contact is made up for by itself (semantics 1.7).
    pub deferred: bool,
    /// When it was stored.
    pub done_time: Option<DateTime<Utc>>,
}

impl Kept {
    /// Whether it was stored, be it since: to take it anew is a correction (semantics 7.5a).
    pub fn is_stored(&self) -> bool {
        self.event.stored || self.done_time.is_some()
    }
}

/// Which kept events; whatever is there must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub codes: Option<Vec<String>>,
    pub event_names: Option<Vec<String>>,
    pub from_time: Option<DateTime<Utc>>,
    pub to_time: Option<DateTime<Utc>>,
    pub message_id: Option<String>,
    pub keys: Option<Vec<Uuid>>,
    pub include_done: bool,
}

impl Filter {
    /// Whether it says anything that an event might not meet.
    pub fn is_said(&self) -> bool {
        *self
            != Self {
                include_done: self.include_done,
                ..Self::default()
            }
    }

    /// One text for each filter, by which two of them are compared.
    pub fn canonical(&self) -> String {
        let sorted = |all: &Option<Vec<String>>| {
            all.as_ref().map(|all| {
                let mut all = all.clone();
                all.sort_unstable();
                all.dedup();
                all
            })
        };
        let keys = self.keys.as_ref().map(|keys| {
            let mut keys = keys.clone();
            keys.sort_unstable();
            keys.dedup();
            keys
        });
        format!(
            "{:?} {:?} {:?} {:?} {:?} {keys:?} {}",
            sorted(&self.codes),
            sorted(&self.event_names),
            self.from_time.map(|time| time.timestamp_micros()),
            self.to_time.map(|time| time.timestamp_micros()),
            self.message_id,
            self.include_done,
        )
    }
}

/// How many events are kept of a reason and event name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCount {
    pub code: String,
    /// Empty of what is no track.
    pub event_name: String,
    pub count: i64,
    /// Of these, those that were stored since.
    pub done: i64,
}

/// Where a kept event stands in the list of its source, which begins with the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub receive_time: DateTime<Utc>,
    pub key: Uuid,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.receive_time.timestamp_micros(), self.key)
    }
}

/// A text that is no position.
#[derive(Debug, PartialEq, Eq)]
pub struct NoPosition;

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let (micros, key) = text.split_once(' ').ok_or(NoPosition)?;
        let micros = micros.parse().map_err(|_| NoPosition)?;
        Ok(Self {
            receive_time: DateTime::from_timestamp_micros(micros).ok_or(NoPosition)?,
            key: Uuid::try_parse(key).map_err(|_| NoPosition)?,
        })
    }
}

/// Of a source's kept events: how many of each reason were received in which second.
pub type Rates = HashMap<(String, i64), usize>;

/// The second in which an event was received.
pub fn second(event: &ToKeep) -> i64 {
    event.whole.receive_time.timestamp()
}

/// Each event once, as it was said of it last, and in order; without those that are too large.
pub fn distinct(events: Vec<ToKeep>) -> Vec<ToKeep> {
    let mut seen = HashSet::with_capacity(events.len());
    let mut kept: Vec<ToKeep> = events
        .into_iter()
        .rev()
        .filter(|event| event.whole.raw.len() <= MAX_RAW && seen.insert(event.whole.key))
        .collect();
    kept.reverse();
    kept
}

/// Leaves out what is over the rate of its reason. `counted` is what is kept of these seconds
/// already, and `known` the keys that are: what was kept before takes no further room. Names share
/// the room: of each the first, then of each the second, and so on.
pub fn within_rate(
    events: Vec<ToKeep>,
    known: &HashSet<TimedKey>,
    mut counted: Rates,
) -> Vec<ToKeep> {
    let mut of_name: HashMap<(&str, i64, &str), usize> = HashMap::new();
    let mut turns: Vec<(usize, usize)> = Vec::new();
    for (index, event) in events.iter().enumerate() {
        if !known.contains(&event.whole.key) {
            let name = (&*event.code, second(event), &*event.event_name);
            let turn = of_name.entry(name).or_default();
            turns.push((*turn, index));
            *turn += 1;
        }
    }
    turns.sort_unstable();
    let mut is_over = vec![false; events.len()];
    for (_, index) in turns {
        let event = &events[index];
        let count = counted
            .entry((event.code.clone(), second(event)))
            .or_default();
        *count += 1;
        is_over[index] = *count > PER_SECOND;
    }
    let events = events.into_iter().zip(is_over);
    events
        .filter(|(_, is_over)| !is_over)
        .map(|(event, _)| event)
        .collect()
}

/// What an account's deferred events take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    pub events: i64,
    pub bytes: i64,
}

impl Room {
    /// Takes room for one more; whether there is any.
    pub fn take(&mut self, raw: &[u8]) -> bool {
        let Ok(size) = i64::try_from(raw.len()) else {
            return false;
        };
        let fits = raw.len() <= MAX_RAW
            && self.events < DEFERRED_EVENTS
            && self.bytes + size <= DEFERRED_BYTES;
        if fits {
            self.events += 1;
            self.bytes += size;
        }
        fits
    }
}

#[cfg(test)]
pub mod tests {
    use proptest::prelude::*;

    use super::*;

    pub fn event(key: u128, code: &str, micros: i64, raw: &str) -> ToKeep {
        ToKeep {
            whole: Whole {
                kind: EventKind::Track,
                key: TimedKey(Uuid::from_u128(key)),
                raw: Bytes::copy_from_slice(raw.as_bytes()),
                message_id: "m".into(),
                nameless: false,
                receive_time: DateTime::from_timestamp_micros(micros).unwrap(),
                index: 0,
            },
            user_id: "u".into(),
            anonymous_id: String::new(),
            event_name: "e".into(),
            event_time: None,
            status: 422,
            code: code.into(),
            message: "why".into(),
            stored: false,
        }
    }

    proptest! {
        /// Semantics 7.5.
        #[test]
        fn of_a_reason_no_more_than_fifty_of_a_second_are_new(
            events in prop::collection::vec((0..400_u128, 0..3_usize, 0..4_i64), 0..600),
            known in prop::collection::hash_set(0..400_u128, 0..100),
            before in 0..60_usize,
        ) {
            let codes = ["A", "B", "C"];
            let events: Vec<ToKeep> = events
                .into_iter()
                .map(|(key, code, second)| event(key, codes[code], second * 1_000_000, "{}"))
                .collect();
            let known: HashSet<TimedKey> =
                known.into_iter().map(|key| TimedKey(Uuid::from_u128(key))).collect();
            let counted = Rates::from([(("A".to_owned(), 1), before)]);
            let events = distinct(events);
            let keys: HashSet<_> = events.iter().map(|event| event.whole.key).collect();
            prop_assert_eq!(keys.len(), events.len());
            let kept = within_rate(events.clone(), &known, counted);
            let mut counts: HashMap<(&str, i64), usize> = HashMap::new();
            for event in kept.iter().filter(|event| !known.contains(&event.whole.key)) {
                *counts.entry((&event.code, second(event))).or_default() += 1;
            }
            for (what, count) in counts {
                let taken = if what == ("A", 1) { before } else { 0 };
                prop_assert!(taken + count <= PER_SECOND, "{:?} {}", what, count);
            }
            for event in events.iter().filter(|event| known.contains(&event.whole.key)) {
                prop_assert!(kept.contains(event));
            }
        }
    }

    /// Semantics 7.5.
    #[test]
    fn names_share_what_is_kept_of_a_second() {
        let named = |key, name: &str| ToKeep {
            event_name: name.to_owned(),
            ..event(key, "A", 0, "{}")
        };
        let loud = (0..60).map(|key| named(key, "loud"));
        let events: Vec<ToKeep> = loud
            .chain((60..65).map(|key| named(key, "quiet")))
            .collect();
        let kept = within_rate(events, &HashSet::new(), Rates::new());
        let of = |name: &str| kept.iter().filter(|one| one.event_name == name).count();
        assert_eq!((of("loud"), of("quiet")), (45, 5));
        // In the order in which they came.
        assert!(kept.is_sorted_by_key(|one| one.whole.key.0));
    }

    #[test]
    fn of_an_event_that_comes_twice_the_last_word_counts() {
        let twice = vec![
            event(1, "A", 0, "{}"),
            event(2, "B", 0, "{}"),
            event(1, "C", 0, "{}"),
            event(3, "D", 0, &"x".repeat(MAX_RAW + 1)),
        ];
        let codes: Vec<String> = distinct(twice).into_iter().map(|one| one.code).collect();
        assert_eq!(codes, ["B", "C"]);
    }

    #[test]
    fn a_deferred_event_has_room_or_is_not_kept() {
        let mut room = Room {
            events: DEFERRED_EVENTS - 1,
            bytes: 0,
        };
        assert!(!room.take(&[0; MAX_RAW + 1]));
        assert!(room.take(&[0; MAX_RAW]));
        assert!(!room.take(&[0]));
        let mut room = Room {
            events: 0,
            bytes: DEFERRED_BYTES - 10,
        };
        assert!(!room.take(&[0; 11]));
        assert!(room.take(&[0; 10]));
    }

    #[test]
    fn positions_survive_as_text() {
        let position = Position {
            receive_time: DateTime::from_timestamp_micros(-1).unwrap(),
            key: Uuid::from_u128(7),
        };
        assert_eq!(position.to_string().parse(), Ok(position));
        for wrong in ["", "1", "x y", "1 y", "99999999999999999999 0"] {
            assert_eq!(wrong.parse::<Position>(), Err(NoPosition), "{wrong}");
        }
    }

    #[test]
    fn a_filter_is_the_same_in_any_order_and_another_one_is_not() {
        let filter = |codes: &[&str]| Filter {
            codes: Some(codes.iter().map(|code| (*code).to_owned()).collect()),
            ..Filter::default()
        };
        assert_eq!(
            filter(&["A", "B"]).canonical(),
            filter(&["B", "A", "B"]).canonical()
        );
        assert_ne!(filter(&["A"]).canonical(), filter(&["B"]).canonical());
        assert_ne!(filter(&[]).canonical(), Filter::default().canonical());
        assert!(filter(&["A"]).is_said());
        let all = Filter {
            include_done: true,
            ..Filter::default()
        };
        assert!(!all.is_said());
    }
}
