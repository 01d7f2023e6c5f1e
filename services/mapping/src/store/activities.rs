//! Activities of accounts, and how sources map to them.

use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;
use weir_ids::{AccountId, ActivityId, SourceId};
use weir_postgres::Failure;

use super::stored::{StoredAttribute, read_attributes};
use super::{Client, MappedNames, corrupt, execute, listed, row, rows};
use crate::domain::Listed;
use crate::domain::mapping::{Activity, ActivityMapping};
use crate::domain::row::AttributeRow;

const COLUMNS: &str = "a.activity_id, a.event_name, a.retention_days, a.earlier_retention_days";

/// The definition of that name, mapped or not.
pub async fn find_activity(
    client: &impl Client,
    account_id: AccountId,
    event_name: &str,
) -> Result<Option<Activity>, Failure> {
    let select =
        format!("SELECT {COLUMNS} FROM activities a WHERE a.account_id = $1 AND a.event_name = $2");
    let found = row(client, &select, &[&account_id.0, &event_name]).await?;
    found.as_ref().map(read_activity).transpose()
}

pub async fn put_activity(
    client: &impl Client,
    account_id: AccountId,
    activity: &Activity,
) -> Result<(), Failure> {
    let days = |days: u32| i32::try_from(days).unwrap_or(i32::MAX);
    let earlier: Vec<i32> = activity
        .earlier_retention_days
        .iter()
        .map(|earlier| days(*earlier))
        .collect();
    execute(
        client,
        "INSERT INTO activities (account_id, activity_id, event_name, retention_days,
            earlier_retention_days)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (account_id, activity_id) DO UPDATE SET
            retention_days = excluded.retention_days,
            earlier_retention_days = excluded.earlier_retention_days",
        &[
            &account_id.0,
            &activity.activity_id.0,
            &activity.event_name,
            &days(activity.retention_days),
            &earlier,
        ],
    )
    .await?;
    Ok(())
}

/// How this source maps the activity.
pub async fn get_mapping(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
    activity_id: ActivityId,
) -> Result<Option<Vec<AttributeRow>>, Failure> {
    let select = "SELECT attributes FROM activity_mappings
        WHERE account_id = $1 AND source_id = $2 AND activity_id = $3";
    let params: super::Params<'_> = &[&account_id.0, &source_id.0, &activity_id.0];
    let Some(row) = row(client, select, params).await? else {
        return Ok(None);
    };
    read_rows(&row).map(Some)
}

pub async fn put_mapping(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
    activity_id: ActivityId,
    attributes: &[AttributeRow],
) -> Result<(), Failure> {
    let stored: Vec<StoredAttribute> = attributes.iter().map(Into::into).collect();
    let upsert = "INSERT INTO activity_mappings (account_id, source_id, activity_id, attributes)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (account_id, source_id, activity_id)
        DO UPDATE SET attributes = excluded.attributes";
    let params: super::Params<'_> = &[&account_id.0, &source_id.0, &activity_id.0, &Json(stored)];
    execute(client, upsert, params).await?;
    Ok(())
}

/// Whether there was one.
pub async fn delete_mapping(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
    activity_id: ActivityId,
) -> Result<bool, Failure> {
    let delete = "DELETE FROM activity_mappings
        WHERE account_id = $1 AND source_id = $2 AND activity_id = $3";
    let deleted = execute(
        client,
        delete,
        &[&account_id.0, &source_id.0, &activity_id.0],
    )
    .await?;
    Ok(deleted > 0)
}

/// Distinct activities of the account that any source maps, but for `except`.
pub async fn count_mapped(
    client: &impl Client,
    account_id: AccountId,
    except: Option<ActivityId>,
) -> Result<i64, Failure> {
    let select = "SELECT count(DISTINCT activity_id) AS mapped FROM activity_mappings
        WHERE account_id = $1 AND activity_id <> $2";
    let except = except.map_or(Uuid::nil(), |id| id.0);
    let row = row(client, select, &[&account_id.0, &except]).await?;
    row.map(|row| row.get("mapped"))
        .ok_or_else(|| corrupt("count of activities"))
}

/// By event name, after `after`.
pub async fn list_mappings(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
    after: &str,
    limit: i64,
) -> Result<Vec<Listed<String, ActivityMapping>>, Failure> {
    let select = format!(
        "SELECT {COLUMNS}, m.attributes
         FROM activity_mappings m JOIN activities a USING (account_id, activity_id)
         WHERE m.account_id = $1 AND m.source_id = $2 AND a.event_name COLLATE \"C\" > $3
         ORDER BY a.event_name COLLATE \"C\" LIMIT $4"
    );
    let params: super::Params<'_> = &[&account_id.0, &source_id.0, &after, &limit];
    let found = rows(client, &select, params).await?;
    let read = |row: &Row| {
        Ok(ActivityMapping {
            activity: read_activity(row)?,
            attributes: read_rows(row)?,
        })
    };
    Ok(listed(&found, |row| row.get("event_name"), read))
}

/// Of all activities of the account that any source maps, by name; at most as many as the plan
/// has slots.
pub async fn all_mapped_names(
    client: &impl Client,
    account_id: AccountId,
) -> Result<Vec<String>, Failure> {
    let select = "SELECT DISTINCT a.event_name
        FROM activity_mappings m JOIN activities a USING (account_id, activity_id)
        WHERE m.account_id = $1 ORDER BY a.event_name";
    let found = rows(client, select, &[&account_id.0]).await?;
    Ok(found.iter().map(|row| row.get("event_name")).collect())
}

/// At most as many as the plan has slots.
pub async fn mapped_names(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
) -> Result<MappedNames, Failure> {
    let select = "SELECT a.event_name
        FROM activity_mappings m JOIN activities a USING (account_id, activity_id)
        WHERE m.account_id = $1 AND m.source_id = $2";
    let found = rows(client, select, &[&account_id.0, &source_id.0]).await?;
    Ok(found.iter().map(|row| row.get("event_name")).collect())
}

fn read_activity(row: &Row) -> Result<Activity, Failure> {
    let days = |days: i32| u32::try_from(days).map_err(|_| corrupt("retention"));
    let earlier: Vec<i32> = row.get("earlier_retention_days");
    Ok(Activity {
        activity_id: ActivityId(row.get("activity_id")),
        event_name: row.get("event_name"),
        retention_days: days(row.get("retention_days"))?,
        earlier_retention_days: earlier.into_iter().map(days).collect::<Result<_, _>>()?,
    })
}

fn read_rows(row: &Row) -> Result<Vec<AttributeRow>, Failure> {
    let Json(stored): Json<Vec<StoredAttribute>> = row
        .try_get("attributes")
        .map_err(|_| corrupt("activity mapping"))?;
    read_attributes(stored)
}
