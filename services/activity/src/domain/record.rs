//! Where each track of a batch goes, and whether it was there before (semantics 4.5-4.8, 6.4).

use std::collections::HashSet;

use chrono::NaiveDate;
use weir_ids::{ContactId, TimedKey};

use super::batch::{Event, ReceiptKey};

/// What is known of an identifier, read while nobody else could change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whose it is.
    pub contact_id: Option<ContactId>,
    /// Whether the backlog may hold rows of it.
    pub waiting: bool,
    /// Of one that is linked to nobody: from this day on its row may be forgotten.
    pub forget_day: Option<NaiveDate>,
}

impl Standing {
    /// Nobody has heard of it.
    pub const UNKNOWN: Self = Self {
        contact_id: None,
        waiting: false,
        forget_day: None,
    };

    /// Whether its row says already that something of it waits until the day before `day`.
    pub fn awaits(self, day: NaiveDate) -> bool {
        self.waiting && self.forget_day.is_some_and(|forget_day| forget_day >= day)
    }

    /// Whether its tracks go to a contact and can't be in the backlog: what needs no lock.
    pub fn is_settled(self) -> bool {
        self.contact_id.is_some() && !self.waiting
    }
}

/// Where an activity goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// Onto a contact.
    Contact(ContactId),
    /// Waits for this identifier (an index into the batch's) to be linked.
    Backlog(usize),
}

/// What becomes of an event, before the store has its say about repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Stored before; nothing to do.
    Repeated,
    /// Not stored before, and no unit for it.
    NotFunded,
    /// To be stored there.
    Store(Destination),
}

/// Copies that were found.
#[derive(Debug, Default)]
pub struct Known {
    /// Keys among the activities.
    pub activities: HashSet<TimedKey>,
    /// Keys in the backlog; they say whose they are.
    pub backlog: HashSet<TimedKey>,
    /// Of those that brought no timestamp.
    pub receipts: HashSet<ReceiptKey>,
}

impl Known {
    fn holds(&self, event: &Event) -> bool {
        self.activities.contains(&event.key)
            || self.backlog.contains(&event.key)
            || event
                .receipt
                .is_some_and(|receipt| self.receipts.contains(&receipt))
    }
}

/// The contact that was named, else the one that the identifier is linked to, else the backlog.
pub fn destination(event: &Event, standings: &[Standing]) -> Destination {
    let identifier = || {
        event
            .identifier
            .expect("an event without a contact has an identifier; the boundary checks it")
    };
    event
        .contact_id
        .or_else(|| event.identifier.and_then(|at| standings[at].contact_id))
        .map_or_else(|| Destination::Backlog(identifier()), Destination::Contact)
}

/// Whether the activities must be asked for a copy. What is stored there and funded finds
/// its copy by the insert itself, unless that may lie under another day of expiry.
pub fn needs_activity_lookup(event: &Event, standings: &[Standing]) -> bool {
    !event.funded
        || event.correction
        || !event.earlier_days.is_empty()
        || matches!(destination(event, standings), Destination::Backlog(_))
}

/// Whether the backlog of the event's identifier must be asked for a copy.
pub fn needs_backlog_lookup(event: &Event, standings: &[Standing]) -> bool {
    let waiting = event.identifier.is_some_and(|at| standings[at].waiting);
    waiting
        && (!event.funded
            || event.correction
            || !event.earlier_days.is_empty()
            || matches!(destination(event, standings), Destination::Contact(_)))
}

/// Whether an event can be stored without a lock: of no identifier or of a settled one. Of the
/// same events all are stored in the same step, since they have the same identifier.
pub fn lock_free(event: &Event, standings: &[Standing]) -> bool {
    event.identifier.is_none_or(|at| standings[at].is_settled())
}

/// Decides for each event, in order. Of two that are the same, the second is a repeat.
///
/// An event that is told to be stored may still meet its copy there; then it is a repeat too.
pub fn decide(
    events: &[&Event],
    standings: &[Standing],
    known: &Known,
    probe_only: bool,
) -> Vec<Verdict> {
    let mut seen = HashSet::with_capacity(events.len());
    let mut seen_undated = HashSet::new();
    events
        .iter()
        .map(|event| {
            let was_seen = event
                .receipt
                .is_some_and(|receipt| seen_undated.contains(&receipt));
            if known.holds(event) || was_seen || seen.contains(&event.key) {
                Verdict::Repeated
            } else if !event.funded || probe_only {
                Verdict::NotFunded
            } else {
                seen.insert(event.key);
                seen_undated.extend(event.receipt);
                Verdict::Store(destination(event, standings))
            }
        })
        .collect()
}

