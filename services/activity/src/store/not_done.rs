//! What can go wrong here, as far as the app tells it apart.

use tokio_postgres::error::SqlState;
use weir_postgres::{Failure, PoolError};

/// Why a statement or a transaction was not done.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// There is no partition for a day of expiry: to be made, then the same succeeds.
    #[error("a partition is missing")]
    MissingPartition,
    /// The batch's usage row is there already: nothing of it may be stored any more.
    #[error("the batch was closed")]
    Closed,
    /// As for everybody.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<tokio_postgres::Error> for NotDone {
    fn from(error: tokio_postgres::Error) -> Self {
        // No table has a check of its own: what is violated is the bounds of the partitions.
        if error.code() == Some(&SqlState::CHECK_VIOLATION) {
            return Self::MissingPartition;
        }
        Self::Failed(error.into())
    }
}

impl From<PoolError> for NotDone {
    fn from(error: PoolError) -> Self {
        Self::Failed(error.into())
    }
}
