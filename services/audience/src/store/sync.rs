//! The daily sync: who waits, which accounts have any, who has an account's sync.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;
use weir_ids::{AccountId, AudienceId, ContactId};
use weir_postgres::Failure;

use super::{Batch, Key, Session};

/// A sync that one replica has to itself for a while.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// When it began; perhaps by another replica.
    pub began: DateTime<Utc>,
}

pub(super) const INSERT_WAITING: &str = "
    INSERT INTO waiting (account_id, audience_id, contact_id)
    SELECT a.account_id, u.* FROM accounts a CROSS JOIN unnest($2::uuid[], $3::uuid[]) u
    WHERE a.account_id = $1
    ON CONFLICT (account_id, audience_id, contact_id) DO NOTHING";

pub(super) const NOTE_WORK: &str = "
    INSERT INTO sync_work (account_id, due_day)
    SELECT a.account_id, $2 FROM accounts a WHERE a.account_id = $1
    ON CONFLICT (account_id) DO NOTHING";

impl Session {
    /// Up to `limit` accounts whose sync is due on `today`, and which nobody has now.
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
                "SELECT account_id FROM sync_work /* every account with work */
                 WHERE due_day <= $1 AND (lease_time IS NULL OR lease_time <= $2)
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
                "UPDATE sync_work SET lease_time = $4, began_time = COALESCE(began_time, $3)
                 WHERE account_id = $1 AND due_day <= $2
                   AND (lease_time IS NULL OR lease_time <= $3)
                 RETURNING began_time",
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
            .prepare_cached("UPDATE sync_work SET lease_time = NULL WHERE account_id = $1")
            .await?;
        self.0.execute(&statement, &[&account.0]).await?;
        Ok(())
    }
}

impl Batch<'_> {
    /// Notes memberships that wait from now on, for the sync of `due_day`.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn note_waiting(&self, keys: &[Key], due_day: NaiveDate) -> Result<(), Failure> {
        if keys.is_empty() {
            return Ok(());
        }
        let waiting = self.transaction.prepare_cached(INSERT_WAITING).await?;
        let work = self.transaction.prepare_cached(NOTE_WORK).await?;
        let audiences: Vec<Uuid> = keys.iter().map(|key| key.0.0).collect();
        let contacts: Vec<Uuid> = keys.iter().map(|key| key.1.0).collect();
        self.transaction
            .execute(&waiting, &[&self.account.0, &audiences, &contacts])
            .await?;
        self.transaction
            .execute(&work, &[&self.account.0, &due_day])
            .await?;
        Ok(())
    }

    /// Up to `limit` memberships that may wait, after `after`, in the order of locks.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn waiting_after(&self, after: Key, limit: i64) -> Result<Vec<Key>, Failure> {
        let statement = self
            .transaction
            .prepare_cached(
                "SELECT audience_id, contact_id FROM waiting
                 WHERE account_id = $1 AND (audience_id, contact_id) > ($2, $3)
                 ORDER BY audience_id, contact_id LIMIT $4",
            )
            .await?;
        let (audience, contact) = after;
        let rows = self
            .transaction
            .query(
                &statement,
                &[&self.account.0, &audience.0, &contact.0, &limit],
            )
            .await?;
        Ok(rows
            .iter()
            .map(|row| (AudienceId(row.get(0)), ContactId(row.get(1))))
            .collect())
    }

    /// These wait no longer.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn forget_waiting(&self, keys: &[Key]) -> Result<(), Failure> {
        let delete = "DELETE FROM waiting
            WHERE account_id = $1 AND audience_id = $2 AND contact_id = $3";
        self.execute_each(delete, keys).await
    }

    /// Ends the sync: the next one is due on `next` where somebody waits, and none where
    /// nobody does. For one who has the account's row.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn end_sync_and_commit(self, next: NaiveDate) -> Result<(), Failure> {
        let waits = self
            .transaction
            .prepare_cached("SELECT FROM waiting WHERE account_id = $1 LIMIT 1")
            .await?;
        let found = self
            .transaction
            .query_opt(&waits, &[&self.account.0])
            .await?;
        if found.is_some() {
            let later = self
                .transaction
                .prepare_cached(
                    "UPDATE sync_work SET due_day = $2, lease_time = NULL, began_time = NULL
                     WHERE account_id = $1",
                )
                .await?;
            self.transaction
                .execute(&later, &[&self.account.0, &next])
                .await?;
        } else {
            let done = self
                .transaction
                .prepare_cached("DELETE FROM sync_work WHERE account_id = $1")
                .await?;
            self.transaction.execute(&done, &[&self.account.0]).await?;
        }
        self.commit().await
    }
}
