//! Which accounts there are in a schema, and which of them have work to be done: what a loop
//! looks at that goes over all accounts, before it goes to one after the other.
//!
//! No policy is on this table: it has ids and times, and nothing of what they are for. Whoever
//! makes work notes it in the same transaction, and whoever ends it strikes it out in that.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use weir_ids::AccountId;

use crate::{Client, Failure, Migration, Statements, Tx};

/// As it is named among the tables without a policy.
pub const OPEN: (&str, &str) = (
    "account_work",
    "which accounts have work: read before any account is chosen",
);

/// Of every account that has rows: some of them go by their age.
pub const KEEP: &str = "keep";

/// An earlier time wins.
const NOTE: &str = "
    INSERT INTO account_work AS w (account_id, task, due_time) VALUES ($1, $2, $3)
    ON CONFLICT (account_id, task) DO UPDATE SET due_time = excluded.due_time
    WHERE w.due_time > excluded.due_time";

/// As [`note`] does it, where a later time wins.
pub const EXTEND: &str = "
    INSERT INTO account_work AS w (account_id, task, due_time) VALUES ($1, $2, $3)
    ON CONFLICT (account_id, task) DO UPDATE SET due_time = excluded.due_time
    WHERE w.due_time < excluded.due_time";

const HOLD: &str = "
    SELECT due_time FROM account_work WHERE account_id = $1 AND task = $2 FOR UPDATE";

const PUT_OFF: &str = "UPDATE account_work SET due_time = $3 WHERE account_id = $1 AND task = $2";

const STRIKE: &str = "DELETE FROM account_work WHERE account_id = $1 AND task = $2";

/// In the order of the accounts.
const AFTER: &str = "
    SELECT account_id, due_time FROM account_work /* every account */
    WHERE task = $1 AND account_id > $2 ORDER BY account_id LIMIT $3";

/// The longest due first.
const DUE: &str = "
    SELECT account_id, due_time FROM account_work /* every account */
    WHERE task = $1 AND due_time <= $2 ORDER BY due_time LIMIT $3";

/// Makes the table, as the service's file of that number.
pub const fn migration(number: i32) -> Migration {
    Migration {
        number,
        oldest: number,
        name: "account work",
        sql: include_str!("../migrations/account_work.sql"),
    }
}

/// The account has work of this kind from `due` on; an earlier time that is noted stays.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn note(
    on: &impl Statements,
    account: AccountId,
    task: &str,
    due: DateTime<Utc>,
) -> Result<(), Failure> {
    let note = on.prepare_cached(NOTE).await?;
    on.execute(&note, &[&account.0, &task, &due]).await?;
    Ok(())
}

/// The account has rows, some of which go by their age.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn keep(on: &impl Statements, account: AccountId) -> Result<(), Failure> {
    note(on, account, KEEP, DateTime::UNIX_EPOCH).await
}

/// Keeps others from noting such work of the account until the transaction ends: what is found to
/// be done behind this is done, and can be struck out. Answers when it is due.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn hold(
    tx: &Tx<'_>,
    account: AccountId,
    task: &str,
) -> Result<Option<DateTime<Utc>>, Failure> {
    let hold = tx.prepare_cached(HOLD).await?;
    let held = tx.query_opt(&hold, &[&account.0, &task]).await?;
    Ok(held.map(|row| row.get("due_time")))
}

/// The work is due at another time, whatever was noted.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn put_off(
    tx: &Tx<'_>,
    account: AccountId,
    task: &str,
    due: DateTime<Utc>,
) -> Result<(), Failure> {
    let put_off = tx.prepare_cached(PUT_OFF).await?;
    tx.execute(&put_off, &[&account.0, &task, &due]).await?;
    Ok(())
}

/// There is none.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn strike(on: &impl Statements, account: AccountId, task: &str) -> Result<(), Failure> {
    let strike = on.prepare_cached(STRIKE).await?;
    on.execute(&strike, &[&account.0, &task]).await?;
    Ok(())
}

/// Up to `limit` accounts behind `after` with such work, in order, and when it is due.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn after(
    client: &Client,
    task: &str,
    after: AccountId,
    limit: i64,
) -> Result<Vec<(AccountId, DateTime<Utc>)>, Failure> {
    let client = client.unscoped();
    let walk = client.prepare_cached(AFTER).await?;
    let rows = client.query(&walk, &[&task, &after.0, &limit]).await?;
    Ok(rows.iter().map(entry).collect())
}

/// Up to `limit` accounts whose work was due by `now`, the longest due first.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn due(
    client: &Client,
    task: &str,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<(AccountId, DateTime<Utc>)>, Failure> {
    let client = client.unscoped();
    let due = client.prepare_cached(DUE).await?;
    let rows = client.query(&due, &[&task, &now, &limit]).await?;
    Ok(rows.iter().map(entry).collect())
}

fn entry(row: &Row) -> (AccountId, DateTime<Utc>) {
    (AccountId(row.get("account_id")), row.get("due_time"))
}
