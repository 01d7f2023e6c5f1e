//! Merging, splitting and deleting, on the wire.

use std::sync::Arc;

use prost::Message as _;
use tonic::{Request, Response, Status};
use weir_changes::author;
use weir_ids::SourceId;
use weir_proto::contact::v1::people_service_server::PeopleService;
use weir_proto::contact::v1::{
    ContactField, ContactIdentifier, DeleteContactRequest, DeleteContactResponse, DeletedRows,
    FieldKey, FieldPreview, GetDeletionRequest, GetDeletionResponse, LeftOutField,
    ListMergesRequest, ListMergesResponse, Merge, MergeCause, MergeContactsRequest,
    MergeContactsResponse, PreviewMergeRequest, PreviewMergeResponse, SplitContactRequest,
    SplitContactResponse, contact_identifier, delete_contact_request, get_contact_request,
};
use weir_proto::settings::v1::ErasedRows;
use weir_rpc::wire::{id, needed_request_id, tellable, timestamp};
use weir_rpc::{Deadline, Page, page_limit, page_size, page_start};

use super::Contacts;
use super::profile::{field_shown, key_of, source_shown, value_of};
use crate::app::{JoinPurpose, Joining, Separated};
use crate::domain::{
    ANONYMOUS_ID, Deletion, Joined, JoinedField, ListedMerge, MergeCursor, StoredKey, USER_ID,
    read_registers,
};

/// Of each contact's fields in a merge that is listed.
const MAX_FIELDS_BYTES: usize = 1_000_000;
/// Of a preview's fields.
const MAX_PREVIEW_BYTES: usize = 3_000_000;
/// Of what a merged contact was found by.
const MAX_IDENTIFIERS: usize = 1_000;

/// The service beside the one for batches.
pub(super) struct People(pub Arc<Contacts>);

#[tonic::async_trait]
impl PeopleService for People {
    async fn list_merges(
        &self,
        request: Request<ListMergesRequest>,
    ) -> Result<Response<ListMergesResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let contact = id("contact_id", &request.contact_id)?;
        let size = page_size(request.page_size)?;
        let after = page_start(&request.page_token)?.unwrap_or_else(MergeCursor::start);
        let app = &self.0.app;
        let found = app.merges(account, contact, after, page_limit(size), deadline);
        let found = found.await?;
        let sources = app.sources(account).await?;
        let found = found
            .into_iter()
            .map(|merge| (MergeCursor::behind(&merge.row), Some(merge)));
        let page = Page::of(found, size, |merge| merge_shown(merge, &sources));
        Ok(Response::new(ListMergesResponse {
            next_page_token: page.next_token(),
            merges: page.items,
        }))
    }

    async fn preview_merge(
        &self,
        request: Request<PreviewMergeRequest>,
    ) -> Result<Response<PreviewMergeResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let joining = Joining {
            account: id("account_id", &request.account_id)?,
            contact: id("contact_id", &request.contact_id)?,
            other: id("other_contact_id", &request.other_contact_id)?,
            purpose: JoinPurpose::Preview,
        };
        let preview = self.0.app.join(joining, deadline, previewed).await?;
        let preview = preview.map_err(|_| weir_rpc::internal())?;
        Ok(Response::new(preview))
    }

    async fn merge_contacts(
        &self,
        request: Request<MergeContactsRequest>,
    ) -> Result<Response<MergeContactsResponse>, Status> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.contact.v1.PeopleService/MergeContacts");
        let request = request.into_inner();
        let merge = needed_request_id(&request.request_id)?;
        let joining = Joining {
            account: id("account_id", &request.account_id)?,
            contact: id("contact_id", &request.contact_id)?,
            other: id("other_contact_id", &request.other_contact_id)?,
            purpose: JoinPurpose::Merge {
                request: merge,
                allows_two_user_ids: request.allow_two_user_ids,
                author,
            },
        };
        let both = |joined: &Joined<'_>| (joined.survivor, joined.merged);
        let merged = self.0.app.join(joining, deadline, both).await?;
        let (survivor, merged) = merged.unwrap_or_else(|done| (done.survivor, done.merged));
        Ok(Response::new(MergeContactsResponse {
            merge_id: merge.to_string(),
            survivor_contact_id: survivor.to_string(),
            merged_contact_id: merged.to_string(),
        }))
    }

    async fn split_contact(
        &self,
        request: Request<SplitContactRequest>,
    ) -> Result<Response<SplitContactResponse>, Status> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.contact.v1.PeopleService/SplitContact");
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let merge = id("merge_id", &request.merge_id)?;
        let Separated {
            contact,
            survivor,
            time,
            left_out,
        } = self.0.app.split(account, merge, author, deadline).await?;
        let left_out = left_out
            .into_iter()
            .map(|(contact, field_id)| LeftOutField {
                contact_id: contact.to_string(),
                field_id,
            });
        Ok(Response::new(SplitContactResponse {
            contact_id: contact.to_string(),
            survivor_contact_id: survivor.to_string(),
            split_time: Some(timestamp(time)),
            left_out_fields: left_out.collect(),
        }))
    }

    async fn delete_contact(
        &self,
        request: Request<DeleteContactRequest>,
    ) -> Result<Response<DeleteContactResponse>, Status> {
        use delete_contact_request::Key as Asked;
        use get_contact_request::Key;
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.contact.v1.PeopleService/DeleteContact");
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let deletion = needed_request_id(&request.request_id)?;
        let key = key_of(request.key.map(|key| match key {
            Asked::ContactId(id) => Key::ContactId(id),
            Asked::UserId(id) => Key::UserId(id),
            Asked::AnonymousId(id) => Key::AnonymousId(id),
            Asked::Field(field) => Key::Field(field),
        }))?;
        let deleted = self.0.app.delete(account, key, deletion, author, deadline);
        let deleted = deleted.await?;
        Ok(Response::new(DeleteContactResponse {
            deletion: Some(deletion_shown(&deleted)),
        }))
    }

    async fn get_deletion(
        &self,
        request: Request<GetDeletionRequest>,
    ) -> Result<Response<GetDeletionResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let deletion = id("deletion_id", &request.deletion_id)?;
        let found = self.0.app.deletion(account, deletion, deadline).await?;
        Ok(Response::new(GetDeletionResponse {
            deletion: Some(deletion_shown(&found)),
        }))
    }
}

