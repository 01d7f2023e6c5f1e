//! One event's bytes → its envelope, or what is wrong with it (semantics 1, 3.1, 4.6).
//!
//! Payloads (traits, properties, location) are checked to be JSON and handed on as spans;
//! what is in them is mapping's business.

use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;
use weir_ids::TimedKey;

use super::json::{self, Fault};
use super::text::{cut, longer_than, means_nobody, scalar, unescaped};
use super::time;

/// Longer ids are refused (semantics 3.1); what is longer is no id but an accident.
const MAX_ID: usize = 255;
/// Clocks of devices run ahead; by more than this they are wrong (semantics 3.7).
const MAX_AHEAD: i64 = 24 * 3_600 * 1_000_000;
/// What the source's log keeps of a value (semantics 7.3).
const SHOWN: usize = 120;

/// What an event is, by the endpoint it came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Identify,
    /// An entry of `/v1/audiences/members`: an identify without a timestamp.
    Member,
    Track,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WishMode {
    Add,
    Remove,
}

/// What an event wants of an audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub mode: WishMode,
    pub audience_id: ByteString,
}

/// An event that may go on. Spans are those of JSON objects inside the event; texts are slices
/// of the request, where they stand there as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Normalised; empty when absent. One of the two is there.
    pub user_id: ByteString,
    pub anonymous_id: ByteString,
    /// Unix time in microseconds: the event's, or else of its arrival.
    pub micros: i64,
    /// Whether the event brought a timestamp.
    pub dated: bool,
    /// The event's, or else a fresh one.
    pub message_id: ByteString,
    /// Stands for endpoint, message, timestamp and content (semantics 1.4). An event without
    /// a timestamp has the same key whenever it arrives.
    pub key: TimedKey,
    pub wish: Option<Wish>,
    /// Of a track; else empty.
    pub event_name: ByteString,
    pub traits: Option<Range<usize>>,
    pub properties: Option<Range<usize>>,
    pub location: Option<Range<usize>>,
    pub ip: Option<Ipv4Addr>,
}

/// Why an event is a 400, for the customer (path and reason) and for the source's log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
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
    /// Of a namespace of our own: answered and ignored.
    Echo,
    Refused(Refusal),
}

/// Reads events; what is in here is the same for all of a request.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    pub kind: Kind,
    /// Unix time in microseconds.
    pub arrival: i64,
    pub own_namespaces: &'a [String],
    /// Makes an id for a message that has none.
    pub fresh_id: fn() -> String,
}

impl Reader<'_> {
    /// Reads one event.
    pub fn read(&self, raw: &Bytes) -> Reading {
        let whole = match ByteString::try_from(raw.clone()) {
            Ok(whole) => whole,
            Err(error) => {
                let good = String::from_utf8_lossy(&raw[..error.valid_up_to()]);
                let fault = Fault {
                    at: error.valid_up_to(),
                    what: "not UTF-8",
                };
                return Reading::Refused(broken(&good, fault));
            }
        };
        let mut members = Members::default();
        if let Err(fault) = json::members(&whole, |key, span| members.put(key, span)) {
            return Reading::Refused(broken(&whole, fault));
        }
        let event = Event {
            whole: &whole,
            text: &whole,
            members,
        };
        event.read(self)
    }

    /// Reads the event that begins in `body` at `start`, and says where it ends. Nothing for
    /// what is no JSON object: where such a one ends only brackets and quotes can tell.
    pub fn read_in_front(&self, body: &ByteString, start: usize) -> Option<(usize, Reading)> {
        let rest = body.get(start..)?;
        let mut members = Members::default();
        let length = json::members_in_front(rest, |key, span| members.put(key, span))?;
        let event = Event {
            whole: body,
            text: &rest[..length],
            members,
        };
        Some((start + length, event.read(self)))
    }
}

/// An event that is no JSON object; shows the text around the fault.
fn broken(text: &str, fault: Fault) -> Refusal {
    let mut start = fault.at.min(text.len()).saturating_sub(SHOWN / 2);
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    Refusal {
        reason: format!("not valid: {}, at byte {}", fault.what, fault.at).into(),
        value: cut(&text[start..], SHOWN),
        ..Refusal::default()
    }
}

type Slot = Option<Range<usize>>;

/// Where the members are that the edge looks at; of a doubled key the last one.
#[derive(Default)]
struct Members {
    user_id: Slot,
    anonymous_id: Slot,
    timestamp: Slot,
    message_id: Slot,
    event: Slot,
    namespace: Slot,
    audience: Slot,
    traits: Slot,
    properties: Slot,
    location: Slot,
    ip: Slot,
}

