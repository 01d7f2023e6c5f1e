//! How many removes an account may keep, and for how long (semantics 4.7).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use weir_ids::AccountId;
use weir_postgres::Failure;

use super::{BatchTransaction, NotStored, Store};
use crate::domain::NOBODY;

/// As long as an account is far from its limit, its rows are counted no more often.
const COUNTED_EVERY: Duration = Duration::from_secs(1);
/// Accounts whose count is in mind; beyond them all are counted anew.
const ACCOUNTS: usize = 10_000;

/// How many there were when they were counted last, and have come here since.
#[derive(Debug, Clone, Default)]
pub(super) struct KeptCounts(Arc<Mutex<HashMap<AccountId, Counted>>>);

#[derive(Debug, Clone, Copy)]
struct Counted {
    rows: i64,
    at: Instant,
}

impl KeptCounts {
    /// Whether `added` rows more may come near the limit, as far as is known.
    fn is_near(&self, account: AccountId, added: i64, limit: i64) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(&account) {
            Some(counted) if counted.at.elapsed() < COUNTED_EVERY => {
                counted.rows += added;
                counted.rows.saturating_mul(2) >= limit
            }
            _ => true,
        }
    }

    fn counted(&self, account: AccountId, rows: i64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= ACCOUNTS {
            counts.clear();
        }
        let at = Instant::now();
        counts.insert(account, Counted { rows, at });
    }
}

/// Of one account, up to `$3` that are over at `$2`.
const PURGE: &str = "
    DELETE FROM kept_removes
    WHERE account_id = $1 AND (kind, value, audience_id) IN (
        SELECT kind, value, audience_id FROM kept_removes
        WHERE account_id = $1 AND keep_until <= $2
        ORDER BY keep_until
        LIMIT $3
        FOR UPDATE SKIP LOCKED)";

/// Rows that lead to nobody, after `$3`; nobody else keeps or links under them meanwhile.
const LOCK_MARKS: &str = "
    SELECT kind, value FROM identifiers
    WHERE account_id = $1 AND contact_id = $2 AND (kind, value) > ($3, $4)
    ORDER BY kind, value
    LIMIT $5
    FOR UPDATE SKIP LOCKED";

/// A statement of its own, behind the locks: it sees what was kept before they were taken.
const DROP_MARKS: &str = "
    DELETE FROM identifiers i
    USING unnest($3::text[], $4::text[]) AS k (kind, value)
    WHERE i.account_id = $1 AND i.contact_id = $2 AND i.kind = k.kind AND i.value = k.value
      AND NOT EXISTS (SELECT FROM kept_removes r
          WHERE r.account_id = $1 AND r.kind = k.kind AND r.value = k.value)";

impl Store {
    /// Keeps the account within its limit, after a batch has kept `added` removes: the oldest
    /// go. Answers how many.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn bound_kept(
        &self,
        transaction: &BatchTransaction<'_>,
        account: AccountId,
        added: usize,
        limit: i64,
    ) -> Result<u64, NotStored> {
        let added = i64::try_from(added).unwrap_or(i64::MAX);
        if !self.kept_counts.is_near(account, added, limit) {
            return Ok(0);
        }
        let rows = transaction.count_kept().await?;
        let beyond = (rows - limit).max(0);
        self.kept_counts.counted(account, rows - beyond);
        if beyond == 0 {
            return Ok(0);
        }
        transaction.drop_oldest_kept(beyond).await
    }

    /// Drops removes of an account that were kept long enough, at most `limit` of them; answers
    /// how many there were.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn purge_kept(
        &self,
        account: AccountId,
        now: DateTime<Utc>,
        limit: i64,
    ) -> Result<u64, Failure> {
        let client = self.client().await?;
        let purge = client.prepare_cached(PURGE).await?;
        Ok(client.execute(&purge, &[&account.0, &now, &limit]).await?)
    }

    /// Drops rows of identifiers under which nothing is kept any more, `page` at a time.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn purge_marks(&self, account: AccountId, page: i64) -> Result<(), Failure> {
        let mut client = self.client().await?;
        let (mut kind, mut value) = (String::new(), String::new());
        loop {
            let transaction = client.transaction().await?;
            let lock = transaction.prepare_cached(LOCK_MARKS).await?;
            let parameters = &[
                &account.0 as _,
                &NOBODY.0 as _,
                &kind as _,
                &value as _,
                &page as _,
            ];
            let marks = transaction.query(&lock, parameters).await?;
            let Some(last) = marks.last() else {
                return Ok(());
            };
            (kind, value) = (last.get(0), last.get(1));
            let kinds: Vec<&str> = marks.iter().map(|row| row.get(0)).collect();
            let values: Vec<&str> = marks.iter().map(|row| row.get(1)).collect();
            let drop = transaction.prepare_cached(DROP_MARKS).await?;
            let parameters = &[&account.0 as _, &NOBODY.0 as _, &kinds as _, &values as _];
            transaction.execute(&drop, parameters).await?;
            transaction.commit().await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_when_nothing_is_known_and_near_the_limit() {
        let (counts, account) = (KeptCounts::default(), AccountId::new());
        assert!(counts.is_near(account, 1, 100));
        counts.counted(account, 10);
        assert!(!counts.is_near(account, 39, 100));
        assert!(counts.is_near(account, 1, 100));
    }
}