/// Which of `events` correct an activity that was there before; each by its index, in the order in
/// which rows are written. Of two that are the same activity the first counts (semantics 4.5).
pub fn corrections(events: &[&Event], verdicts: &[Verdict], stored: &Stored) -> Vec<usize> {
    let mut seen = HashSet::new();
    let mut corrections: Vec<usize> = (0..events.len())
        .filter(|at| {
            let event = events[*at];
            let is_new =
                stored.activities.contains(&event.key) || stored.backlog.contains(&event.key);
            let corrects = event.correction && verdicts[*at] != Verdict::NotFunded && !is_new;
            corrects && seen.insert(event.key)
        })
        .collect();
    corrections.sort_unstable_by_key(|at| events[*at].key);
    corrections
}

/// What became of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// On a contact; one unit.
    Stored,
    /// In the backlog; one unit.
    Backlogged,
    /// Was there before.
    Repeated,
    /// Was not there before, and had no unit.
    NotFunded,
    /// Its person was deleted after it happened (semantics 3.9).
    Deleted,
    /// Holds what can't be stored; nothing of it is.
    Unstorable,
}

impl Outcome {
    /// Whether it costs a unit.
    pub fn is_charged(self) -> bool {
        matches!(self, Self::Stored | Self::Backlogged)
    }
}

/// The keys that were stored.
#[derive(Debug, Default)]
pub struct Stored {
    /// Among the activities.
    pub activities: HashSet<TimedKey>,
    /// In the backlog.
    pub backlog: HashSet<TimedKey>,
}

