//! A batch on its way, and how far each of its events came.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use weir_rpc::Deadline;

use super::MAX_EVENTS;
use crate::clients::{Caller, ContactSettings, Entitlement, Reservation};
use crate::domain::envelope::{Envelope, Kind, Reader, Reading, Refusal};
use crate::domain::outcome::{Limit, Limits, Outcome, Progress, Start, outcome};
use crate::domain::reading::read_all;
use crate::domain::split::{Unsplittable, without_mark};
use crate::domain::stages::{ActivitySaid, IgnoredValue, Mapped, Meter};

/// More than the stores are sent of an event beside its texts, in bytes.
const BESIDE: usize = 512;

pub(super) struct Batch {
    /// Stands for the request in the source's log; a UUID.
    pub id: String,
    pub caller: Arc<Caller>,
    pub kind: Kind,
    /// Unix time in microseconds.
    pub arrival: i64,
    pub deadline: Deadline,
    /// As it came: the events are where their spans are.
    pub body: Bytes,
    /// Where in the request its first event stands: not in front, in a later part of one.
    pub first: usize,
    pub events: Vec<Event>,
    /// Whether mapping has spoken of its events.
    pub is_mapped: bool,
    pub settings: ContactSettings,
    /// None until mapping has spoken.
    pub entitlement: Option<Entitlement>,
    /// The one that counts: of the last start.
    pub reservation: Option<Reservation>,
    /// Profile and activity units that it used of them, where that is certain.
    pub spent: (Option<i64>, Option<i64>),
    /// The epoch that a ledger said stands; 0 where none did.
    pub ledger_epoch: i64,
    /// Of the unique identifiers that contact-upsert refused.
    pub refused_identifiers_version: Option<i64>,
}

pub(super) struct Event {
    pub span: Range<usize>,
    pub content: Content,
    pub progress: Progress,
    pub mapped: Option<Mapped>,
    pub contact_id: ByteString,
    /// Of an event without a timestamp that was stored before: when it was first received.
    pub first_time: Option<i64>,
    /// Values that contact-upsert ignored.
    pub ignored: Vec<IgnoredValue>,
}

pub(super) enum Content {
    Good(Envelope),
    /// Goes to mapping for its sample, and no further.
    Refused(Refusal),
    Echo(Envelope),
}

impl Batch {
    pub fn read(
        caller: Arc<Caller>,
        kind: Kind,
        body: &Bytes,
        arrival: i64,
        deadline: Deadline,
        own_namespaces: &[String],
    ) -> Result<Self, Unsplittable> {
        let reader = Reader {
            kind,
            arrival,
            own_namespaces,
            fresh_id: || weir_ids::random().to_string(),
        };
        let body = without_mark(body);
        let keep = |span, reading| Event::new(kind, span, reading);
        let mut events = read_all(&reader, &body, MAX_EVENTS, keep)?;
        for (index, event) in events.iter_mut().enumerate() {
            if let Content::Good(envelope) = &mut event.content {
                envelope.set_index(index);
            }
        }
        Ok(Self {
            id: weir_ids::random().to_string(),
            caller,
            kind,
            arrival,
            deadline,
            body,
            first: 0,
            events,
            is_mapped: false,
            settings: ContactSettings::default(),
            entitlement: None,
            reservation: None,
            spent: (None, None),
            ledger_epoch: 0,
            refused_identifiers_version: None,
        })
    }

    /// Indexes of the events that mapping took and `also` holds for.
    pub fn mapped(&self, also: impl Fn(&Event) -> bool) -> Vec<usize> {
        let taken = |index: &usize| {
            let event = &self.events[*index];
            event.mapped.is_some() && also(event)
        };
        (0..self.events.len()).filter(taken).collect()
    }

    /// Takes out the later half of its events, as a part of its own. Nothing of any is stored.
    pub fn split(&mut self) -> Self {
        let at = self.events.len().div_ceil(2);
        self.reservation = None;
        Self {
            id: self.id.clone(),
            caller: self.caller.clone(),
            body: self.body.clone(),
            first: self.first + at,
            events: self.events.split_off(at),
            settings: self.settings.clone(),
            reservation: None,
            ..*self
        }
    }

