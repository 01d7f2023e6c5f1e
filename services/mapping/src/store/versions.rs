//! Versions of mappings: one row for each save.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;
use weir_ids::{AccountId, ActivityId, SourceId};
use weir_postgres::Failure;

use super::stored::{StoredAttribute, StoredField, given_fields, read_attributes};
use super::{Client, corrupt, execute, listed, row, rows};
use crate::domain::Listed;
use crate::domain::mapping::ActivityMapping;
use crate::domain::row::FieldRow;
use crate::domain::versions::{ActivityContent, Content, MAX_VERSIONS, Version};

const COLUMNS: &str = "version, activity_id, mapping, retention_days, save_time, restored_version";

/// Whose versions: those of the contact mapping, or of an activity's.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    pub account_id: AccountId,
    pub source_id: SourceId,
    pub activity_id: Option<ActivityId>,
}

impl Subject {
    /// All zeros stand for the contact mapping.
    fn activity(&self) -> Uuid {
        self.activity_id.map_or(Uuid::nil(), |id| id.0)
    }
}

/// When it was saved, as which version, and which one it brought back (0: none).
#[derive(Debug, Clone, Copy)]
pub struct Saved {
    pub version: i64,
    pub time: DateTime<Utc>,
    pub restored_version: i64,
}

/// Keeps what a contact mapping is now.
pub async fn keep_contact_version(
    client: &impl Client,
    subject: Subject,
    saved: Saved,
    rows: &[FieldRow],
) -> Result<(), Failure> {
    let stored: Vec<StoredField> = rows.iter().map(Into::into).collect();
    let mapping = serde_json::to_value(stored).map_err(|_| corrupt("contact mapping"))?;
    keep(client, subject, saved, Some(mapping), None).await
}

/// Keeps what an activity's mapping is now; none where it was taken away.
pub async fn keep_activity_version(
    client: &impl Client,
    subject: Subject,
    saved: Saved,
    mapping: Option<&ActivityMapping>,
) -> Result<(), Failure> {
    let days = mapping.map(|mapping| mapping.activity.retention_days);
    let days = days.map(|days| i32::try_from(days).unwrap_or(i32::MAX));
    let stored = mapping.map(|mapping| {
        let pairs = mapping.attributes.iter();
        pairs.map(Into::into).collect::<Vec<StoredAttribute>>()
    });
    let stored = stored.map(serde_json::to_value).transpose();
    let stored = stored.map_err(|_| corrupt("activity mapping"))?;
    keep(client, subject, saved, stored, days).await
}

async fn keep(
    client: &impl Client,
    subject: Subject,
    saved: Saved,
    mapping: Option<serde_json::Value>,
    retention_days: Option<i32>,
) -> Result<(), Failure> {
    let insert = "INSERT INTO mapping_versions (account_id, source_id, version, activity_id,
            mapping, retention_days, save_time, restored_version)
         SELECT a.account_id, $2, $3, $4, $5, $6, $7, $8 FROM accounts a WHERE a.account_id = $1";
    let activity = subject.activity();
    let params: super::Params<'_> = &[
        &subject.account_id.0,
        &subject.source_id.0,
        &saved.version,
        &activity,
        &mapping.map(Json),
        &retention_days,
        &saved.time,
        &saved.restored_version,
    ];
    execute(client, insert, params).await?;
    let purge = "DELETE FROM mapping_versions
        WHERE account_id = $1 AND source_id = $2 AND activity_id = $3 AND version <= (
            SELECT version FROM mapping_versions
            WHERE account_id = $1 AND source_id = $2 AND activity_id = $3
            ORDER BY version DESC OFFSET $4 LIMIT 1)";
    let params: super::Params<'_> = &[
        &subject.account_id.0,
        &subject.source_id.0,
        &activity,
        &MAX_VERSIONS,
    ];
    execute(client, purge, params).await?;
    Ok(())
}

/// Newest first, before `before`.
pub async fn list_versions(
    client: &impl Client,
    subject: Subject,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Listed<i64, Version>>, Failure> {
    let select = format!(
        "SELECT {COLUMNS} FROM mapping_versions
         WHERE account_id = $1 AND source_id = $2 AND activity_id = $3 AND version < $4
         ORDER BY version DESC LIMIT $5"
    );
    let params: super::Params<'_> = &[
        &subject.account_id.0,
        &subject.source_id.0,
        &subject.activity(),
        &before.unwrap_or(i64::MAX),
        &limit,
    ];
    let found = rows(client, &select, params).await?;
    Ok(listed(&found, |row| row.get("version"), read_version))
}

/// One of them; the newest where none is named.
pub async fn get_version(
    client: &impl Client,
    subject: Subject,
    version: Option<i64>,
) -> Result<Option<Version>, Failure> {
    let select = format!(
        "SELECT {COLUMNS} FROM mapping_versions
         WHERE account_id = $1 AND source_id = $2 AND activity_id = $3
           AND ($4::bigint IS NULL OR version = $4)
         ORDER BY version DESC LIMIT 1"
    );
    let params: super::Params<'_> = &[
        &subject.account_id.0,
        &subject.source_id.0,
        &subject.activity(),
        &version,
    ];
    let found = row(client, &select, params).await?;
    found.as_ref().map(read_version).transpose()
}

fn read_version(row: &Row) -> Result<Version, Failure> {
    let activity: Uuid = row.get("activity_id");
    let days: Option<i32> = row.get("retention_days");
    let content = if activity.is_nil() {
        let stored: Option<Json<Vec<StoredField>>> =
            row.try_get("mapping").map_err(|_| broken())?;
        Content::Contact(given_fields(stored.map_or_else(Vec::new, |Json(all)| all)))
    } else {
        let stored: Option<Json<Vec<StoredAttribute>>> =
            row.try_get("mapping").map_err(|_| broken())?;
        let activity = stored.map(|Json(stored)| {
            let days = days.and_then(|days| u32::try_from(days).ok());
            Ok::<_, Failure>(ActivityContent {
                retention_days: days.ok_or_else(broken)?,
                attributes: read_attributes(stored)?,
            })
        });
        Content::Activity(activity.transpose()?)
    };
    Ok(Version {
        version: row.get("version"),
        save_time: row.get("save_time"),
        content,
        restored_version: row.get("restored_version"),
    })
}

fn broken() -> Failure {
    corrupt("version of a mapping")
}
