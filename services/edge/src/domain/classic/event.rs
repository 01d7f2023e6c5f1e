//! One event of a classic source, as far as it counts.

use std::ops::Range;

use weir_json::unescaped;

use super::{MAX_EVENT, Type};
use crate::domain::envelope::Kind;

/// What became of an event.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all of them are events, and one is there at a time"
)]
pub(super) enum Found<'a> {
    Event(Kind, Event<'a>),
    /// It is refused, by whoever reads it as one of this kind.
    AsSent(Kind),
    NotStored(Type),
}

/// The members of an event that count (semantics 8.0), each as it was sent.
pub(super) struct Event<'a> {
    of: Type,
    members: [(&'static str, Option<&'a str>); 7],
}

/// Where the members are.
#[derive(Default)]
struct Slots<'a> {
    of: Option<&'a str>,
    user_id: Option<&'a str>,
    anonymous_id: Option<&'a str>,
    message_id: Option<&'a str>,
    name: Option<&'a str>,
    timestamp: Option<&'a str>,
    original_timestamp: Option<&'a str>,
    traits: Option<&'a str>,
    properties: Option<&'a str>,
    context: Option<&'a str>,
}

/// Reads one event; `given` is what the endpoint says it is.
pub(super) fn read(raw: &[u8], given: Option<Type>) -> Found<'_> {
    let mut slots = Slots::default();
    let text = std::str::from_utf8(raw).ok();
    let walked = text.and_then(|text| {
        let put = |key: &str, span: Range<usize>| slots.put(key, &text[span]);
        weir_json::members(text, put).ok()
    });
    let said = slots.of.and_then(unescaped);
    let of = given.or_else(|| Type::named(said.as_deref()?.trim()));
    let kind = of.map_or(Some(Kind::Track), Type::kind);
    match (of, kind) {
        (Some(of), None) => Found::NotStored(of),
        (Some(of), Some(kind)) if walked.is_some() && raw.len() <= MAX_EVENT => {
            Found::Event(kind, slots.event(of))
        }
        (_, kind) => Found::AsSent(kind.unwrap_or(Kind::Track)),
    }
}

impl<'a> Slots<'a> {
    /// Of a doubled key the last one counts; a null is as good as nothing.
    fn put(&mut self, key: &str, value: &'a str) {
        let slot = match unescaped(key).as_deref() {
            Some("type") => &mut self.of,
            Some("userId") => &mut self.user_id,
            Some("anonymousId") => &mut self.anonymous_id,
            Some("messageId") => &mut self.message_id,
            Some("event") => &mut self.name,
            Some("timestamp") => &mut self.timestamp,
            Some("originalTimestamp") => &mut self.original_timestamp,
            Some("traits") => &mut self.traits,
            Some("properties") => &mut self.properties,
            Some("context") => &mut self.context,
            _ => return,
        };
        *slot = (value != "null").then_some(value);
    }

    fn event(&self, of: Type) -> Event<'a> {
        let of_track = |value| if of == Type::Track { value } else { None };
        Event {
            of,
            members: [
                ("userId", self.user_id),
                ("anonymousId", self.anonymous_id),
                ("messageId", self.message_id),
                ("event", of_track(self.name)),
                ("timestamp", self.time()),
                ("traits", self.traits()),
                ("properties", of_track(self.properties)),
            ],
        }
    }

    /// As it was sent: what is made of it and of `sentAt` would be another event with each try.
    fn time(&self) -> Option<&'a str> {
        let is_blank = |text: &&str| unescaped(text).is_some_and(|text| text.trim().is_empty());
        self.timestamp
            .filter(|text| !is_blank(text))
            .or(self.original_timestamp)
    }

    /// Those of the event, or else of its context, where SDKs put what they know of the user.
    fn traits(&self) -> Option<&'a str> {
        if let Some(traits) = self.traits
            && !is_empty(traits)
        {
            return Some(traits);
        }
        let context = self.context.filter(|context| context.starts_with('{'));
        let mut found = None;
        if let Some(context) = context {
            let walked = weir_json::members(context, |key, span| {
                if unescaped(key).as_deref() == Some("traits") {
                    found = Some(&context[span]).filter(|value| *value != "null");
                }
            });
            walked.expect("the walk over the event passed this part of it");
        }
        found.or(self.traits)
    }
}

/// `{}`, or `[]` as PHP writes it.
fn is_empty(value: &str) -> bool {
    let inside = value
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .or_else(|| value.strip_prefix('[')?.strip_suffix(']'));
    inside.is_some_and(|inside| inside.trim().is_empty())
}

impl Event<'_> {
    /// As one JSON object.
    pub fn write(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(b"{\"type\":\"");
        body.extend_from_slice(self.of.name().as_bytes());
        body.push(b'"');
        for (name, value) in self.members {
            if let Some(value) = value {
                body.extend_from_slice(b",\"");
                body.extend_from_slice(name.as_bytes());
                body.extend_from_slice(b"\":");
                body.extend_from_slice(value.as_bytes());
            }
        }
        body.push(b'}');
    }
}
