//! A request on its way, and its answer in the making.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;
use weir_reasons::Reason;
use weir_rpc::Deadline;

use super::batch::Event;
use super::{Error, MAX_EVENTS, Processed, Usage};
use crate::clients::{Caller, Failure};
use crate::domain::classic::Placed;
use crate::domain::envelope::{Form, Kind, Reader};
use crate::domain::keep::ToReplay;
use crate::domain::log::Origin;
use crate::domain::outcome::Outcome;
use crate::domain::reading::read_all;
use crate::domain::schedule::Size;
use crate::domain::split::{Unsplittable, without_mark};

/// What is let go of once nothing of a request is under way any more.
pub type Held = Box<dyn Send + Sync>;
pub(super) type Answer = Result<Processed, Error>;

/// What came in.
pub struct Incoming {
    pub caller: Arc<Caller>,
    pub kind: Kind,
    pub body: Bytes,
    /// Unix time in microseconds.
    pub arrival: i64,
    pub deadline: Deadline,
    pub held: Held,
}

/// A request and its events, before they go on together with others.
pub(super) struct Read {
    pub caller: Arc<Caller>,
    pub kind: Kind,
    pub request: Request,
    pub events: Vec<Event>,
    /// It is taken anew.
    pub is_replay: bool,
}

pub(super) struct Request {
    /// What the source's log knows of it.
    pub origin: Origin,
    pub deadline: Deadline,
    /// As it came: the events are where their spans are.
    pub body: Bytes,
    answer: Mutex<Open>,
    _held: Held,
}

/// An answer to which something is still missing.
struct Open {
    /// By index; of a classic request some indexes are another part's.
    outcomes: Vec<Option<Outcome>>,
    /// How many events there are.
    events: usize,
    /// Of what is taken anew: why the first value of an event was ignored, by index.
    ignored: Vec<(usize, Reason)>,
    /// Of how many of them the outcome is there.
    said: usize,
    is_stopped: bool,
    /// None once it is answered.
    to: Option<oneshot::Sender<Answer>>,
}

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    UnderWay,
    /// A part of it failed, and no event behind that one may go on. What was said before stands.
    Stopped,
    /// It is answered.
    Over,
}

impl Read {
    /// Reads the events, each with its index.
    pub fn new(
        incoming: Incoming,
        own_namespaces: &[String],
    ) -> Result<(Self, oneshot::Receiver<Answer>), Unsplittable> {
        let reader = Reader {
            kind: incoming.kind,
            form: incoming.caller.form(),
            arrival: incoming.arrival,
            own_namespaces,
            nobody: &incoming.caller.nobody,
            fresh_id: &|| weir_ids::random().to_string(),
        };
        let body = without_mark(&incoming.body);
        let keep = |span, reading| Event::new(incoming.kind, span, reading);
        let mut events = read_all(&reader, &body, MAX_EVENTS, keep)?;
        for (index, event) in events.iter_mut().enumerate() {
            event.set_index(index);
        }
        Ok(Self::of(Incoming { body, ..incoming }, events))
    }

    /// Events of one kind whose places in the body, and indexes in what they were sent in, are
    /// known: some of a classic request. They are answered in their order.
    pub fn of_classic(
        incoming: Incoming,
        events: &[Placed],
        own_namespaces: &[String],
    ) -> (Self, oneshot::Receiver<Answer>) {
        let reader = Reader {
            kind: incoming.kind,
            form: Form::Classic,
            arrival: incoming.arrival,
            own_namespaces,
            nobody: &incoming.caller.nobody,
            fresh_id: &|| weir_ids::random().to_string(),
        };
        let events = events.iter().map(|placed| {
            let raw = incoming.body.slice(placed.span.clone());
            let reading = reader.read_sent(&raw, placed.size);
            let mut event = Event::new(incoming.kind, placed.span.clone(), reading);
            event.set_index(placed.index);
            event
        });
        let events = events.collect();
        Self::of(incoming, events)
    }

