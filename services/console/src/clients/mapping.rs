//! Fields, mappings, drafts and versions.

use weir_proto::mapping::v1 as wire;
use weir_values::ValueType;

use super::convert::{self, time};
use super::trouble::call;
use super::{Answer, Calls};
use crate::domain::model::{
    ActivityMapping, Difference, EventName, Field, Page, Preview, PreviewedEvent, PreviewedRow,
    RefusedValue, Row, Suggestion, TakenValue, Version,
};
use crate::domain::words;

impl Calls {
    /// By name.
    pub async fn fields(&self, account: &str) -> Answer<Vec<Field>> {
        let request = wire::ListFieldsRequest {
            account_id: account.to_owned(),
            page_size: 1_000,
            ..Default::default()
        };
        let answer = call!("mapping", self.mapping, list_fields, request)?;
        Ok(answer
            .fields
            .into_iter()
            .filter_map(convert::field)
            .collect())
    }

    /// The id of the new field, or of the one of that name and type, and whether it is new.
    pub async fn create_field(
        &self,
        account: &str,
        name: &str,
        of: ValueType,
    ) -> Answer<(String, bool)> {
        let request = wire::CreateFieldRequest {
            account_id: account.to_owned(),
            name: name.to_owned(),
            r#type: convert::wire_type(of).into(),
            request_id: String::new(),
        };
        let answer = call!("mapping", self.mapping, create_field, request)?;
        let is_new = answer.change() != wire::ChangeKind::Unchanged;
        Ok((answer.field.unwrap_or_default().field_id, is_new))
    }

    pub async fn delete_field(&self, account: &str, id: &str) -> Answer<()> {
        let request = wire::DeleteFieldRequest {
            account_id: account.to_owned(),
            field_id: id.to_owned(),
            ..Default::default()
        };
        call!("mapping", self.configuration, delete_field, request)?;
        Ok(())
    }

