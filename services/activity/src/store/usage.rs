//! The batch's usage row (semantics 6.5); all else of the ledger is `weir_ledger`'s.

use chrono::NaiveDate;
use tokio_postgres::error::SqlState;
use weir_ids::BatchId;
use weir_ledger::sql::CHARGE;

use super::{NotDone, Param, Tx};

impl Tx<'_> {
    /// Writes the batch's usage row, and makes all of it last.
    ///
    /// # Errors
    /// [`NotDone::Closed`] where the quota service closed the batch first; then nothing lasts.
    pub async fn charge_and_commit(
        self,
        window: NaiveDate,
        batch_id: BatchId,
        units: i32,
    ) -> Result<(), NotDone> {
        let statement = self.prepare(CHARGE).await?;
        let params: [Param<'_>; 4] = [&self.account_id.0, &window, &batch_id.0, &units];
        match self.inner.commit_with(&statement, &params).await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Err(NotDone::Closed),
            Err(error) => Err(error.into()),
        }
    }
}
