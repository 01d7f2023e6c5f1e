//! What can go wrong here, as far as the app tells it apart.

use weir_postgres::PoolError;
use tokio_postgres::error::SqlState;

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

    /// Whether the same again may succeed at once.
    pub fn is_conflict(&self) -> bool {
        matches!(
            self,
            Self::MissingPartition | Self::Database(weir_postgres::Failure::Conflict)
        )
    }

    /// Whether PostgreSQL does not take a value.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Database(weir_postgres::Failure::Refused))
    }
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
