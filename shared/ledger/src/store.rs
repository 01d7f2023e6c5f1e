//! The ledger in PostgreSQL.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use futures_util::future::try_join;
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::{AccountId, BatchId};
use weir_postgres::{Failure, Pool, Tx, work};

use crate::book::Hold;
use crate::{DAYS_KEPT, Fenced, Grantor, KEPT, Key, SETTLED_AFTER, Stands, sql};

/// A rebuild raises the epoch by one. What is further ahead than this is no rebuild's: it would
/// shut out every batch for good.
const EPOCHS_AHEAD: i64 = 1_000_000;
/// Purged by one statement: some ten milliseconds' work.
const PIECE: i64 = 5_000;

/// Makes the account's row where it is missing: without it, inserts insert nothing.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn anchor(on: &Tx<'_>, account: AccountId) -> Result<(), Failure> {
    let insert = on.prepare_cached(sql::ANCHOR).await?;
    on.execute(&insert, &[&account.0]).await?;
    // So that it is found when all accounts are gone through for what is too old.
    work::keep(on, account).await
}

/// Writes down what windows came to that are over for some days, and drops a piece of the
/// account's rows of windows before this one, which are those of today less [`KEPT`]; answers how many that were.
/// None are left once it answers 0. Found at one end of the key: an account that has none costs
/// a probe. Replicas that do it at the same time meet in the order of the key, and who comes
/// second finds nothing.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn purge(on: &Tx<'_>, account: AccountId, before: NaiveDate) -> Result<u64, Failure> {
    let today = before + KEPT;
    let sum_up = on.prepare_cached(sql::SUM_UP).await?;
    on.execute(&sum_up, &[&account.0, &(today - SETTLED_AFTER)])
        .await?;
    let days = on.prepare_cached(sql::PURGE_DAYS).await?;
    on.execute(&days, &[&account.0, &(today - DAYS_KEPT)])
        .await?;
    let grants = on.prepare_cached(sql::PURGE_GRANTS).await?;
    on.execute(&grants, &[&account.0, &before]).await?;
    let end = on.prepare_cached(sql::PURGE_END).await?;
    let end = on.query_opt(&end, &[&account.0, &before, &PIECE]).await?;
    let (day, batch) = end.map_or((before, Uuid::max()), |row| {
        (row.get("window_day"), row.get("batch_id"))
    });
    let purge = on.prepare_cached(sql::PURGE).await?;
    Ok(on
        .execute(&purge, &[&account.0, &before, &day, &batch])
        .await?)
}

pub(crate) async fn has_account(pool: &Pool, account: AccountId) -> Result<bool, Failure> {
    let mut client = pool.get().await?;
    let tx = Tx::begin(&mut client, account);
    let has = tx.prepare_cached(sql::HAS_ACCOUNT).await?;
    Ok(tx.query_opt(&has, &[&account.0]).await?.is_some())
}

/// Closes batches that have no usage row, and answers what each was charged. Waits for those
/// that are just being written.
pub(crate) async fn close(
    pool: &Pool,
    account: AccountId,
    batches: &[Key],
) -> Result<Vec<i64>, Failure> {
    let mut client = pool.get().await?;
    let tx = Tx::begin(&mut client, account);
    anchor(&tx, account).await?;
    // One order for all, so that two sweepers do not wait for each other in a circle.
    let mut sorted = batches.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let (days, ids): (Vec<NaiveDate>, Vec<Uuid>) =
        sorted.iter().map(|(day, batch)| (*day, batch.0)).unzip();
    let close = tx.prepare_cached(sql::CLOSE).await?;
    let units = tx.prepare_cached(sql::UNITS).await?;
    // The second statement sees what others had stored before the first could.
    let (_, rows) = try_join(
        tx.execute(&close, &[&account.0, &days, &ids]),
        tx.query(&units, &[&account.0, &days, &ids]),
    )
    .await?;
    tx.commit().await?;
    let units: HashMap<Key, i32> = rows
        .iter()
        .map(|row| {
            let key = (row.get("window_day"), BatchId(row.get("batch_id")));
            (key, row.get("units"))
        })
        .collect();
    let units_of = |batch| {
        let units = units.get(batch).copied().map(i64::from);
        units.ok_or(Failure::Internal)
    };
    batches.iter().map(units_of).collect()
}

/// Raises the account's epoch, never lowers it, then sums what was charged: what was admitted
/// under a lower epoch is in the sums, or will never be stored. None: the epoch is too far ahead,
/// and nothing was done.
pub(crate) async fn fence(
    pool: &Pool,
    account: AccountId,
    raised: Stands,
    from_window: NaiveDate,
    now: DateTime<Utc>,
) -> Result<Option<Fenced>, Failure> {
    let mut client = pool.get().await?;
    let tx = Tx::begin(&mut client, account);
    anchor(&tx, account).await?;
    let raise = tx.prepare_cached(sql::RAISE).await?;
    let grantor = raised.grantor.text();
    let row = tx
        .query_opt(
            &raise,
            &[&account.0, &raised.epoch, &EPOCHS_AHEAD, &grantor],
        )
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let stands = stands_in(&row);
    // Behind the lock: it sees all that was waited for.
    let sums = tx.prepare_cached(sql::SUMS).await?;
    let sums = tx.query(&sums, &[&account.0, &from_window]).await?;
    let hold = tx.prepare_cached(sql::HOLD).await?;
    let hold = tx
        .query_opt(&hold, &[&account.0, &stands.epoch, &now])
        .await?;
    if raised.epoch > 0 {
        // In the order in which grants are made.
        for past in [sql::DROP_GRANTS, sql::DROP_LEASES] {
            let past = tx.prepare_cached(past).await?;
            tx.execute(&past, &[&account.0, &stands.epoch]).await?;
        }
    }
    tx.commit().await?;
    let sums = sums
        .iter()
        .map(|row| (row.get("window_day"), row.get("units")));
    Ok(Some(Fenced {
        stands,
        sums: sums.collect(),
        hold: hold.and_then(|row| hold_in(&row)),
    }))
}

/// What an account's row says.
pub(crate) fn stands_in(row: &Row) -> Stands {
    Stands {
        epoch: row.get("usage_epoch"),
        grantor: Grantor::of(row.get("granted_by")),
    }
}

pub(crate) fn hold_in(row: &Row) -> Option<Hold> {
    let by: Option<Uuid> = row.get("held_by");
    let end: Option<DateTime<Utc>> = row.get("hold_end_time");
    by.zip(end).map(|(by, end)| Hold { by, end })
}

impl Grantor {
    fn text(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Ledgers => "ledgers",
        }
    }

    fn of(text: &str) -> Self {
        if text == "ledgers" {
            Self::Ledgers
        } else {
            Self::Redis
        }
    }
}

/// What was charged, by window; waits for nobody.
pub(crate) async fn windows(
    pool: &Pool,
    account: AccountId,
    from_window: NaiveDate,
) -> Result<Vec<(NaiveDate, i64)>, Failure> {
    let mut client = pool.get().await?;
    let tx = Tx::begin(&mut client, account);
    let windows = tx.prepare_cached(sql::WINDOWS).await?;
    let rows = tx.query(&windows, &[&account.0, &from_window]).await?;
    let windows = rows.iter();
    let windows = windows.map(|row| (row.get("window_day"), row.get("units")));
    Ok(windows.collect())
}
