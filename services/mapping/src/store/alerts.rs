//! Alerts.

use chrono::{DateTime, NaiveDate, Utc};
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_postgres::Failure;

use super::codes::Code;
use super::{Client, execute, listed, row, rows};
use crate::domain::Listed;
use crate::domain::alert::{Alert, AlertFilter, AlertKind, NewAlert};

const COLUMNS: &str = "alert_id, kind, subject, source_id, message, value, raise_time, last_time,
    count, resolve_time";

/// Counts an alert up that was raised before on its day; false where there is none.
pub async fn repeat_alert(
    client: &impl Client,
    account_id: AccountId,
    alert: &NewAlert,
) -> Result<bool, Failure> {
    let update = "UPDATE alerts SET count = count + 1, last_time = greatest(last_time, $5),
            message = $6, value = $7
        WHERE account_id = $1 AND kind = $2 AND subject = $3 AND day = $4";
    let updated = execute(
        client,
        update,
        &[
            &account_id.0,
            &alert.kind.code(),
            &alert.subject,
            &alert.day(),
            &alert.raise_time,
            &alert.message,
            &alert.value,
        ],
    )
    .await?;
    Ok(updated > 0)
}

/// How many alerts of a day there are.
pub async fn count_alerts(
    client: &impl Client,
    account_id: AccountId,
    day: NaiveDate,
) -> Result<i64, Failure> {
    let select = "SELECT count(*) AS alerts FROM alerts WHERE account_id = $1 AND day = $2";
    let found = row(client, select, &[&account_id.0, &day]).await?;
    Ok(found.map_or(0, |row| row.get("alerts")))
}

/// With the account's row locked, so that none of its kind, subject and day is there.
pub async fn insert_alert(
    client: &impl Client,
    account_id: AccountId,
    alert_id: Uuid,
    alert: &NewAlert,
) -> Result<(), Failure> {
    let insert = "INSERT INTO alerts (account_id, alert_id, kind, subject, day, source_id, message,
            value, raise_time, last_time, count)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, 1)";
    execute(
        client,
        insert,
        &[
            &account_id.0,
            &alert_id,
            &alert.kind.code(),
            &alert.subject,
            &alert.day(),
            &alert.source_id.map(|id| id.0),
            &alert.message,
            &alert.value,
            &alert.raise_time,
        ],
    )
    .await?;
    Ok(())
}

/// Newest first, before `before`.
pub async fn list_alerts(
    client: &impl Client,
    account_id: AccountId,
    filter: AlertFilter,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Listed<Uuid, Alert>>, Failure> {
    let before = before.unwrap_or(Uuid::max());
    let source = filter.source_id.map(|id| id.0);
    let select = format!(
        "SELECT {COLUMNS} FROM alerts WHERE account_id = $1 AND alert_id < $2
            AND ($3::uuid IS NULL OR source_id = $3) AND (NOT $4 OR resolve_time IS NULL)
         ORDER BY alert_id DESC LIMIT $5"
    );
    let params: super::Params<'_> = &[&account_id.0, &before, &source, &filter.unresolved, &limit];
    let found = rows(client, &select, params).await?;
    Ok(listed(&found, |row| row.get("alert_id"), read_alert))
}

/// The one that was resolved; it keeps its first time.
pub async fn resolve_alert(
    client: &impl Client,
    account_id: AccountId,
    alert_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<(Alert, bool)>, Failure> {
    let update = format!(
        "UPDATE alerts SET resolve_time = $3
         WHERE account_id = $1 AND alert_id = $2 AND resolve_time IS NULL RETURNING {COLUMNS}"
    );
    if let Some(found) = row(client, &update, &[&account_id.0, &alert_id, &now]).await? {
        return Ok(Some((read_alert(&found)?, true)));
    }
    let select = format!("SELECT {COLUMNS} FROM alerts WHERE account_id = $1 AND alert_id = $2");
    let found = row(client, &select, &[&account_id.0, &alert_id]).await?;
    let found = found.as_ref().map(read_alert).transpose()?;
    Ok(found.map(|alert| (alert, false)))
}

/// The unresolved ones of a kind, by source.
pub async fn unresolved_alerts(
    client: &impl Client,
    account_id: AccountId,
    kind: AlertKind,
) -> Result<Vec<(SourceId, Uuid)>, Failure> {
    let select = "SELECT source_id, alert_id FROM alerts
        WHERE account_id = $1 AND kind = $2 AND resolve_time IS NULL AND source_id IS NOT NULL";
    let found = rows(client, select, &[&account_id.0, &kind.code()]).await?;
    let read = |row: &Row| (SourceId(row.get("source_id")), row.get("alert_id"));
    Ok(found.iter().map(read).collect())
}

/// Alerts that show a value, behind one, by id.
pub async fn shown_values(
    client: &impl Client,
    account_id: AccountId,
    after: Uuid,
    limit: i64,
) -> Result<Vec<(Uuid, String)>, Failure> {
    let select = "SELECT alert_id, value FROM alerts
        WHERE account_id = $1 AND alert_id > $2 AND value <> '' ORDER BY alert_id LIMIT $3";
    let found = rows(client, select, &[&account_id.0, &after, &limit]).await?;
    let read = |row: &Row| (row.get("alert_id"), row.get("value"));
    Ok(found.iter().map(read).collect())
}

/// From now on these show none.
pub async fn hide_values(
    client: &impl Client,
    account_id: AccountId,
    alerts: &[Uuid],
) -> Result<(), Failure> {
    let update = "UPDATE alerts SET value = '' WHERE account_id = $1 AND alert_id = ANY ($2)";
    execute(client, update, &[&account_id.0, &alerts]).await?;
    Ok(())
}

/// Drops alerts that were raised before a day, and that no delivery tells of any more, up to a
/// thousand; answers how many.
pub async fn forget_alerts(
    client: &impl Client,
    account_id: AccountId,
    before: NaiveDate,
) -> Result<u64, Failure> {
    let delete = "DELETE FROM alerts WHERE account_id = $1 AND alert_id IN
        (SELECT l.alert_id FROM alerts l WHERE l.account_id = $1 AND l.day < $2 AND NOT EXISTS
            (SELECT 1 FROM deliveries d WHERE d.account_id = $1 AND d.alert_id = l.alert_id)
         LIMIT 1000)";
    execute(client, delete, &[&account_id.0, &before]).await
}

fn read_alert(row: &Row) -> Result<Alert, Failure> {
    let source: Option<Uuid> = row.get("source_id");
    Ok(Alert {
        alert_id: row.get("alert_id"),
        kind: AlertKind::of(row.get("kind"))?,
        subject: row.get("subject"),
        source_id: source.map(SourceId),
        message: row.get("message"),
        value: row.get("value"),
        raise_time: row.get("raise_time"),
        last_time: row.get("last_time"),
        count: row.get("count"),
        resolve_time: row.get("resolve_time"),
    })
}