impl Members {
    fn put(&mut self, key: &str, span: Range<usize>) {
        let inner = &key[1..key.len() - 1];
        let slot = match self.slot(inner) {
            None if inner.contains('\\') => self.slot(&unescaped(key)),
            slot => slot,
        };
        if let Some(slot) = slot {
            *slot = Some(span);
        }
    }

    fn slot(&mut self, key: &str) -> Option<&mut Slot> {
        Some(match key {
            "user_id" => &mut self.user_id,
            "anonymous_id" => &mut self.anonymous_id,
            "timestamp" => &mut self.timestamp,
            "message_id" => &mut self.message_id,
            "event" => &mut self.event,
            "namespace" => &mut self.namespace,
            "audience" => &mut self.audience,
            "traits" => &mut self.traits,
            "properties" => &mut self.properties,
            "location" => &mut self.location,
            "ip" => &mut self.ip,
            _ => return None,
        })
    }
}

struct Event<'a> {
    /// What the event is part of.
    whole: &'a ByteString,
    text: &'a str,
    members: Members,
}

impl<'a> Event<'a> {
    fn read(&self, reader: &Reader<'_>) -> Reading {
        let is_track = reader.kind == Kind::Track;
        if is_track && self.is_echo(reader.own_namespaces) {
            return Reading::Echo;
        }
        match self.envelope(reader) {
            Ok(envelope) => Reading::Event(envelope),
            Err(mut refusal) => {
                let known = |span| match self.id("", span) {
                    Ok(Some(id)) => id.to_string(),
                    Ok(None) | Err(_) => String::new(),
                };
                refusal.message_id = known(&self.members.message_id);
                if is_track {
                    refusal.event_name = known(&self.members.event);
                }
                Reading::Refused(refusal)
            }
        }
    }

    fn envelope(&self, reader: &Reader<'_>) -> Result<Envelope, Refusal> {
        let members = &self.members;
        let user_id = self.identifier("user_id", &members.user_id)?;
        let anonymous_id = self.identifier("anonymous_id", &members.anonymous_id)?;
        if user_id.is_empty() && anonymous_id.is_empty() {
            let reason = "neither user_id nor anonymous_id names anyone; send at least one";
            return Err(self.refusal("user_id", reason, &members.user_id));
        }
        let event_name = if reader.kind == Kind::Track {
            let name = self.id("event", &members.event)?;
            name.ok_or_else(|| self.refusal("event", "the name is missing", &members.event))?
        } else {
            ByteString::new()
        };
        let message_id = self.id("message_id", &members.message_id)?;
        let own_time = match reader.kind {
            Kind::Member => None,
            Kind::Identify | Kind::Track => self.time(reader.arrival)?,
        };
        let wish = self.wish()?;
        if reader.kind == Kind::Member && wish.is_none() {
            let reason = "missing; send {\"mode\": \"add\" or \"remove\", \"id\": …}";
            return Err(self.refusal("audience", reason, &members.audience));
        }
        let message_id = message_id.unwrap_or_else(|| (reader.fresh_id)().into());
        Ok(Envelope {
            key: self.key(reader.kind, own_time, &message_id),
            user_id,
            anonymous_id,
            micros: own_time.unwrap_or(reader.arrival),
            dated: own_time.is_some(),
            message_id,
            wish,
            event_name,
            traits: self.object("traits", &members.traits)?,
            properties: self.object("properties", &members.properties)?,
            // Both only help; a wrong type is as good as none.
            location: self.object("location", &members.location).unwrap_or(None),
            ip: self
                .value(&members.ip)
                .and_then(|raw| scalar(raw)?.trim().parse().ok()),
        })
    }

    fn key(&self, kind: Kind, own_time: Option<i64>, message_id: &str) -> TimedKey {
        let endpoint: &[u8] = match kind {
            Kind::Identify => b"identify",
            Kind::Member => b"members",
            Kind::Track => b"track",
        };
        let parts = [endpoint, message_id.as_bytes(), self.text.as_bytes()];
        TimedKey::new(own_time.unwrap_or(0), &parts)
    }

