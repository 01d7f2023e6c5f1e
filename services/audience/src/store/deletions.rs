//! Audiences that were deleted: who they were, and what of them is still there.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use weir_ids::{AccountId, AudienceId};
use weir_postgres::{Failure, work};

use super::audiences::{text_of, try_audience_of};
use super::{Connection, Param, Tx};
use crate::domain::{Audience, Deletion};

/// As it is noted among the work of accounts.
const DELETING: &str = "delete audiences";
/// Deleted by one statement: some ten milliseconds' work.
const PIECE: i64 = 5_000;

/// By place, each found by an index that begins with the account and the audience. Who waits goes
/// first, so that no sync brings anybody in.
const WHAT_GOES: [&str; 5] = [
    "DELETE FROM waiting WHERE account_id = $1 AND ctid = ANY(ARRAY(
        SELECT ctid FROM waiting WHERE account_id = $1 AND audience_id = $2 LIMIT $3))",
    MEMBERS,
    LEFT,
    "DELETE FROM merged_memberships WHERE account_id = $1 AND ctid = ANY(ARRAY(
        SELECT ctid FROM merged_memberships
        WHERE account_id = $1 AND audience_id = $2 LIMIT $3))",
    "DELETE FROM audience_days WHERE account_id = $1 AND ctid = ANY(ARRAY(
        SELECT ctid FROM audience_days WHERE account_id = $1 AND audience_id = $2 LIMIT $3))",
];
const MEMBERS: &str = "DELETE FROM memberships WHERE account_id = $1 AND ctid = ANY(ARRAY(
    SELECT ctid FROM memberships
    WHERE account_id = $1 AND audience_id = $2 AND member LIMIT $3))";
const LEFT: &str = "DELETE FROM memberships WHERE account_id = $1 AND ctid = ANY(ARRAY(
    SELECT ctid FROM memberships
    WHERE account_id = $1 AND audience_id = $2 AND NOT member LIMIT $3))";

impl Tx<'_> {
    /// Takes the audience away, and notes what is to be done. For one who has the account's row.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn delete_audience(
        &self,
        audience: &Audience,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let note = "
            INSERT INTO audience_deletions (account_id, audience_id, name, origin, create_time,
                request_time)
            SELECT a.account_id, $2, $3, $4, $5, $6 FROM accounts a WHERE a.account_id = $1
            ON CONFLICT (account_id, audience_id) DO UPDATE
            SET name = excluded.name, request_time = excluded.request_time, done_time = NULL,
                restore_time = NULL, memberships = 0";
        let params: [Param<'_>; 6] = [
            &self.account.0,
            &audience.id.0,
            &audience.name.as_str(),
            &text_of(audience.origin),
            &audience.create_time,
            &now,
        ];
        self.execute(note, &params).await?;
        let delete = "DELETE FROM audiences WHERE account_id = $1 AND audience_id = $2";
        self.execute(delete, &[&self.account.0, &audience.id.0])
            .await?;
        work::note(&self.inner, self.account, DELETING, now).await
    }

    /// None where there was none.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn deletion(&self, audience: AudienceId) -> Result<Option<Deletion>, Failure> {
        let select = "SELECT * FROM audience_deletions
            WHERE account_id = $1 AND audience_id = $2";
        let params: [Param<'_>; 2] = [&self.account.0, &audience.0];
        let found = self.query_opt(select, &params).await?;
        Ok(found.as_ref().map(deletion_of).transpose()?)
    }

    /// Notes that the audience is there again.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn restored(&self, audience: AudienceId, now: DateTime<Utc>) -> Result<(), Failure> {
        let restored = "UPDATE audience_deletions SET restore_time = $3
            WHERE account_id = $1 AND audience_id = $2";
        self.execute(restored, &[&self.account.0, &audience.0, &now])
            .await?;
        Ok(())
    }

    async fn has_any(&self, audience: AudienceId) -> Result<bool, Failure> {
        let select = "SELECT
            EXISTS (SELECT FROM waiting WHERE account_id = $1 AND audience_id = $2)
            OR EXISTS (SELECT FROM memberships
                WHERE account_id = $1 AND audience_id = $2 AND member)
            OR EXISTS (SELECT FROM memberships
                WHERE account_id = $1 AND audience_id = $2 AND NOT member)
            OR EXISTS (SELECT FROM merged_memberships WHERE account_id = $1 AND audience_id = $2)
            OR EXISTS (SELECT FROM audience_days WHERE account_id = $1 AND audience_id = $2)
            AS found";
        let params: [Param<'_>; 2] = [&self.account.0, &audience.0];
        let row = self.query_opt(select, &params).await?;
        Ok(row.is_some_and(|row| row.get("found")))
    }
}

