//! A batch is driven as a whole where it can be, and else in parts, one after the other and in
//! its order: in halves where what its events come to is more than one message between the
//! services may hold (a few megabytes of traits, each mapped to many fields, or to attributes
//! with long names, are many more), and request by request where it fails for something in it,
//! so that nobody's request fails for what another one holds.

use std::collections::BTreeMap;

use weir_reasons::Reason;

use super::batch::Batch;
use super::request::{Read, State};
use super::reserve::PAUSES;
use super::{App, MAX_EVENTS};
use crate::clients::{Cause, Failure};
use crate::domain::outcome::Outcome;
use crate::metrics;

/// What the stores are sent of a part at most, in bytes. The rest of a message is room for what
/// is not counted.
const MOST: usize = weir_rpc::MAX_MESSAGE / 4 * 3;

/// Why a part is not done. Nothing of a part that is too large is stored.
enum Undone {
    TooLarge,
    Failed(Failure),
}

impl From<Failure> for Undone {
    fn from(failure: Failure) -> Self {
        if failure.hop == "map_events" && failure.is_outgrown() {
            Self::TooLarge
        } else {
            Self::Failed(failure)
        }
    }
}

impl App {
    /// Takes a batch that was read through the other stages, and answers its requests. What
    /// waits for units is returned, to be driven once more after a pause (semantics 6.4a).
    ///
    /// A request whose first part fails does so as a whole: nothing of it is stored. Where a
    /// later part does, its events and those behind it come again.
    pub(super) async fn drive(&self, batch: Batch) -> Vec<Batch> {
        let mut waiting = Vec::new();
        // The last one is next.
        let mut parts = vec![batch];
        // Events that one part may have: others are about as large.
        let mut most = MAX_EVENTS;
        while let Some(mut part) = parts.pop() {
            if let Some(stopped) = part.take_requests(|state| state != State::UnderWay) {
                self.conclude(stopped).await;
            }
            let driven = match part.events.len() {
                0 => continue,
                events if events > most => Err(Undone::TooLarge),
                _ => self.drive_part(&mut part).await,
            };
            match driven {
                Err(Undone::TooLarge) if part.events.len() > 1 => {
                    if !part.is_mapped && part.events.len() <= most {
                        most = part.events.len().div_ceil(2);
                    }
                    metrics::parted("size");
                    let later = part.split();
                    parts.extend([later, part]);
                    continue;
                }
                Err(Undone::Failed(failure)) if part.is_content(&failure) => {
                    metrics::parted("failure");
                    parts.extend(part.apart().into_iter().rev());
                    continue;
                }
                Err(Undone::Failed(failure)) => stop(&part, &parts, failure),
                Ok(()) => waiting.extend(part.take_waiting()),
                // One that is too large alone is an error of ours, and costs itself alone.
                Err(Undone::TooLarge) => {}
            }
            self.conclude(part).await;
        }
        waiting
    }

    async fn drive_part(&self, part: &mut Batch) -> Result<(), Undone> {
        if !part.is_checked {
            self.check_audiences(part).await?;
        }
        if !part.is_mapped {
            self.map(part).await?;
        }
        if part.events.len() > 1 && part.size() > MOST {
            return Err(Undone::TooLarge);
        }
        Ok(self.store(part).await?)
    }

    /// A request without events wants to know what is left of the limits, and nothing else.
    pub(super) async fn conclude_empty(&self, read: Read) {
        let batch = Batch::of(vec![read]);
        let left = self.left(&batch).await;
        for request in &*batch.requests {
            request.answer(left.and_then(|left| left.at(request.origin.arrival)));
        }
    }

    /// Says what became of the events, and answers the requests of which nothing is missing.
    async fn conclude(&self, mut part: Batch) {
        part.take_requests(|state| state == State::Over);
        let said = part.outcomes();
        if part.is_replay {
            part.note_ignored();
        } else {
            count(&said);
            self.keep(&part, &said);
        }
        self.count(&part, &said);
        self.log(&part, &said);
        self.note_recent(&part, &said);
        let mut said = said.into_iter();
        let mut done = Vec::new();
        for (request, events) in part.by_request() {
            let indexes = events.iter().map(|event| event.index);
            if request.say(indexes.zip(said.by_ref())) {
                done.push(request);
            }
        }
        if done.is_empty() {
            return;
        }
        let left = match part.is_replay {
            true => None,
            false => self.left(&part).await,
        };
        for request in done {
            request.answer(left.and_then(|left| left.at(request.origin.arrival)));
        }
    }
}

impl Batch {
    /// Whether a failure is for something in it, and may be for something in one of its
    /// requests alone.
    pub(super) fn is_content(&self, failure: &Failure) -> bool {
        failure.cause == Cause::Unexpected && self.is_shared()
    }

    /// Tells the requests which values were ignored: it decides whether their events are done.
    fn note_ignored(&self) {
        for event in &self.events {
            if let Some(code) = self.ignored(event) {
                self.requests[event.request].note_ignored(event.index, code);
            }
        }
    }

    /// Takes out the events of which nothing is stored since others hold their units for a
    /// moment, where there is time to ask once more.
    fn take_waiting(&mut self) -> Option<Self> {
        let limits = self.limits();
        if !limits.profile.is_in_flight && !limits.activity.is_in_flight {
            return None;
        }
        PAUSES.pause(self.rounds + 1, self.deadline)?;
        let waits = |outcome: Outcome| outcome.code == Some(Reason::UnitsInFlight);
        let mut waiting = self.take(|event| waits(event.outcome(&limits)))?;
        waiting.start_anew();
        Some(waiting)
    }
}

/// An outage is everybody's, any other failure that of the request which it befell.
fn stop(part: &Batch, behind: &[Batch], failure: Failure) {
    let behind = behind.iter().filter(|_| failure.cause != Cause::Unexpected);
    for part in std::iter::once(part).chain(behind) {
        for (request, _) in part.by_request() {
            request.stop(failure);
        }
    }
}

/// Counts answers, those of one kind in one go.
fn count(outcomes: &[Outcome]) {
    let mut counts: BTreeMap<(u16, Option<Reason>), u64> = BTreeMap::new();
    for outcome in outcomes {
        *counts.entry((outcome.status, outcome.code)).or_default() += 1;
    }
    for ((status, code), count) in counts {
        metrics::events(status, code, count);
    }
}
