//! The members of one event → its envelope.

mod classic;

use std::borrow::Cow;
use std::ops::Range;

use bytestring::ByteString;
use weir_ids::TimedKey;
use weir_json::unescaped;
use weir_reasons::Reason;
use weir_values::{BlockedRule, has_invisible_inside, is_blank, trimmed_invisible};

use super::members::{Members, Slot};
use super::{
    Envelope, Form, Kind, MembershipUpdate, MembershipUpdateMode, Reader, Reading, Refusal, SHOWN,
};
use crate::domain::text::{cut, longer_than, scalar};
use crate::domain::time;

/// Longer ids and names can't be used (semantics 3.1); what is longer is no id but an accident.
const MAX_ID: usize = 255;
/// Clocks of devices run ahead; by more than this they are wrong (semantics 3.7).
const MAX_AHEAD: i64 = 24 * 3_600 * 1_000_000;

pub struct Event<'a> {
    /// What the event is part of.
    whole: &'a ByteString,
    text: &'a str,
    /// In bytes, as it was sent.
    size: usize,
    members: Members,
}

/// A member, by the name it was sent under.
struct Field {
    path: &'static str,
    slot: Slot,
}

/// What a member that is to name somebody or something says.
enum Id {
    Absent,
    Text(ByteString),
    /// And what is wrong with it.
    Unusable(&'static str),
}

impl Id {
    /// Blank, or a value that means nobody (semantics 3.1).
    fn is_nobody(&self, rule: &BlockedRule) -> bool {
        match self {
            Self::Absent => true,
            Self::Text(text) => rule.blocks(text),
            Self::Unusable(_) => false,
        }
    }

    fn text(self) -> Option<ByteString> {
        match self {
            Self::Text(text) => Some(text),
            Self::Absent | Self::Unusable(_) => None,
        }
    }
}

impl<'a> Event<'a> {
    /// `text` is all of `whole`, or a part of it, and holds the members.
    pub fn new(whole: &'a ByteString, text: &'a str, members: Members) -> Self {
        Self {
            whole,
            text,
            size: text.len(),
            members,
        }
    }

    /// It was of another size, and written anew.
    pub fn sent(self, size: usize) -> Self {
        Self { size, ..self }
    }

    pub fn read(&self, reader: &Reader<'_>) -> Reading {
        let is_track = reader.kind == Kind::Track;
        match self.envelope(reader) {
            // What is wrong with an event is said before anything else (semantics 1.5).
            Ok(envelope) if is_track && self.is_echo(reader.own_namespaces) => {
                Reading::Echo(envelope)
            }
            Ok(envelope) => Reading::Event(envelope),
            Err(mut refusal) => {
                let known = |id: Id| id.text().map(|text| text.to_string()).unwrap_or_default();
                refusal.message_id = known(self.id(&self.message_id().slot));
                if is_track {
                    refusal.event_name = known(self.name(&self.members.event));
                }
                Reading::Refused(refusal)
            }
        }
    }

    fn envelope(&self, reader: &Reader<'_>) -> Result<Envelope, Refusal> {
        if reader.form == Form::Classic {
            self.check_classic(reader.kind)?;
        }
        let (user_id, anonymous_id, ignored) = self.identifiers(reader)?;
        let event_name = if reader.kind == Kind::Track {
            self.event_name()?
        } else {
            ByteString::new()
        };
        let own_time = match reader.kind {
            Kind::Member => None,
            Kind::Identify | Kind::Track => self.time(reader.arrival)?,
        };
        let update = self.update()?;
        if reader.kind == Kind::Member && update.is_none() {
            let reason = "missing; send {\"mode\": \"add\" or \"remove\", \"id\": …}";
            let slot = &self.members.audience;
            return Err(self.refusal(Reason::AudienceInvalid, "audience", reason, slot));
        }
        // An id that can't be used is as good as none.
        let message_id = self.id(&self.message_id().slot).text();
        let is_nameless = message_id.is_none();
        let message_id = message_id.unwrap_or_else(|| (reader.fresh_id)().into());
        let members = &self.members;
        Ok(Envelope {
            key: self.key(
                reader.kind,
                own_time,
                [&message_id, &user_id, &anonymous_id],
            ),
            user_id,
            anonymous_id,
            micros: own_time.unwrap_or(reader.arrival),
            dated: own_time.is_some(),
            message_id,
            is_nameless,
            update,
            event_name,
            traits: self.object(Reason::TraitsNotAnObject, "traits", &members.traits)?,
            properties: self.object(
                Reason::PropertiesNotAnObject,
                "properties",
                &members.properties,
            )?,
            // Both only help; a wrong type is as good as none.
            location: self
                .object(Reason::FieldInvalid, "location", &members.location)
                .unwrap_or(None),
            ip: self
                .value(&members.ip)
                .and_then(|raw| scalar(raw)?.trim().parse().ok()),
            timestamp: members.timestamp.clone().filter(|_| own_time.is_some()),
            ignored: ignored.map(Box::new),
        })
    }

