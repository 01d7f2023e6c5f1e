//! The ledger of activity units (semantics 6.5).

use std::collections::HashMap;

use chrono::NaiveDate;
use futures_util::future::try_join;
use tokio_postgres::error::SqlState;
use uuid::Uuid;
use weir_ids::BatchId;

use super::{Failure, Param, Tx};

pub(super) const CHARGE: &str =
    "INSERT INTO usage (account_id, window_day, batch_id, units) VALUES ($1, $2, $3, $4)";

pub(super) const CLOSE: &str = "
    INSERT INTO usage (account_id, window_day, batch_id, units)
    SELECT a.account_id, u.window_day, u.batch_id, 0
    FROM accounts a CROSS JOIN unnest($2::date[], $3::uuid[]) u (window_day, batch_id)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, window_day, batch_id) DO NOTHING";

pub(super) const UNITS: &str = "
    SELECT u.window_day, u.batch_id, g.units
    FROM unnest($2::date[], $3::uuid[]) u (window_day, batch_id)
    CROSS JOIN LATERAL (
        SELECT g.units FROM usage g WHERE g.account_id = $1
            AND g.window_day = u.window_day AND g.batch_id = u.batch_id LIMIT 1
    ) g";

pub(super) const RAISE: &str = "
    UPDATE accounts SET usage_epoch = GREATEST(usage_epoch, $2::bigint)
    WHERE account_id = $1 AND $2::bigint - $3::bigint <= usage_epoch RETURNING usage_epoch";

pub(super) const SUMS: &str = "
    SELECT window_day, sum(units)::bigint FROM usage
    WHERE account_id = $1 AND window_day >= $2 GROUP BY window_day ORDER BY window_day";

/// A rebuild raises the epoch by one. What is further ahead than this is no rebuild's: it would
/// shut out every batch for good.
const EPOCHS_AHEAD: i64 = 1_000_000;

/// What a fence did.
#[derive(Debug)]
pub enum Fenced {
    /// The epoch that stands, and what was charged by windows.
    Stands(i64, Vec<(NaiveDate, i64)>),
    /// Nothing: the epoch is too far ahead.
    Implausible,
}

/// The batch's usage row is there already: it was closed.
#[derive(Debug)]
pub enum ClosedBatch {
    /// So nothing of it may be stored any more.
    Closed,
    /// Something else went wrong.
    Failure(Failure),
}

impl From<Failure> for ClosedBatch {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Tx<'_> {
    /// Writes the batch's usage row, and makes all of it last.
    ///
    /// # Errors
    /// `Closed` where the quota service closed the batch first; then nothing lasts.
    pub async fn charge_and_commit(
        self,
        window: NaiveDate,
        batch_id: BatchId,
        units: i32,
    ) -> Result<(), ClosedBatch> {
        let statement = self.prepare(CHARGE).await?;
        let params: [Param<'_>; 4] = [&self.account_id.0, &window, &batch_id.0, &units];
        match self.inner.commit_with(&statement, &params).await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                Err(ClosedBatch::Closed)
            }
            Err(error) => Err(Failure::from(error).into()),
        }
    }

    /// Closes batches that have no usage row, and answers what each was charged. Waits for
    /// those that are just being written.
    ///
    /// # Errors
    /// Of the database.
    pub async fn close(&self, batches: &[(NaiveDate, BatchId)]) -> Result<Vec<i64>, Failure> {
        self.ensure_account().await?;
        let mut sorted = batches.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let (days, ids): (Vec<NaiveDate>, Vec<Uuid>) =
            sorted.iter().map(|(day, batch)| (*day, batch.0)).unzip();
        let (close, units) = (self.prepare(CLOSE).await?, self.prepare(UNITS).await?);
        let params: [Param<'_>; 3] = [&self.account_id.0, &days, &ids];
        let (_, rows) = try_join(
            self.inner.execute(&close, &params),
            self.inner.query(&units, &params),
        )
        .await?;
        let units: HashMap<(NaiveDate, BatchId), i32> = rows
            .iter()
            .map(|row| ((row.get(0), BatchId(row.get(1))), row.get(2)))
            .collect();
        batches
            .iter()
            .map(|batch| {
                let units = units.get(batch).copied().ok_or(Failure::INTERNAL)?;
                Ok(i64::from(units))
            })
            .collect()
    }

    /// Raises the account's epoch, never lowers it, then sums what was charged: what was
    /// admitted under a lower epoch is in the sums, or will never be stored.
    ///
    /// # Errors
    /// Of the database.
    pub async fn fence(&self, epoch: i64, from_window: NaiveDate) -> Result<Fenced, Failure> {
        self.ensure_account().await?;
        let rows = self
            .query(RAISE, &[&self.account_id.0, &epoch, &EPOCHS_AHEAD])
            .await?;
        let Some(row) = rows.first() else {
            return Ok(Fenced::Implausible);
        };
        let epoch = row.get(0);
        let rows = self
            .query(SUMS, &[&self.account_id.0, &from_window])
            .await?;
        let sums = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        Ok(Fenced::Stands(epoch, sums))
    }
}
