//! Load, decide, commit: the only place that orders effects.

mod accounts;
mod batch;
mod help;
mod keys;
mod mappings;
mod recorder;
mod snapshots;
mod sources;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Timelike, Utc};
use tokio::task::JoinHandle;
use weir_postgres::{Failure, Pool};
use weir_reasons::Reason;
use weir_rpc::Deadline;

use crate::domain::account::Invalid;
use crate::domain::key::KeySecret;
use crate::store::{self, Rings, RingsAway};
pub use batch::BatchEvent;
pub use help::ListedName;
pub use mappings::GivenPair;
use recorder::Recorder;
pub use snapshots::Snapshots;

/// A transaction that lost against others is tried again this often.
const MAX_TRIES: usize = 5;
/// Shutdown waits this long for samples and log lines that are still to be written.
const FLUSH: Duration = Duration::from_secs(2);

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("no such {0}")]
    NotFound(&'static str),
    #[error("{1}")]
    AlreadyExists(Reason, String),
    #[error("{1}")]
    Precondition(Reason, String),
    #[error("{1}")]
    Exhausted(Reason, String),
    #[error("the key is not known, or was revoked")]
    UnknownKey,
    #[error(transparent)]
    Store(#[from] Failure),
    #[error(transparent)]
    Rings(#[from] RingsAway),
    #[error("the deadline passed")]
    Late,
}

/// Whether a change did anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Created,
    Updated,
    Unchanged,
}

/// The service without its transport.
#[derive(Clone)]
pub struct App {
    pool: Pool,
    rings: Rings,
    secret: KeySecret,
    snapshots: Arc<Snapshots>,
    recorder: Recorder,
}

impl App {
    /// The service, and the task that writes samples and log lines; it ends when the last
    /// `App` is gone.
    pub fn new(pool: Pool, rings: Rings, secret: KeySecret) -> (Self, Flusher) {
        let (recorder, task) = recorder::start(pool.clone(), rings.clone());
        let app = Self {
            snapshots: Arc::new(Snapshots::new(pool.clone())),
            pool,
            rings,
            secret,
            recorder,
        };
        (app, Flusher(task))
    }

    /// Whether what this service can't do without is there. Redis is not.
    pub async fn is_healthy(&self) -> bool {
        store::answers(&self.pool).await
    }

    /// Runs `work` in a task of its own, so that a caller who gives up does not take a
    /// connection with it, and again when it lost against another transaction.
    pub async fn run<T, F, Fut>(&self, deadline: Deadline, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(Self) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let app = self.clone();
        let task = tokio::spawn(async move {
            let mut tries = 1;
            loop {
                match work(app.clone()).await {
                    Err(Error::Store(Failure::Conflict))
                        if tries < MAX_TRIES && !deadline.passed() =>
                    {
                        tries += 1;
                    }
                    done => return done,
                }
            }
        });
        match tokio::time::timeout(deadline.remaining(), task).await {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => {
                tracing::error!(%panic, "a request's task failed");
                Err(Error::Store(Failure::Internal))
            }
            Err(_) => Err(Error::Late),
        }
    }

    async fn client(&self) -> Result<store::Connection, Failure> {
        store::connection(&self.pool).await
    }
}

/// Waits for what is still to be written.
pub struct Flusher(JoinHandle<()>);

impl Flusher {
    /// Call it when every `App` is gone.
    pub async fn finish(self) {
        if tokio::time::timeout(FLUSH, self.0).await.is_err() {
            tracing::warn!("samples or log lines were left unwritten");
        }
    }
}

/// The present moment, as precise as it is stored.
fn now() -> DateTime<Utc> {
    let now = Utc::now();
    now.with_nanosecond(now.nanosecond() / 1_000 * 1_000)
        .unwrap_or(now)
}