    /// The two ids, one of which is there, and why the anonymous one was ignored.
    fn identifiers(
        &self,
        reader: &Reader<'_>,
    ) -> Result<(ByteString, ByteString, Option<Refusal>), Refusal> {
        let (members, nobody) = (&self.members, reader.nobody);
        let user = self.spelled(
            ("user_id", &members.user_id),
            ("userId", &members.camel_user_id),
            |id| id.is_nobody(&nobody.user_ids),
        );
        let anonymous = self.spelled(
            ("anonymous_id", &members.anonymous_id),
            ("anonymousId", &members.camel_anonymous_id),
            |id| id.is_nobody(&nobody.anonymous_ids),
        );
        let user_id = match self.id(&user.slot) {
            // Its event must not go to whoever holds the anonymous id (semantics 2.4b).
            Id::Unusable(why) => {
                return Err(self.refusal(Reason::UserIdUnusable, user.path, why, &user.slot));
            }
            id => id.text().filter(|id| !nobody.user_ids.blocks(id)),
        };
        let (anonymous_id, unusable) = match self.id(&anonymous.slot) {
            Id::Unusable(why) => (None, Some(why)),
            id => {
                let id = id.text().filter(|id| !nobody.anonymous_ids.blocks(id));
                (id, None)
            }
        };
        match (&user_id, &anonymous_id, unusable) {
            (None, None, Some(why)) => {
                let reason = format!("{why}, and there is no {}", reader.form.id_names().0);
                let Field { path, slot } = anonymous;
                return Err(self.refusal(Reason::NoIdentifier, path, reason, &slot));
            }
            (None, None, None) => {
                let (one, other) = reader.form.id_names();
                let reason = format!("neither {one} nor {other} names anyone; send at least one");
                // What is not there has the name under which it is to be sent.
                let path = user.slot.as_ref().map_or(one, |_| user.path);
                return Err(self.refusal(Reason::NoIdentifier, path, reason, &user.slot));
            }
            _ => {}
        }
        let ignored = unusable.map(|why| {
            let reason = format!("{why}; taken for absent");
            let Field { path, slot } = anonymous;
            self.refusal(Reason::AnonymousIdUnusable, path, reason, &slot)
        });
        let id = Option::unwrap_or_default;
        Ok((id(user_id), id(anonymous_id), ignored))
    }

    fn message_id(&self) -> Field {
        let members = &self.members;
        self.spelled(
            ("message_id", &members.message_id),
            ("messageId", &members.camel_message_id),
            // One that can't be used is a missing one (semantics 2.4b).
            |id| !matches!(id, Id::Text(_)),
        )
    }

    fn event_name(&self) -> Result<ByteString, Refusal> {
        let slot = &self.members.event;
        match self.name(slot) {
            Id::Text(name) => Ok(name),
            Id::Absent => {
                let reason = "the name is missing";
                Err(self.refusal(Reason::EventNameMissing, "event", reason, slot))
            }
            Id::Unusable(why) => Err(self.refusal(Reason::EventNameUnusable, "event", why, slot)),
        }
    }