/// What became of `events` in the end: what was to be stored, and met its copy there, is a
/// repeat after all.
pub fn outcomes(events: &[&Event], verdicts: &[Verdict], stored: &Stored) -> Vec<Outcome> {
    events
        .iter()
        .zip(verdicts)
        .map(|(event, verdict)| match verdict {
            Verdict::NotFunded => Outcome::NotFunded,
            Verdict::Store(Destination::Contact(_)) if stored.activities.contains(&event.key) => {
                Outcome::Stored
            }
            Verdict::Store(Destination::Backlog(_)) if stored.backlog.contains(&event.key) => {
                Outcome::Backlogged
            }
            Verdict::Repeated | Verdict::Store(_) => Outcome::Repeated,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use weir_ids::ActivityId;

    use super::*;
    use crate::domain::{Identifier, Kind, Whose, key_of, last_day, receipt_of};

    fn lana() -> Identifier {
        Identifier {
            kind: Kind::UserId,
            value: "lana".into(),
        }
    }

    fn event(message_id: &str, funded: bool) -> Event {
        let activity_id = ActivityId::from(uuid::Uuid::from_u128(7));
        let event_time: DateTime<Utc> = "2026-11-24T12:00:00Z".parse().unwrap();
        Event {
            activity_id,
            event_name: "Signed in".into(),
            attributes: "{}".into(),
            event_time,
            receive_time: event_time,
            message_id: message_id.into(),
            key: key_of(
                activity_id,
                event_time,
                message_id,
                Whose::Identifier(&lana()),
            ),
            receipt: None,
            expire_day: last_day(event_time, 90).unwrap(),
            earlier_days: Vec::new(),
            contact_id: None,
            identifier: Some(0),
            funded,
            deferred: false,
            correction: false,
        }
    }

    fn linked(contact_id: ContactId) -> Standing {
        Standing {
            contact_id: Some(contact_id),
            ..Standing::UNKNOWN
        }
    }

    fn decide_all(
        events: &[Event],
        standings: &[Standing],
        known: &Known,
        probe_only: bool,
    ) -> Vec<Verdict> {
        let events: Vec<&Event> = events.iter().collect();
        decide(&events, standings, known, probe_only)
    }

    #[test]
    fn only_what_is_settled_needs_no_lock() {
        let cut_short = Standing {
            waiting: true,
            ..linked(ContactId::new())
        };
        let standings = [linked(ContactId::new()), Standing::UNKNOWN, cut_short];
        let free = |identifier| {
            let event = Event {
                identifier,
                ..event("m", true)
            };
            lock_free(&event, &standings)
        };
        assert!(free(Some(0)) && free(None));
        assert!(!free(Some(1)) && !free(Some(2)));
    }

    #[test]
    fn an_undated_event_is_known_by_its_receipt_whenever_it_comes() {
        let undated = |seconds, funded| {
            let mut event = event("m", funded);
            event.event_time += chrono::TimeDelta::seconds(seconds);
            let whose = lana();
            let whose = Whose::Identifier(&whose);
            event.key = key_of(event.activity_id, event.event_time, "m", whose);
            event.receipt = Some(receipt_of(event.activity_id, "m", b"", whose));
            event
        };
        let events = [undated(0, true), undated(1, true)];
        let contact = ContactId::new();
        let store = Verdict::Store(Destination::Contact(contact));
        let mut known = Known::default();
        let verdicts = decide_all(&events, &[linked(contact)], &known, false);
        assert_eq!(verdicts, [store, Verdict::Repeated]);
        known.receipts.extend(events[0].receipt);
        let verdicts = decide_all(&[undated(9, false)], &[linked(contact)], &known, false);
        assert_eq!(verdicts, [Verdict::Repeated]);
    }

    #[test]
    fn a_row_that_waits_for_long_enough_is_left_alone() {
        let day = |text: &str| text.parse().unwrap();
        let standing = Standing {
            waiting: true,
            forget_day: Some(day("2027-02-01")),
            ..Standing::UNKNOWN
        };
        assert!(standing.awaits(day("2027-02-01")) && standing.awaits(day("2027-01-01")));
        assert!(!standing.awaits(day("2027-03-01")));
        assert!(!Standing::UNKNOWN.awaits(day("2027-01-01")));
    }

    #[test]
    fn a_named_contact_beats_the_identifier() {
        let (named, other) = (ContactId::new(), ContactId::new());
        let mut event = event("m", true);
        assert_eq!(
            destination(&event, &[Standing::UNKNOWN]),
            Destination::Backlog(0)
        );
        assert_eq!(
            destination(&event, &[linked(other)]),
            Destination::Contact(other)
        );
        event.contact_id = Some(named);
        assert_eq!(
            destination(&event, &[linked(other)]),
            Destination::Contact(named)
        );
        event.identifier = None;
        assert_eq!(destination(&event, &[]), Destination::Contact(named));
    }

    #[test]
    fn a_known_and_funded_event_needs_no_lookup() {
        let standings = [linked(ContactId::new())];
        let event = event("m", true);
        assert!(!needs_activity_lookup(&event, &standings));
        assert!(!needs_backlog_lookup(&event, &standings));
    }

    #[test]
    fn without_a_unit_a_repeat_is_still_a_repeat() {
        let standings = [Standing::UNKNOWN];
        let events = [event("old", false), event("new", false)];
        let known = Known {
            backlog: HashSet::from([events[0].key]),
            ..Known::default()
        };
        assert_eq!(
            decide_all(&events, &standings, &known, false),
            [Verdict::Repeated, Verdict::NotFunded]
        );
    }

    #[test]
    fn of_two_same_events_the_second_is_a_repeat() {
        let contact = ContactId::new();
        let events = [event("m", true), event("m", false), event("m", true)];
        assert_eq!(
            decide_all(&events, &[linked(contact)], &Known::default(), false),
            [
                Verdict::Store(Destination::Contact(contact)),
                Verdict::Repeated,
                Verdict::Repeated
            ]
        );
    }

    /// Semantics 7.5a, 4.5.
    #[test]
    fn what_is_there_is_corrected_and_what_is_new_or_gone_is_not() {
        let contact = ContactId::new();
        let correction = |message, funded, attributes: &'static str| Event {
            correction: true,
            attributes: attributes.into(),
            ..event(message, funded)
        };
        let events = [
            correction("old", false, "1"),
            correction("gone", false, "2"),
            correction("new", true, "3"),
            event("repeat", true),
            correction("old", false, "4"),
            correction("new", true, "5"),
        ];
        let standings = [linked(contact)];
        for at in [0, 1, 2] {
            assert!(needs_activity_lookup(&events[at], &standings));
        }
        let known = Known {
            activities: HashSet::from([events[0].key, events[3].key]),
            ..Known::default()
        };
        let verdicts = decide_all(&events, &standings, &known, false);
        let store = Verdict::Store(Destination::Contact(contact));
        let expected = [
            Verdict::Repeated,
            Verdict::NotFunded,
            store,
            Verdict::Repeated,
            Verdict::Repeated,
            Verdict::Repeated,
        ];
        assert_eq!(verdicts, expected);
        let stored = Stored {
            activities: HashSet::from([events[2].key]),
            ..Stored::default()
        };
        let events: Vec<&Event> = events.iter().collect();
        assert_eq!(corrections(&events, &verdicts, &stored), [0]);
    }

    #[test]
    fn a_probe_stores_nothing() {
        let events = [event("m", true)];
        assert_eq!(
            decide_all(&events, &[Standing::UNKNOWN], &Known::default(), true),
            [Verdict::NotFunded]
        );
    }
}
