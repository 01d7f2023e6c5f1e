//! Drives one batch through the services: the only place that orders effects.
//!
//! Each hop is one call for the whole batch. A batch that began runs to its end and is
//! settled, whether or not somebody still waits for the answer.

mod audiences;
mod batch;
mod identify;
mod settle;
mod stages;
mod track;

use std::sync::Arc;

use bytes::Bytes;
use tokio_util::task::TaskTracker;
use weir_rpc::Deadline;

use crate::clients::{Caller, Cause, Clients, Failure};
use crate::domain::envelope::Kind;
use crate::domain::outcome::{Outcome, outcome};
use crate::domain::split::Unsplittable;
use crate::domain::stages::{ActivitySaid, ContactSaid, Meter};
use crate::metrics;
use audiences::AudienceCache;
use batch::Batch;
use settle::Settlements;

/// Segment sends 500 at most today; twice that leaves it room.
pub const MAX_EVENTS: usize = 1_000;
/// Batches whose reservation was fenced or closed start anew; more often than this they are
/// too late for their caller.
const MAX_STARTS: usize = 3;
/// Larger bodies are read on a thread where it does not keep others from their turn.
const LARGE_BODY: usize = 512 * 1024;

/// What the batches of one process share.
pub struct App {
    clients: Clients,
    own_namespaces: Arc<[String]>,
    audiences: AudienceCache,
    settlements: Settlements,
    background: TaskTracker,
}

/// The answer to a batch.
pub struct Processed {
    /// In input order, one for each event.
    pub outcomes: Vec<Outcome>,
    /// Where units were asked for.
    pub usage: Option<Usage>,
    /// Whether an event went without a unit that it needed.
    pub limited: bool,
}

/// What is left of the limits.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    pub profile: Meter,
    pub activity: Meter,
    /// Until the window ends.
    pub seconds_left: i64,
}

/// Why a batch has no outcomes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Unsplittable(#[from] Unsplittable),
    /// Nothing is said of any event; all of them may come again.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Why a round of storing ended early.
enum Stop {
    /// Everything was undone: again, under another batch id.
    Anew(Failure),
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        match failure.cause {
            Cause::Aborted => Self::Anew(failure),
            Cause::Away | Cause::Unexpected => Self::Failed(failure),
        }
    }
}

impl App {
    pub fn new(clients: Clients, own_namespaces: Vec<String>) -> Self {
        Self {
            clients,
            own_namespaces: own_namespaces.into(),
            audiences: AudienceCache::new(),
            settlements: Settlements::default(),
            background: TaskTracker::new(),
        }
    }

    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Batches and settlements that are under way; shutdown waits for them.
    pub fn background(&self) -> &TaskTracker {
        &self.background
    }

    /// Takes one body through all stages. `arrival` is Unix time in microseconds.
    ///
    /// # Errors
    /// Where the body is no list of events, or a needed service was away before anything
    /// was stored.
    #[tracing::instrument(name = "batch", skip_all, fields(kind = ?kind))]
    pub async fn process(
        &self,
        caller: Arc<Caller>,
        kind: Kind,
        body: Bytes,
        arrival: i64,
        deadline: Deadline,
    ) -> Result<Processed, Error> {
        let own = self.own_namespaces.clone();
        let large = body.len() > LARGE_BODY;
        let read = move || Batch::read(caller, kind, &body, arrival, deadline, &own);
        let mut batch = if large {
            tokio::task::spawn_blocking(read)
                .await
                .expect("reading does not panic")?
        } else {
            read()?
        };
        self.check_audiences(&mut batch).await?;
        self.map(&mut batch).await?;
        self.store(&mut batch).await?;
        Ok(answer(&batch))
    }

    async fn store(&self, batch: &mut Batch) -> Result<(), Failure> {
        let mut starts = 0;
        loop {
            starts += 1;
            let stopped = match batch.kind {
                Kind::Identify | Kind::Member => self.identify(batch).await,
                Kind::Track => self.track(batch).await,
            };
            match stopped {
                Ok(()) => return Ok(()),
                Err(Stop::Anew(_)) if starts < MAX_STARTS => batch.start_anew(),
                Err(Stop::Anew(failure) | Stop::Failed(failure)) => return Err(failure),
            }
        }
    }
}

fn answer(batch: &Batch) -> Processed {
    let limits = batch.limits();
    let outcomes: Vec<Outcome> = batch
        .events
        .iter()
        .map(|event| outcome(&event.progress, &limits))
        .collect();
    for status in [200, 206, 400, 422, 429, 500] {
        let count = outcomes.iter().filter(|one| one.status == status).count();
        if count > 0 {
            metrics::events(status, count as u64);
        }
    }
    let usage = batch.reservation.as_ref().map(|reservation| Usage {
        profile: reservation.profile,
        activity: reservation.activity,
        // Rounded up: a second early is a second 429.
        seconds_left: ((reservation.window_end - batch.arrival) / 1_000_000 + 1).max(1),
    });
    let limited = batch.events.iter().any(|event| {
        let progress = &event.progress;
        progress.contact == Some(ContactSaid::NotFunded)
            || progress.activity == Some(ActivitySaid::NotFunded)
    });
    Processed {
        outcomes,
        usage,
        limited,
    }
}