    /// What a repeat has as well (semantics 1.4).
    fn key(&self, kind: Kind, own_time: Option<i64>, ids: [&str; 3]) -> TimedKey {
        let endpoint: &[u8] = match kind {
            Kind::Identify => b"identify",
            Kind::Member => b"members",
            Kind::Track => b"track",
        };
        let [message_id, ..] = ids;
        let micros = own_time.unwrap_or(0);
        // Alone of these, a track with traits is known by its key although both kinds of sources
        // send it, each in words of its own.
        if kind == Kind::Track
            && let Some(said) = self.said()
        {
            let [message_id, user_id, anonymous_id] = ids.map(str::as_bytes);
            let parts = [endpoint, message_id, user_id, anonymous_id, said.as_bytes()];
            return TimedKey::new(micros, &parts);
        }
        let parts = [endpoint, message_id.as_bytes(), self.text.as_bytes()];
        TimedKey::new(micros, &parts)
    }

    /// What a track with traits says besides of whom, however it is written.
    fn said(&self) -> Option<String> {
        let all = &self.members;
        self.value(&all.traits)?;
        let mut said = String::with_capacity(self.text.len());
        for slot in [&all.event, &all.traits, &all.properties, &all.audience] {
            // One that is empty says as much as one that is missing.
            let raw = self
                .value(slot)
                .filter(|raw| !weir_json::is_empty(raw.as_bytes()));
            let raw = raw.unwrap_or("null");
            weir_json::normal(raw.as_bytes(), &mut said).ok()?;
            said.push(' ');
        }
        Some(said)
    }

