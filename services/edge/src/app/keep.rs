//! Events that were not taken, or not whole, are kept for replay, behind their answer
//! (semantics 7.5).

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tracing::Instrument;
use weir_ids::TimedKey;
use weir_reasons::Reason;
use weir_rpc::Deadline;

use super::App;
use super::batch::{Batch, Content, Event};
use crate::clients::Caller;
use crate::domain::envelope::{Kind, Refusal};
use crate::domain::keep::{MAX_RAW, Open, Rates, Room, ToKeep, Why, why};
use crate::domain::outcome::Outcome;
use crate::metrics;

/// What comes meanwhile goes along in one call.
const WAIT: Duration = Duration::from_millis(500);
/// Well within what a person waits for; whoever is away for longer costs what waits then.
const TIME: Duration = Duration::from_secs(5);
/// What waits at once: a second's worth of a handful of sources that fail in every way.
const MOST_EVENTS: usize = 4_000;
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// What mapping takes in one call.
const MAX_CALL: usize = 1_000;
const MICROS: i64 = 1_000_000;

/// What waits to be kept.
#[derive(Clone, Default)]
pub(super) struct Keeper(Arc<Inner>);

#[derive(Default)]
struct Inner {
    waiting: Mutex<Waiting>,
    /// How many keys are known to be kept: where there are none, nobody looks for one.
    open: AtomicUsize,
}

#[derive(Default)]
struct Waiting {
    rates: Rates,
    open: Open,
    /// By source.
    sources: HashMap<String, OfSource>,
    events: usize,
    bytes: usize,
    is_sending: bool,
}

struct OfSource {
    caller: Arc<Caller>,
    events: Vec<ToKeep>,
    done: Vec<TimedKey>,
}

impl Keeper {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0
            .waiting
            .lock()
            .expect("nothing panics while it holds this lock")
    }

    fn has_open(&self) -> bool {
        self.0.open.load(Ordering::Relaxed) > 0
    }
}

impl App {
    /// Has what of the batch is to be kept wait for its turn, and does not wait for it.
    pub(super) fn keep(&self, batch: &Batch, outcomes: &[Outcome]) {
        let has_open = self.keeper.has_open();
        let is_plain = |(event, outcome): (&Event, &Outcome)| {
            outcome.status == 200 && batch.ignored(event).is_none()
        };
        if !has_open && batch.events.iter().zip(outcomes).all(is_plain) {
            return;
        }
        let mut waiting = self.keeper.waiting();
        for (event, outcome) in batch.events.iter().zip(outcomes) {
            match why(outcome, batch.ignored(event)) {
                Some(why) => waiting.keep(batch, event, outcome, why),
                None if has_open && outcome.status == 200 => waiting.close(batch, event),
                None => {}
            }
        }
        self.keeper
            .0
            .open
            .store(waiting.open.count(), Ordering::Relaxed);
        let is_due = !waiting.sources.is_empty() && !waiting.is_sending;
        waiting.is_sending |= is_due;
        drop(waiting);
        if is_due {
            let (keeper, clients) = (self.keeper.clone(), self.clients.clone());
            let sending = async move {
                while let Some(all) = keeper.next().await {
                    for of_source in all {
                        of_source.send(&clients).await;
                    }
                }
            };
            self.background.spawn(sending.in_current_span());
        }
    }
}

impl Keeper {
    /// All that waits, after a moment; none where nothing does any more.
    async fn next(&self) -> Option<Vec<OfSource>> {
        tokio::time::sleep(WAIT).await;
        let mut waiting = self.waiting();
        if waiting.sources.is_empty() {
            waiting.is_sending = false;
            return None;
        }
        (waiting.events, waiting.bytes) = (0, 0);
        waiting.rates.told();
        let sources = std::mem::take(&mut waiting.sources);
        Some(sources.into_values().collect())
    }
}

impl Waiting {
    fn keep(&mut self, batch: &Batch, event: &Event, outcome: &Outcome, why: Why) {
        let source_id = &batch.caller.source_id;
        let second = batch.arrival_of(event).div_euclid(MICROS);
        if event.span.len() > MAX_RAW {
            metrics::not_kept("size");
            return;
        }
        let name = event.content.event_name();
        match self.rates.take(source_id, why.code, name, second) {
            Room::Free => {}
            Room::InPlaceOf(loud) => {
                self.give_up(source_id, why.code, &loud);
                metrics::not_kept("rate");
            }
            Room::None => {
                metrics::not_kept("rate");
                return;
            }
        }
        if self.events >= MOST_EVENTS || self.bytes >= MOST_BYTES {
            metrics::not_kept("queue");
        } else if let Some(kept) = batch.to_keep(event, (outcome.status, why.code), why.stored) {
            self.events += 1;
            self.bytes += kept.raw.len();
            // One that was stored is done when it is corrected, which a repeat does not do.
            if !kept.stored {
                self.open.add(kept.key);
            }
            let kept = ToKeep {
                message: outcome.message.to_string(),
                ..kept
            };
            self.of(batch).events.push(kept);
        }
    }

