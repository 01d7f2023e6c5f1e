//! API keys, by their keyed hash.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_postgres::Failure;

use super::accounts::read_blocked;
use super::codes::Code;
use super::{Client, Connection, begin, corrupt, execute, listed, row, rows};
use crate::domain::Listed;
use crate::domain::key::{FoundKey, Key, KeyHash};
use crate::domain::source::SourceKind;

const COLUMNS: &str = "key_id, hint, create_time, revoke_time, expire_time, last_use_time";

/// By any of its hashes, the first of which goes before the others.
pub async fn find_key(
    client: &mut Connection,
    hashes: &[KeyHash],
) -> Result<Option<FoundKey>, Failure> {
    let select = format!(
        "/* every account */ SELECT account_id, source_id, key_hash, {COLUMNS} FROM source_keys
         WHERE key_hash = ANY ($1) ORDER BY array_position($1, key_hash) LIMIT 1"
    );
    let Some(key) = row(client.unscoped(), &select, &[&slices(hashes)]).await? else {
        return Ok(None);
    };
    let hash: &[u8] = key.get("key_hash");
    let hash = hash.try_into().map_err(|_| corrupt("hash of a key"))?;
    let account_id = AccountId(key.get("account_id"));
    let source_id = SourceId(key.get("source_id"));
    let select = "SELECT s.kind, s.allowed_origins, s.pause_time IS NOT NULL AS is_paused,
            a.blocked_values, a.blocked_values_version
        FROM sources s JOIN accounts a USING (account_id)
        WHERE s.account_id = $1 AND s.source_id = $2";
    let tx = begin(client, account_id);
    let Some(row) = row(&tx, select, &[&account_id.0, &source_id.0]).await? else {
        return Ok(None);
    };
    Ok(Some(FoundKey {
        key: read_key(&key),
        hash,
        account_id,
        source_id,
        source_kind: SourceKind::of(row.get("kind"))?,
        is_paused: row.get("is_paused"),
        allowed_origins: row.get("allowed_origins"),
        blocked_values: read_blocked(&row)?,
        blocked_values_version: row.get("blocked_values_version"),
    }))
}

/// Whether the key was new: one of its hashes may be there already, whosever it is. It is kept
/// under the first.
pub async fn insert_key(
    client: &impl Client,
    (account_id, source_id): (AccountId, SourceId),
    hashes: &[KeyHash],
    key: &Key,
    request_id: Option<Uuid>,
) -> Result<bool, Failure> {
    let inserted = execute(
        client,
        "INSERT INTO source_keys (account_id, source_id, key_hash, key_id, hint, create_time,
            expire_time, request_id)
         SELECT $1::uuid, $2::uuid, ($3::bytea[])[1], $4::uuid, $5::text, $6::timestamptz,
            $7::timestamptz, $8::uuid
         WHERE NOT EXISTS (SELECT FROM source_keys WHERE key_hash = ANY ($3))
         ON CONFLICT (key_hash) DO NOTHING",
        &[
            &account_id.0,
            &source_id.0,
            &slices(hashes),
            &key.key_id,
            &key.hint,
            &key.create_time,
            &key.expire_time,
            &request_id,
        ],
    )
    .await?;
    Ok(inserted > 0)
}

/// Sets when a key ends.
pub async fn set_key_end(
    client: &impl Client,
    account_id: AccountId,
    key_id: Uuid,
    expire_time: Option<DateTime<Utc>>,
) -> Result<(), Failure> {
    let update = "UPDATE source_keys SET expire_time = $3 WHERE account_id = $1 AND key_id = $2";
    execute(client, update, &[&account_id.0, &key_id, &expire_time]).await?;
    Ok(())
}

/// The key that a call made before.
pub async fn key_of_request(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
    request_id: Uuid,
) -> Result<Option<Key>, Failure> {
    let select = format!(
        "SELECT {COLUMNS} FROM source_keys
         WHERE account_id = $1 AND source_id = $2 AND request_id = $3"
    );
    let found = row(client, &select, &[&account_id.0, &source_id.0, &request_id]).await?;
    Ok(found.as_ref().map(read_key))
}

