//! The end of a run: the new identifiers stand, and what the old ones left goes.

use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;
use weir_ids::AccountId;
use weir_postgres::{Failure, Tx, work};

use super::{Ended, REINDEX, Store, lock_account, lock_run, make_stand, put_run};
use crate::domain::{Run, RunState};

/// One that was deleted meanwhile is not.
const IS_LEFT: &str = "
    SELECT EXISTS (
        SELECT FROM reindex_again AS k
        CROSS JOIN LATERAL (
            SELECT FROM contacts WHERE account_id = $1 AND contact_id = k.contact_id LIMIT 1
        ) AS c
        WHERE k.account_id = $1) AS is_left";

const FORGET: &str = "DELETE FROM reindex_again WHERE account_id = $1";

/// The next values of a field that no longer counts.
const LEFT_OVER: &str = "
    SELECT value FROM identifiers WHERE account_id = $1 AND kind = $2 ORDER BY value LIMIT $3";

/// One row by its whole key.
const CLEAN: &str = "DELETE FROM identifiers WHERE account_id = $1 AND kind = $2 AND value = $3";

/// Rows that go in one transaction.
const PIECE: i64 = 1_000;

impl Store {
    /// Where every contact was looked at, the new ones stand from now on.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn end_reindex(
        &self,
        account: AccountId,
        run: &Run,
        now: DateTime<Utc>,
    ) -> Result<Ended, Failure> {
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, account);
        // Waits for batches under way: what they leave to be looked at is seen then.
        lock_account(&tx, account).await?;
        let is_left = tx.prepare_cached(IS_LEFT).await?;
        let is_left = tx.query_opt(&is_left, &[&account.0]).await?;
        let is_left = is_left.is_none_or(|row| row.get("is_left"));
        let stands = lock_run(&tx, account).await?;
        if is_left || !stands.is_some_and(|stands| stands.is_at(run)) {
            return Ok(Ended::NotYet);
        }
        let forget = tx.prepare_cached(FORGET).await?;
        tx.execute(&forget, &[&account.0]).await?;
        make_stand(&tx, account, &run.new).await?;
        let ended = Run {
            state: RunState::Cleaning,
            update_time: now,
            ..run.clone()
        };
        put_run(&tx, account, &ended).await?;
        tx.commit().await?;
        Ok(Ended::Now)
    }

    /// Removes a piece of what the old ones left; answers whether there was any. The last one,
    /// `alone`, waits for batches that move such rows as their contacts are merged.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn clean_reindex(
        &self,
        account: AccountId,
        run: &Run,
        alone: bool,
    ) -> Result<bool, Failure> {
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, account);
        if alone {
            lock_account(&tx, account).await?;
        }
        let mut cleaned = 0;
        for field in run.transition().dropped() {
            let left = tx.prepare_cached(LEFT_OVER).await?;
            let left = tx.query(&left, &[&account.0, &field, &PIECE]).await?;
            let clean = tx.prepare_cached(CLEAN).await?;
            let deletes = left.iter().map(async |row| {
                let value = row.get::<_, &str>("value");
                tx.execute(&clean, &[&account.0, &field, &value]).await
            });
            cleaned += try_join_all(deletes).await?.len();
        }
        tx.commit().await?;
        Ok(cleaned > 0)
    }

    /// Nothing of the run is left to do.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn finish_reindex(
        &self,
        account: AccountId,
        run: &Run,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, account);
        if lock_run(&tx, account)
            .await?
            .is_some_and(|stands| stands.is_at(run))
        {
            let done = Run {
                state: RunState::Done,
                update_time: now,
                finish_time: Some(now),
                ..run.clone()
            };
            put_run(&tx, account, &done).await?;
            work::strike(&tx, account, REINDEX).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}
