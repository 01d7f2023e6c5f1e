//! This service's part of the record of changes, and mappings as it shows them.

use weir_ids::AccountId;
use weir_postgres::Failure;

use super::Client;
use super::stored::{StoredAttribute, StoredField};
use crate::domain::mapping::ActivityMapping;
use crate::domain::record::{Entry, Filter, Shown};
use crate::domain::row::FieldRow;

pub use weir_changes::{changed_before, done_before, record as record_change};

/// Newest first, before `before`.
pub async fn list_changes(
    client: &impl Client,
    account_id: AccountId,
    filter: &Filter,
    before: Option<uuid::Uuid>,
    limit: i64,
) -> Result<Vec<crate::domain::Listed<uuid::Uuid, Entry>>, Failure> {
    weir_changes::list(client, account_id, filter, before, limit).await
}

/// The rows of a contact mapping, by their fields.
pub fn shown_fields(rows: &[FieldRow]) -> Shown {
    let shown = rows.iter().map(|row| {
        let stored = serde_json::to_value(StoredField::from(row));
        (row.field.to_string(), stored.unwrap_or_default())
    });
    shown.collect()
}

/// An activity and its attributes; nothing where it is not mapped.
pub fn shown_activity(mapping: Option<&ActivityMapping>) -> Shown {
    let Some(mapping) = mapping else {
        return Shown::new();
    };
    let mut shown = weir_changes::shown([
        ("event_name", mapping.activity.event_name.as_str().into()),
        ("retention_days", mapping.activity.retention_days.into()),
    ]);
    shown.extend(mapping.attributes.iter().map(|row| {
        let stored = serde_json::to_value(StoredAttribute::from(row));
        let name = format!("attributes.{}", row.attribute);
        (name, stored.unwrap_or_default())
    }));
    shown
}
