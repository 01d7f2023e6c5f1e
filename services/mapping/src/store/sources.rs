//! Data sources.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_postgres::{Failure, Tx, work};

use super::codes::Code;
use super::{Client, Connection, begin, execute, listed, row, rows};
use crate::domain::Listed;
use crate::domain::source::{MergeStrategy, Source, SourceKind, SourceSettings, SourceStatus};

/// The account has paused sources, since when.
const PAUSED: &str = "paused";

const COLUMNS: &str = "account_id, source_id, kind, name, merge_strategy, existing_only, status,
    mapping_version, create_time, allowed_origins, pause_time,
    (SELECT a.version FROM accounts a
     WHERE a.account_id = sources.account_id) AS settings_version";

pub async fn get_source(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
) -> Result<Option<Source>, Failure> {
    let select = format!(
        "SELECT {COLUMNS} FROM sources WHERE account_id = $1 AND source_id = $2
           AND EXISTS (SELECT FROM accounts a WHERE a.account_id = $1 AND a.delete_time IS NULL)"
    );
    let found = row(client, &select, &[&account_id.0, &source_id.0]).await?;
    found.as_ref().map(read_source).transpose()
}

/// The account's source of that name, and its Segment (Actions) source.
pub async fn find_source(
    client: &impl Client,
    account_id: AccountId,
    name: &str,
) -> Result<Vec<Source>, Failure> {
    let select =
        format!("SELECT {COLUMNS} FROM sources WHERE account_id = $1 AND (name = $2 OR kind = $3)");
    let actions = SourceKind::SegmentActions.code();
    let found = rows(client, &select, &[&account_id.0, &name, &actions]).await?;
    found.iter().map(read_source).collect()
}

/// Ordered by id, after `after`.
pub async fn list_sources(
    client: &impl Client,
    account_id: AccountId,
    after: Option<SourceId>,
    limit: i64,
) -> Result<Vec<Listed<SourceId, Source>>, Failure> {
    let after = after.map_or(Uuid::nil(), |id| id.0);
    let select = format!(
        "SELECT {COLUMNS} FROM sources WHERE account_id = $1 AND source_id > $2
         ORDER BY source_id LIMIT $3"
    );
    let found = rows(client, &select, &[&account_id.0, &after, &limit]).await?;
    let key = |row: &Row| SourceId(row.get("source_id"));
    Ok(listed(&found, key, read_source))
}

pub async fn insert_source(client: &impl Client, source: &Source) -> Result<(), Failure> {
    execute(
        client,
        "INSERT INTO sources (account_id, source_id, kind, name, merge_strategy, existing_only,
            status, mapping_version, create_time, allowed_origins)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        &[
            &source.account_id.0,
            &source.source_id.0,
            &source.settings.kind.code(),
            &source.settings.name,
            &source.settings.merge_strategy.code(),
            &source.settings.existing_only,
            &source.status.code(),
            &source.mapping_version,
            &source.create_time,
            &source.settings.allowed_origins,
        ],
    )
    .await?;
    Ok(())
}

pub async fn update_source(client: &impl Client, source: &Source) -> Result<(), Failure> {
    execute(
        client,
        "UPDATE sources SET merge_strategy = $3, existing_only = $4, allowed_origins = $5
         WHERE account_id = $1 AND source_id = $2",
        &[
            &source.account_id.0,
            &source.source_id.0,
            &source.settings.merge_strategy.code(),
            &source.settings.existing_only,
            &source.settings.allowed_origins,
        ],
    )
    .await?;
    Ok(())
}

/// Since when it is paused. The account is noted among those with paused sources while it has one.
pub async fn set_pause(
    tx: &Tx<'_>,
    account_id: AccountId,
    source_id: SourceId,
    pause_time: Option<DateTime<Utc>>,
) -> Result<(), Failure> {
    let update = "UPDATE sources SET pause_time = $3 WHERE account_id = $1 AND source_id = $2";
    execute(tx, update, &[&account_id.0, &source_id.0, &pause_time]).await?;
    if let Some(since) = pause_time {
        return work::note(tx, account_id, PAUSED, since).await;
    }
    work::hold(tx, account_id, PAUSED).await?;
    let select = "SELECT FROM sources WHERE account_id = $1 AND pause_time IS NOT NULL LIMIT 1";
    if row(tx, select, &[&account_id.0]).await?.is_none() {
        work::strike(tx, account_id, PAUSED).await?;
    }
    Ok(())
}

/// The first that were paused, of `only` or of all accounts, each with its account's name; up to
/// `limit`.
pub async fn paused_sources(
    client: &mut Connection,
    only: &[AccountId],
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<(Source, String)>, Failure> {
    let mut accounts = only.to_vec();
    if only.is_empty() {
        let noted = work::due(client, PAUSED, now, limit).await?;
        accounts.extend(noted.into_iter().map(|(account, _)| account));
    }
    let mut paused = Vec::new();
    for account_id in accounts {
        let tx = begin(client, account_id);
        let select = "SELECT s.account_id, s.source_id, s.kind, s.name, s.merge_strategy,
                s.existing_only, s.status, s.mapping_version, s.create_time, s.allowed_origins,
                s.pause_time, a.version AS settings_version, a.name AS account_name
            FROM sources s JOIN accounts a USING (account_id)
            WHERE s.account_id = $1 AND s.pause_time IS NOT NULL AND a.delete_time IS NULL
            ORDER BY s.pause_time, s.source_id LIMIT $2";
        for row in rows(&tx, select, &[&account_id.0, &limit]).await? {
            paused.push((read_source(&row)?, row.get("account_name")));
        }
    }
    paused.sort_by_key(|(source, _): &(Source, String)| (source.pause_time, source.source_id));
    paused.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(paused)
}

pub async fn set_status(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
    status: SourceStatus,
) -> Result<(), Failure> {
    let update = "UPDATE sources SET status = $3 WHERE account_id = $1 AND source_id = $2";
    execute(
        client,
        update,
        &[&account_id.0, &source_id.0, &status.code()],
    )
    .await?;
    Ok(())
}

pub(super) fn read_source(row: &Row) -> Result<Source, Failure> {
    Ok(Source {
        account_id: AccountId(row.get("account_id")),
        source_id: SourceId(row.get("source_id")),
        settings: SourceSettings {
            kind: SourceKind::of(row.get("kind"))?,
            name: row.get("name"),
            merge_strategy: MergeStrategy::of(row.get("merge_strategy"))?,
            existing_only: row.get("existing_only"),
            allowed_origins: row.get("allowed_origins"),
        },
        status: SourceStatus::of(row.get("status"))?,
        mapping_version: row.get("mapping_version"),
        settings_version: row.get("settings_version"),
        create_time: row.get("create_time"),
        pause_time: row.get("pause_time"),
    })
}
