//! Load, decide, commit: the only place that orders effects.

mod accounts;
mod alerts;
mod batch;
mod changes;
mod copies;
mod counts;
mod deletion;
mod desk;
mod fields;
mod help;
mod housekeeping;
mod kept;
mod keys;
mod mappings;
mod people;
mod places;
mod preview;
mod recorder;
mod removal;
mod replay_work;
mod replays;
mod rows;
mod snapshots;
mod sources;
mod story;
mod tokens;
mod uses;
mod versions;
mod watcher;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use weir_changes::Before;
use weir_ids::AccountId;
use weir_postgres::{Failure, Pool, Scoped};
use weir_reasons::Reason;
use weir_rpc::Deadline;
use weir_service::{Clock, Fault, Policy};

use crate::clients::{self, Contacts, Record};
use crate::domain::invalid::Invalid;
use crate::domain::key::KeySecret;
use crate::domain::record::{Author, Change as Changed};
use crate::store::{self, Rings, RingsAway};
pub use batch::{BatchEvent, Leaves};
pub use deletion::{Eraser, WITHIN as ERASURE_BEATS};
pub use desk::{Desk, WITHIN as DESK_WITHIN, deliver};
pub use help::ListedName;
pub use housekeeping::{BEATS as HOUSE_BEATS, keep_house};
pub use keys::Rotation;
pub use places::{Known as KnownPlaces, watch as watch_places};
pub use preview::{ActivityDraft, Previewed};
pub use recorder::{Flusher, Recorder, start as start_recorder};
pub use replays::Wish;
pub use rows::map_rows;
pub use snapshots::Snapshots;
pub use tokens::{Listing, OwnTokens, renew_list};
pub use uses::{Uses, start as start_uses};
pub use versions::Differing;
pub use watcher::{WATCH_WITHIN, watch};

/// A transaction that lost against others is tried again.
const POLICY: Policy = Policy {
    tries: 5,
    pause: Duration::from_millis(2),
};

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// All that is wrong with a request: never nothing.
    #[error("the request is not as it should be")]
    Invalid(Vec<Invalid>),
    #[error("no such {0}")]
    NotFound(&'static str),
    #[error("{1}")]
    Missing(Reason, String),
    #[error("{1}")]
    AlreadyExists(Reason, String),
    #[error("{1}")]
    Precondition(Reason, String),
    #[error("{1}")]
    Exhausted(Reason, String),
    #[error("{1}")]
    Forbidden(Reason, String),
    #[error("the key is not known, or was revoked")]
    UnknownKey,
    #[error("the key is past its end")]
    ExpiredKey,
    #[error("the mapping was saved meanwhile: it is of version {0}")]
    Changed(i64),
    #[error("the settings were changed meanwhile: they are of version {0}")]
    Overtaken(i64),
    #[error(transparent)]
    Store(#[from] Failure),
    #[error(transparent)]
    Rings(#[from] RingsAway),
    #[error(transparent)]
    Contacts(#[from] clients::Error),
    #[error("the deadline passed")]
    Late,
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(vec![invalid])
    }
}

impl From<Vec<Invalid>> for Error {
    fn from(all: Vec<Invalid>) -> Self {
        Self::Invalid(all)
    }
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
    desk: Desk,
    recorder: Recorder,
    uses: Uses,
    erasure_delay: TimeDelta,
    places: KnownPlaces,
    record: Record,
    clock: Clock,
    /// For whom it works.
    author: Author,
}

/// What the service is made of.
pub struct Parts {
    pub pool: Pool,
    pub rings: Rings,
    pub secret: KeySecret,
    pub contacts: Contacts,
    pub desk: Desk,
    /// It ends when the last `App` is gone.
    pub recorder: Recorder,
    /// As well.
    pub uses: Uses,
    /// How long what is under way may go on after an account was deleted.
    pub erasure_delay: TimeDelta,
    /// Where addresses are, if that is known.
    pub places: KnownPlaces,
    /// The parts of the record of changes that others have.
    pub record: Record,
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
            desk: parts.desk,
            recorder: parts.recorder,
            uses: parts.uses,
            erasure_delay: parts.erasure_delay,
            places: parts.places,
            record: parts.record,
            clock: parts.clock,
            author: Author::service("mapping", ""),
        }
    }

    /// The same, at work for somebody, who stands in the record of changes.
    #[must_use]
    pub fn by(&self, author: Author) -> Self {
        Self {
            author,
            ..self.clone()
        }
    }

    /// Writes a change down, in the transaction that makes it (semantics 9.5).
    async fn record(
        &self,
        transaction: &impl store::Client,
        account_id: AccountId,
        change: &Changed,
    ) -> Result<(), Error> {
        let (author, now) = (&self.author, self.now());
        Ok(store::record_change(transaction, account_id, author, change, now).await?)
    }

    /// Whether what this service can't do without is there. Redis is not.
    pub async fn is_healthy(&self) -> bool {
        store::answers(&self.pool).await
    }

    /// Whether what helps the person who maps can be kept.
    pub async fn has_rings(&self) -> bool {
        self.rings.answer().await
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
        weir_service::retry(deadline, POLICY, move |_| Box::pin(work(app.clone()))).await
    }

    /// The present moment.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Whether the same request changed this thing before (semantics 9.5): then it changes nothing
    /// again.
    async fn is_done(
        &self,
        transaction: &impl store::Client,
        account_id: AccountId,
        thing_id: &str,
    ) -> Result<bool, Error> {
        match store::done_before(transaction, account_id, &self.author).await? {
            Before::Nothing => Ok(false),
            Before::Done(known) if known == thing_id => Ok(true),
            Before::Done(_) | Before::Taken => Err(request_taken()),
        }
    }

    /// That what the same request did before, and would do now, is the same: whoever asks for
    /// something else under one id is told so.
    async fn repeats(
        &self,
        transaction: &impl store::Client,
        account_id: AccountId,
        changed: &Changed,
    ) -> Result<(), Error> {
        let done = store::changed_before(transaction, account_id, &self.author).await?;
        changed
            .repeats(&done)
            .then_some(())
            .ok_or_else(request_taken)
    }

    async fn client(&self) -> Result<store::Connection, Failure> {
        store::connection(&self.pool).await
    }

    async fn scoped(&self, account_id: AccountId) -> Result<Scoped, Failure> {
        store::scoped(&self.pool, account_id).await
    }
}

fn request_taken() -> Error {
    let message = "something else was asked for under this request_id".to_owned();
    Error::AlreadyExists(Reason::RequestIdTaken, message)
}
