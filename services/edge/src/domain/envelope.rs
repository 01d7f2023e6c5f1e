//! One event's bytes → its envelope, or what is wrong with it (semantics 1, 2.4b, 3.1, 4.6).
//!
//! Payloads (traits, properties, location) are checked to be JSON and handed on as spans;
//! what is in them is mapping's business.

mod event;
mod members;

use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;
use weir_ids::TimedKey;
use weir_json::Fault;
use weir_reasons::Reason;
use weir_values::BlockedRule;

use super::text::{cut, scalar};
use event::Event;
use members::Members;

/// What the source's log keeps of a value (semantics 7.3).
pub const SHOWN: usize = 120;

/// Which kind of source an event comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// Segment (Actions): the endpoint says what an event is.
    #[default]
    Actions,
    /// A classic source: the event says so itself, and is of limited size (semantics 8.0).
    Classic,
}

impl Form {
    /// What its clients call a person's two ids.
    fn id_names(self) -> (&'static str, &'static str) {
        match self {
            Self::Actions => ("user_id", "anonymous_id"),
            Self::Classic => ("userId", "anonymousId"),
        }
    }
}

/// What an event is, by the endpoint it came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Identify,
    /// An entry of `/v1/audiences/members`: an identify without a timestamp.
    Member,
    Track,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MembershipUpdateMode {
    Add,
    Remove,
}

/// What an event wants of an audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipUpdate {
    pub mode: MembershipUpdateMode,
    pub audience_id: ByteString,
}

/// An event that may go on. Spans are those of JSON objects inside the event; texts are slices
/// of the request, where they stand there as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Normalised; empty when absent. One of the two is there.
    pub user_id: ByteString,
    pub anonymous_id: ByteString,
    /// Unix time in microseconds: the event's, or else of its arrival (see [`Self::set_index`]).
    pub micros: i64,
    /// Whether the event brought a timestamp.
    pub dated: bool,
    /// The event's, or else a fresh one (see [`Self::sent_message_id`]).
    pub message_id: ByteString,
    /// The event came without a message id that can be used.
    pub is_nameless: bool,
    /// Stands for endpoint, message, timestamp and content (semantics 1.4). An event without
    /// a timestamp has the same key whenever it arrives.
    pub key: TimedKey,
    pub update: Option<MembershipUpdate>,
    /// Of a track; else empty.
    pub event_name: ByteString,
    pub traits: Option<Range<usize>>,
    pub properties: Option<Range<usize>>,
    pub location: Option<Range<usize>>,
    pub ip: Option<Ipv4Addr>,
    /// Of a timestamp, as it was sent.
    pub timestamp: Option<Range<usize>>,
    /// An anonymous id that can't be used and is taken for absent; for the source's log.
    pub ignored: Option<Box<Refusal>>,
}

impl Envelope {
    /// Says which event of its batch it is: of those without a timestamp the later one counts
    /// as later (semantics 5.4).
    pub fn set_index(&mut self, index: usize) {
        if !self.dated {
            let index = i64::try_from(index).unwrap_or(i64::MAX);
            self.micros = self.micros.saturating_add(index);
        }
    }

    /// What the customer knows the event by; empty where it came without an id. A fresh one
    /// means nothing to people.
    pub fn sent_message_id(&self) -> &str {
        if self.is_nameless {
            ""
        } else {
            &self.message_id
        }
    }

    /// As [`Refusal`] for what mapping found to be too old. `event` is the text of this one.
    pub fn past_retention(&self, event: &str, reason: Cow<'static, str>) -> Refusal {
        let raw = self.timestamp.clone().and_then(|span| event.get(span));
        let sent = raw.and_then(scalar).unwrap_or_default();
        Refusal {
            value: cut(&sent, SHOWN),
            ..Refusal::new(Reason::PastRetention, "timestamp", reason)
        }
    }
}

/// Why an event is a 400, or a member of it ignored: for the customer (path and reason) and for
/// the source's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: Reason,
    /// Within the event; empty for the event as a whole.
    pub path: &'static str,
    pub reason: Cow<'static, str>,
    /// The value at fault, cut. For the source's log and nothing else.
    pub value: String,
    /// As far as they could be read.
    pub message_id: String,
    pub event_name: String,
}

impl Refusal {
    fn new(code: Reason, path: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            path,
            reason: reason.into(),
            value: String::new(),
            message_id: String::new(),
            event_name: String::new(),
        }
    }

    /// What the customer is told. Never holds a value.
    pub fn message(&self) -> String {
        match self.path {
            "" => format!("event: {}", self.reason),
            path => format!("{path}: {}", self.reason),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    Event(Envelope),
    /// Of a namespace of our own, and otherwise good: answered and ignored.
    Echo(Envelope),
    Refused(Refusal),
}

/// Which ids mean nobody to the account: they count as absent (semantics 3.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nobody {
    pub user_ids: BlockedRule,
    pub anonymous_ids: BlockedRule,
}

/// Reads events; what is in here is the same for all of a request.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    pub kind: Kind,
    pub form: Form,
    /// Unix time in microseconds.
    pub arrival: i64,
    pub own_namespaces: &'a [String],
    pub nobody: &'a Nobody,
    /// Makes an id for a message that has none.
    pub fresh_id: &'a dyn Fn() -> String,
}

impl Reader<'_> {
    /// Reads one event.
    pub fn read(&self, raw: &Bytes) -> Reading {
        self.read_sent(raw, raw.len())
    }

    /// The same, of one that had so many bytes when it was sent.
    pub fn read_sent(&self, raw: &Bytes, size: usize) -> Reading {
        let whole = match ByteString::try_from(raw.clone()) {
            Ok(whole) => whole,
            Err(error) => {
                let good = String::from_utf8_lossy(&raw[..error.valid_up_to()]);
                let fault = Fault {
                    at: error.valid_up_to(),
                    what: "not UTF-8",
                    reason: Reason::InvalidUtf8,
                };
                return Reading::Refused(broken(&good, fault));
            }
        };
        let mut members = Members::default();
        if let Err(fault) = weir_json::members(&whole, |key, span| members.put(key, span)) {
            return Reading::Refused(broken(&whole, fault));
        }
        Event::new(&whole, &whole, members).sent(size).read(self)
    }

    /// Reads the event that begins in `body` at `start`, and says where it ends. Nothing for
    /// what is no JSON object: where such a one ends only brackets and quotes can tell.
    pub fn read_in_front(&self, body: &ByteString, start: usize) -> Option<(usize, Reading)> {
        let rest = body.get(start..)?;
        let mut members = Members::default();
        let length = weir_json::members_in_front(rest, |key, span| members.put(key, span))?;
        let event = Event::new(body, &rest[..length], members);
        Some((start + length, event.read(self)))
    }
}

/// An event that is no JSON object; shows the text around the fault.
fn broken(text: &str, fault: Fault) -> Refusal {
    let mut start = fault.at.min(text.len()).saturating_sub(SHOWN / 2);
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let reason = format!("not valid: {}, at byte {}", fault.what, fault.at);
    Refusal {
        value: cut(&text[start..], SHOWN),
        ..Refusal::new(fault.reason, "", reason)
    }
}

#[cfg(test)]
mod tests;