    /// Its rows, and its version.
    pub async fn contact_mapping(&self, account: &str, source: &str) -> Answer<(Vec<Row>, i64)> {
        let request = wire::GetContactMappingRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
        };
        let answer = call!("mapping", self.mapping, get_contact_mapping, request)?;
        let rows = answer.mappings.into_iter().map(convert::row).collect();
        Ok((rows, answer.mapping_version))
    }

    /// The version that it is now, and whether that is another one than before.
    pub async fn put_contact_mapping(
        &self,
        account: &str,
        source: &str,
        rows: &[Row],
        expected_version: i64,
    ) -> Answer<(i64, bool)> {
        let request = wire::PutContactMappingRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            mappings: rows.iter().map(convert::wire_row).collect(),
            clear: rows.is_empty(),
            expected_version: Some(expected_version),
        };
        let answer = call!("mapping", self.mapping, put_contact_mapping, request)?;
        let is_new = answer.change() != wire::ChangeKind::Unchanged;
        Ok((answer.mapping_version, is_new))
    }

    pub async fn preview_contact(
        &self,
        account: &str,
        source: &str,
        rows: &[Row],
    ) -> Answer<Preview> {
        let request = wire::PreviewContactMappingRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            mappings: rows.iter().map(convert::wire_row).collect(),
        };
        let answer = call!("mapping", self.preview, preview_contact_mapping, request)?;
        Ok(preview(answer.rows, answer.events))
    }

    pub async fn preview_activity(
        &self,
        account: &str,
        source: &str,
        activity: &ActivityMapping,
    ) -> Answer<Preview> {
        let rows = activity.attributes.iter().map(convert::wire_attribute);
        let request = wire::PreviewActivityMappingRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            event_name: activity.event_name.clone(),
            retention_days: Some(activity.retention_days),
            attributes: rows.collect(),
        };
        let answer = call!("mapping", self.preview, preview_activity_mapping, request)?;
        Ok(preview(answer.rows, answer.events))
    }

    /// What is not mapped, and of how many events. An empty name: traits.
    pub async fn suggestions(
        &self,
        account: &str,
        source: &str,
        name: &str,
    ) -> Answer<(Vec<Suggestion>, u32)> {
        let request = wire::SuggestMappingsRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            event_name: name.to_owned(),
        };
        let answer = call!("mapping", self.preview, suggest_mappings, request)?;
        let suggestions = answer.suggestions.into_iter().map(|one| {
            let kinds: Vec<_> = one.kinds.iter().map(|one| words::kind(&one.kind)).collect();
            Suggestion {
                of: convert::value_type(one.r#type()),
                path: one.path,
                seen: one.seen_count,
                kinds: kinds.join(", "),
                examples: one.examples,
                formats: one.formats,
                values: one.kinds.iter().map(|kind| kind.count).sum(),
                misfits: one.misfit_count,
                field: one.field_id,
                field_is_mapped: one.field_is_mapped,
            }
        });
        Ok((suggestions.collect(), answer.event_count))
    }

    pub async fn activities_mapped(
        &self,
        account: &str,
        source: &str,
        page_token: &str,
    ) -> Answer<Page<ActivityMapping>> {
        let request = wire::ListActivityMappingsRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            page_size: 50,
            page_token: page_token.to_owned(),
        };
        let answer = call!("mapping", self.mapping, list_activity_mappings, request)?;
        Ok(Page {
            items: answer.activities.into_iter().map(activity).collect(),
            next: answer.next_page_token,
        })
    }

    /// One of them; none where it is not mapped.
    pub async fn activity_mapped(
        &self,
        account: &str,
        source: &str,
        name: &str,
    ) -> Answer<Option<ActivityMapping>> {
        let mut token = String::new();
        loop {
            let page = self.activities_mapped(account, source, &token).await?;
            let found = page.items.into_iter().find(|one| one.event_name == name);
            if found.is_some() || page.next.is_empty() {
                return Ok(found);
            }
            token = page.next;
        }
    }

    pub async fn put_activity(
        &self,
        account: &str,
        source: &str,
        activity: &ActivityMapping,
        expected_version: Option<i64>,
    ) -> Answer<i64> {
        let rows = activity.attributes.iter().map(convert::wire_attribute);
        let request = wire::PutActivityMappingRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            event_name: activity.event_name.clone(),
            retention_days: Some(activity.retention_days),
            attributes: rows.collect(),
            clear_attributes: activity.attributes.is_empty(),
            expected_version,
        };
        let answer = call!("mapping", self.mapping, put_activity_mapping, request)?;
        Ok(answer.mapping_version)
    }

    pub async fn unmap_activity(&self, account: &str, source: &str, name: &str) -> Answer<()> {
        let request = wire::DeleteActivityMappingRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            event_name: name.to_owned(),
            ..Default::default()
        };
        call!("mapping", self.mapping, delete_activity_mapping, request)?;
        Ok(())
    }

    /// Names that events had, newest first.
    pub async fn event_names(
        &self,
        account: &str,
        source: &str,
        contains: &str,
    ) -> Answer<Vec<EventName>> {
        let request = wire::ListEventNamesRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            contains: contains.to_owned(),
            page_size: 500,
            page_token: String::new(),
        };
        let answer = call!("mapping", self.mapping, list_event_names, request)?;
        let names = answer.names.into_iter().map(|name| EventName {
            name: name.name,
            last: time(name.last_receive_time),
            mapped: name.mapped,
        });
        Ok(names.collect())
    }

    /// Of the contact mapping, or of an activity's; newest first.
    pub async fn versions(&self, account: &str, source: &str, name: &str) -> Answer<Vec<Version>> {
        let request = wire::ListMappingVersionsRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            event_name: name.to_owned(),
            page_size: 100,
            page_token: String::new(),
        };
        let answer = call!(
            "mapping",
            self.configuration,
            list_mapping_versions,
            request
        )?;
        Ok(answer.versions.into_iter().map(version).collect())
    }

    /// Rows that differ between two of them, and the retention where that does; to 0: the newest.
    pub async fn compare(
        &self,
        (account, source): (&str, &str),
        name: &str,
        from: i64,
        to: i64,
    ) -> Answer<(Vec<Difference>, Option<Difference>)> {
        let request = wire::DiffMappingVersionsRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            event_name: name.to_owned(),
            from_version: from,
            to_version: to,
        };
        let answer = call!(
            "mapping",
            self.configuration,
            diff_mapping_versions,
            request
        )?;
        let days = |days: u32| match days {
            0 => String::new(),
            days => format!("{days} days"),
        };
        let retention = answer.retention.map(|retention| Difference {
            target: "Retention".to_owned(),
            before: days(retention.before_days),
            after: days(retention.after_days),
        });
        let rows = answer.rows.into_iter().map(difference);
        Ok((rows.collect(), retention))
    }

    /// Whether something else stood before.
    pub async fn restore(
        &self,
        (account, source): (&str, &str),
        name: &str,
        version: i64,
        expected_version: i64,
    ) -> Answer<bool> {
        let request = wire::RestoreMappingVersionRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            event_name: name.to_owned(),
            version,
            expected_version: Some(expected_version),
        };
        let answer = call!(
            "mapping",
            self.configuration,
            restore_mapping_version,
            request
        )?;
        Ok(answer.change() != wire::ChangeKind::Unchanged)
    }
}

