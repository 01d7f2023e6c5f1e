//! Rows that are no events, mapped as contacts (semantics 3.13).

use std::collections::HashMap;

use chrono::DateTime;
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_values::ValueType;
use weir_values::options::RawOptions;

use super::{App, Error};
use crate::domain::event::{EventKind, RawEvent, Received};
use crate::domain::field::{self, caseless};
use crate::domain::log::LogEntry;
use crate::domain::mapper::{Mapper, Outcome};
use crate::domain::row::{FieldRow, RawRow, read_contact_mapping};
use crate::domain::snapshot::{ContactMapping, Snapshot};
use crate::domain::source::{MergeStrategy, Source, SourceKind, SourceSettings, SourceStatus};
use crate::store;

/// How dates are written where nobody says it: as they are read back.
const DATE: &str = "YYYY-MM-DD";
const INSTANT: &str = "ISO 8601";

impl App {
    /// A mapping that leads from each of these fields' ids to the field, and those of them that
    /// are no fields of the account.
    pub async fn snapshot_of_fields(
        &self,
        account_id: AccountId,
        ids: &[String],
        nulls_clear: bool,
    ) -> Result<(Snapshot, Vec<String>), Error> {
        let account = self.get_account(Some(account_id), "").await?;
        let client = self.scoped(account_id).await?;
        let custom = store::types_of(&client, account_id).await?;
        let identifiers = store::get_identifiers(&client, account_id).await?;
        let identifiers = identifiers.ok_or(Error::NotFound("account"))?;
        let unique_identifiers = identifiers.unique_identifiers;
        let (known, unknown): (Vec<_>, Vec<_>) = ids
            .iter()
            .cloned()
            .partition(|id| field::type_of(id, &custom).is_some());
        let rows = rows_of(&known, &custom)?;
        let snapshot = Snapshot {
            version: 0,
            source: nobody(account_id, nulls_clear),
            contact: ContactMapping::compile(
                rows,
                &unique_identifiers,
                &account.settings.blocked_values,
            ),
            // Nobody authenticated for this.
            blocked_values_version: 0,
            keep_user_ids_apart: account.settings.keep_user_ids_apart,
            caseless_identifiers: caseless(&unique_identifiers, &custom),
            unique_identifiers,
            key_strategy: identifiers.key_strategy,
            identifiers_version: identifiers.version,
            plan: account.settings.plan,
            mapped_activities: account.mapped_activities,
            activities: HashMap::new(),
        };
        Ok((snapshot, unknown))
    }
}

fn rows_of(ids: &[String], custom: &HashMap<String, ValueType>) -> Result<Vec<FieldRow>, Error> {
    let types = ids.iter().map(|id| field::type_of(id, custom));
    let types: Vec<Option<ValueType>> = types.collect();
    let rows = ids.iter().zip(&types).map(|(id, value_type)| RawRow {
        paths: vec![id.as_str()],
        target: id,
        options: RawOptions {
            formats: match value_type {
                Some(ValueType::Date) => vec![DATE],
                Some(ValueType::TimeAndDate) => vec![INSTANT],
                _ => Vec::new(),
            },
            ..RawOptions::default()
        },
    });
    read_contact_mapping(&rows.collect::<Vec<_>>(), custom).map_err(Error::Invalid)
}

/// Stands where a source would.
fn nobody(account_id: AccountId, nulls_clear: bool) -> Source {
    Source {
        account_id,
        source_id: SourceId(Uuid::nil()),
        settings: SourceSettings {
            kind: SourceKind::SegmentActions,
            name: String::new(),
            merge_strategy: match nulls_clear {
                true => MergeStrategy::Overwrite,
                false => MergeStrategy::Append,
            },
            existing_only: false,
            allowed_origins: Vec::new(),
        },
        status: SourceStatus::Active,
        mapping_version: 0,
        settings_version: 0,
        create_time: DateTime::UNIX_EPOCH,
        pause_time: None,
    }
}

/// Maps the traits of rows, which are checked JSON objects: of each what became of it, and what
/// was ignored. None where they come to more than an answer may hold.
pub fn map_rows<'s>(
    snapshot: &'s Snapshot,
    traits: &[&[u8]],
) -> Option<Vec<(Outcome<'s>, Vec<LogEntry>)>> {
    let mut mapper = Mapper::new(snapshot, None);
    let mut rows = Vec::with_capacity(traits.len());
    for traits in traits {
        let outcome = mapper.map(&RawEvent {
            received: Received {
                time: DateTime::UNIX_EPOCH,
                batch_id: "",
            },
            index: 0,
            kind: EventKind::Identify,
            traits: Some(traits),
            properties: None,
            location: None,
            ip: b"",
            event_name: "",
            event_time: DateTime::UNIX_EPOCH,
            message_id: "",
        });
        if mapper.is_outgrown() {
            return None;
        }
        rows.push((outcome, mapper.take_log()));
    }
    Some(rows)
}
