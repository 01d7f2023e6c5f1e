//! A batch on its way, and how far each of its events came.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use uuid::Uuid;
use weir_rpc::Deadline;

use super::MAX_EVENTS;
use crate::clients::{Caller, ContactSettings, Entitlement, LogLine, Reservation};
use crate::domain::envelope::{Envelope, Kind, Reader, Reading, Refusal};
use crate::domain::outcome::{Limits, Progress, Start};
use crate::domain::reading::read_all;
use crate::domain::split::Unsplittable;
use crate::domain::stages::{ActivitySaid, Mapped};

pub(super) struct Batch {
    pub caller: Arc<Caller>,
    pub kind: Kind,
    /// Unix time in microseconds.
    pub arrival: i64,
    pub deadline: Deadline,
    /// As it came: the events are where their spans are.
    pub body: Bytes,
    pub events: Vec<Event>,
    pub settings: ContactSettings,
    pub entitlement: Entitlement,
    /// The one that counts: of the last start.
    pub reservation: Option<Reservation>,
    /// For the source's log.
    pub ignored: Vec<LogLine>,
}

pub(super) struct Event {
    pub span: Range<usize>,
    pub content: Content,
    pub progress: Progress,
    pub mapped: Option<Mapped>,
    pub contact_id: ByteString,
}

pub(super) enum Content {
    Good(Envelope),
    /// Goes to mapping for its sample and log line, and no further.
    Refused(Refusal),
    Echo,
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
            fresh_id: || Uuid::new_v4().to_string(),
        };
        let keep = |span, reading| Event::new(kind, span, reading);
        let events = read_all(&reader, body, MAX_EVENTS, keep)?;
        Ok(Self {
            caller,
            kind,
            arrival,
            deadline,
            body: body.clone(),
            events,
            settings: ContactSettings::default(),
            entitlement: Entitlement::default(),
            reservation: None,
            ignored: Vec::new(),
        })
    }

    /// Places of the events that mapping took.
    pub fn mapped(&self) -> Vec<usize> {
        let taken = |place: &usize| self.events[*place].mapped.is_some();
        (0..self.events.len()).filter(taken).collect()
    }

    /// Forgets what the stores said, since they undid it.
    pub fn start_anew(&mut self) {
        self.ignored.clear();
        for event in &mut self.events {
            event.progress.contact = None;
            event.progress.activity = None;
            event.progress.applied = None;
            event.contact_id = ByteString::new();
        }
    }

    /// Says the same of the activity of several events.
    pub fn say_activity(&mut self, places: &[usize], said: ActivitySaid) {
        for place in places {
            self.events[*place].progress.activity = Some(said);
        }
    }

    pub fn limits(&self) -> Limits {
        let reservation = self.reservation.as_ref();
        reservation.map_or_else(Limits::default, |reservation| Limits {
            profile: reservation.profile.limit,
            activity: reservation.activity.limit,
            window_end: reservation.window_end,
        })
    }
}

impl Event {
    fn new(kind: Kind, span: Range<usize>, reading: Reading) -> Self {
        let (content, start, wish) = match reading {
            Reading::Event(envelope) => {
                let wish = envelope.wish.as_ref().map(|wish| wish.mode);
                (Content::Good(envelope), Start::Good, wish)
            }
            Reading::Echo => (Content::Echo, Start::Echo, None),
            Reading::Refused(refusal) => {
                let start = Start::Refused(refusal.message());
                (Content::Refused(refusal), start, None)
            }
        };
        Self {
            span,
            content,
            progress: Progress::new(kind, start, wish),
            mapped: None,
            contact_id: ByteString::new(),
        }
    }

    /// The envelope of an event that mapping took.
    pub fn envelope(&self) -> &Envelope {
        match &self.content {
            Content::Good(envelope) => envelope,
            Content::Refused(_) | Content::Echo => {
                unreachable!("only good events are mapped, and only mapped ones go on")
            }
        }
    }

    /// What mapping made of an event that it took.
    pub fn mapped(&self) -> &Mapped {
        self.mapped.as_ref().expect("only mapped events go on")
    }
}
