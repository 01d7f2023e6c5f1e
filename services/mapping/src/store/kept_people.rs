//! Kept events of people who are to be deleted (semantics 3.9).

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;
use weir_postgres::Failure;

use super::kept::Owner;
use super::{Client, execute, row, rows};
use crate::domain::kept::Room;

/// A kept event, as far as it may name somebody.
pub struct KeptRaw {
    pub key: Uuid,
    pub receive_time: DateTime<Utc>,
    pub message_id: String,
    /// As received; it may be no UTF-8.
    pub raw: Vec<u8>,
}

/// Kept events of a source behind a place, as they were received, up to a time.
pub async fn kept_raw(
    client: &impl Client,
    (account, source): Owner,
    (after, key): (DateTime<Utc>, Uuid),
    until: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<KeptRaw>, Failure> {
    let select = "SELECT event_key, receive_time, message_id, raw FROM kept_events
        WHERE account_id = $1 AND source_id = $2 AND (receive_time, event_key) > ($3, $4)
          AND receive_time <= $5
        ORDER BY receive_time, event_key LIMIT $6";
    let params: super::Params<'_> = &[&account.0, &source.0, &after, &key, &until, &limit];
    let found = rows(client, select, params).await?;
    let event = |row: &Row| KeptRaw {
        key: row.get("event_key"),
        receive_time: row.get("receive_time"),
        message_id: row.get("message_id"),
        raw: row.get("raw"),
    };
    Ok(found.iter().map(event).collect())
}

/// Drops kept events; answers how many that were, and what the deferred ones among them took.
/// For one who has what is kept of the account.
pub async fn drop_kept(
    client: &impl Client,
    (account, source): Owner,
    keys: &[Uuid],
) -> Result<(u64, Room), Failure> {
    let select = "SELECT count(*) AS events, coalesce(sum(octet_length(raw)), 0)::bigint AS bytes
        FROM kept_events
        WHERE account_id = $1 AND source_id = $2 AND deferred AND event_key = ANY ($3)";
    let found = row(client, select, &[&account.0, &source.0, &keys]).await?;
    let deferred = found.map_or_else(Room::default, |row| Room {
        events: row.get("events"),
        bytes: row.get("bytes"),
    });
    let delete = "DELETE FROM kept_events
        WHERE account_id = $1 AND source_id = $2 AND event_key = ANY ($3)";
    let gone = execute(client, delete, &[&account.0, &source.0, &keys]).await?;
    Ok((gone, deferred))
}