    /// The JSON text of a member that is there and not null.
    fn value(&self, slot: &Slot) -> Option<&'a str> {
        let span = slot.clone()?;
        Some(&self.text[span]).filter(|raw| *raw != "null")
    }

    fn refusal(
        &self,
        path: &'static str,
        reason: impl Into<Cow<'static, str>>,
        slot: &Slot,
    ) -> Refusal {
        let raw = self.value(slot).unwrap_or_default();
        Refusal {
            path,
            reason: reason.into(),
            value: cut(&scalar(raw).unwrap_or(Cow::Borrowed(raw)), SHOWN),
            ..Refusal::default()
        }
    }

    /// Trimmed text of bounded length; nothing where it is absent or blank.
    fn id(&self, path: &'static str, slot: &Slot) -> Result<Option<ByteString>, Refusal> {
        let Some(raw) = self.value(slot) else {
            return Ok(None);
        };
        let refuse = |reason| Err(self.refusal(path, reason, slot));
        let Some(text) = scalar(raw) else {
            return refuse("must be text");
        };
        // Bare control characters are no JSON: a NUL can only come of an escape.
        let had_escapes = matches!(text, Cow::Owned(_));
        let trimmed = text.trim();
        if had_escapes && trimmed.contains('\0') {
            return refuse("must not hold a NUL character");
        }
        if longer_than(trimmed, MAX_ID) {
            return refuse("longer than 255 characters");
        }
        Ok((!trimmed.is_empty()).then(|| match &text {
            Cow::Borrowed(_) => self.whole.slice_ref(trimmed),
            Cow::Owned(_) => trimmed.into(),
        }))
    }

    fn identifier(&self, path: &'static str, slot: &Slot) -> Result<ByteString, Refusal> {
        let id = self.id(path, slot)?;
        Ok(id.filter(|id| !means_nobody(id)).unwrap_or_default())
    }

    fn time(&self, arrival: i64) -> Result<Option<i64>, Refusal> {
        let slot = &self.members.timestamp;
        let Some(raw) = self.value(slot) else {
            return Ok(None);
        };
        let micros = match raw.as_bytes()[0] {
            b'"' => {
                let text = unescaped(raw);
                if text.trim().is_empty() {
                    return Ok(None);
                }
                time::of_text(&text)
            }
            b'-' | b'0'..=b'9' => time::of_number(raw),
            _ => None,
        };
        let Some(micros) = micros else {
            let reason = "not a time that can be read; send ISO 8601, such as 2025-07-10T06:09:00Z";
            return Err(self.refusal("timestamp", reason, slot));
        };
        if micros.saturating_sub(arrival) > MAX_AHEAD {
            let reason = "more than 24 hours in the future";
            return Err(self.refusal("timestamp", reason, slot));
        }
        Ok(Some(micros))
    }

    fn object(&self, path: &'static str, slot: &Slot) -> Result<Slot, Refusal> {
        match self.value(slot) {
            None => Ok(None),
            Some(raw) if raw.starts_with('{') => Ok(slot.clone()),
            Some(_) => Err(self.refusal(path, "must be an object", slot)),
        }
    }

    /// `{mode, id}`; both absent is no wish, as the client sends it where there is no audience.
    fn wish(&self) -> Result<Option<Wish>, Refusal> {
        let Some(span) = self.object("audience", &self.members.audience)? else {
            return Ok(None);
        };
        let (mut mode, mut id) = (None, None);
        let audience = &self.text[span.clone()];
        let inside = |inner: Range<usize>| Some(inner.start + span.start..inner.end + span.start);
        json::members(audience, |key, inner| match &*unescaped(key) {
            "mode" => mode = inside(inner),
            "id" => id = inside(inner),
            _ => {}
        })
        .expect("the walk over the event passed this part of it");
        let audience_id = self.id("audience.id", &id)?;
        let wanted = self.value(&mode);
        if wanted.is_none() && audience_id.is_none() {
            return Ok(None);
        }
        let mode = match wanted.and_then(scalar).as_deref() {
            Some("add") => WishMode::Add,
            Some("remove") => WishMode::Remove,
            _ => return Err(self.refusal("audience.mode", "must be add or remove", &mode)),
        };
        let audience_id = audience_id.ok_or_else(|| {
            self.refusal("audience.id", "missing; send the id of an audience", &id)
        })?;
        Ok(Some(Wish { mode, audience_id }))
    }

    fn is_echo(&self, own_namespaces: &[String]) -> bool {
        let namespace = self.value(&self.members.namespace).and_then(scalar);
        namespace.is_some_and(|name| own_namespaces.iter().any(|own| own == name.trim()))
    }
}

#[cfg(test)]
mod tests;
