//! The batch's usage row (semantics 6.5), and what it stored (semantics 4.12); all else of the ledger is `weir_ledger`'s.

use chrono::NaiveDate;
use tokio_postgres::error::SqlState;
use weir_ids::BatchId;
use weir_ledger::sql::CHARGE;

use super::counts::{ADD_AND_CHARGE, Columns};
use super::{NotDone, Param, Tx};
use crate::domain::{Tally, slot_of};

impl Tx<'_> {
    /// Counts what the batch stored, writes its usage row, and makes all of it last.
    ///
    /// # Errors
    /// [`NotDone::Closed`] where the quota service closed the batch first; then nothing lasts.
    pub async fn charge_and_commit(
        self,
        window: NaiveDate,
        batch_id: BatchId,
        units: i32,
        tally: &Tally,
    ) -> Result<(), NotDone> {
        let account = &self.account_id.0;
        let done = if tally.is_empty() {
            let statement = self.prepare(CHARGE).await?;
            let params: [Param<'_>; 4] = [account, &window, &batch_id.0, &units];
            self.inner.commit_with(&statement, &params).await
        } else {
            let statement = self.prepare(ADD_AND_CHARGE).await?;
            let slot = slot_of(batch_id.0);
            let added = Columns::of(tally);
            let params: [Param<'_>; 10] = [
                account,
                &slot,
                &added.activities,
                &added.days,
                &added.names,
                &added.stored,
                &added.discarded,
                &window,
                &batch_id.0,
                &units,
            ];
            self.inner.commit_with(&statement, &params).await
        };
        match done {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Err(NotDone::Closed),
            Err(error) => Err(error.into()),
        }
    }
}
