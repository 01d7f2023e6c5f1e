//! The daily sync: who is due, who has it, and who is still to be let in.

use chrono::{DateTime, NaiveDate, Utc};
use weir_ids::AccountId;
use weir_postgres::Failure;

use super::memberships::{COLUMNS, membership_of};
use super::{Batch, Session, Stored};

/// A sync that one replica has to itself for a while.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// When it began; perhaps by another replica.
    pub began: DateTime<Utc>,
}

impl Session {
    /// Up to `limit` accounts whose sync of `today` is due, and which nobody has now.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn accounts_due(
        &self,
        today: NaiveDate,
        now: DateTime<Utc>,
        after: AccountId,
        limit: i64,
    ) -> Result<Vec<AccountId>, Failure> {
        let statement = self
            .0
            .prepare_cached(
                "SELECT account_id FROM accounts /* every account */
                 WHERE synced_day < $1 AND (sync_lease_time IS NULL OR sync_lease_time <= $2)
                   AND account_id > $3
                 ORDER BY account_id LIMIT $4",
            )
            .await?;
        let rows = self
            .0
            .query(&statement, &[&today, &now, &after.0, &limit])
            .await?;
        Ok(rows.iter().map(|row| AccountId(row.get(0))).collect())
    }

    /// Takes the sync until `until`, unless another has it or it is done.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn claim_sync(
        &self,
        account: AccountId,
        today: NaiveDate,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<Claim>, Failure> {
        let statement = self
            .0
            .prepare_cached(
                "UPDATE accounts SET sync_lease_time = $4,
                     sync_began_time = COALESCE(sync_began_time, $3)
                 WHERE account_id = $1 AND synced_day < $2
                   AND (sync_lease_time IS NULL OR sync_lease_time <= $3)
                 RETURNING sync_began_time",
            )
            .await?;
        let row = self
            .0
            .query_opt(&statement, &[&account.0, &today, &now, &until])
            .await?;
        Ok(row.map(|row| Claim { began: row.get(0) }))
    }

    /// Gives the sync back unfinished: somebody goes on with it later.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn release_sync(&self, account: AccountId) -> Result<(), Failure> {
        let statement = self
            .0
            .prepare_cached("UPDATE accounts SET sync_lease_time = NULL WHERE account_id = $1")
            .await?;
        self.0.execute(&statement, &[&account.0]).await?;
        Ok(())
    }

    /// Writes down that the sync of `day` is done.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn finish_sync(&self, account: AccountId, day: NaiveDate) -> Result<(), Failure> {
        let statement = self
            .0
            .prepare_cached(
                "UPDATE accounts SET synced_day = GREATEST(synced_day, $2),
                     sync_lease_time = NULL, sync_began_time = NULL
                 WHERE account_id = $1",
            )
            .await?;
        self.0.execute(&statement, &[&account.0, &day]).await?;
        Ok(())
    }

    /// Whether someone who had left by `time` still waits to be let in.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn anyone_waits(
        &self,
        account: AccountId,
        time: DateTime<Utc>,
    ) -> Result<bool, Failure> {
        let statement = self
            .0
            .prepare_cached(
                "SELECT EXISTS (SELECT FROM memberships
                     WHERE account_id = $1 AND member <> wish_member AND left_time <= $2)",
            )
            .await?;
        Ok(self
            .0
            .query_one(&statement, &[&account.0, &time])
            .await?
            .get(0))
    }
}

impl Batch<'_> {
    /// Locks and reads up to `limit` memberships that are not as wished, of contacts that
    /// left by `time`.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn lock_waiting(&self, time: DateTime<Utc>, limit: i64) -> Result<Stored, Failure> {
        let statement = self
            .transaction
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM memberships m
                 WHERE m.account_id = $1 AND m.member <> m.wish_member
                   AND (m.left_time IS NULL OR m.left_time <= $2)
                 ORDER BY m.audience_id, m.contact_id LIMIT $3
                 FOR UPDATE"
            ))
            .await?;
        let rows = self
            .transaction
            .query(&statement, &[&self.account.0, &time, &limit])
            .await?;
        Ok(rows.iter().map(membership_of).collect())
    }
}
