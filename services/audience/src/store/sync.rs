//! The daily sync: who waits, which accounts have any, who has an account's sync.

use chrono::{DateTime, NaiveDate, Utc};
use tokio_postgres::Row;
use uuid::Uuid;
use weir_changes::{Author, Change, Thing};
use weir_ids::AccountId;
use weir_postgres::Failure;

use super::{Connection, Param, Tx, columns_of, key_of};
use crate::domain::{Key, Run};

/// A sync that one replica has to itself for a while.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    pub id: Uuid,
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

const RUN: &str = "SELECT * FROM sync_runs WHERE account_id = $1 AND sync_id = $2";

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
            UPDATE sync_work SET lease_time = $4, began_time = COALESCE(began_time, $3),
                sync_id = COALESCE(sync_id, $5)
            WHERE account_id = $1 AND due_day <= $2
                AND (lease_time IS NULL OR lease_time <= $3)
            RETURNING began_time, sync_id";
        let begin = "
            INSERT INTO sync_runs AS r (account_id, sync_id, requested, request_time, begin_time)
            SELECT a.account_id, $2, false, $3, $3 FROM accounts a WHERE a.account_id = $1
            ON CONFLICT (account_id, sync_id)
                DO UPDATE SET begin_time = COALESCE(r.begin_time, excluded.begin_time)";
        let tx = self.begin(account);
        let fresh = weir_ids::fresh();
        let params: [Param<'_>; 5] = [&account.0, &today, &now, &until, &fresh];
        let Some(row) = tx.query_opt(claim, &params).await? else {
            return Ok(None);
        };
        let claim = Claim {
            id: row.get("sync_id"),
            began: row.get("began_time"),
        };
        tx.execute(begin, &[&account.0, &claim.id, &claim.began])
            .await?;
        tx.commit().await?;
        Ok(Some(claim))
    }

    /// None where there is none.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn run(&mut self, account: AccountId, id: Uuid) -> Result<Option<Run>, Failure> {
        let found = self.query_opt(account, RUN, &[&account.0, &id]).await?;
        Ok(found.as_ref().map(run_of))
    }

    /// Before `before`, the newest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn runs(
        &mut self,
        account: AccountId,
        before: Uuid,
        limit: i64,
    ) -> Result<Vec<Run>, Failure> {
        let select = "SELECT * FROM sync_runs WHERE account_id = $1 AND sync_id < $2
            ORDER BY sync_id DESC LIMIT $3";
        let params: [Param<'_>; 3] = [&account.0, &before, &limit];
        let rows = self.query(account, select, &params).await?;
        Ok(rows.iter().map(run_of).collect())
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

    /// The sync that is under way or was asked for; else this one is due on `today`. For one who
    /// has the account's row.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn request_sync(
        &self,
        id: Uuid,
        today: NaiveDate,
        now: DateTime<Utc>,
    ) -> Result<Option<Run>, Failure> {
        let account = &self.account.0;
        let request = "
            INSERT INTO sync_work AS w (account_id, due_day, sync_id)
            SELECT a.account_id, $2, $3 FROM accounts a WHERE a.account_id = $1
            ON CONFLICT (account_id) DO UPDATE
            SET due_day = LEAST(w.due_day, excluded.due_day),
                sync_id = COALESCE(w.sync_id, excluded.sync_id)
            RETURNING sync_id";
        let Some(row) = self.query_opt(request, &[account, &today, &id]).await? else {
            return Ok(None);
        };
        let id: Uuid = row.get("sync_id");
        let note = "
            INSERT INTO sync_runs (account_id, sync_id, requested, request_time)
            SELECT a.account_id, $2, true, $3 FROM accounts a WHERE a.account_id = $1
            ON CONFLICT (account_id, sync_id) DO NOTHING";
        self.execute(note, &[account, &id, &now]).await?;
        let found = self.query_opt(RUN, &[account, &id]).await?;
        Ok(found.as_ref().map(run_of))
    }

    /// One that was asked for before.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn run(&self, id: Uuid) -> Result<Option<Run>, Failure> {
        let found = self.query_opt(RUN, &[&self.account.0, &id]).await?;
        Ok(found.as_ref().map(run_of))
    }

    /// Writes down that a sync was asked for (semantics 9.5).
    ///
    /// # Errors
    /// Where the database fails; a conflict where the same request is just being carried out.
    pub async fn record_sync(
        &self,
        author: &Author,
        id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let change = Change::made(Thing::Sync, id, &weir_changes::Shown::new());
        weir_changes::record(&self.inner, self.account, author, &change, now).await
    }

    /// The sync has brought so many more to what was asked for.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn count_synced(&self, id: Uuid, applied: usize) -> Result<(), Failure> {
        if applied == 0 {
            return Ok(());
        }
        let count = "UPDATE sync_runs SET applied = applied + $3
            WHERE account_id = $1 AND sync_id = $2";
        let applied = i64::try_from(applied).unwrap_or(i64::MAX);
        self.execute(count, &[&self.account.0, &id, &applied])
            .await?;
        Ok(())
    }

    /// Ends the sync: the next one is due on `next` where somebody waits, and none where
    /// nobody does. For one who has the account's row.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn end_sync_and_commit(
        self,
        id: Uuid,
        next: NaiveDate,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let end = "UPDATE sync_runs SET end_time = COALESCE(end_time, $3)
            WHERE account_id = $1 AND sync_id = $2";
        self.execute(end, &[&self.account.0, &id, &now]).await?;
        let waits = "SELECT FROM waiting WHERE account_id = $1 LIMIT 1";
        let account = &self.account.0;
        if self.query_opt(waits, &[account]).await?.is_some() {
            let later = "
                UPDATE sync_work
                SET due_day = $2, lease_time = NULL, began_time = NULL, sync_id = NULL
                WHERE account_id = $1";
            self.execute(later, &[account, &next]).await?;
        } else {
            let done = "DELETE FROM sync_work WHERE account_id = $1";
            self.execute(done, &[account]).await?;
        }
        self.commit().await
    }
}

fn run_of(row: &Row) -> Run {
    Run {
        id: row.get("sync_id"),
        requested: row.get("requested"),
        request_time: row.get("request_time"),
        begin_time: row.get("begin_time"),
        end_time: row.get("end_time"),
        applied: row.get("applied"),
    }
}
