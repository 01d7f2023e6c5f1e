//! Counts by the hour, as whoever watches sources reads them.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use weir_ids::{AccountId, SourceId};
use weir_postgres::Failure;

use super::{Client, row, rows};

/// Of all subjects of a code.
#[derive(Debug)]
pub struct HourCount {
    pub source_id: SourceId,
    pub hour: DateTime<Utc>,
    /// 0: values that were ignored.
    pub status: i16,
    pub code: String,
    pub count: i64,
}

/// Those of an account since an hour.
pub async fn hourly_counts(
    client: &impl Client,
    account_id: AccountId,
    since: DateTime<Utc>,
) -> Result<Vec<HourCount>, Failure> {
    let select = "SELECT source_id, hour, status, code, sum(count)::bigint AS count
        FROM reason_counts WHERE account_id = $1 AND hour >= $2
        GROUP BY source_id, hour, status, code";
    let found = rows(client, select, &[&account_id.0, &since]).await?;
    let read = |row: &Row| HourCount {
        source_id: SourceId(row.get("source_id")),
        hour: row.get("hour"),
        status: row.get("status"),
        code: row.get("code"),
        count: row.get("count"),
    };
    Ok(found.iter().map(read).collect())
}

/// What a code was given about most often in an hour; none where that has no name.
pub async fn most_counted(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
    hour: DateTime<Utc>,
    code: &str,
) -> Result<Option<String>, Failure> {
    let select = "SELECT subject FROM reason_counts
        WHERE account_id = $1 AND source_id = $2 AND hour = $3 AND code = $4
        ORDER BY count DESC, subject LIMIT 1";
    let params: super::Params<'_> = &[&account_id.0, &source_id.0, &hour, &code];
    let found = row(client, select, params).await?;
    let subject = found.map(|row| row.get::<_, String>("subject"));
    Ok(subject.filter(|subject| !subject.trim().is_empty()))
}
