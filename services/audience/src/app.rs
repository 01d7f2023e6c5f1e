//! Load, decide, commit: the only place that orders effects.

mod audiences;
mod culprits;
mod deleting;
mod exporting;
mod forgetting;
mod merges;
mod reading;
mod sync;
mod updates;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use tokio::sync::Notify;
use weir_accounts::Accounts;
use weir_ids::AccountId;
use weir_postgres::Failure;
use weir_rpc::Deadline;
use weir_service::{Clock, Fault, Policy};

use crate::domain::{SyncDays, tomorrow};
use crate::store::Store;

pub use deleting::DELETING_BEATS;
pub use exporting::{EXPORTS, Exports, Piece, Pieces};
pub use forgetting::FORGETTING_BEATS;
pub use sync::longest_sync;

/// A transaction that lost is tried again this often, while there is time.
const POLICY: Policy = Policy {
    tries: 8,
    pause: Duration::from_millis(2),
};

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] Failure),
    #[error("no time was left")]
    Late,
    #[error("no such account")]
    AccountUnknown,
    /// Mapping, which owns accounts, could not be asked for one.
    #[error(transparent)]
    Silent(#[from] weir_rpc::Silent),
    #[error("no such audience")]
    AudienceUnknown,
    /// The name belongs to an audience that the caller must not touch.
    #[error("the name belongs to an audience of another origin")]
    OtherOrigin,
    #[error("something else was asked for under this request_id")]
    RequestTaken,
    #[error("another audience has the name")]
    NameTaken,
    /// So many a day.
    #[error("events still come for the audience")]
    InUse(i64),
    #[error("no such deletion")]
    DeletionUnknown,
    #[error("memberships are still being deleted")]
    DeletionUnderWay,
    #[error("no such sync")]
    SyncUnknown,
    /// There is room for a few exports at a time.
    #[error("too many exports are under way")]
    TooManyExports,
    #[error("nobody took what was exported")]
    Untaken,
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

/// The service behind its wire.
#[derive(Clone)]
pub struct App {
    store: Store,
    accounts: Accounts,
    clock: Clock,
    sync_days: SyncDays,
    /// Told when a sync was asked for, so that it need not wait for the next look.
    sync_asked: Arc<Notify>,
}

impl App {
    pub fn new(store: Store, accounts: Accounts, clock: Clock, sync_days: SyncDays) -> Self {
        Self {
            store,
            accounts,
            clock,
            sync_days,
            sync_asked: Arc::default(),
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// When what is held back at `now` is due.
    fn next_sync(&self, now: DateTime<Utc>) -> NaiveDate {
        tomorrow(self.sync_days.day(now))
    }

    /// Whether the database answers.
    pub async fn is_up(&self) -> bool {
        self.store.is_up().await
    }

    /// That there is such an account: one that has a row here was known to mapping, which is
    /// asked for all others.
    async fn require_account(&self, account: AccountId, deadline: Deadline) -> Result<(), Error> {
        if self.store.has_account(account).await? || self.accounts.exists(account, deadline).await?
        {
            return Ok(());
        }
        Err(Error::AccountUnknown)
    }
}