fn deletion_shown(deletion: &Deletion) -> weir_proto::contact::v1::Deletion {
    let rows = deletion.counts.iter().map(|counted| DeletedRows {
        service: counted.0.clone(),
        rows: Some(ErasedRows {
            what: counted.1.clone(),
            count: counted.2,
        }),
    });
    weir_proto::contact::v1::Deletion {
        deletion_id: deletion.id.to_string(),
        contact_id: deletion
            .contact
            .map_or_else(String::new, |id| id.to_string()),
        request_time: Some(timestamp(deletion.request_time)),
        done_time: deletion.done_time.map(timestamp),
        rows: rows.collect(),
    }
}

fn previewed(joined: &Joined<'_>) -> PreviewMergeResponse {
    let (mut fields, mut bytes) = (Vec::with_capacity(joined.fields.len()), 0);
    for field in joined.fields.iter().map(field_previewed) {
        bytes += field.encoded_len();
        if bytes <= MAX_PREVIEW_BYTES {
            fields.push(field);
        }
    }
    let moved = joined
        .changes
        .merges
        .iter()
        .map(|merge| merge.identifiers.len());
    let gone = joined.gone.iter().map(|key| FieldKey {
        field_id: key.kind.to_owned(),
        value: key.value.clone().into_owned(),
    });
    PreviewMergeResponse {
        survivor_contact_id: joined.survivor.to_string(),
        merged_contact_id: joined.merged.to_string(),
        left_out_field_count: count(joined.fields.len() - fields.len()),
        fields,
        gone: gone.collect(),
        both_have_user_ids: joined.both_have_user_ids,
        are_kept_apart: joined.was_barred,
        moved_identifier_count: count(moved.sum()),
    }
}

fn field_previewed(joined: &JoinedField<'_>) -> FieldPreview {
    let value = |json: Option<&str>| value_of(joined.field, json?);
    let survivor = joined.survivor.as_ref().and_then(|register| register.value);
    let merged = joined.merged.as_ref().and_then(|register| register.value);
    FieldPreview {
        field_id: joined.field.to_owned(),
        loses: survivor
            .zip(merged)
            .is_some_and(|(one, other)| one != other),
        survivor_value: value(survivor),
        merged_value: value(merged),
        result: value(joined.result),
    }
}

fn merge_shown(merge: ListedMerge, sources: &[SourceId]) -> Merge {
    let ListedMerge { row, cause, merged } = merge;
    let (merged_fields, mut left_out) = merged
        .as_ref()
        .map(|(fields, registers)| fields_shown(fields, registers))
        .unwrap_or_default();
    let before = row.before.as_ref();
    let (survivor_fields, more) = before
        .map(|before| fields_shown(&before.fields, &before.registers))
        .unwrap_or_default();
    left_out += more;
    let identifiers = row.identifiers.iter().take(MAX_IDENTIFIERS);
    Merge {
        merge_id: row.id.to_string(),
        merged_contact_id: row.merged.to_string(),
        survivor_contact_id: row.survivor.to_string(),
        merge_time: Some(timestamp(row.merge_time)),
        cause: cause.map(|(time, message_id, source)| MergeCause {
            message_id,
            event_time: tellable(time),
            source_id: source_shown(source, sources),
        }),
        split_time: row.split_time.map(timestamp),
        identifiers: identifiers.map(identifier_shown).collect(),
        identifier_count: count(row.identifiers.len()),
        merged_fields,
        survivor_fields,
        left_out_field_count: count(left_out),
        can_split: row.split_time.is_none() && row.before.is_some(),
    }
}

/// As many of a row's fields as there is room for, and how many there are besides.
fn fields_shown(fields: &str, registers: &str) -> (Vec<ContactField>, usize) {
    let registers = read_registers(fields, registers).unwrap_or_default();
    let (mut shown, mut bytes, mut left_out) = (Vec::new(), 0, 0);
    for field in registers.iter().filter_map(field_shown) {
        bytes += field.encoded_len();
        if bytes <= MAX_FIELDS_BYTES {
            shown.push(field);
        } else {
            left_out += 1;
        }
    }
    (shown, left_out)
}

fn identifier_shown(StoredKey(kind, value): &StoredKey) -> ContactIdentifier {
    let value = value.clone();
    let kind = match kind.as_str() {
        USER_ID => contact_identifier::Kind::UserId(value),
        ANONYMOUS_ID => contact_identifier::Kind::AnonymousId(value),
        field => contact_identifier::Kind::Field(FieldKey {
            field_id: field.to_owned(),
            value,
        }),
    };
    ContactIdentifier { kind: Some(kind) }
}

fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
