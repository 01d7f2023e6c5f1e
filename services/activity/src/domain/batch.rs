//! A batch of tracks as this service sees it.

use std::fmt;
use std::str::FromStr;

use bytestring::ByteString;
use chrono::{DateTime, NaiveDate, Utc};
use weir_ids::{AccountId, ActivityId, BatchId, ContactId, SourceId, TimedKey};

use super::listing::NoCursor;

/// The edge takes no larger batch.
pub const MAX_EVENTS: usize = 1_000;

/// What an identifier is. The order is that in which rows are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Weak: of a device or a visit.
    AnonymousId,
    /// Strong: of a person.
    UserId,
}

impl Kind {
    /// What is stored of it, and hashed.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::UserId => "u",
            Self::AnonymousId => "a",
        }
    }

    /// Of what is stored.
    pub fn of_letter(letter: &str) -> Self {
        if letter == Self::UserId.letter() {
            Self::UserId
        } else {
            Self::AnonymousId
        }
    }
}

/// Something that stands for somebody, normalised by the edge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier {
    /// First in the order.
    pub kind: Kind,
    /// As sent, trimmed.
    pub value: ByteString,
}

/// As page tokens have it.
impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind.letter(), self.value)
    }
}

impl FromStr for Identifier {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (kind, value) = text.split_at_checked(1).ok_or(NoCursor)?;
        Ok(Self {
            kind: Kind::of_letter(kind),
            value: value.into(),
        })
    }
}

/// One batch of one account.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Whose.
    pub account_id: AccountId,
    /// The key of its usage row.
    pub batch_id: BatchId,
    /// The window in which it was admitted.
    pub window: NaiveDate,
    /// The epoch under which it was admitted.
    pub epoch: i64,
    /// When the edge received the first of it; all of it on the same day.
    pub receive_time: DateTime<Utc>,
    /// Those that can be stored, in the order in which they were received.
    pub events: Vec<Event>,
    /// The index that each of `events` has in the request.
    pub indices: Vec<usize>,
    /// So many events the request has.
    pub asked: usize,
    /// Those that `events` refer to, sorted, each once.
    pub identifiers: Vec<Identifier>,
    /// Look, and store nothing.
    pub probe_only: bool,
    /// Whose events they are, where the edge said so.
    pub source_id: Option<SourceId>,
}

impl Batch {
    /// The batch with none but these of its events (by index, in order).
    pub fn only(&self, chosen: &[usize]) -> Self {
        let mut numbers = vec![None; self.identifiers.len()];
        for at in chosen.iter().filter_map(|at| self.events[*at].identifier) {
            numbers[at] = Some(0);
        }
        let mut identifiers = Vec::new();
        for (number, identifier) in numbers.iter_mut().zip(&self.identifiers) {
            if number.is_some() {
                *number = Some(identifiers.len());
                identifiers.push(identifier.clone());
            }
        }
        let event = |at: &usize| {
            let event = &self.events[*at];
            Event {
                identifier: event.identifier.and_then(|at| numbers[at]),
                ..event.clone()
            }
        };
        Self {
            events: chosen.iter().map(event).collect(),
            indices: chosen.iter().map(|at| self.indices[*at]).collect(),
            identifiers,
            ..*self
        }
    }
}

/// One track. Its texts are slices of the request.
#[derive(Debug, Clone)]
pub struct Event {
    /// Of the definition.
    pub activity_id: ActivityId,
    /// As mapped.
    pub event_name: ByteString,
    /// A JSON object of canonical values.
    pub attributes: ByteString,
    /// At microseconds.
    pub event_time: DateTime<Utc>,
    /// When the edge received it.
    pub receive_time: DateTime<Utc>,
    /// The sender's.
    pub message_id: ByteString,
    /// What a repeat has again.
    pub key: TimedKey,
    /// What a repeat has again where it brought no timestamp, and so has another key.
    pub receipt: Option<ReceiptKey>,
    /// The last day on which it is shown.
    pub expire_day: NaiveDate,
    /// Where a copy may be that was stored under an earlier retention.
    pub earlier_days: Vec<NaiveDate>,
    /// The contact that contact-upsert named.
    pub contact_id: Option<ContactId>,
    /// Index into the batch's identifiers: by whom it is routed when no contact is named.
    pub identifier: Option<usize>,
    /// An activity unit was granted.
    pub funded: bool,
    /// Its contact could not be reached, and is made up for later (semantics 1.7).
    pub deferred: bool,
    /// It is taken anew: where its activity is there, that takes its attributes (semantics 7.5a).
    pub correction: bool,
}

