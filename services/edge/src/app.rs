//! Drives one batch through the services: the only place that orders effects.
//!
//! Each hop is one call for the whole batch, or for a part of it where a message would be too
//! large. A batch is made of the requests of a source that wait for their turn (`scheduler`), and
//! each of them is answered for itself. A batch that began runs to its end and is settled,
//! whether or not somebody still waits for the answer.

mod audiences;
mod batch;
mod classic;
mod counts;
mod defer;
mod identify;
mod keep;
mod log;
mod parts;
mod recent;
mod replay;
mod request;
mod reserve;
mod scheduler;
mod settle;
mod stages;
mod track;
mod usage;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use weir_counts::Counts;
use weir_reasons::Reason;
use weir_service::Clock;

use crate::clients::{Cause, Clients, Failure};
use crate::domain::envelope::Kind;
use crate::domain::outcome::Outcome;
use crate::domain::schedule::{Full, Limits};
use crate::domain::split::Unsplittable;
use audiences::AudienceCache;
use batch::Batch;
pub use classic::ClassicIncoming;
use keep::Keeper;
use log::LogQueue;
use recent::RecentQueue;
pub use request::Incoming;
use request::{Answer, Read};
use scheduler::Scheduler;
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
/// What ends at a request's deadline is answered within this.
const GRACE: Duration = Duration::from_millis(300);

/// What the batches of one process share.
pub struct App {
    clients: Clients,
    clock: Clock,
    own_namespaces: Arc<[String]>,
    audiences: AudienceCache,
    last_usage: LastUsage,
    settlements: Settlements,
    log: LogQueue,
    counts: Counts,
    keeper: Keeper,
    recent: RecentQueue,
    scheduler: Scheduler,
    background: TaskTracker,
}

/// The answer to a batch.
pub struct Processed {
    /// In input order, one for each event.
    pub outcomes: Vec<Outcome>,
    /// Of kept events that were taken anew: why the first value of one was ignored, by index.
    pub ignored: Vec<(usize, Reason)>,
    /// None where nobody could say.
    pub usage: Option<Usage>,
}

/// Why a batch has no outcomes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Unsplittable(#[from] Unsplittable),
    /// It did not begin.
    #[error("{0:?}")]
    Full(Full),
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
            Cause::Away | Cause::Gone | Cause::Unexpected => Self::Failed(failure),
        }
    }
}

impl App {
    pub fn new(
        clients: Clients,
        counts: Counts,
        own_namespaces: Vec<String>,
        limits: Limits,
        clock: Clock,
    ) -> Self {
        Self {
            clients,
            clock,
            own_namespaces: own_namespaces.into(),
            audiences: AudienceCache::new(),
            last_usage: LastUsage::new(),
            settlements: Settlements::default(),
            log: LogQueue::new(),
            counts,
            keeper: Keeper::default(),
            recent: RecentQueue::default(),
            scheduler: Scheduler::new(limits),
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

    /// Takes one request through all stages, together with others where they wait.
    ///
    /// # Errors
    /// Where the body is no list of events, too much waits, or a needed service was away before
    /// anything was stored.
    pub async fn process(self: &Arc<Self>, incoming: Incoming) -> Result<Processed, Error> {
        let own = self.own_namespaces.clone();
        let large = incoming.body.len() > LARGE_BODY;
        let read = move || Read::new(incoming, &own);
        let (read, answer) = if large {
            let read = tokio::task::spawn_blocking(read);
            read.await.expect("reading does not panic")?
        } else {
            read()?
        };
        self.answered(read, answer).await
    }

    /// Has a request wait for its turn, and then for its answer.
    async fn answered(
        self: &Arc<Self>,
        read: Read,
        answer: oneshot::Receiver<Answer>,
    ) -> Result<Processed, Error> {
        let deadline = read.request.deadline;
        if read.events.is_empty() {
            self.conclude_empty(read).await;
        } else {
            self.enqueue(read)?;
        }
        let answer = tokio::time::timeout(deadline.remaining() + GRACE, answer).await;
        answer
            .unwrap_or_else(|_| Ok(Err(Failure::late("batch").into())))
            .unwrap_or_else(|_panicked| Err(Failure::internal("batch").into()))
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
