//! Drives one batch through the services: the only place that orders effects.
//!
//! Each hop is one call for the whole batch, or for a part of it where a message would be too
//! large. A batch that began runs to its end and is
//! settled, whether or not somebody still waits for the answer.

mod audiences;
mod batch;
mod identify;
mod log;
mod parts;
mod reserve;
mod settle;
mod stages;
mod track;
mod usage;

use std::sync::Arc;

use bytes::Bytes;
use tokio_util::task::TaskTracker;
use weir_reasons::Reason;
use weir_rpc::Deadline;
use weir_service::{Clock, Fault};

use crate::clients::{Caller, Cause, Clients, Failure};
use crate::domain::envelope::Kind;
use crate::domain::outcome::Outcome;
use crate::domain::split::Unsplittable;
use audiences::AudienceCache;
use batch::Batch;
use log::LogQueue;
use settle::Settlements;
use usage::LastUsage;
pub use usage::Usage;

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
    clock: Clock,
    own_namespaces: Arc<[String]>,
    audiences: AudienceCache,
    last_usage: LastUsage,
    settlements: Settlements,
    log: LogQueue,
    background: TaskTracker,
}

/// The answer to a batch.
pub struct Processed {
    /// In input order, one for each event.
    pub outcomes: Vec<Outcome>,
    /// None where nobody could say.
    pub usage: Option<Usage>,
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

impl Fault for Error {
    /// What may be tried again was, by then.
    fn is_conflict(&self) -> bool {
        false
    }

    fn late() -> Self {
        Self::Failed(Failure::late("batch"))
    }

    fn internal() -> Self {
        Self::Failed(Failure::internal("batch"))
    }
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
    pub fn new(clients: Clients, own_namespaces: Vec<String>, clock: Clock) -> Self {
        Self {
            clients,
            clock,
            own_namespaces: own_namespaces.into(),
            audiences: AudienceCache::new(),
            last_usage: LastUsage::new(),
            settlements: Settlements::default(),
            log: LogQueue::new(),
            background: TaskTracker::new(),
        }
    }

    /// The present moment, in Unix microseconds.
    pub fn now(&self) -> i64 {
        self.clock.now().timestamp_micros()
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
            let span = tracing::Span::current();
            tokio::task::spawn_blocking(move || span.in_scope(read))
                .await
                .expect("reading does not panic")?
        } else {
            read()?
        };
        self.check_audiences(&mut batch).await?;
        Ok(self.drive(batch).await?)
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
                Err(Stop::Anew(failure)) if starts < MAX_STARTS => {
                    self.start_anew(batch, &failure).await?;
                }
                Err(Stop::Anew(failure) | Stop::Failed(failure)) => return Err(failure),
            }
        }
    }

    /// Prepares what was undone for another start, by what was said of it.
    async fn start_anew(&self, batch: &mut Batch, failure: &Failure) -> Result<(), Failure> {
        batch.start_anew();
        if let Some(epoch) = failure.epoch {
            batch.ledger_epoch = batch.ledger_epoch.max(epoch);
        }
        if failure.reason == Some(Reason::IdentifiersChanged) {
            batch.refused_identifiers_version = Some(batch.settings.identifiers_version());
            self.map(batch).await?;
        }
        Ok(())
    }
}
