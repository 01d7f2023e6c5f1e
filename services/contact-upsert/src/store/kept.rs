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
use weir_postgres::Tx;

/// Segment does not retry for longer; who did not become known by then is let go.
pub(super) const KEPT_FOR: TimeDelta = TimeDelta::days(30);

/// So many go at once; what is beyond them goes with the next batch, or the next piece.
pub(super) const PIECE: i64 = 1_000;

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
    /// Whether `added` rows more may come near the limit, as far as is known: within a piece of
    /// it. To count 50,000 rows takes 5 ms; what other replicas keep within the second may go
    /// beyond it, until they are counted.
    fn is_near(&self, account: AccountId, added: i64, limit: i64) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(&account) {
            Some(counted) if counted.at.elapsed() < COUNTED_EVERY => {
                counted.rows += added;
                counted.rows.saturating_add(PIECE) > limit
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

const COUNT: &str = "SELECT count(*) AS rows FROM kept_removes WHERE account_id = $1";

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

/// Sees what was kept before the row was locked, and what this tx dropped.
const DROP_MARK: &str = "
    DELETE FROM identifiers
    WHERE account_id = $1 AND kind = $2 AND value = $3
      AND (contact_id = '00000000-0000-0000-0000-000000000000') IS TRUE
      AND NOT EXISTS (SELECT FROM kept_removes
          WHERE account_id = $1 AND kind = $2 AND value = $3)";

/// Drops the oldest of an account's removes from before `before`, at most `count`, and the rows
/// of identifiers under which nothing is kept any more. Answers how many were dropped.
pub(super) async fn drop_oldest(
    tx: &Tx<'_>,
    account: AccountId,
    before: DateTime<Utc>,
    count: i64,
) -> Result<u64, tokio_postgres::Error> {
    let oldest = tx.prepare_cached(OLDEST).await?;
    let lock = tx.prepare_cached(LOCK_MARKS).await?;
    let drop_kept = tx.prepare_cached(DROP_KEPT).await?;
    let drop_mark = tx.prepare_cached(DROP_MARK).await?;
    let parameters = &[&account.0 as _, &before as _, &count.min(PIECE) as _];
    let rows = tx.query(&oldest, parameters).await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let key = |row: &Row| -> (String, String) { (row.get("kind"), row.get("value")) };
    let keys: BTreeSet<(String, String)> = rows.iter().map(key).collect();
    let (kinds, values): (Vec<&str>, Vec<&str>) = keys
        .iter()
        .map(|(kind, value)| (kind.as_str(), value.as_str()))
        .unzip();
    let parameters = &[&account.0 as _, &kinds as _, &values as _];
    let locked = tx.query(&lock, parameters).await?;
    let locked: BTreeSet<(String, String)> = locked.iter().map(key).collect();
    // Row by row, all sent at once: so that none of it reads the whole account.
    let rows = rows.iter().filter(|row| locked.contains(&key(row)));
    let drops = rows.map(async |row| {
        let (kind, value): (&str, &str) = (row.get("kind"), row.get("value"));
        let audience: Uuid = row.get("audience_id");
        let parameters: [&(dyn ToSql + Sync); 4] = [&account.0, &kind, &value, &audience];
        tx.execute(&drop_kept, &parameters).await
    });
    let mut dropped = 0;
    for done in join_all(drops).await {
        dropped += done?;
    }
    let drops = locked.iter().map(async |(kind, value)| {
        let parameters: [&(dyn ToSql + Sync); 3] = [&account.0, kind, value];
        tx.execute(&drop_mark, &parameters).await
    });
    for done in join_all(drops).await {
        done?;
    }
    Ok(dropped)
}

/// Keeps the account within its limit, after `added` removes were kept: the oldest go. Answers
/// how many.
pub(super) async fn bound(
    tx: &Tx<'_>,
    counts: &KeptCounts,
    account: AccountId,
    now: DateTime<Utc>,
    added: usize,
    limit: i64,
) -> Result<u64, tokio_postgres::Error> {
    let added = i64::try_from(added).unwrap_or(i64::MAX);
    if !counts.is_near(account, added, limit) {
        return Ok(0);
    }
    let count = tx.prepare_cached(COUNT).await?;
    let counted = tx.query_opt(&count, &[&account.0]).await?;
    let rows: i64 = counted.map_or(0, |row| row.get("rows"));
    let beyond = (rows - limit).max(0);
    let mut dropped = 0;
    if beyond > 0 {
        let all = now + KEPT_FOR * 2;
        dropped = drop_oldest(tx, account, all, beyond).await?;
    }
    counts.counted(account, rows - i64::try_from(dropped).unwrap_or(0));
    Ok(dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_when_nothing_is_known_and_near_the_limit() {
        let (counts, account) = (KeptCounts::default(), AccountId::new());
        let limit = 3 * PIECE;
        assert!(counts.is_near(account, 1, limit));
        counts.counted(account, 10);
        assert!(!counts.is_near(account, 2 * PIECE - 10, limit));
        assert!(counts.is_near(account, 1, limit));
    }
}