    fn of(incoming: Incoming, events: Vec<Event>) -> (Self, oneshot::Receiver<Answer>) {
        let (open, answer) = Open::new(&events);
        let request = Request {
            origin: Origin {
                batch_id: weir_ids::random().to_string().into(),
                arrival: incoming.arrival,
            },
            deadline: incoming.deadline,
            body: incoming.body,
            answer: Mutex::new(open),
            _held: incoming.held,
        };
        let read = Self {
            caller: incoming.caller,
            kind: incoming.kind,
            request,
            events,
            is_replay: false,
        };
        (read, answer)
    }

    /// A kept event, as it was when it was received first: a request of its own, which has the
    /// receive time, and the ids, of that moment.
    pub fn of_kept(
        caller: &Arc<Caller>,
        kept: &ToReplay,
        is_repair: bool,
        deadline: Deadline,
        own_namespaces: &[String],
    ) -> (Self, oneshot::Receiver<Answer>) {
        let reader = Reader {
            kind: kept.kind,
            form: caller.form(),
            arrival: kept.arrival,
            own_namespaces,
            nobody: &caller.nobody,
            fresh_id: &|| kept.message_id.clone(),
        };
        let span = 0..kept.raw.len();
        let mut event = Event::new(kept.kind, span, reader.read(&kept.raw));
        // Where it stood orders it among events without a timestamp.
        event.set_index(usize::try_from(kept.index).unwrap_or(usize::MAX));
        event.index = 0;
        event.progress.correction = kept.correction;
        event.corrects_activity = !is_repair;
        let (open, answer) = Open::new(std::slice::from_ref(&event));
        let request = Request {
            origin: Origin {
                batch_id: weir_ids::random().to_string().into(),
                arrival: kept.arrival,
            },
            deadline,
            body: kept.raw.clone(),
            answer: Mutex::new(open),
            _held: Box::new(()),
        };
        let read = Self {
            caller: caller.clone(),
            kind: kept.kind,
            request,
            events: vec![event],
            is_replay: true,
        };
        (read, answer)
    }

    pub fn size(&self) -> Size {
        Size {
            events: self.events.len(),
            bytes: self.request.body.len(),
        }
    }
}

impl Request {
    pub fn state(&self) -> State {
        let open = self.open();
        match (&open.to, open.is_stopped) {
            (None, _) => State::Over,
            (Some(_), true) => State::Stopped,
            (Some(_), false) => State::UnderWay,
        }
    }

    /// A part of it failed. Where nothing was said before, the request as a whole did.
    pub fn stop(&self, failure: Failure) {
        let mut open = self.open();
        open.is_stopped = true;
        if open.said == 0 {
            open.send(Err(failure.into()));
        }
    }

    /// It does not begin.
    pub fn refuse(&self, error: Error) {
        self.open().send(Err(error));
    }

    /// What some of its events are answered, by index. Whether nothing is missing any more.
    pub fn say(&self, events: impl Iterator<Item = (usize, Outcome)>) -> bool {
        let mut open = self.open();
        for (index, outcome) in events {
            open.outcomes[index] = Some(outcome);
            open.said += 1;
        }
        open.said == open.events
    }

    /// Why a value of an event that is taken anew was ignored.
    pub fn note_ignored(&self, index: usize, code: Reason) {
        self.open().ignored.push((index, code));
    }

    /// Answers, now that everything is said.
    pub fn answer(&self, usage: Option<Usage>) {
        let mut open = self.open();
        let outcomes = std::mem::take(&mut open.outcomes).into_iter();
        let outcomes = outcomes.flatten().collect();
        let ignored = std::mem::take(&mut open.ignored);
        open.send(Ok(Processed {
            outcomes,
            ignored,
            usage,
        }));
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Of these events, and where its answer arrives.
    fn new(events: &[Event]) -> (Self, oneshot::Receiver<Answer>) {
        let (to, answer) = oneshot::channel();
        let indexes = events.last().map_or(0, |last| last.index + 1);
        let open = Self {
            outcomes: vec![None; indexes],
            events: events.len(),
            ignored: Vec::new(),
            said: 0,
            is_stopped: false,
            to: Some(to),
        };
        (open, answer)
    }

    fn send(&mut self, answer: Answer) {
        if let Some(to) = self.to.take() {
            // Nobody may wait for it any more.
            let _ = to.send(answer);
        }
    }
}
