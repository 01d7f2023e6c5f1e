//! Granting units in PostgreSQL, while Redis is away (semantics 6.6a).
//!
//! Why this never overruns a limit:
//!
//! 1. Under an epoch the ledgers grant, or Redis does, and never both: an account's row says who,
//!    and the fence that raises the epoch changes it and nothing else does.
//! 2. A window's row is made with the sum of what is charged. Under older epochs nothing more can
//!    be stored, and under this one nothing was granted in the window before: the sum is whole.
//! 3. From then on each grant is made under the lock of the account's rows, and is in `used` or
//!    among the leases. A lease ends when its batch is closed, and `used` takes what the batch's
//!    own usage row says: nobody's word is needed.
//! 4. A grant that is made while the epoch is raised is one of a past epoch: its batch can't be
//!    stored, and its rows count for nothing.
//!
//! **Order of locks:** rows of `usage_grants` by window, then leases, then usage rows by key.
//! Batches that are stored take none of the first two.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use futures_util::future::try_join;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::BatchId;
use weir_postgres::{Failure, Pool, Tx};

use crate::book::{Ask, Granted, Hold, Lease, free, over};
use crate::store::{hold_in, stands_in};
use crate::{Grantor, Stands, sql};

type Param<'a> = &'a (dyn ToSql + Sync);

/// How long it counts that a replica misses Redis: others that see it do not have it grant again
/// before, so that an account does not go to and fro between them.
const HOLD: TimeDelta = TimeDelta::seconds(30);
/// Who opens a window finds its row at the next look, unless the epoch was raised meanwhile.
const LOOKS: usize = 3;

/// Under the lock of the account's grants.
struct Books {
    /// By window.
    used: HashMap<NaiveDate, i64>,
    leases: Vec<Lease>,
    hold: Option<Hold>,
    /// What the batch that asks was charged already: it is over.
    is_over: bool,
}

/// Settles, then grants. Where the ledgers do not grant under the epoch of the call, nothing is
/// done, and what stands is told.
pub(crate) async fn grant(
    pool: &Pool,
    ask: &Ask,
    now: DateTime<Utc>,
) -> Result<(Stands, Granted), Failure> {
    let mut client = pool.get().await?;
    let tx = Tx::begin(&mut client, ask.account);
    let wanted = Stands {
        epoch: ask.epoch,
        grantor: Grantor::Ledgers,
    };
    for _ in 0..LOOKS {
        let (stands, books) = look(&tx, ask, now).await?;
        if stands != wanted {
            return Ok((stands, Granted::default()));
        }
        if books.used.contains_key(&ask.window) {
            let granted = grant_from(&tx, ask, books, now).await?;
            tx.commit().await?;
            return Ok((stands, granted));
        }
        let open = tx.prepare_cached(sql::OPEN).await?;
        let account = &ask.account.0;
        tx.execute(&open, &[account, &ask.window, &ask.epoch])
            .await?;
    }
    Err(Failure::Conflict)
}

