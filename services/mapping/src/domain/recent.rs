//! The last events of a source with what each stage said of them (semantics 7.8).
//!
//! No value of an event is in here: ids, names, codes and counts.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::event::EventKind;
use super::log::{MAX_CODE, MAX_NAME, shorten};
use super::sample::caseless;

/// How many a source keeps, and how often it is noted how many were left out beside them: each
/// such note stands beside events that are kept, so it outlives them.
pub const MAX_RECENT: usize = 500;
/// Seven stages speak once each.
pub const MAX_VERDICTS: usize = 10;
/// Of a plain 200, as the counts have it.
const OK: &str = "OK";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    pub answer_time: DateTime<Utc>,
    pub receive_time: DateTime<Utc>,
    /// The request, and the event's index in it.
    pub batch_id: String,
    pub index: u32,
    pub kind: EventKind,
    /// Empty where it came without one.
    pub message_id: String,
    /// Of a track.
    pub event_name: String,
    pub event_time: Option<DateTime<Utc>>,
    pub status: u32,
    /// Empty for a plain 200.
    pub code: String,
    pub verdicts: Vec<Verdict>,
    pub contact_id: Option<Uuid>,
    pub fields: u32,
    pub attributes: u32,
    pub ignored: u32,
    pub replayed: bool,
}

/// What a stage said, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// As the contract numbers them; a newer edge may know one more.
    pub stage: i32,
    pub said: String,
    pub code: String,
}

/// Where an entry stands among those of its source; newer ones are greater.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub answer_time: DateTime<Utc>,
    pub batch_id: String,
    pub index: u32,
}

impl Recent {
    /// An entry that another service made, cut to what one may hold.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.verdicts.truncate(MAX_VERDICTS);
        for verdict in &mut self.verdicts {
            shorten(&mut verdict.said, MAX_CODE);
            shorten(&mut verdict.code, MAX_CODE);
        }
        shorten(&mut self.batch_id, MAX_CODE);
        shorten(&mut self.code, MAX_CODE);
        shorten(&mut self.message_id, MAX_NAME);
        shorten(&mut self.event_name, MAX_NAME);
        self
    }

    pub fn place(&self) -> Place {
        Place {
            answer_time: self.answer_time,
            batch_id: self.batch_id.clone(),
            index: self.index,
        }
    }

    /// Whether it came with this id, as far as an entry keeps one.
    pub fn is_of(&self, message_id: &str) -> bool {
        let mut kept = message_id.to_owned();
        shorten(&mut kept, MAX_NAME);
        !kept.is_empty() && self.message_id == kept
    }
}

/// How many events were answered beside those that were noted, the last of them when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeftOut {
    pub time: DateTime<Utc>,
    pub count: i64,
}

/// What waits to be written for one source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Noted {
    /// Oldest first; at most 500.
    pub events: Vec<Recent>,
    pub left_out: Option<LeftOut>,
}

impl Noted {
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.left_out.is_none()
    }

    /// Takes in what came later.
    pub fn extend(&mut self, later: Self) {
        self.events.extend(later.events);
        if self.events.len() > MAX_RECENT {
            self.events.drain(..self.events.len() - MAX_RECENT);
        }
        self.left_out = match (self.left_out, later.left_out) {
            (Some(before), Some(later)) => Some(LeftOut {
                time: before.time.max(later.time),
                count: before.count.saturating_add(later.count),
            }),
            (before, later) => later.or(before),
        };
    }
}

/// All that a source shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// Newest first, each once.
    pub events: Vec<Recent>,
    /// How many others were answered since the oldest of them.
    pub left_out: i64,
}

impl Shown {
    /// What was written, in any order, some of it twice where a call came again.
    pub fn of(mut events: Vec<Recent>, left_out: Vec<LeftOut>) -> Self {
        events.sort_by_cached_key(|event| std::cmp::Reverse(event.place()));
        events.dedup_by_key(|event| event.place());
        let Some(since) = events.last().map(|oldest| oldest.answer_time) else {
            return Self::default();
        };
        let distinct: HashSet<LeftOut> = left_out.into_iter().collect();
        let beside = distinct.iter().filter(|one| one.time >= since);
        Self {
            left_out: beside.fold(0, |sum, one| one.count.saturating_add(sum)),
            events,
        }
    }

    pub fn since(&self) -> Option<DateTime<Utc>> {
        self.events.last().map(|oldest| oldest.answer_time)
    }
}

/// Which ones a person wants to see; what is empty lets all through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecentFilter {
    pub statuses: Vec<u32>,
    /// `OK` is a plain 200.
    pub codes: Vec<String>,
    /// As [`caseless`] writes it.
    pub event_name: String,
}

