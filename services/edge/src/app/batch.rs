//! A batch on its way, and how far each of its events came.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use weir_rpc::Deadline;

use super::request::{Read, Request, State};
use crate::clients::{Caller, ContactSettings, Entitlement, Reservation};
use crate::domain::envelope::{Envelope, Kind, Reading, Refusal};
use crate::domain::grants;
use crate::domain::outcome::{Limit, Limits, Outcome, Progress, Start, outcome};
use crate::domain::schedule::Size;
use crate::domain::stages::{
    ActivitySaid, IgnoredKind, IgnoredValue, IgnoredValues, Mapped, Meter,
};

/// More than the stores are sent of an event beside its texts, in bytes.
const BESIDE: usize = 512;

pub(super) struct Batch {
    pub caller: Arc<Caller>,
    pub kind: Kind,
    /// What its events came in; its parts share them.
    pub requests: Arc<[Request]>,
    /// The latest of its requests.
    pub deadline: Deadline,
    /// Those of a request side by side, in their order.
    pub events: Vec<Event>,
    /// Its events are kept ones, and are taken anew.
    pub is_replay: bool,
    /// Whether it was asked which audiences can be touched.
    pub is_checked: bool,
    /// Whether mapping has spoken of its events.
    pub is_mapped: bool,
    /// How often it has asked for units.
    pub rounds: u32,
    pub settings: ContactSettings,
    /// None until mapping has spoken.
    pub entitlement: Option<Entitlement>,
    /// The one that counts: of the last start.
    pub reservation: Option<Reservation>,
    /// Profile and activity units that it used of them, where that is certain.
    pub spent: (Option<i64>, Option<i64>),
    /// The epoch that a ledger said stands; 0 where none did.
    pub ledger_epoch: i64,
    /// What mapping ignored, of all its events.
    pub ignored_kinds: Arc<[IgnoredKind]>,
    /// Of the unique identifiers that contact-upsert refused.
    pub refused_identifiers_version: Option<i64>,
}

pub(super) struct Event {
    /// Which of the batch's requests it came in, and its index there.
    pub request: usize,
    pub index: usize,
    /// In the request's body.
    pub span: Range<usize>,
    pub content: Content,
    pub progress: Progress,
    /// It is taken anew by a person's wish: where its activity is stored, that is corrected
    /// (semantics 7.5a).
    pub corrects_activity: bool,
    pub mapped: Option<Mapped>,
    pub contact_id: ByteString,
    /// Of an event without a timestamp that was stored before: when it was first received.
    pub first_time: Option<i64>,
    /// How many values mapping ignored, by the batch's kinds.
    pub ignored_by_mapping: Vec<IgnoredValues>,
    /// Values that contact-upsert ignored.
    pub ignored: Vec<IgnoredValue>,
}

pub(super) enum Content {
    Good(Envelope),
    /// Goes to mapping for its sample, and no further.
    Refused(Refusal),
    Echo(Envelope),
}

impl Content {
    /// Empty where it has none, or none that could be read.
    pub fn event_name(&self) -> &str {
        match self {
            Self::Good(envelope) | Self::Echo(envelope) => &envelope.event_name,
            Self::Refused(refusal) => &refusal.event_name,
        }
    }
}

impl Batch {
    /// What goes on together: at least one request, all of the same source and kind.
    pub fn of(mut read: Vec<Read>) -> Self {
        let (caller, kind) = (read[0].caller.clone(), read[0].kind);
        let is_replay = read[0].is_replay;
        let mut events = std::mem::take(&mut read[0].events);
        let mut requests = Vec::with_capacity(read.len());
        for (number, one) in read.into_iter().enumerate() {
            events.extend(one.events.into_iter().map(|event| Event {
                request: number,
                ..event
            }));
            requests.push(one.request);
        }
        let requests: Arc<[Request]> = requests.into();
        Self {
            caller,
            kind,
            deadline: latest(&requests, &events),
            requests,
            events,
            is_replay,
            is_checked: false,
            is_mapped: false,
            rounds: 0,
            settings: ContactSettings::default(),
            entitlement: None,
            reservation: None,
            spent: (None, None),
            ledger_epoch: 0,
            ignored_kinds: Arc::default(),
            refused_identifiers_version: None,
        }
    }

    /// The events of each request, with it.
    pub fn by_request(&self) -> impl Iterator<Item = (&Request, &[Event])> {
        let of_one = self
            .events
            .chunk_by(|one, next| one.request == next.request);
        of_one.map(|events| (&self.requests[events[0].request], events))
    }

    /// Whether its events came in several requests.
    pub fn is_shared(&self) -> bool {
        let (first, last) = (self.events.first(), self.events.last());
        first.map(|event| event.request) != last.map(|event| event.request)
    }

    /// About its first request.
    pub fn arrival(&self) -> i64 {
        let first = self.events.first();
        first.map_or(0, |event| self.arrival_of(event))
    }

    pub fn arrival_of(&self, event: &Event) -> i64 {
        self.requests[event.request].origin.arrival
    }

    /// Indexes of the events that mapping took and `also` holds for.
    pub fn mapped(&self, also: impl Fn(&Event) -> bool) -> Vec<usize> {
        let taken = |index: &usize| {
            let event = &self.events[*index];
            event.mapped.is_some() && also(event)
        };
        (0..self.events.len()).filter(taken).collect()
    }

