//! API keys, by their keyed hash.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_postgres::Failure;

use super::accounts::read_blocked;
use super::codes::Code;
use super::{Client, execute, listed, row, rows};
use crate::domain::Listed;
use crate::domain::key::{FoundKey, Key};
use crate::domain::source::SourceKind;

pub async fn find_key(
    client: &impl Client,
    key_hash: &[u8; 32],
) -> Result<Option<FoundKey>, Failure> {
    let select = "/* every account */
        SELECT k.key_id, k.hint, k.create_time, k.revoke_time, k.account_id, k.source_id, s.kind,
            a.blocked_values, a.blocked_values_version
        FROM source_keys k JOIN sources s USING (account_id, source_id)
            JOIN accounts a USING (account_id)
        WHERE k.key_hash = $1";
    let Some(row) = row(client, select, &[&key_hash.as_slice()]).await? else {
        return Ok(None);
    };
    Ok(Some(FoundKey {
        key: read_key(&row),
        account_id: AccountId(row.get("account_id")),
        source_id: SourceId(row.get("source_id")),
        source_kind: SourceKind::of(row.get("kind"))?,
        blocked_values: read_blocked(&row)?,
        blocked_values_version: row.get("blocked_values_version"),
    }))
}

/// Whether the key was new: its hash may be there already, whosever it is.
pub async fn insert_key(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
    key_hash: &[u8; 32],
    key: &Key,
) -> Result<bool, Failure> {
    let inserted = execute(
        client,
        "INSERT INTO source_keys (account_id, source_id, key_hash, key_id, hint, create_time)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (key_hash) DO NOTHING",
        &[
            &account_id.0,
            &source_id.0,
            &key_hash.as_slice(),
            &key.key_id,
            &key.hint,
            &key.create_time,
        ],
    )
    .await?;
    Ok(inserted > 0)
}

/// Oldest first, after `after`; revoked ones too.
pub async fn list_keys(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Listed<Uuid, Key>>, Failure> {
    let after = after.unwrap_or(Uuid::nil());
    let select = "SELECT key_id, hint, create_time, revoke_time FROM source_keys
        WHERE account_id = $1 AND source_id = $2 AND key_id > $3 ORDER BY key_id LIMIT $4";
    let found = rows(
        client,
        select,
        &[&account_id.0, &source_id.0, &after, &limit],
    )
    .await?;
    Ok(listed(
        &found,
        |row| row.get("key_id"),
        |row| Ok(read_key(row)),
    ))
}

/// Whether there is such a key. One that was revoked before keeps its time.
pub async fn revoke_key(
    client: &impl Client,
    account_id: AccountId,
    key_id: Uuid,
    revoke_time: DateTime<Utc>,
) -> Result<bool, Failure> {
    let update = "UPDATE source_keys SET revoke_time = coalesce(revoke_time, $3)
        WHERE account_id = $1 AND key_id = $2";
    let updated = execute(client, update, &[&account_id.0, &key_id, &revoke_time]).await?;
    Ok(updated > 0)
}

fn read_key(row: &Row) -> Key {
    Key {
        key_id: row.get("key_id"),
        hint: row.get("hint"),
        create_time: row.get("create_time"),
        revoke_time: row.get("revoke_time"),
    }
}