/// Stands for an activity without its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiptKey(pub TimedKey);

/// Who did it, as the event says: whatever it is resolved to, the event says the same again.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'a> {
    /// The identifier by which it is routed (semantics 4.7).
    Identifier(&'a Identifier),
    /// Of an event that brings no identifier, which the edge does not send.
    Contact(ContactId),
}

impl Whose<'_> {
    fn parts(&self) -> [&[u8]; 2] {
        match self {
            Self::Identifier(Identifier { kind, value }) => {
                [kind.letter().as_bytes(), value.as_bytes()]
            }
            Self::Contact(contact_id) => [b"c", contact_id.0.as_bytes()],
        }
    }
}

/// (activity, time, message id, identifier) identify an activity (semantics 4.5): the same
/// message of somebody else is somebody else's activity.
pub fn key_of(
    activity_id: ActivityId,
    event_time: DateTime<Utc>,
    message_id: &str,
    whose: Whose<'_>,
) -> TimedKey {
    let [kind, value] = whose.parts();
    TimedKey::new(
        event_time.timestamp_micros(),
        &[activity_id.0.as_bytes(), message_id.as_bytes(), kind, value],
    )
}

/// (activity, message id, identifier) identify an activity that brought no timestamp: its time
/// is that of its first receipt (semantics 4.5, 5.4). Where it has no message id either,
/// `event_key` takes its place.
pub fn receipt_of(
    activity_id: ActivityId,
    message_id: &str,
    event_key: &[u8],
    whose: Whose<'_>,
) -> ReceiptKey {
    let [kind, value] = whose.parts();
    let event_key = if message_id.is_empty() {
        event_key
    } else {
        b""
    };
    ReceiptKey(TimedKey::new(
        0,
        &[
            activity_id.0.as_bytes(),
            message_id.as_bytes(),
            event_key,
            kind,
            value,
        ],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: Kind, value: &str) -> Identifier {
        Identifier {
            kind,
            value: value.into(),
        }
    }

    #[test]
    fn the_key_is_made_of_activity_time_message_and_identifier() {
        let (activity, other) = (ActivityId::new(), ActivityId::new());
        let time: DateTime<Utc> = "2026-11-24T12:00:00.000001Z".parse().unwrap();
        let later = time + chrono::TimeDelta::microseconds(1);
        let (lana, oleg) = (of(Kind::UserId, "lana"), of(Kind::UserId, "oleg"));
        let device = of(Kind::AnonymousId, "lana");
        let key = key_of(activity, time, "m", Whose::Identifier(&lana));
        assert_eq!(key, key_of(activity, time, "m", Whose::Identifier(&lana)));
        for another in [
            key_of(other, time, "m", Whose::Identifier(&lana)),
            key_of(activity, later, "m", Whose::Identifier(&lana)),
            key_of(activity, time, "n", Whose::Identifier(&lana)),
            key_of(activity, time, "m", Whose::Identifier(&oleg)),
            key_of(activity, time, "m", Whose::Identifier(&device)),
            key_of(activity, time, "m", Whose::Contact(ContactId::new())),
            key_of(
                activity,
                time,
                "ml",
                Whose::Identifier(&of(Kind::UserId, "ana")),
            ),
        ] {
            assert_ne!(key, another);
        }
    }

    #[test]
    fn a_receipt_is_known_by_its_message_or_else_by_its_content() {
        let (activity, lana) = (ActivityId::new(), of(Kind::UserId, "lana"));
        let receipt = |message, content: &[u8]| {
            receipt_of(activity, message, content, Whose::Identifier(&lana))
        };
        assert_eq!(receipt("m", b"one"), receipt("m", b"other"));
        assert_ne!(receipt("m", b"one"), receipt("n", b"one"));
        assert_ne!(receipt("", b"one"), receipt("", b"other"));
        let oleg = of(Kind::UserId, "oleg");
        assert_ne!(
            receipt("m", b"one"),
            receipt_of(activity, "m", b"one", Whose::Identifier(&oleg))
        );
    }
}
