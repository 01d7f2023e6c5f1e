//! The ledger of profile units.

use chrono::NaiveDate;
use uuid::Uuid;
use weir_ids::{AccountId, BatchId};
use weir_postgres::Failure;

use super::Store;

/// In a table without columns to update, the loser of a race must not fail.
const ANCHOR: &str = "
    INSERT INTO accounts (account_id, usage_epoch) VALUES ($1, 0) ON CONFLICT DO NOTHING";

const CLOSE: &str = "
    INSERT INTO usage (account_id, window_day, batch_id, units)
    SELECT a.account_id, u.window_day, u.batch_id, 0
    FROM accounts a
    CROSS JOIN unnest($2::date[], $3::uuid[]) AS u (window_day, batch_id)
    WHERE a.account_id = $1
    ON CONFLICT DO NOTHING";

const UNITS: &str = "
    SELECT s.window_day, s.batch_id, s.units
    FROM unnest($2::date[], $3::uuid[]) AS u (window_day, batch_id)
    CROSS JOIN LATERAL (
        SELECT * FROM usage
        WHERE account_id = $1 AND window_day = u.window_day AND batch_id = u.batch_id
        LIMIT 1
    ) AS s";

const FENCE: &str = "
    UPDATE accounts SET usage_epoch = GREATEST(usage_epoch, $2)
    WHERE account_id = $1 AND usage_epoch + $3 >= $2
    RETURNING usage_epoch";

/// An epoch grows by one a rebuild: one that is this much ahead was never given out, and would
/// shut out every batch from then on.
const MAX_EPOCH_STEP: i64 = 1_000_000;

const SUMS: &str = "
    SELECT window_day, sum(units)::bigint
    FROM usage
    WHERE account_id = $1 AND window_day >= $2 AND units <> 0
    GROUP BY window_day
    ORDER BY window_day";

/// What became of a fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fenced {
    /// The epoch that stands now, and the units by day.
    At(i64, Vec<(NaiveDate, i64)>),
    /// Refused: the epoch is too far ahead.
    Implausible,
}

impl Store {
    /// Makes the account's anchor row, if it is not there.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn anchor(&self, account: AccountId) -> Result<(), Failure> {
        let client = self.client().await?;
        let insert = client.prepare_cached(ANCHOR).await?;
        client.execute(&insert, &[&account.0]).await?;
        Ok(())
    }

    /// Closes batches and answers the units that each has stored.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn close_batches(
        &self,
        account: AccountId,
        batches: &[(NaiveDate, BatchId)],
    ) -> Result<Vec<i64>, Failure> {
        self.anchor(account).await?;
        let client = self.client().await?;
        // One order for all, so that two sweepers do not wait for each other in a circle.
        let mut sorted = batches.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let days: Vec<NaiveDate> = sorted.iter().map(|(day, _)| *day).collect();
        let ids: Vec<Uuid> = sorted.iter().map(|(_, id)| id.0).collect();
        let close = client.prepare_cached(CLOSE).await?;
        let units = client.prepare_cached(UNITS).await?;
        // Two statements, each of its own transaction: the second one sees what others had
        // stored before the first could.
        client.execute(&close, &[&account.0, &days, &ids]).await?;
        let rows = client.query(&units, &[&account.0, &days, &ids]).await?;
        let found: std::collections::HashMap<(NaiveDate, Uuid), i32> = rows
            .iter()
            .map(|row| ((row.get(0), row.get(1)), row.get(2)))
            .collect();
        batches
            .iter()
            .map(|(day, id)| {
                let units = found.get(&(*day, id.0)).copied();
                units.map(i64::from).ok_or(Failure::Internal)
            })
            .collect()
    }

    /// Raises the epoch, and answers it with the sums of what is stored from `day` on: batches
    /// under way were waited for, later ones of a lower epoch fail.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn fence_usage(
        &self,
        account: AccountId,
        epoch: i64,
        day: NaiveDate,
    ) -> Result<Fenced, Failure> {
        self.anchor(account).await?;
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let fence = transaction.prepare_cached(FENCE).await?;
        let sums = transaction.prepare_cached(SUMS).await?;
        let parameters = &[&account.0 as _, &epoch as _, &MAX_EPOCH_STEP as _];
        let Some(stands) = transaction.query_opt(&fence, parameters).await? else {
            return Ok(Fenced::Implausible);
        };
        let rows = transaction.query(&sums, &[&account.0, &day]).await?;
        transaction.commit().await?;
        let sums = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        Ok(Fenced::At(stands.get(0), sums))
    }
}