    /// Those of `indexes` that may cost units: what is corrected was paid for when it was stored.
    pub fn unpaid(&self, indexes: &[usize]) -> Vec<usize> {
        let is_new = |index: &usize| !self.events[*index].progress.correction;
        indexes.iter().copied().filter(is_new).collect()
    }

    /// Which of the events at `indexes` get one of the profile units that were granted.
    pub fn funded(&self, indexes: &[usize], granted: i64) -> Vec<bool> {
        let unpaid = self.unpaid(indexes);
        let keys = unpaid.iter().map(|at| self.events[*at].envelope().key);
        let mut funded = grants::assign(keys, granted).into_iter();
        let indexes = indexes.iter();
        indexes
            .map(|at| !self.events[*at].progress.correction && funded.next().unwrap_or(false))
            .collect()
    }

    /// Takes out the later half of its events, as a part of its own. Nothing of any is stored.
    pub fn split(&mut self) -> Self {
        let at = self.events.len().div_ceil(2);
        let later = self.events.split_off(at);
        self.reservation = None;
        self.part(later)
    }

    /// Takes out the events for which `is_taken` holds, as a part of their own.
    pub fn take(&mut self, is_taken: impl Fn(&Event) -> bool) -> Option<Self> {
        let taken: Vec<Event> = self
            .events
            .extract_if(.., |event| is_taken(event))
            .collect();
        (!taken.is_empty()).then(|| self.part(taken))
    }

    /// As [`Self::take`], those of requests in such a state.
    pub fn take_requests(&mut self, is_taken: impl Fn(State) -> bool) -> Option<Self> {
        let states = self
            .requests
            .iter()
            .map(|request| is_taken(request.state()));
        let taken: Vec<bool> = states.collect();
        let is_any = taken.contains(&true);
        is_any.then(|| self.take(|event| taken[event.request]))?
    }

    /// The events of each request as a part of their own, as if they had not been stored.
    pub fn apart(mut self) -> Vec<Self> {
        self.start_anew();
        let mut parts: Vec<Vec<Event>> = Vec::new();
        for event in std::mem::take(&mut self.events) {
            match parts.last_mut() {
                Some(part) if part[0].request == event.request => part.push(event),
                _ => parts.push(vec![event]),
            }
        }
        parts.into_iter().map(|events| self.part(events)).collect()
    }

    fn part(&self, events: Vec<Event>) -> Self {
        Self {
            caller: self.caller.clone(),
            deadline: latest(&self.requests, &events),
            requests: self.requests.clone(),
            events,
            settings: self.settings.clone(),
            ignored_kinds: self.ignored_kinds.clone(),
            reservation: None,
            spent: (None, None),
            ..*self
        }
    }

    /// The bodies of its events one behind the other, as far as they hold any, and where each
    /// event is in there.
    pub fn body(&self) -> (Bytes, Vec<Range<usize>>) {
        let mut pieces = Vec::new();
        let mut spans = Vec::with_capacity(self.events.len());
        let mut length = 0;
        for (request, events) in self.by_request() {
            let (start, end) = (events[0].span.start, events[events.len() - 1].span.end);
            let moved = |at: usize| at - start + length;
            spans.extend(
                (events.iter()).map(|event| moved(event.span.start)..moved(event.span.end)),
            );
            pieces.push(request.body.slice(start..end));
            length += end - start;
        }
        let body = match &pieces[..] {
            [whole] => whole.clone(),
            _ => pieces.concat().into(),
        };
        (body, spans)
    }

    /// About how many bytes its events come to on their way to the stores.
    pub fn size(&self) -> usize {
        self.events.iter().map(Event::size).sum()
    }

    /// What they came in as.
    pub fn size_received(&self) -> Size {
        let bytes = self.events.iter().map(|event| event.span.len()).sum();
        Size {
            events: self.events.len(),
            bytes,
        }
    }

    pub fn outcomes(&self) -> Vec<Outcome> {
        let limits = self.limits();
        let events = self.events.iter();
        events.map(|event| event.outcome(&limits)).collect()
    }

    /// Forgets what the stores said, since they undid it, or are asked again.
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

/// By when the last of those that wait for these events needs them.
fn latest(requests: &[Request], events: &[Event]) -> Deadline {
    let deadlines = events.iter().map(|event| requests[event.request].deadline);
    deadlines.max().unwrap_or(requests[0].deadline)
}

impl Event {
    pub fn new(kind: Kind, span: Range<usize>, reading: Reading) -> Self {
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
            request: 0,
            index: 0,
            span,
            content,
            progress: Progress::new(kind, start, update),
            corrects_activity: false,
            mapped: None,
            contact_id: ByteString::new(),
            first_time: None,
            ignored_by_mapping: Vec::new(),
            ignored: Vec::new(),
        }
    }

    pub fn outcome(&self, limits: &Limits) -> Outcome {
        outcome(&self.progress, limits)
    }

    /// Which one of its request it is.
    pub fn set_index(&mut self, index: usize) {
        self.index = index;
        if let Content::Good(envelope) = &mut self.content {
            envelope.set_index(index);
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
