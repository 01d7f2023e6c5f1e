//! Everything that a batch needs, in one statement, so that it is all of one version.

use std::collections::HashMap;

use serde::Deserialize;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;
use weir_ids::{AccountId, ActivityId, SourceId};
use weir_postgres::Failure;
use weir_values::ValueType;

use super::accounts::{read_blocked, read_fields, read_identifiers, read_plan};
use super::codes::Code;
use super::sources::read_source;
use super::stored::{self, StoredAttribute, StoredField, read_attributes};
use super::{Client, corrupt, row};
use crate::domain::account::KeyStrategy;
use crate::domain::field::caseless;
use crate::domain::mapping::{Activity, ActivityMapping};
use crate::domain::row::FieldRow;
use crate::domain::snapshot::{CompiledActivity, ContactMapping, Snapshot};

/// The version of an account's configuration; none when there is no such account.
pub async fn read_version(
    client: &impl Client,
    account_id: AccountId,
) -> Result<Option<i64>, Failure> {
    let select = "SELECT version FROM accounts WHERE account_id = $1 AND delete_time IS NULL";
    let row = row(client, select, &[&account_id.0]).await?;
    Ok(row.map(|row| row.get("version")))
}

/// None when the account has no such source.
pub async fn load_snapshot(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
) -> Result<Option<Snapshot>, Failure> {
    load_draft(client, account_id, source_id, None).await
}

/// As [`load_snapshot`], with another contact mapping than the one that is stored, where one is
/// given.
pub async fn load_draft(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
    contact: Option<Vec<FieldRow>>,
) -> Result<Option<Snapshot>, Failure> {
    let select = "SELECT a.account_id, a.version, a.version AS settings_version, a.unique_identifiers, a.key_strategy,
            a.included_contacts, a.additional_contacts, a.activity_slots, a.profile_factor,
            a.activity_factor, a.identifiers_version, a.next_unique_identifiers,
            a.blocked_values, a.blocked_values_version, a.keep_user_ids_apart,
            s.source_id, s.kind, s.name, s.merge_strategy, s.existing_only, s.status,
            s.mapping_version, s.create_time, s.allowed_origins, s.pause_time,
            (SELECT c.mapping FROM contact_mappings c
             WHERE c.account_id = a.account_id AND c.source_id = s.source_id) AS contact,
            (SELECT count(DISTINCT m.activity_id) FROM activity_mappings m
             WHERE m.account_id = a.account_id) AS mapped_activities,
            (SELECT jsonb_agg(jsonb_build_object('id', d.activity_id, 'name', d.event_name,
                'days', d.retention_days, 'earlier', d.earlier_retention_days,
                'attributes', m.attributes))
             FROM activity_mappings m JOIN activities d USING (account_id, activity_id)
             WHERE m.account_id = a.account_id AND m.source_id = s.source_id) AS activities,
            (SELECT jsonb_object_agg(f.field_id, f.value_type) FROM fields f
             WHERE f.account_id = a.account_id) AS fields
        FROM accounts a JOIN sources s ON s.account_id = a.account_id
        WHERE a.account_id = $1 AND s.source_id = $2 AND a.delete_time IS NULL";
    let found = row(client, select, &[&account_id.0, &source_id.0]).await?;
    found.map(|row| read_snapshot(&row, contact)).transpose()
}

#[derive(Deserialize)]
struct StoredActivity {
    id: Uuid,
    name: String,
    days: u32,
    earlier: Vec<u32>,
    attributes: Vec<StoredAttribute>,
}

fn read_snapshot(row: &Row, draft: Option<Vec<FieldRow>>) -> Result<Snapshot, Failure> {
    let contact: Option<Json<Vec<StoredField>>> = row
        .try_get("contact")
        .map_err(|_| corrupt("contact mapping"))?;
    let activities: Option<Json<Vec<StoredActivity>>> = row
        .try_get("activities")
        .map_err(|_| corrupt("activities"))?;
    let types = custom_types(row)?;
    let rows = match (draft, contact) {
        (Some(rows), _) => rows,
        (None, Some(Json(stored))) => stored::read_fields(&stored, &types)?,
        (None, None) => Vec::new(),
    };
    let mut unique_identifiers = read_identifiers(row)?;
    for next in read_fields(row, "next_unique_identifiers")? {
        if !unique_identifiers.contains(&next) {
            unique_identifiers.push(next);
        }
    }
    let blocked = read_blocked(row)?;
    let contact = ContactMapping::compile(rows, &unique_identifiers, &blocked);
    Ok(Snapshot {
        version: row.get("version"),
        source: read_source(row)?,
        caseless_identifiers: caseless(&unique_identifiers, &types),
        unique_identifiers,
        key_strategy: KeyStrategy::of(row.get("key_strategy"))?,
        plan: read_plan(row),
        mapped_activities: row.get("mapped_activities"),
        identifiers_version: row.get("identifiers_version"),
        blocked_values_version: row.get("blocked_values_version"),
        keep_user_ids_apart: row.get("keep_user_ids_apart"),
        contact,
        activities: activities
            .map_or_else(Vec::new, |Json(activities)| activities)
            .into_iter()
            .map(|stored| Ok((stored.name.clone(), read_activity(stored)?)))
            .collect::<Result<_, Failure>>()?,
    })
}

fn custom_types(row: &Row) -> Result<HashMap<String, ValueType>, Failure> {
    let stored: Option<Json<HashMap<String, String>>> =
        row.try_get("fields").map_err(|_| corrupt("fields"))?;
    stored
        .map_or_else(HashMap::new, |Json(fields)| fields)
        .into_iter()
        .map(|(id, name)| {
            let value_type = ValueType::named(&name).ok_or_else(|| corrupt("type of a field"))?;
            Ok((id, value_type))
        })
        .collect()
}

fn read_activity(stored: StoredActivity) -> Result<CompiledActivity, Failure> {
    Ok(CompiledActivity::compile(ActivityMapping {
        activity: Activity {
            activity_id: ActivityId(stored.id),
            event_name: stored.name,
            retention_days: stored.days,
            earlier_retention_days: stored.earlier,
        },
        attributes: read_attributes(stored.attributes)?,
    }))
}
