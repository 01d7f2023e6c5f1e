//! How many removes an account may keep, and for how long (semantics 4.7).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::AccountId;
use weir_postgres::{Failure, Transaction};

use super::{BatchTransaction, NotStored, Store};

/// Segment does not retry for longer; who did not become known by then is let go.
pub(super) const KEPT_FOR: TimeDelta = TimeDelta::days(30);

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

/// So many go at once; what is beyond them goes with the next batch, or the next piece.
const PIECE: i64 = 1_000;

const OLDEST: &str = "
    SELECT kind, value, audience_id FROM kept_removes
    WHERE account_id = $1 AND keep_until < $2
    ORDER BY keep_until
    LIMIT $3";

/// The rows that lead to nobody, as far as no other batch keeps or links under them now: those
/// are left to it, and nobody waits.
const LOCK_MARKS: &str = "
    SELECT i.kind, i.value
    FROM unnest($2::text[], $3::text[]) AS k (kind, value)
    CROSS JOIN LATERAL (
        SELECT * FROM identifiers
        WHERE account_id = $1 AND kind = k.kind AND value = k.value
          AND (contact_id = '00000000-0000-0000-0000-000000000000') IS TRUE
        FOR UPDATE SKIP LOCKED
    ) AS i";

const DROP_KEPT: &str = "
    DELETE FROM kept_removes
    WHERE account_id = $1 AND kind = $2 AND value = $3 AND audience_id = $4";

/// Sees what was kept before the row was locked, and what this transaction dropped.
const DROP_MARK: &str = "
    DELETE FROM identifiers
    WHERE account_id = $1 AND kind = $2 AND value = $3
      AND (contact_id = '00000000-0000-0000-0000-000000000000') IS TRUE
      AND NOT EXISTS (SELECT FROM kept_removes
          WHERE account_id = $1 AND kind = $2 AND value = $3)";

/// Drops the oldest of an account's removes from before `before`, at most `count`, and the rows
/// of identifiers under which nothing is kept any more. Answers how many were dropped.
async fn drop_oldest(
    transaction: &Transaction<'_>,
    account: AccountId,
    before: DateTime<Utc>,
    count: i64,
) -> Result<u64, tokio_postgres::Error> {
    let oldest = transaction.prepare_cached(OLDEST).await?;
    let lock = transaction.prepare_cached(LOCK_MARKS).await?;
    let drop_kept = transaction.prepare_cached(DROP_KEPT).await?;
    let drop_mark = transaction.prepare_cached(DROP_MARK).await?;
    let parameters = &[&account.0 as _, &before as _, &count.min(PIECE) as _];
    let rows = transaction.query(&oldest, parameters).await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let place = |row: &Row| -> (String, String) { (row.get(0), row.get(1)) };
    let places: BTreeSet<(String, String)> = rows.iter().map(place).collect();
    let (kinds, values): (Vec<&str>, Vec<&str>) = places
        .iter()
        .map(|(kind, value)| (kind.as_str(), value.as_str()))
        .unzip();
    let parameters = &[&account.0 as _, &kinds as _, &values as _];
    let locked = transaction.query(&lock, parameters).await?;
    let locked: BTreeSet<(String, String)> = locked.iter().map(place).collect();
    // Row by row, all sent at once: so that none of it reads the whole account.
    let rows = rows.iter().filter(|row| locked.contains(&place(row)));
    let drops = rows.map(async |row| {
        let (kind, value): (&str, &str) = (row.get(0), row.get(1));
        let audience: Uuid = row.get(2);
        let parameters: [&(dyn ToSql + Sync); 4] = [&account.0, &kind, &value, &audience];
        transaction.execute(&drop_kept, &parameters).await
    });
    let mut dropped = 0;
    for done in join_all(drops).await {
        dropped += done?;
    }
    let drops = locked.iter().map(async |(kind, value)| {
        let parameters: [&(dyn ToSql + Sync); 3] = [&account.0, kind, value];
        transaction.execute(&drop_mark, &parameters).await
    });
    for done in join_all(drops).await {
        done?;
    }
    Ok(dropped)
}

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
        let mut dropped = 0;
        if beyond > 0 {
            let all = Utc::now() + KEPT_FOR * 2;
            dropped = drop_oldest(transaction.inner(), account, all, beyond).await?;
        }
        let left = rows - i64::try_from(dropped).unwrap_or(0);
        self.kept_counts.counted(account, left);
        Ok(dropped)
    }

    /// Drops a piece of the removes of an account that were kept long enough at `now`; answers
    /// how many there were.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub(super) async fn purge_kept(
        &self,
        account: AccountId,
        now: DateTime<Utc>,
    ) -> Result<u64, Failure> {
        let mut client = self.client().await?;
        let transaction = Transaction::begin(&mut client);
        let dropped = drop_oldest(&transaction, account, now, PIECE).await?;
        transaction.commit().await?;
        Ok(dropped)
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