/// Notes when keys were used; those that were noted at `since` or later stay as they are.
pub async fn note_uses(
    client: &impl Client,
    account_id: AccountId,
    uses: &[(Uuid, DateTime<Utc>)],
    since: DateTime<Utc>,
) -> Result<(), Failure> {
    let (ids, times): (Vec<Uuid>, Vec<DateTime<Utc>>) = uses.iter().copied().unzip();
    let update = "UPDATE source_keys k SET last_use_time = u.use_time
        FROM unnest($2::uuid[], $3::timestamptz[]) AS u (key_id, use_time)
        WHERE k.account_id = $1 AND k.key_id = u.key_id
          AND (k.last_use_time IS NULL OR k.last_use_time < $4)";
    execute(client, update, &[&account_id.0, &ids, &times, &since]).await?;
    Ok(())
}

fn slices(hashes: &[KeyHash]) -> Vec<&[u8]> {
    hashes.iter().map(<[u8; 32]>::as_slice).collect()
}

/// Keeps keys under other hashes; one that somebody has already stays as it was.
pub async fn rehash_keys(
    client: &impl Client,
    account_id: AccountId,
    keys: &[(Uuid, KeyHash)],
) -> Result<(), Failure> {
    let (ids, hashes): (Vec<Uuid>, Vec<&[u8]>) =
        keys.iter().map(|(id, hash)| (*id, hash.as_slice())).unzip();
    let update = "UPDATE source_keys k SET key_hash = u.key_hash
        FROM unnest($2::uuid[], $3::bytea[]) AS u (key_id, key_hash)
        WHERE k.account_id = $1 AND k.key_id = u.key_id
          AND NOT EXISTS (SELECT FROM source_keys o WHERE o.key_hash = u.key_hash)";
    execute(client, update, &[&account_id.0, &ids, &hashes]).await?;
    Ok(())
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
    let select = format!(
        "SELECT {COLUMNS} FROM source_keys
         WHERE account_id = $1 AND source_id = $2 AND key_id > $3 ORDER BY key_id LIMIT $4"
    );
    let found = rows(
        client,
        &select,
        &[&account_id.0, &source_id.0, &after, &limit],
    )
    .await?;
    Ok(listed(
        &found,
        |row| row.get("key_id"),
        |row| Ok(read_key(row)),
    ))
}

/// The key and its source, as nobody else changes them meanwhile.
pub async fn lock_key(
    client: &impl Client,
    account_id: AccountId,
    key_id: Uuid,
) -> Result<Option<(SourceId, Key)>, Failure> {
    let select = format!(
        "SELECT source_id, {COLUMNS} FROM source_keys
         WHERE account_id = $1 AND key_id = $2 FOR UPDATE"
    );
    let found = row(client, &select, &[&account_id.0, &key_id]).await?;
    Ok(found.map(|row| (SourceId(row.get("source_id")), read_key(&row))))
}

/// One that was revoked before keeps its time.
pub async fn revoke_key(
    client: &impl Client,
    account_id: AccountId,
    key_id: Uuid,
    revoke_time: DateTime<Utc>,
) -> Result<(), Failure> {
    let update = "UPDATE source_keys SET revoke_time = coalesce(revoke_time, $3)
        WHERE account_id = $1 AND key_id = $2";
    execute(client, update, &[&account_id.0, &key_id, &revoke_time]).await?;
    Ok(())
}

fn read_key(row: &Row) -> Key {
    Key {
        key_id: row.get("key_id"),
        hint: row.get("hint"),
        create_time: row.get("create_time"),
        revoke_time: row.get("revoke_time"),
        expire_time: row.get("expire_time"),
        last_use_time: row.get("last_use_time"),
    }
}
