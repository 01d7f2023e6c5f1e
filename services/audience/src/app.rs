//! Load, decide, commit: the only place that orders effects.

mod audiences;
mod culprits;
mod forgetting;
mod merges;
mod sync;
mod updates;

use std::time::Duration;

use chrono::{DateTime, Utc};
use weir_accounts::Accounts;
use weir_ids::AccountId;
use weir_postgres::Failure;
use weir_rpc::Deadline;
use weir_service::{Clock, Fault, Policy};

use crate::store::Store;

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
    MappingAway(#[from] weir_accounts::Away),
    #[error("no such audience")]
    AudienceUnknown,
    /// The name belongs to an audience that the caller must not touch.
    #[error("the name belongs to an audience of another origin")]
    OtherOrigin,
    #[error("something else was asked for under this request_id")]
    RequestTaken,
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
}

impl App {
    pub fn new(store: Store, accounts: Accounts, clock: Clock) -> Self {
        Self {
            store,
            accounts,
            clock,
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
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
