//! Load, decide, commit: the only place that orders effects.
//!
//! Every call runs in a task of its own: a caller that goes away must not leave a
//! transaction half-way on a pooled connection. A transaction that lost against another is
//! begun anew, a bounded number of times and within the caller's deadline.

mod housekeeping;
mod link;
mod record;

use std::future::Future;

use chrono::{DateTime, NaiveDate, Utc};
use weir_ids::{AccountId, BatchId, ContactId};
use weir_postgres::Failure;
use weir_rpc::{Deadline, Page};

use crate::domain::{Identifier, Range};
use crate::metrics;
use crate::store::{ClosedBatch, Cursor, Store, Stored};

pub use housekeeping::keep_house;
pub use link::{Attached, Changes};
pub use record::{Outcome, Recorded};

/// Tries of one transaction. Locks are taken in order, so that a conflict is rare; three in
/// a row mean that something else is wrong.
const MAX_TRIES: u32 = 5;

/// Why a call did nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The quota service closed the batch.
    #[error("the batch was closed")]
    Closed,
    /// The account's epoch was raised after the batch was admitted.
    #[error("the batch's epoch is past")]
    Fenced,
    /// The caller no longer waits.
    #[error("the deadline passed")]
    Late,
    /// Of the database.
    #[error(transparent)]
    Database(#[from] Failure),
}

impl From<ClosedBatch> for Error {
    fn from(error: ClosedBatch) -> Self {
        match error {
            ClosedBatch::Closed => Self::Closed,
            ClosedBatch::Failure(failure) => Self::Database(failure),
        }
    }
}

/// The service behind its wire.
#[derive(Clone)]
pub struct App {
    store: Store,
    now: fn() -> DateTime<Utc>,
}

impl App {
    /// `now` is the clock.
    pub fn new(store: Store, now: fn() -> DateTime<Utc>) -> Self {
        Self { store, now }
    }

    /// Whether the database answers.
    pub async fn is_up(&self) -> bool {
        self.store.is_up().await
    }

    /// The days of expiry that can be stored now.
    pub fn range(&self) -> Range {
        Range::of(self.today())
    }

    fn today(&self) -> NaiveDate {
        (self.now)().date_naive()
    }

    /// Makes the partitions that are needed now; nothing can be stored without.
    ///
    /// # Errors
    /// Of the database.
    pub async fn prepare(&self) -> Result<(), Error> {
        self.store.sweep_partitions(self.range()).await?;
        Ok(())
    }

    /// A page of what a contact did, newest first, with all that were joined with it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list(
        &self,
        account_id: AccountId,
        contact_id: ContactId,
        cursor: Cursor,
        size: usize,
    ) -> Result<Page<Stored, Cursor>, Error> {
        let (store, today) = (self.store.clone(), self.today());
        detached(async move {
            let mut connection = store.connection().await?;
            let tx = connection.begin(account_id);
            let families = tx.families(&[contact_id]).await?;
            let found = tx.activities(&families, today, cursor, size + 1).await?;
            tx.commit().await?;
            Ok(Page::of(found, size, |stored| Cursor {
                event_time: stored.event_time,
                key: stored.key,
            }))
        })
        .await
    }

    /// How much waits for the identifiers, or (with none) in all of the account.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn backlog(
        &self,
        account_id: AccountId,
        identifiers: Vec<Identifier>,
    ) -> Result<i64, Error> {
        let (store, today) = (self.store.clone(), self.today());
        detached(async move {
            let mut connection = store.connection().await?;
            let tx = connection.begin(account_id);
            let mut waiting = 0;
            if identifiers.is_empty() {
                waiting = tx.backlog(None, today).await?;
            }
            for identifier in &identifiers {
                waiting += tx.backlog(Some(identifier), today).await?;
            }
            tx.commit().await?;
            Ok(waiting)
        })
        .await
    }

    /// Closes batches and answers what each was charged (semantics 6.5).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn close(
        &self,
        account_id: AccountId,
        batches: Vec<(NaiveDate, BatchId)>,
        deadline: Deadline,
    ) -> Result<Vec<i64>, Error> {
        let store = self.store.clone();
        detached(async move {
            let mut tries = Tries::within(deadline);
            loop {
                let closed = close(&store, account_id, &batches).await;
                if !tries.again(&closed) {
                    return closed;
                }
            }
        })
        .await
    }

    /// Raises the account's epoch, and answers it with the sums of the windows.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn fence(
        &self,
        account_id: AccountId,
        epoch: i64,
        from_window: NaiveDate,
        deadline: Deadline,
    ) -> Result<(i64, Vec<(NaiveDate, i64)>), Error> {
        let store = self.store.clone();
        detached(async move {
            let mut tries = Tries::within(deadline);
            loop {
                let fenced = fence(&store, account_id, epoch, from_window).await;
                if !tries.again(&fenced) {
                    return fenced;
                }
            }
        })
        .await
    }
}

async fn close(
    store: &Store,
    account_id: AccountId,
    batches: &[(NaiveDate, BatchId)],
) -> Result<Vec<i64>, Error> {
    let mut connection = store.connection().await?;
    let tx = connection.begin(account_id);
    let units = tx.close(batches).await?;
    tx.commit().await?;
    Ok(units)
}

async fn fence(
    store: &Store,
    account_id: AccountId,
    epoch: i64,
    from_window: NaiveDate,
) -> Result<(i64, Vec<(NaiveDate, i64)>), Error> {
    let mut connection = store.connection().await?;
    let tx = connection.begin(account_id);
    let fenced = tx.fence(epoch, from_window).await?;
    tx.commit().await?;
    Ok(fenced)
}

/// Counts the tries of one transaction.
struct Tries {
    deadline: Deadline,
    left: u32,
}

impl Tries {
    fn within(deadline: Deadline) -> Self {
        Self {
            deadline,
            left: MAX_TRIES,
        }
    }

    /// Whether a transaction that ended like this is worth another try.
    fn again<T>(&mut self, result: &Result<T, Error>) -> bool {
        if !matches!(result, Err(Error::Database(Failure::Conflict))) {
            return false;
        }
        metrics::conflict();
        self.left = self.left.saturating_sub(1);
        self.left > 0 && !self.deadline.passed()
    }
}

/// Runs `work` to its end, whether or not somebody still waits for it.
async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    use tracing::Instrument;
    match tokio::spawn(work.in_current_span()).await {
        Ok(result) => result,
        Err(error) => {
            // A panic is a bug of ours; its message went to standard error.
            tracing::error!(panicked = error.is_panic(), "a call ended early");
            Err(Error::Database(Failure::Internal))
        }
    }
}
