//! The daily sync: who waits, which accounts have any, who has an account's sync.

use chrono::{DateTime, NaiveDate, Utc};
use tokio_postgres::Row;
use weir_ids::AccountId;
use weir_postgres::Failure;

use super::{Connection, Tx, columns_of, key_of};
use crate::domain::Key;

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

impl Connection {
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
        let select = "
            SELECT account_id FROM sync_work /* every account with work */
            WHERE due_day <= $1 AND (lease_time IS NULL OR lease_time <= $2) AND account_id > $3
            ORDER BY account_id LIMIT $4";
        let rows = self
            .query_open(select, &[&today, &now, &after.0, &limit])
            .await?;
        let account = |row: &Row| AccountId(row.get("account_id"));
        Ok(rows.iter().map(account).collect())
    }

    /// Takes the sync until `until`, unless another has it or it is done.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn claim_sync(
        &mut self,
        account: AccountId,
        today: NaiveDate,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<Claim>, Failure> {
        let claim = "
            UPDATE sync_work SET lease_time = $4, began_time = COALESCE(began_time, $3)
            WHERE account_id = $1 AND due_day <= $2
                AND (lease_time IS NULL OR lease_time <= $3)
            RETURNING began_time";
        let tx = self.begin(account);
        let row = tx
            .query_opt(claim, &[&account.0, &today, &now, &until])
            .await?;
        tx.commit().await?;
        Ok(row.map(|row| Claim {
            began: row.get("began_time"),
        }))
    }

    /// Gives the sync back unfinished: somebody goes on with it later.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn release_sync(&mut self, account: AccountId) -> Result<(), Failure> {
        let release = "UPDATE sync_work SET lease_time = NULL WHERE account_id = $1";
        self.execute(account, release, &[&account.0]).await?;
        Ok(())
    }
}

impl Tx<'_> {
    /// Notes memberships that wait from now on, for the sync of `due_day`.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn note_waiting(&self, keys: &[Key], due_day: NaiveDate) -> Result<(), Failure> {
        if keys.is_empty() {
            return Ok(());
        }
        let (audiences, contacts) = columns_of(keys.iter());
        self.execute(INSERT_WAITING, &[&self.account.0, &audiences, &contacts])
            .await?;
        self.execute(NOTE_WORK, &[&self.account.0, &due_day])
            .await?;
        Ok(())
    }

    /// Up to `limit` memberships that may wait, after `after`, in the order of locks.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn waiting_after(&self, after: Key, limit: i64) -> Result<Vec<Key>, Failure> {
        let select = "
            SELECT audience_id, contact_id FROM waiting
            WHERE account_id = $1 AND (audience_id, contact_id) > ($2, $3)
            ORDER BY audience_id, contact_id LIMIT $4";
        let (audience, contact) = after;
        let rows = self
            .query(select, &[&self.account.0, &audience.0, &contact.0, &limit])
            .await?;
        Ok(rows.iter().map(key_of).collect())
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
        let waits = "SELECT FROM waiting WHERE account_id = $1 LIMIT 1";
        let account = &self.account.0;
        if self.query_opt(waits, &[account]).await?.is_some() {
            let later = "
                UPDATE sync_work SET due_day = $2, lease_time = NULL, began_time = NULL
                WHERE account_id = $1";
            self.execute(later, &[account, &next]).await?;
        } else {
            let done = "DELETE FROM sync_work WHERE account_id = $1";
            self.execute(done, &[account]).await?;
        }
        self.commit().await
    }
}
