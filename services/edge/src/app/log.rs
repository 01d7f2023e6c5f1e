//! The source's log, told of a batch behind its answer (semantics 7.3).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tracing::Instrument;
use weir_reasons::Reason;
use weir_rpc::Deadline;

use super::App;
use super::batch::{Batch, Content, Event};
use super::request::Request;
use crate::domain::envelope::{Envelope, Kind, Refusal};
use crate::domain::log::{About, Line, Lines, Origin};
use crate::domain::outcome::Outcome;
use crate::metrics;

/// What mapping takes in one call.
const MAX_LINES: usize = 1_000;
/// A log that is this late is of no use to who waits for it.
const TIME: Duration = Duration::from_secs(5);
/// Lines on their way at once, of about half a KiB each; more wait only where mapping is away.
const MOST: usize = 20_000;

/// How many lines may be on their way.
pub(super) struct LogQueue(Arc<Semaphore>);

impl LogQueue {
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(MOST)))
    }
}

impl App {
    /// Sends what the log should know of the batch, and does not wait for it.
    pub(super) fn log(&self, batch: &Batch, outcomes: &[Outcome]) {
        let lines = lines(batch, outcomes);
        if lines.is_empty() {
            return;
        }
        let count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        let Ok(room) = self.log.0.clone().try_acquire_many_owned(count) else {
            metrics::log_lines_lost(count);
            return;
        };
        let clients = self.clients.clone();
        let caller = batch.caller.clone();
        let sending = async move {
            let deadline = Deadline::after(TIME);
            for part in lines.chunks(MAX_LINES) {
                let sent = clients.append_log(&caller, part, deadline);
                if sent.await.is_err() {
                    metrics::log_lines_lost(u32::try_from(part.len()).unwrap_or(u32::MAX));
                }
            }
            drop(room);
        };
        self.background.spawn(sending.in_current_span());
    }
}

/// Each with the request that it is about.
fn lines(batch: &Batch, outcomes: &[Outcome]) -> Vec<(Origin, Line)> {
    let mut outcomes = outcomes.iter();
    let mut all = Vec::new();
    for (request, events) in batch.by_request() {
        let lines = lines_of_one(batch.kind, request, events, outcomes.by_ref());
        let lines = lines.into_iter();
        all.extend(lines.map(|line| (request.origin.clone(), line)));
    }
    all
}

fn lines_of_one<'a>(
    kind: Kind,
    request: &Request,
    events: &[Event],
    outcomes: impl Iterator<Item = &'a Outcome>,
) -> Vec<Line> {
    let mut lines = Lines::default();
    for (event, outcome) in events.iter().zip(outcomes) {
        let about = |message_id, event_name| About {
            kind,
            index: event.index,
            message_id,
            event_name,
        };
        match &event.content {
            Content::Good(envelope) => {
                let about = about(envelope.sent_message_id(), &*envelope.event_name);
                let late = past_retention(request, event, envelope, outcome);
                lines.answered(about, outcome, late.as_ref());
                lines.absent(about, envelope);
                for value in &event.ignored {
                    lines.ignored(about, value, outcome);
                }
            }
            Content::Refused(refusal) => {
                let about = about(&refusal.message_id, &refusal.event_name);
                lines.answered(about, outcome, Some(refusal));
            }
            Content::Echo(_) => {}
        }
    }
    lines.into_lines()
}

/// What is at fault of an event that is too old for its activity: mapping only says that it is.
fn past_retention(
    request: &Request,
    event: &Event,
    envelope: &Envelope,
    outcome: &Outcome,
) -> Option<Refusal> {
    if outcome.code != Some(Reason::PastRetention) {
        return None;
    }
    let text = str::from_utf8(request.body.get(event.span.clone())?).ok()?;
    Some(envelope.past_retention(text, outcome.message.clone()))
}
