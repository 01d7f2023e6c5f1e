//! Custom fields.

use std::collections::HashMap;

use tokio_postgres::Row;
use weir_ids::AccountId;
use weir_postgres::Failure;
use weir_values::ValueType;

use super::{Client, corrupt, execute, listed, row, rows};
use crate::domain::field::Field;

const COLUMNS: &str = "field_id, name, value_type";

/// There are at most 200. One that can't be read is left out.
pub async fn list_fields(
    client: &impl Client,
    account_id: AccountId,
) -> Result<Vec<Field>, Failure> {
    let select = format!("SELECT {COLUMNS} FROM fields WHERE account_id = $1 ORDER BY name");
    let found = rows(client, &select, &[&account_id.0]).await?;
    let listed = listed(&found, |_| (), read_field);
    Ok(listed.into_iter().filter_map(|(_, field)| field).collect())
}

/// How many there are, readable or not.
pub async fn count_fields(client: &impl Client, account_id: AccountId) -> Result<usize, Failure> {
    let select = "SELECT count(*) AS count FROM fields WHERE account_id = $1";
    let found = row(client, select, &[&account_id.0]).await?;
    let count: i64 = found
        .ok_or_else(|| corrupt("count of fields"))?
        .get("count");
    Ok(usize::try_from(count).unwrap_or(0))
}

/// The types of custom fields, by id.
pub async fn types_of(
    client: &impl Client,
    account_id: AccountId,
) -> Result<HashMap<String, ValueType>, Failure> {
    let fields = list_fields(client, account_id).await?;
    Ok(fields
        .into_iter()
        .map(|field| (field.id.to_string(), field.value_type))
        .collect())
}

/// The fields that have that name or that id: two at most.
pub async fn get_field_named(
    client: &impl Client,
    account_id: AccountId,
    field: &Field,
) -> Result<Vec<Field>, Failure> {
    let select = format!(
        "SELECT {COLUMNS} FROM fields WHERE account_id = $1 AND (name = $2 OR field_id = $3)"
    );
    let found = rows(
        client,
        &select,
        &[&account_id.0, &field.name, &field.id.as_str()],
    )
    .await?;
    found.iter().map(read_field).collect()
}

pub async fn insert_field(
    client: &impl Client,
    account_id: AccountId,
    field: &Field,
) -> Result<(), Failure> {
    let insert = "INSERT INTO fields (account_id, field_id, name, value_type)
        VALUES ($1, $2, $3, $4)";
    let params: super::Params<'_> = &[
        &account_id.0,
        &field.id.as_str(),
        &field.name,
        &field.value_type.name(),
    ];
    execute(client, insert, params).await?;
    Ok(())
}

fn read_field(row: &Row) -> Result<Field, Failure> {
    let id: &str = row.get("field_id");
    let value_type: &str = row.get("value_type");
    Ok(Field {
        id: id.parse().map_err(|_| corrupt("field id"))?,
        name: row.get("name"),
        value_type: ValueType::named(value_type).ok_or_else(|| corrupt("type of a field"))?,
        custom: true,
    })
}
