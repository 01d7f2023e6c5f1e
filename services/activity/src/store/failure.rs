//! What can go wrong here, as far as the app tells it apart.

use tokio_postgres::error::SqlState;
use weir_postgres::PoolError;

/// Why a statement or a transaction was not done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no partition for a day of expiry: to be made, then the same succeeds.
    #[error("a partition is missing")]
    MissingPartition,
    /// As for everybody.
    #[error(transparent)]
    Database(#[from] weir_postgres::Failure),
}

impl Failure {
    /// A bug of ours.
    pub const INTERNAL: Self = Self::Database(weir_postgres::Failure::Internal);
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        // No table has a check of its own: what is violated is the bounds of the partitions.
        if error.code() == Some(&SqlState::CHECK_VIOLATION) {
            return Self::MissingPartition;
        }
        Self::Database(error.into())
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        Self::Database(error.into())
    }
}
