//! Contact mappings, and the version of a source's mappings.

use std::collections::HashMap;

use tokio_postgres::types::Json;
use weir_ids::{AccountId, SourceId};
use weir_postgres::Failure;
use weir_values::ValueType;

use super::stored::{StoredField, read_fields};
use super::{Client, corrupt, execute, row};
use crate::domain::row::FieldRow;

/// Empty when none was saved.
pub async fn get_contact_mapping(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
    custom: &HashMap<String, ValueType>,
) -> Result<Vec<FieldRow>, Failure> {
    let select = "SELECT mapping FROM contact_mappings WHERE account_id = $1 AND source_id = $2";
    let Some(row) = row(client, select, &[&account_id.0, &source_id.0]).await? else {
        return Ok(Vec::new());
    };
    let Json(stored): Json<Vec<StoredField>> = row
        .try_get("mapping")
        .map_err(|_| corrupt("contact mapping"))?;
    read_fields(&stored, custom)
}

/// Whether one was saved that has rows.
pub async fn has_contact_mapping(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
) -> Result<bool, Failure> {
    let select = "SELECT FROM contact_mappings
        WHERE account_id = $1 AND source_id = $2 AND mapping <> '[]'";
    let found = row(client, select, &[&account_id.0, &source_id.0]).await?;
    Ok(found.is_some())
}

pub async fn put_contact_mapping(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
    rows: &[FieldRow],
) -> Result<(), Failure> {
    let stored: Vec<StoredField> = rows.iter().map(Into::into).collect();
    let upsert = "INSERT INTO contact_mappings (account_id, source_id, mapping)
        VALUES ($1, $2, $3)
        ON CONFLICT (account_id, source_id) DO UPDATE SET mapping = excluded.mapping";
    execute(
        client,
        upsert,
        &[&account_id.0, &source_id.0, &Json(stored)],
    )
    .await?;
    Ok(())
}

/// Raises the version of the source's mappings, and answers it.
pub async fn raise_mapping_version(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
) -> Result<i64, Failure> {
    let update = "UPDATE sources SET mapping_version = mapping_version + 1
        WHERE account_id = $1 AND source_id = $2 RETURNING mapping_version";
    let row = row(client, update, &[&account_id.0, &source_id.0]).await?;
    row.map(|row| row.get("mapping_version"))
        .ok_or_else(|| corrupt("source that was just read"))
}
