//! A source's recent events, told of a batch behind its answer (semantics 7.8).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tracing::Instrument;
use weir_rpc::Deadline;

use super::App;
use super::batch::{Batch, Content, Event};
use crate::clients::{Caller, Clients};
use crate::domain::outcome::Outcome;
use crate::domain::recent::{Recent, Sampler, is_noted, steps};
use crate::metrics;

/// What comes meanwhile goes along in one call.
const WAIT: Duration = Duration::from_millis(500);
/// Who looks for it waits no longer; what mapping does not take by then is lost.
const TIME: Duration = Duration::from_secs(5);
/// What waits at once, of about half a KiB each: a second's worth of eighty busy sources.
const MOST: usize = 4_000;
/// What mapping takes in one call.
const MAX_CALL: usize = 1_000;
const MICROS: i64 = 1_000_000;

/// What waits to be noted.
#[derive(Clone, Default)]
pub(super) struct RecentQueue(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    sampler: Sampler,
    /// By source.
    sources: HashMap<String, OfSource>,
    events: usize,
    is_sending: bool,
}

struct OfSource {
    caller: Arc<Caller>,
    events: Vec<Recent>,
    /// How many were answered beside them, and when the last of those was.
    left_out: i64,
    left_out_time: i64,
}

impl RecentQueue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0
            .lock()
            .expect("nothing panics while it holds this lock")
    }

    /// Sends what waits, each time after a moment, until nothing does any more.
    async fn send(&self, clients: &Clients) {
        loop {
            tokio::time::sleep(WAIT).await;
            for of_source in self.take() {
                of_source.send(clients).await;
            }
            let mut waiting = self.waiting();
            if waiting.sources.is_empty() {
                waiting.is_sending = false;
                return;
            }
        }
    }

    fn take(&self) -> Vec<OfSource> {
        let mut waiting = self.waiting();
        let taken = waiting.sources.values().map(|of| of.events.len());
        let taken: usize = taken.sum();
        // What has room and is not there yet keeps it.
        waiting.events = waiting.events.saturating_sub(taken);
        let sources = std::mem::take(&mut waiting.sources);
        sources.into_values().collect()
    }
}

impl App {
    /// Has some events of the batch wait to be noted, and does not wait for it. Which ones is
    /// decided before anything is made of them: of a busy source nearly all cost a count.
    pub(super) fn note_recent(&self, batch: &Batch, outcomes: &[Outcome]) {
        let (count, now) = (batch.events.len(), self.now());
        if count == 0 {
            return;
        }
        let second = now.div_euclid(MICROS);
        let taken = self.recent.waiting().room(batch, second, count);
        // Of what this costs nothing holds up other batches.
        let all = batch.events.iter().zip(outcomes).enumerate();
        let noted = all.filter(|(at, _)| is_noted(*at, taken, count));
        let noted = noted.map(|(_, (event, outcome))| batch.recent(event, outcome, now));
        let noted: Vec<Recent> = noted.collect();
        let mut waiting = self.recent.waiting();
        let of_source = waiting.of(batch);
        of_source.events.extend(noted);
        if taken < count {
            of_source.left_out += i64::try_from(count - taken).unwrap_or(i64::MAX);
            of_source.left_out_time = now;
        }
        let is_due = !waiting.is_sending;
        waiting.is_sending = true;
        drop(waiting);
        if is_due {
            let (recent, clients) = (self.recent.clone(), self.clients.clone());
            let sending = async move { recent.send(&clients).await };
            self.background.spawn(sending.in_current_span());
        }
    }
}

impl Waiting {
    /// Of so many events that were answered together, how many are to be noted.
    fn room(&mut self, batch: &Batch, second: i64, count: usize) -> usize {
        let wanted = self.sampler.take(&batch.caller.source_id, second, count);
        let taken = wanted.min(MOST.saturating_sub(self.events));
        if taken < wanted {
            metrics::recent_events_lost("queue", wanted - taken);
        }
        self.events += taken;
        taken
    }

    fn of(&mut self, batch: &Batch) -> &mut OfSource {
        let source_id = &batch.caller.source_id;
        if !self.sources.contains_key(source_id) {
            let of_source = OfSource {
                caller: batch.caller.clone(),
                events: Vec::new(),
                left_out: 0,
                left_out_time: 0,
            };
            self.sources.insert(source_id.clone(), of_source);
        }
        self.sources
            .get_mut(source_id)
            .expect("it is there, or was put there")
    }
}

impl OfSource {
    async fn send(mut self, clients: &Clients) {
        let deadline = Deadline::after(TIME);
        loop {
            let rest = self.events.split_off(self.events.len().min(MAX_CALL));
            let left_out = (self.left_out, self.left_out_time);
            let sent = clients.note_events(&self.caller, &self.events, left_out, deadline);
            if sent.await.is_err() {
                metrics::recent_events_lost("away", self.events.len());
            }
            if rest.is_empty() {
                return;
            }
            (self.events, self.left_out) = (rest, 0);
        }
    }
}

impl Batch {
    /// An event as the recent ones show it: no value of it.
    fn recent(&self, event: &Event, outcome: &Outcome, answered: i64) -> Recent {
        let origin = &self.requests[event.request].origin;
        let (message_id, event_name, event_time) = match &event.content {
            Content::Good(envelope) | Content::Echo(envelope) => {
                let time = envelope.dated.then_some(envelope.micros);
                (envelope.sent_message_id(), &*envelope.event_name, time)
            }
            Content::Refused(refusal) => (&*refusal.message_id, &*refusal.event_name, None),
        };
        let mapped = event.mapped.as_ref();
        let activity = mapped.and_then(|mapped| mapped.activity.as_ref());
        let by_mapping = event.ignored_by_mapping.iter();
        let by_mapping: i64 = by_mapping.map(|values| values.count).sum();
        Recent {
            answered,
            arrival: origin.arrival,
            batch_id: origin.batch_id.clone(),
            index: u32::try_from(event.index).unwrap_or(u32::MAX),
            kind: self.kind,
            message_id: message_id.to_owned(),
            event_name: event_name.to_owned(),
            event_time,
            status: outcome.status,
            code: outcome.code,
            steps: steps(&event.progress, outcome),
            contact_id: event.contact_id.clone(),
            fields: mapped.map_or(0, |mapped| members(&mapped.fields_json)),
            attributes: activity.map_or(0, |activity| members(&activity.attributes_json)),
            ignored: usize::try_from(by_mapping).unwrap_or(0) + event.ignored.len(),
            is_replay: self.is_replay,
        }
    }
}

/// How many members an object of mapping's has; it is empty where there are none.
fn members(json: &str) -> usize {
    let mut count = 0;
    let visit = |_: &[u8], _: &[u8]| {
        count += 1;
        Ok(())
    };
    match weir_json::object(json.as_bytes(), visit) {
        Ok(()) => count,
        Err(_) => 0,
    }
}
