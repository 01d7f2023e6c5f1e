//! Load, decide, commit: the only place that orders effects.
//!
//! Every call runs in a task of its own: a caller that goes away must not leave a
//! transaction half-way on a pooled connection. A transaction that lost against another is
//! begun anew, a bounded number of times and within the caller's deadline.

mod clock;
mod culprits;
mod exporting;
mod history;
mod housekeeping;
mod link;
mod people;
mod reading;
mod record;

use std::future::Future;
use std::time::Duration;

use weir_ids::AccountId;
use weir_postgres::Failure;
use weir_rpc::Deadline;
use weir_service::{Clock, Fault, Policy, detached, retry};

use crate::clients::{Accounts, Contacts, SourceLog};
use crate::domain::Range;
use crate::metrics;
use crate::store::{NotDone, Store};
use clock::Clocks;

pub use exporting::{EXPORTS, Exports, Piece, Pieces};
pub use housekeeping::{WITHIN, keep_house};
pub use link::Changes;
pub use record::Recorded;

/// Of one transaction. Locks are taken in order, so that a conflict is rare; many in a row mean
/// that something else is wrong.
const POLICY: Policy = Policy {
    tries: 6,
    pause: Duration::from_millis(3),
};

/// At the start, each as long as a statement may take.
const PREPARE_TRIES: u32 = 10;

/// Why a call did nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The quota service closed the batch.
    #[error("the batch was closed")]
    Closed,
    /// The account's epoch was raised after the batch was admitted; it is this one now.
    #[error("the batch's epoch is past")]
    EpochPast(i64),
    /// Mapping does not know the account.
    #[error("no such account")]
    AccountUnknown,
    /// The account has no row here: mapping is to be asked whether there is one.
    #[error("the account has no row")]
    NoRow,
    /// contact-upsert does not know the contact.
    #[error("no such contact")]
    ContactUnknown,
    /// A service that had to be asked is away, or late.
    #[error(transparent)]
    Silent(#[from] weir_rpc::Silent),
    /// The caller no longer waits.
    #[error("the deadline passed")]
    Late,
    /// As many exports are under way as may be.
    #[error("too many exports")]
    TooManyExports,
    /// Nobody takes what is exported.
    #[error("nobody takes it")]
    Untaken,
    /// There is no partition for a day of expiry: to be made, then the same succeeds.
    #[error("a partition is missing")]
    MissingPartition,
    /// Of the database.
    #[error(transparent)]
    Store(#[from] Failure),
}

impl From<NotDone> for Error {
    fn from(not_done: NotDone) -> Self {
        match not_done {
            NotDone::MissingPartition => Self::MissingPartition,
            NotDone::Closed => Self::Closed,
            NotDone::Failed(failure) => Self::Store(failure),
        }
    }
}

impl Fault for Error {
    fn is_conflict(&self) -> bool {
        matches!(
            self,
            Self::MissingPartition | Self::Store(Failure::Conflict)
        )
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
    clocks: Clocks,
    accounts: Accounts,
    contacts: Contacts,
    source_log: SourceLog,
}

impl App {
    /// Over its tables, and the services that know the ids it does not.
    pub fn new(
        store: Store,
        accounts: Accounts,
        contacts: Contacts,
        source_log: SourceLog,
        clock: Clock,
    ) -> Self {
        Self {
            store,
            clocks: Clocks::new(clock),
            accounts,
            contacts,
            source_log,
        }
    }

    /// Whether the database answers.
    pub async fn is_up(&self) -> bool {
        self.store.is_up().await
    }

    /// The days of expiry that can be stored now.
    pub fn range(&self) -> Range {
        self.clocks.range()
    }

    /// Reads the database's clock, and makes the partitions that are needed now.
    ///
    /// # Errors
    /// Of the database.
    pub async fn prepare(&self) -> Result<(), Error> {
        self.clocks.learn(self.store.clock().await?);
        // One replica makes them all at first, and the others wait for longer than a statement
        // may take.
        let mut tries = 1;
        while let Err(error) = self.store.make_partitions(self.range()).await {
            if tries == PREPARE_TRIES {
                return Err(error.into());
            }
            tries += 1;
        }
        Ok(())
    }

    /// Makes what a transaction missed, so that it can be begun anew: after a long outage, or
    /// where somebody dropped a month.
    async fn make_what_is_missing<T>(&self, done: Result<T, Error>) -> Result<T, Error> {
        if let Err(Error::MissingPartition) = done {
            let made = self.store.make_partitions(self.range()).await?;
            metrics::partitions_were_missing();
            tracing::warn!(made, "partitions were missing, and are made now");
        }
        done
    }

    /// That the account is known here, or else to mapping.
    async fn require_account(
        &self,
        account_id: AccountId,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let store = self.store.clone();
        let is_here = detached(async move {
            let mut connection = store.connection().await?;
            let tx = connection.begin(account_id);
            let is_here = tx.has_account().await?;
            tx.commit().await?;
            Ok::<_, Error>(is_here)
        });
        if is_here.await? {
            return Ok(());
        }
        self.ask_for_account(account_id, deadline).await
    }

    /// Does it; where that finds no row of the account, the row is made and it is done again,
    /// if mapping knows the account. So an account that is nobody's leaves no row that would
    /// make it known afterwards, and one that has a row costs nothing more.
    async fn with_row<T, F>(
        &self,
        account_id: AccountId,
        deadline: Deadline,
        attempt: impl Fn() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let done = attempt().await;
        if !matches!(done, Err(Error::NoRow)) {
            return done;
        }
        self.ask_for_account(account_id, deadline).await?;
        let store = self.store.clone();
        retry(deadline, POLICY, move |_| {
            let store = store.clone();
            async move {
                let mut connection = store.connection().await?;
                let tx = connection.begin(account_id);
                tx.ensure_account().await?;
                Ok::<_, Error>(tx.commit().await?)
            }
        })
        .await?;
        attempt().await
    }

    async fn ask_for_account(
        &self,
        account_id: AccountId,
        deadline: Deadline,
    ) -> Result<(), Error> {
        match self.accounts.exists(account_id, deadline).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::AccountUnknown),
            Err(silent) => Err(silent.into()),
        }
    }
}