async fn look(tx: &Tx<'_>, ask: &Ask, now: DateTime<Utc>) -> Result<(Stands, Books), Failure> {
    let account = &ask.account.0;
    let stands = tx.prepare_cached(sql::STANDS).await?;
    let lock = tx.prepare_cached(sql::LOCK_GRANTS).await?;
    let leases = tx.prepare_cached(sql::LEASES).await?;
    let units = tx.prepare_cached(sql::UNITS).await?;
    let (day, batch) = ([ask.window], ask.batch.map(|batch| batch.0));
    let (days, batches) = match &batch {
        Some(batch) => (&day[..], std::slice::from_ref(batch)),
        None => (&[][..], &[][..]),
    };
    let by_epoch: [Param<'_>; 2] = [account, &ask.epoch];
    let whose: [Param<'_>; 1] = [account];
    let by_key: [Param<'_>; 3] = [account, &days, &batches];
    // Sent at once, in this order: what is behind the lock sees all that was waited for.
    let (stands, locked, leases, units) = tokio::join!(
        biased;
        tx.query_opt(&stands, &whose),
        tx.query(&lock, &by_epoch),
        tx.query(&leases, &by_epoch),
        tx.query(&units, &by_key),
    );
    let (stands, locked, leases, units) = (stands?, locked?, leases?, units?);
    let none = Stands {
        epoch: 0,
        grantor: Grantor::Redis,
    };
    let holds = locked.iter().filter_map(hold_in);
    let books = Books {
        used: locked
            .iter()
            .map(|row| (row.get("window_day"), row.get("used")))
            .collect(),
        hold: holds
            .filter(|hold| hold.end > now)
            .max_by_key(|hold| hold.end),
        leases: leases
            .iter()
            .map(|row| Lease {
                batch: BatchId(row.get("batch_id")),
                window: row.get("window_day"),
                units: row.get("units"),
                end: row.get("expire_time"),
            })
            .collect(),
        is_over: !units.is_empty(),
    };
    Ok((stands.map_or(none, |row| stands_in(&row)), books))
}

async fn grant_from(
    tx: &Tx<'_>,
    ask: &Ask,
    mut books: Books,
    now: DateTime<Utc>,
) -> Result<Granted, Failure> {
    let over = over(&books.leases, &ask.settled, now);
    settle(tx, ask, &mut books, &over).await?;
    let used = books.used.get(&ask.window).copied().unwrap_or_default();
    let of_window = books.leases.iter().filter(|one| one.window == ask.window);
    let reserved: i64 = of_window.map(|lease| lease.units).sum();
    let mut granted = Granted {
        units: 0,
        used,
        reserved,
        settled: over
            .iter()
            .filter(|lease| ask.settled.contains(&lease.batch))
            .count(),
        hold: books.hold,
    };
    if let Some(batch) = ask.batch {
        let same = books.leases.iter().find(|lease| lease.batch == batch);
        let is_over = books.is_over || over.iter().any(|lease| lease.batch == batch);
        granted.units = match same {
            Some(lease) if lease.window == ask.window => lease.units,
            // It was admitted to another window, midnight being in between: to both it can't be.
            Some(_) => 0,
            None if is_over => 0,
            None => free(ask.units, ask.limit, used, reserved),
        };
        if same.is_none() && granted.units > 0 {
            granted.reserved += granted.units;
            let lease = tx.prepare_cached(sql::LEASE).await?;
            let (account, units, end) = (&ask.account.0, granted.units, now + ask.lease);
            let row: [Param<'_>; 6] = [account, &batch.0, &ask.window, &ask.epoch, &units, &end];
            tx.execute(&lease, &row).await?;
        }
    }
    if let Some(by) = ask.missing {
        let hold = Hold {
            by,
            end: now + HOLD,
        };
        granted.hold = Some(hold);
        let take = tx.prepare_cached(sql::TAKE_HOLD).await?;
        let account = &ask.account.0;
        tx.execute(&take, &[account, &ask.epoch, &ask.window, &by, &hold.end])
            .await?;
    }
    Ok(granted)
}

/// Closes batches, and books what their usage rows say.
async fn settle(tx: &Tx<'_>, ask: &Ask, books: &mut Books, over: &[Lease]) -> Result<(), Failure> {
    if over.is_empty() {
        return Ok(());
    }
    let account = &ask.account.0;
    let (days, ids): (Vec<NaiveDate>, Vec<Uuid>) = over
        .iter()
        .map(|lease| (lease.window, lease.batch.0))
        .unzip();
    let close = tx.prepare_cached(sql::CLOSE).await?;
    let units = tx.prepare_cached(sql::UNITS).await?;
    // The second statement sees what others had stored before the first could.
    let (_, rows) = try_join(
        tx.execute(&close, &[account, &days, &ids]),
        tx.query(&units, &[account, &days, &ids]),
    )
    .await?;
    let mut stored: HashMap<NaiveDate, i64> = HashMap::new();
    for row in &rows {
        let units: i32 = row.get("units");
        *stored.entry(row.get("window_day")).or_default() += i64::from(units);
    }
    let release = tx.prepare_cached(sql::RELEASE).await?;
    tx.execute(&release, &[account, &ids]).await?;
    let book = tx.prepare_cached(sql::BOOK).await?;
    // One window but for the minutes around midnight.
    for (day, units) in &stored {
        tx.execute(&book, &[account, &ask.epoch, day, units])
            .await?;
    }
    for (day, units) in stored {
        *books.used.entry(day).or_default() += units;
    }
    books.leases.retain(|lease| !ids.contains(&lease.batch.0));
    Ok(())
}