    /// A member under the one of its two names that counts: the second where the first is
    /// absent, or as good as that while it is not.
    fn spelled(
        &self,
        first: (&'static str, &Slot),
        second: (&'static str, &Slot),
        is_absent: impl Fn(&Id) -> bool,
    ) -> Field {
        let is_absent = |slot| is_absent(&self.id(slot));
        let is_second = self.value(second.1).is_some()
            && (self.value(first.1).is_none() || is_absent(first.1) && !is_absent(second.1));
        let (path, slot) = if is_second { second } else { first };
        Field {
            path,
            slot: slot.clone(),
        }
    }

    /// The JSON text of a member that is there and not null.
    fn value(&self, slot: &Slot) -> Option<&'a str> {
        let span = slot.clone()?;
        Some(&self.text[span]).filter(|raw| *raw != "null")
    }

    fn refusal(
        &self,
        code: Reason,
        path: &'static str,
        reason: impl Into<Cow<'static, str>>,
        slot: &Slot,
    ) -> Refusal {
        let raw = self.value(slot).unwrap_or_default();
        Refusal {
            value: cut(&scalar(raw).unwrap_or(Cow::Borrowed(raw)), SHOWN),
            ..Refusal::new(code, path, reason)
        }
    }

    /// An id: without what nobody sees at its ends, and with nothing of the kind inside.
    fn id(&self, slot: &Slot) -> Id {
        self.named(slot, trimmed_invisible, |id| {
            has_invisible_inside(id).then_some("holds an invisible character")
        })
    }

    /// A name, of which white space alone is cut off; one that nobody sees is none.
    fn name(&self, slot: &Slot) -> Id {
        match self.value(slot).and_then(scalar) {
            Some(text) if is_blank(&text) => Id::Absent,
            _ => self.named(slot, str::trim, |_| None),
        }
    }

    /// Trimmed text of bounded length that can be stored.
    fn named(
        &self,
        slot: &Slot,
        trim: fn(&str) -> &str,
        fault: impl Fn(&str) -> Option<&'static str>,
    ) -> Id {
        let Some(raw) = self.value(slot) else {
            return Id::Absent;
        };
        let text = match scalar(raw) {
            Some(text) => text,
            None if raw.starts_with('"') => return Id::Unusable("holds half of a character"),
            None => return Id::Unusable("must be text"),
        };
        // Bare control characters are no JSON: a NUL can only come of an escape.
        let had_escapes = matches!(text, Cow::Owned(_));
        let trimmed = trim(&text);
        if had_escapes && trimmed.contains('\0') {
            return Id::Unusable("holds a NUL character");
        }
        if longer_than(trimmed, MAX_ID) {
            return Id::Unusable("longer than 255 characters");
        }
        if let Some(why) = fault(trimmed) {
            return Id::Unusable(why);
        }
        if trimmed.is_empty() {
            return Id::Absent;
        }
        Id::Text(match &text {
            Cow::Borrowed(_) => self.whole.slice_ref(trimmed),
            Cow::Owned(_) => trimmed.into(),
        })
    }

    fn time(&self, arrival: i64) -> Result<Option<i64>, Refusal> {
        let slot = &self.members.timestamp;
        let Some(raw) = self.value(slot) else {
            return Ok(None);
        };
        let micros = match raw.as_bytes()[0] {
            b'"' => match unescaped(raw) {
                Some(text) if is_blank(&text) => return Ok(None),
                text => text.and_then(|text| time::of_text(&text)),
            },
            b'-' | b'0'..=b'9' => time::of_number(raw),
            _ => None,
        };
        let refuse = |code, reason| Err(self.refusal(code, "timestamp", reason, slot));
        let Some(micros) = micros else {
            let reason = "not a time that can be read; send ISO 8601, such as 2025-07-10T06:09:00Z";
            return refuse(Reason::TimestampUnreadable, reason);
        };
        if micros.saturating_sub(arrival) > MAX_AHEAD {
            return refuse(
                Reason::TimestampInFuture,
                "more than 24 hours in the future",
            );
        }
        Ok(Some(micros))
    }

    /// An object; an empty array is how PHP writes an empty one (semantics 2.6).
    fn object(&self, code: Reason, path: &'static str, slot: &Slot) -> Result<Slot, Refusal> {
        match self.value(slot) {
            None => Ok(None),
            Some(raw) if raw.starts_with('{') => Ok(slot.clone()),
            Some(raw) if weir_json::is_empty(raw.as_bytes()) => Ok(None),
            Some(_) => Err(self.refusal(code, path, "must be an object", slot)),
        }
    }

    /// `{mode, id}`; both absent is no membership update, as the client sends it where there is no
    /// audience.
    fn update(&self) -> Result<Option<MembershipUpdate>, Refusal> {
        let slot = &self.members.audience;
        let Some(span) = self.object(Reason::AudienceInvalid, "audience", slot)? else {
            return Ok(None);
        };
        let (mut mode, mut id) = (None, None);
        let audience = &self.text[span.clone()];
        let inside = |inner: Range<usize>| Some(inner.start + span.start..inner.end + span.start);
        weir_json::members(audience, |key, inner| match unescaped(key).as_deref() {
            Some("mode") => mode = inside(inner),
            Some("id") => id = inside(inner),
            _ => {}
        })
        .expect("the walk over the event passed this part of it");
        let audience_id = match self.id(&id) {
            Id::Unusable(why) => {
                return Err(self.refusal(Reason::AudienceInvalid, "audience.id", why, &id));
            }
            other => other.text(),
        };
        let wanted = self.value(&mode);
        if wanted.is_none() && audience_id.is_none() {
            return Ok(None);
        }
        let mode = match wanted.and_then(scalar).as_deref() {
            Some("add") => MembershipUpdateMode::Add,
            Some("remove") => MembershipUpdateMode::Remove,
            _ => {
                let reason = "must be add or remove";
                let code = Reason::AudienceModeInvalid;
                return Err(self.refusal(code, "audience.mode", reason, &mode));
            }
        };
        let audience_id = audience_id.ok_or_else(|| {
            let reason = "missing; send the id of an audience";
            self.refusal(Reason::AudienceInvalid, "audience.id", reason, &id)
        })?;
        Ok(Some(MembershipUpdate { mode, audience_id }))
    }

    fn is_echo(&self, own_namespaces: &[String]) -> bool {
        let namespace = self.value(&self.members.namespace).and_then(scalar);
        namespace.is_some_and(|name| own_namespaces.iter().any(|own| own == name.trim()))
    }
}