    /// The newest of its name makes room for one of another name.
    fn give_up(&mut self, source_id: &str, code: Reason, name: &str) {
        let Some(of_source) = self.sources.get_mut(source_id) else {
            return;
        };
        let is_it = |kept: &ToKeep| kept.code == code && kept.event_name == name;
        if let Some(at) = of_source.events.iter().rposition(is_it) {
            let kept = of_source.events.remove(at);
            self.events -= 1;
            self.bytes -= kept.raw.len();
            self.open.close(kept.key);
        }
    }

    /// It is stored, whatever became of it before.
    fn close(&mut self, batch: &Batch, event: &Event) {
        let Content::Good(envelope) = &event.content else {
            return;
        };
        if self.open.close(envelope.key) {
            let of_source = self.of(batch);
            of_source.events.retain(|kept| kept.key != envelope.key);
            of_source.done.push(envelope.key);
        }
    }

    fn of(&mut self, batch: &Batch) -> &mut OfSource {
        let source_id = batch.caller.source_id.clone();
        self.sources.entry(source_id).or_insert_with(|| OfSource {
            caller: batch.caller.clone(),
            events: Vec::new(),
            done: Vec::new(),
        })
    }
}

impl OfSource {
    async fn send(self, clients: &crate::clients::Clients) {
        let deadline = Deadline::after(TIME);
        let mut done = self.done.chunks(MAX_CALL);
        let mut events = self.events.chunks(MAX_CALL);
        loop {
            let (events, done) = (events.next(), done.next());
            if events.is_none() && done.is_none() {
                return;
            }
            let (events, done) = (events.unwrap_or_default(), done.unwrap_or_default());
            let sent = clients.keep_events(&self.caller, events, done, deadline);
            if sent.await.is_err() {
                metrics::not_kept_of("away", events.len());
            }
        }
    }
}

impl Batch {
    /// Why the first of an event's values was ignored, by mapping or else by contact-upsert.
    pub(super) fn ignored(&self, event: &Event) -> Option<Reason> {
        let by_mapping = event.ignored_by_mapping.iter();
        let by_mapping = by_mapping.filter_map(|values| self.ignored_kinds.get(values.kind)?.code);
        let by_contacts = event.ignored.iter().map(|value| value.code);
        let mut codes = by_mapping.chain(by_contacts);
        codes.find(|code| *code != Reason::Stale)
    }

    /// An event as it is kept; none of an echo that was refused.
    pub(super) fn to_keep(
        &self,
        event: &Event,
        (status, code): (u16, Reason),
        stored: bool,
    ) -> Option<ToKeep> {
        let request = &self.requests[event.request];
        // A copy: as a slice it would keep all of its request in memory.
        let raw = bytes::Bytes::copy_from_slice(request.body.get(event.span.clone())?);
        let kept = ToKeep {
            kind: self.kind,
            key: TimedKey::new(0, &[b"refused", endpoint(self.kind), &raw]),
            raw,
            message_id: String::new(),
            nameless: false,
            arrival: request.origin.arrival,
            index: u32::try_from(event.index).unwrap_or(u32::MAX),
            user_id: String::new(),
            anonymous_id: String::new(),
            event_name: String::new(),
            event_time: None,
            status,
            code,
            message: String::new(),
            stored,
        };
        match &event.content {
            Content::Good(envelope) => Some(ToKeep {
                key: envelope.key,
                message_id: envelope.message_id.to_string(),
                nameless: envelope.is_nameless,
                user_id: envelope.user_id.to_string(),
                anonymous_id: envelope.anonymous_id.to_string(),
                event_name: envelope.event_name.to_string(),
                event_time: envelope.dated.then_some(envelope.micros),
                ..kept
            }),
            Content::Refused(refusal) => Some(named(kept, refusal)),
            Content::Echo(_) => None,
        }
    }
}

/// One that was refused may have no id that can be used: it gets one for good, so that it is the
/// same event whenever it is taken anew.
fn named(kept: ToKeep, refusal: &Refusal) -> ToKeep {
    let nameless = refusal.message_id.is_empty();
    let message_id = match nameless {
        true => weir_ids::random().to_string(),
        false => refusal.message_id.clone(),
    };
    ToKeep {
        message_id,
        nameless,
        event_name: refusal.event_name.clone(),
        ..kept
    }
}

fn endpoint(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::Identify => b"identify",
        Kind::Member => b"members",
        Kind::Track => b"track",
    }
}