fn activity(activity: wire::ActivityMapping) -> ActivityMapping {
    ActivityMapping {
        event_name: activity.event_name,
        retention_days: activity.retention_days,
        attributes: activity
            .attributes
            .into_iter()
            .map(convert::attribute)
            .collect(),
    }
}

fn version(version: wire::MappingVersion) -> Version {
    let (mut rows, mut retention_days) = (Vec::new(), None);
    rows.extend(version.fields.into_iter().map(convert::row));
    if let Some(activity) = version.activity {
        retention_days = Some(activity.retention_days);
        rows.extend(activity.attributes.into_iter().map(convert::attribute));
    }
    Version {
        version: version.version,
        time: time(version.save_time),
        rows,
        retention_days,
        restored: version.restored_version,
    }
}

fn difference(rows: wire::RowDifference) -> Difference {
    let before = rows.field_before.map(convert::row);
    let before = before.or(rows.attribute_before.map(convert::attribute));
    let after = rows.field_after.map(convert::row);
    let after = after.or(rows.attribute_after.map(convert::attribute));
    let target = before.as_ref().or(after.as_ref());
    let said = |row: &Option<Row>| row.as_ref().map_or_else(String::new, Row::summary);
    Difference {
        target: target.map_or_else(String::new, |row| row.target.clone()),
        before: said(&before),
        after: said(&after),
    }
}

fn preview(rows: Vec<wire::DraftedRow>, events: Vec<wire::DraftedEvent>) -> Preview {
    let rows = rows.into_iter().map(|row| PreviewedRow {
        taken: row.taken_count,
        cleared: row.cleared_count,
        ignored: row.ignored_count,
        absent: row.absent_count,
        values: row
            .taken
            .into_iter()
            .map(|value| TakenValue {
                path: value.path,
                value: unquoted(value.value),
            })
            .collect(),
        refused: row
            .ignored
            .into_iter()
            .map(|value| RefusedValue {
                path: value.path,
                value: value.value,
                code: value.code,
                reason: value.reason,
            })
            .collect(),
    });
    let events = events.into_iter().map(|event| PreviewedEvent {
        time: time(event.receive_time),
        kind: convert::kind(event.kind()),
        changes: event.differences.len(),
        event_name: event.event_name,
        message_id: event.message_id,
        status: event.status,
        code: event.code,
        values: event
            .values
            .into_iter()
            .map(|value| (value.target, unquoted(value.value)))
            .collect(),
    });
    Preview {
        rows: rows.collect(),
        events: events.collect(),
    }
}

/// A JSON string as its text; what was cut, or is something else, as it is.
fn unquoted(json: String) -> String {
    serde_json::from_str::<String>(&json).unwrap_or(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_without_quotes() {
        assert_eq!(unquoted(r#""Lana""#.to_owned()), "Lana");
        assert_eq!(unquoted("3".to_owned()), "3");
        assert_eq!(unquoted("\"cut off".to_owned()), "\"cut off");
    }
}
