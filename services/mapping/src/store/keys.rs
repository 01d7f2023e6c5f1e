//! API keys, by their keyed hash.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_postgres::Failure;

use super::codes::Code;
use super::{Client, Listed, execute, listed, row, rows};
use crate::domain::source::SourceKind;

/// A key as people see it afterwards.
#[derive(Debug, Clone)]
pub struct Key {
    pub key_id: Uuid,
    pub hint: String,
    pub create_time: DateTime<Utc>,
    pub revoke_time: Option<DateTime<Utc>>,
}

/// Whose a key is.
#[derive(Debug, Clone)]
pub struct FoundKey {
    pub key: Key,
    pub account_id: AccountId,
    pub source_id: SourceId,
    pub source_kind: SourceKind,
}

pub async fn find_key(
    client: &impl Client,
    key_hash: &[u8; 32],
) -> Result<Option<FoundKey>, Failure> {
    let select = "/* every account */
        SELECT k.key_id, k.hint, k.create_time, k.revoke_time, k.account_id, k.source_id, s.kind
        FROM source_keys k JOIN sources s USING (account_id, source_id)
        WHERE k.key_hash = $1";
    let Some(row) = row(client, select, &[&key_hash.as_slice()]).await? else {
        return Ok(None);
    };
    Ok(Some(FoundKey {
        key: Key {
            key_id: row.get(0),
            hint: row.get(1),
            create_time: row.get(2),
            revoke_time: row.get(3),
        },
        account_id: AccountId(row.get(4)),
        source_id: SourceId(row.get(5)),
        source_kind: SourceKind::of(row.get(6))?,
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
    let read = |row: &tokio_postgres::Row| {
        Ok(Key {
            key_id: row.get(0),
            hint: row.get(1),
            create_time: row.get(2),
            revoke_time: row.get(3),
        })
    };
    Ok(listed(&found, |row| row.get(0), read))
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
