//! Requests wait for their turn here, and go on together (see `domain::schedule`).

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use tokio::runtime::Handle;
use tracing::{Instrument, Span, span};
use weir_rpc::Deadline;

use super::batch::Batch;
use super::request::Read;
use super::reserve::PAUSES;
use super::{App, Error};
use crate::domain::schedule::{self, Entry, Full, Limits, Moment, QueueKey, Schedule, Size};
use crate::metrics;

/// Units belong to a UTC day; in microseconds.
const DAY: i64 = 86_400_000_000;

pub(super) struct Scheduler {
    schedule: Mutex<Schedule<Work>>,
    began: Instant,
}

/// What a slot drives.
enum Work {
    Fresh(Box<Read>),
    /// Events that waited for units, with the span of their batch before.
    Again(Box<Batch>, Span),
}

/// A batch under way. However it ends, the next one begins.
struct Slot {
    app: Arc<App>,
    account_id: String,
    size: Size,
    began: Moment,
}

impl Scheduler {
    pub fn new(limits: Limits) -> Self {
        Self {
            schedule: Mutex::new(Schedule::new(limits)),
            began: Instant::now(),
        }
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule<Work>> {
        self.schedule
            .lock()
            .expect("nothing panics while it holds this lock")
    }

    fn now(&self) -> Moment {
        self.began.elapsed()
    }
}

impl App {
    /// Whether one more request of this account may wait: asked before anything is read of it.
    ///
    /// # Errors
    /// Why not.
    pub fn has_room(&self, account_id: &str) -> Result<(), Error> {
        let one = Size {
            events: 1,
            bytes: 0,
        };
        let room = self.scheduler.schedule().has_room(account_id, one);
        room.map_err(refused)
    }

    /// Has a request wait for its turn, which may be at once.
    pub(super) fn enqueue(self: &Arc<Self>, read: Read) -> Result<(), Error> {
        let caller = read.caller.clone();
        let key = QueueKey {
            source_id: caller.source_id.clone(),
            kind: read.kind,
            day: read.request.origin.arrival.div_euclid(DAY),
            is_replay: false,
        };
        let (size, deadline) = (read.size(), read.request.deadline);
        let entry = self.entry(Work::Fresh(Box::new(read)), size, deadline);
        let added = self
            .scheduler
            .schedule()
            .add(&caller.account_id, key, entry);
        added.map_err(|(full, _)| refused(full))?;
        self.begin_next();
        Ok(())
    }

    /// Has kept events wait for their turn, all of them together; what may not wait is refused.
    pub(super) fn enqueue_all(self: &Arc<Self>, all: Vec<Read>) {
        for read in all {
            let caller = read.caller.clone();
            let key = QueueKey {
                source_id: caller.source_id.clone(),
                kind: read.kind,
                // Units belong to the day of the replay, whenever it was received.
                day: 0,
                is_replay: true,
            };
            let (size, deadline) = (read.size(), read.request.deadline);
            let entry = self.entry(Work::Fresh(Box::new(read)), size, deadline);
            let added = self
                .scheduler
                .schedule()
                .add(&caller.account_id, key, entry);
            if let Err((full, work)) = added {
                work.refuse(full);
            }
        }
        self.begin_next();
    }

    /// Whether requests of this account would wait for one more batch of it.
    pub(super) fn is_pressed(&self, account_id: &str) -> bool {
        self.scheduler.schedule().is_pressed(account_id)
    }

    /// Drives what waits for units once more, after a pause in which it holds no slot.
    fn drive_later(self: &Arc<Self>, mut batch: Batch) {
        let app = self.clone();
        batch.rounds += 1;
        let waiting = async move {
            PAUSES.again(batch.rounds, batch.deadline).await;
            let caller = batch.caller.clone();
            let key = QueueKey {
                source_id: caller.source_id.clone(),
                kind: batch.kind,
                day: if batch.is_replay {
                    0
                } else {
                    batch.arrival().div_euclid(DAY)
                },
                is_replay: batch.is_replay,
            };
            let (size, deadline) = (batch.size_received(), batch.deadline);
            let entry = app.entry(
                Work::Again(Box::new(batch), Span::current()),
                size,
                deadline,
            );
            app.scheduler
                .schedule()
                .add_again(&caller.account_id, key, entry);
            app.begin_next();
        };
        self.background.spawn(waiting.in_current_span());
    }

    fn entry(&self, item: Work, size: Size, deadline: Deadline) -> Entry<Work> {
        let since = self.scheduler.now();
        Entry {
            item,
            size,
            since,
            due: since + deadline.remaining(),
        }
    }

    /// Begins as many batches as may begin.
    fn begin_next(self: &Arc<Self>) {
        loop {
            let now = self.scheduler.now();
            let (next, waiting) = {
                let mut schedule = self.scheduler.schedule();
                (schedule.next(now), schedule.waiting())
            };
            metrics::waiting(waiting.events);
            for work in next.late {
                work.refuse(Full::Late);
            }
            let Some(batch) = next.batch else {
                return;
            };
            self.begin(batch, now);
        }
    }

    fn begin(self: &Arc<Self>, batch: schedule::Batch<Work>, now: Moment) {
        let app = self.clone();
        let (requests, events) = (batch.entries.len(), batch.size.events);
        // Not in the batch whose end lets it begin: in that there would be one in another for ever.
        let before = batch.entries.first().and_then(|entry| entry.item.span());
        let trace_id = tracing::field::Empty;
        let span = tracing::info_span!(parent: before, "batch", requests, events, trace_id);
        weir_rpc::tell_trace(&span);
        let driving = async move {
            let slot = Slot {
                app,
                account_id: batch.account_id,
                size: batch.size,
                began: now,
            };
            let batch = Work::together(batch.entries, now);
            let waiting = slot.app.drive(batch).await;
            for batch in waiting {
                slot.app.drive_later(batch);
            }
        };
        // Shutdown waits for it.
        self.background.spawn(driving.instrument(span));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let scheduler = &self.app.scheduler;
        let took = scheduler.now().saturating_sub(self.began);
        scheduler
            .schedule()
            .ended(&self.account_id, self.size, took);
        // Where everything ends there is nothing to begin with.
        if Handle::try_current().is_ok() {
            self.app.begin_next();
        }
    }
}

impl Work {
    fn together(entries: Vec<Entry<Self>>, now: Moment) -> Batch {
        let mut fresh = Vec::with_capacity(entries.len());
        for entry in entries {
            match entry.item {
                Self::Again(batch, _) => return *batch,
                Self::Fresh(read) => {
                    metrics::waited(now.saturating_sub(entry.since));
                    fresh.push(*read);
                }
            }
        }
        let events = fresh.iter().map(|read| read.events.len()).sum();
        metrics::batch(fresh.len(), events);
        Batch::of(fresh)
    }

    fn span(&self) -> Option<span::Id> {
        match self {
            Self::Fresh(_) => None,
            Self::Again(_, before) => before.id(),
        }
    }

    fn refuse(self, full: Full) {
        match self {
            Self::Fresh(read) => read.request.refuse(refused(full)),
            Self::Again(batch, _) => {
                for (request, _) in batch.by_request() {
                    request.refuse(refused(full));
                }
            }
        }
    }
}

fn refused(full: Full) -> Error {
    metrics::shed(match full {
        Full::All => "queue",
        Full::Account => "account_queue",
        Full::Late => "queue_time",
    });
    Error::Full(full)
}
