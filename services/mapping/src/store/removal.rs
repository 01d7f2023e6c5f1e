//! What is taken away, from every table that holds something of it.
//!
//! **Invariant:** whatever table a later version adds, its rows go along: the tables are those
//! that the catalogue says have the columns, not a list of ours; what stays is named.

use weir_ids::{AccountId, SourceId};
use weir_postgres::Failure;

use super::{Client, execute, row, rows};

/// Those that others refer to, in the order in which they can go.
const REFERRED: [&str; 2] = ["activities", "sources"];

/// What units were spent on is of the account, which spent them, and told until it is too old.
const STAYS: [&str; 1] = ["unit_counts"];

/// Everything of a source, itself included; whether it was there.
pub async fn delete_source(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
) -> Result<bool, Failure> {
    let select = "SELECT quote_ident(c.relname) AS name
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'account_id'
        JOIN pg_attribute s ON s.attrelid = c.oid AND s.attname = 'source_id'
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
          AND NOT c.relispartition AND NOT a.attisdropped AND NOT s.attisdropped
        ORDER BY c.relname";
    let tables = rows(client, select, &[]).await?;
    let mut names: Vec<String> = tables.iter().map(|row| row.get("name")).collect();
    names.retain(|name| !STAYS.contains(&name.as_str()));
    names.sort_by_key(|name| REFERRED.iter().position(|last| last == name));
    let mut deleted = false;
    for name in names {
        let delete = format!("DELETE FROM {name} WHERE account_id = $1 AND source_id = $2");
        let rows = execute(client, &delete, &[&account_id.0, &source_id.0]).await?;
        deleted |= name == "sources" && rows > 0;
    }
    Ok(deleted)
}

pub async fn rename_source(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
    name: &str,
) -> Result<(), Failure> {
    let update = "UPDATE sources SET name = $3 WHERE account_id = $1 AND source_id = $2";
    execute(client, update, &[&account_id.0, &source_id.0, &name]).await?;
    Ok(())
}

/// The names of the sources whose contact mapping fills the field.
pub async fn sources_with_field(
    client: &impl Client,
    account_id: AccountId,
    field_id: &str,
) -> Result<Vec<String>, Failure> {
    let select = "SELECT s.name FROM contact_mappings m
        JOIN sources s ON s.account_id = m.account_id AND s.source_id = m.source_id
        WHERE m.account_id = $1
          AND m.mapping @> jsonb_build_array(jsonb_build_object('field', $2::text))
        ORDER BY s.name";
    let found = rows(client, select, &[&account_id.0, &field_id]).await?;
    Ok(found.iter().map(|row| row.get("name")).collect())
}

/// Whether it was there.
pub async fn delete_field(
    client: &impl Client,
    account_id: AccountId,
    field_id: &str,
) -> Result<bool, Failure> {
    let delete = "DELETE FROM fields WHERE account_id = $1 AND field_id = $2 RETURNING field_id";
    Ok(row(client, delete, &[&account_id.0, &field_id])
        .await?
        .is_some())
}