impl RecentFilter {
    pub fn lets_through(&self, event: &Recent) -> bool {
        let code = match event.code.as_str() {
            "" => OK,
            code => code,
        };
        (self.statuses.is_empty() || self.statuses.contains(&event.status))
            && (self.codes.is_empty() || self.codes.iter().any(|one| one == code))
            && (self.event_name.is_empty()
                || caseless(&event.event_name).contains(&self.event_name))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn event(second: i64, index: u32) -> Recent {
        Recent {
            answer_time: at(second),
            receive_time: at(second),
            batch_id: "b".to_owned(),
            index,
            kind: EventKind::Track,
            message_id: format!("m{index}"),
            event_name: "Sign-in clicked".to_owned(),
            event_time: None,
            status: 200,
            code: String::new(),
            verdicts: vec![],
            contact_id: None,
            fields: 0,
            attributes: 0,
            ignored: 0,
            replayed: false,
        }
    }

    fn left_out(second: i64, count: i64) -> LeftOut {
        LeftOut {
            time: at(second),
            count,
        }
    }

    /// Semantics 7.8.
    #[test]
    fn what_was_left_out_is_counted_since_the_oldest_that_is_shown() {
        let events = vec![event(20, 0), event(30, 1), event(20, 2)];
        let beside = vec![left_out(19, 5), left_out(20, 7), left_out(30, 100)];
        let shown = Shown::of(events, beside.clone());
        assert_eq!(shown.left_out, 107);
        assert_eq!(shown.since(), Some(at(20)));
        let places: Vec<u32> = shown.events.iter().map(|event| event.index).collect();
        assert_eq!(places, [1, 2, 0], "newest first");
        assert_eq!(Shown::of(vec![], beside), Shown::default());
    }

    #[test]
    fn what_comes_again_is_shown_and_counted_once() {
        let events = vec![event(1, 0), event(1, 1), event(1, 0), event(1, 1)];
        let shown = Shown::of(events, vec![left_out(1, 3), left_out(1, 3)]);
        assert_eq!((shown.events.len(), shown.left_out), (2, 3));
    }

    #[test]
    fn every_filter_lets_through_what_it_names_and_nothing_else() {
        let of = |statuses: &[u32], codes: &[&str], event_name: &str| RecentFilter {
            statuses: statuses.to_vec(),
            codes: codes.iter().map(|code| (*code).to_owned()).collect(),
            event_name: caseless(event_name),
        };
        let refused = Recent {
            status: 422,
            code: "NO_MAPPING".to_owned(),
            ..event(1, 0)
        };
        for (filter, plain, other) in [
            (of(&[], &[], ""), true, true),
            (of(&[200], &[], ""), true, false),
            (of(&[429, 422], &[], ""), false, true),
            (of(&[], &["OK"], ""), true, false),
            (of(&[], &["NO_MAPPING"], "SIGN-IN"), false, true),
            (of(&[], &[], "logout"), false, false),
        ] {
            assert_eq!(filter.lets_through(&event(1, 0)), plain, "{filter:?}");
            assert_eq!(filter.lets_through(&refused), other, "{filter:?}");
        }
    }

    #[test]
    fn an_id_that_was_cut_is_found_by_the_whole_of_it() {
        let long = "é".repeat(400);
        let kept = Recent {
            message_id: long.clone(),
            ..event(1, 0)
        };
        let kept = kept.bounded();
        assert_eq!(kept.message_id.chars().count(), MAX_NAME);
        assert!(kept.is_of(&long) && !kept.is_of("é"));
        let nameless = Recent {
            message_id: String::new(),
            ..event(1, 0)
        };
        assert!(!nameless.is_of(""), "nobody asks for those without one");
    }

    proptest! {
        #[test]
        fn no_more_wait_than_a_source_keeps_and_none_that_was_left_out_is_forgotten(
            batches in prop::collection::vec((0_u32..300, 0_i64..1_000), 0..8)
        ) {
            let mut noted = Noted::default();
            let (mut number, mut sum) = (0, 0);
            for (events, count) in batches {
                let events: Vec<Recent> = (number..number + events).map(|n| event(n.into(), n)).collect();
                number += u32::try_from(events.len()).unwrap();
                sum += count;
                let left_out = (count > 0).then(|| left_out(number.into(), count));
                noted.extend(Noted { events, left_out });
            }
            let kept: Vec<u32> = noted.events.iter().map(|event| event.index).collect();
            let newest: Vec<u32> = (number.saturating_sub(500)..number).collect();
            prop_assert_eq!(kept, newest);
            prop_assert_eq!(noted.left_out.map_or(0, |one| one.count), sum);
        }
    }
}