    /// Where in the body its events are.
    pub fn span(&self) -> Range<usize> {
        match (self.events.first(), self.events.last()) {
            (Some(first), Some(last)) => first.span.start..last.span.end,
            _ => 0..0,
        }
    }

    /// About how many bytes its events come to on their way to the stores.
    pub fn size(&self) -> usize {
        self.events.iter().map(Event::size).sum()
    }

    pub fn outcomes(&self) -> Vec<Outcome> {
        let limits = self.limits();
        let events = self.events.iter();
        events
            .map(|event| outcome(&event.progress, &limits))
            .collect()
    }

    /// Forgets what the stores said, since they undid it.
    pub fn start_anew(&mut self) {
        self.spent = (None, None);
        for event in &mut self.events {
            event.first_time = None;
            event.ignored.clear();
            event.progress.contact = None;
            event.progress.held_up = None;
            event.progress.activity = None;
            event.progress.applied = None;
            event.contact_id = ByteString::new();
        }
    }

    /// Says the same of the activity of several events.
    pub fn say_activity(&mut self, indexes: &[usize], said: ActivitySaid) {
        for index in indexes {
            self.events[*index].progress.activity = Some(said);
        }
    }

    pub fn limits(&self) -> Limits {
        let Some(reservation) = &self.reservation else {
            return Limits::default();
        };
        let limit = |meter: &Meter, factors| Limit {
            value: meter.limit,
            factors,
            is_in_flight: meter.is_short_for_now(i64::MAX),
        };
        let plan = self.entitlement.unwrap_or_default();
        Limits {
            profile: limit(&reservation.profile, plan.profile_factors()),
            activity: limit(&reservation.activity, plan.activity_factors()),
            window_end: reservation.window_end,
        }
    }
}

impl Event {
    fn new(kind: Kind, span: Range<usize>, reading: Reading) -> Self {
        let (content, start, update) = match reading {
            Reading::Event(envelope) => {
                let update = envelope.update.as_ref().map(|update| update.mode);
                (Content::Good(envelope), Start::Good, update)
            }
            Reading::Echo(envelope) => {
                let update = envelope.update.as_ref().map(|update| update.mode);
                (Content::Echo(envelope), Start::Echo, update)
            }
            Reading::Refused(refusal) => {
                let start = Start::Refused(refusal.code, refusal.message());
                (Content::Refused(refusal), start, None)
            }
        };
        Self {
            span,
            content,
            progress: Progress::new(kind, start, update),
            mapped: None,
            contact_id: ByteString::new(),
            first_time: None,
            ignored: Vec::new(),
        }
    }

    fn size(&self) -> usize {
        let (Some(mapped), Content::Good(envelope)) = (&self.mapped, &self.content) else {
            return 0;
        };
        let activity = mapped.activity.as_ref();
        let texts = [
            &mapped.fields_json,
            &envelope.user_id,
            &envelope.anonymous_id,
            &envelope.message_id,
            &envelope.event_name,
        ];
        let texts: usize = texts.iter().map(|text| text.len()).sum();
        texts + activity.map_or(0, |activity| activity.attributes_json.len()) + BESIDE
    }

    /// When it counts as having happened: an event without a timestamp keeps the time of its
    /// first try (semantics 1.4, 5.4).
    pub fn micros(&self) -> i64 {
        self.first_time.unwrap_or(self.envelope().micros)
    }

    /// The envelope of an event that mapping took.
    pub fn envelope(&self) -> &Envelope {
        match &self.content {
            Content::Good(envelope) => envelope,
            Content::Refused(_) | Content::Echo(_) => {
                unreachable!("only good events are mapped, and only mapped ones go on")
            }
        }
    }

    /// What mapping made of an event that it took.
    pub fn mapped(&self) -> &Mapped {
        self.mapped.as_ref().expect("only mapped events go on")
    }
}
