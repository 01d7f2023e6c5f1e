//! Load, decide, commit: the only place that orders effects.

mod accounts;
mod batch;
mod fields;
mod help;
mod keys;
mod mappings;
mod people;
mod recorder;
mod snapshots;
mod sources;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use weir_postgres::{Failure, Pool};
use weir_reasons::Reason;
use weir_rpc::Deadline;
use weir_service::{Clock, Fault, Policy};

use crate::clients::{self, Contacts};
use crate::domain::invalid::Invalid;
use crate::domain::key::KeySecret;
use crate::store::{self, Rings, RingsAway};
pub use batch::BatchEvent;
pub use help::ListedName;
pub use mappings::GivenPair;
pub use recorder::{Recorder, start as start_recorder};
pub use snapshots::Snapshots;

/// A transaction that lost against others is tried again.
const POLICY: Policy = Policy {
    tries: 5,
    pause: Duration::from_millis(2),
};

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
    #[error(transparent)]
    Contacts(#[from] clients::Error),
    #[error("the deadline passed")]
    Late,
}

impl Fault for Error {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(Failure::Conflict))
    }

    fn late() -> Self {
        Self::Late
    }

    fn internal() -> Self {
        Self::Store(Failure::Internal)
    }
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
    contacts: Contacts,
    snapshots: Arc<Snapshots>,
    recorder: Recorder,
    clock: Clock,
}

/// What the service is made of.
pub struct Parts {
    pub pool: Pool,
    pub rings: Rings,
    pub secret: KeySecret,
    pub contacts: Contacts,
    /// It ends when the last `App` is gone.
    pub recorder: Recorder,
    pub clock: Clock,
}

impl App {
    pub fn new(parts: Parts) -> Self {
        Self {
            snapshots: Arc::new(Snapshots::new(parts.pool.clone())),
            pool: parts.pool,
            rings: parts.rings,
            secret: parts.secret,
            contacts: parts.contacts,
            recorder: parts.recorder,
            clock: parts.clock,
        }
    }

    /// Whether what this service can't do without is there. Redis is not.
    pub async fn is_healthy(&self) -> bool {
        store::answers(&self.pool).await
    }

    /// Runs `work` in a task of its own, so that a caller who gives up does not take a
    /// connection with it, and again where it lost against another transaction.
    pub async fn run<T, F, Fut>(&self, deadline: Deadline, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(Self) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, Error>> + Send,
    {
        let app = self.clone();
        weir_service::retry(deadline, POLICY, move |_| work(app.clone())).await
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    async fn client(&self) -> Result<store::Connection, Failure> {
        store::connection(&self.pool).await
    }
}