impl Connection {
    /// Up to `limit` accounts of which audiences are to be deleted.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn accounts_deleting(
        &self,
        now: DateTime<Utc>,
        limit: i64,
    ) -> Result<Vec<AccountId>, Failure> {
        let due = work::due(&self.0, DELETING, now, limit).await?;
        Ok(due.into_iter().map(|(account, _)| account).collect())
    }

    /// The next of the account's audiences that is to be deleted.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn next_to_delete(
        &mut self,
        account: AccountId,
    ) -> Result<Option<AudienceId>, Failure> {
        let select = "SELECT audience_id FROM audience_deletions
            WHERE account_id = $1 AND done_time IS NULL ORDER BY request_time LIMIT 1";
        let found = self.query_opt(account, select, &[&account.0]).await?;
        Ok(found.map(|row| AudienceId(row.get("audience_id"))))
    }

    /// Deletes some of what there is of an audience; answers whether there was any.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn delete_some(
        &mut self,
        account: AccountId,
        audience: AudienceId,
    ) -> Result<bool, Failure> {
        for sql in WHAT_GOES {
            let tx = self.begin(account);
            let gone = tx.execute(sql, &[&account.0, &audience.0, &PIECE]).await?;
            if gone == 0 {
                continue;
            }
            let is_membership = sql == MEMBERS || sql == LEFT;
            let memberships = if is_membership {
                i64::try_from(gone).unwrap_or(i64::MAX)
            } else {
                0
            };
            let count = "UPDATE audience_deletions SET memberships = memberships + $3
                WHERE account_id = $1 AND audience_id = $2";
            let params: [Param<'_>; 3] = [&account.0, &audience.0, &memberships];
            tx.execute(count, &params).await?;
            tx.commit().await?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Ends a deletion, where nothing of the audience is left: with the account's row, so that
    /// nothing comes meanwhile. Answers whether it did.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn end_deletion(
        &mut self,
        account: AccountId,
        audience: AudienceId,
        now: DateTime<Utc>,
    ) -> Result<bool, Failure> {
        let tx = self.begin(account);
        if tx.own_account().await? && tx.has_any(audience).await? {
            return Ok(false);
        }
        let done = "UPDATE audience_deletions SET done_time = $3
            WHERE account_id = $1 AND audience_id = $2 AND done_time IS NULL";
        tx.execute(done, &[&account.0, &audience.0, &now]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Strikes the account's work out, where there is none.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn settle_deletions(&mut self, account: AccountId) -> Result<(), Failure> {
        let tx = self.begin(account);
        work::hold(&tx.inner, account, DELETING).await?;
        let select = "SELECT FROM audience_deletions
            WHERE account_id = $1 AND done_time IS NULL LIMIT 1";
        if tx.query_opt(select, &[&account.0]).await?.is_none() {
            work::strike(&tx.inner, account, DELETING).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

fn deletion_of(row: &Row) -> Result<Deletion, tokio_postgres::Error> {
    Ok(Deletion {
        audience: try_audience_of(row)?,
        request_time: row.try_get("request_time")?,
        done_time: row.try_get("done_time")?,
        restore_time: row.try_get("restore_time")?,
        memberships: row.try_get("memberships")?,
    })
}
