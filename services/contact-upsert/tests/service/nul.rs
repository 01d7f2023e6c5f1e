//! PostgreSQL's texts hold no NUL: a request that has one is told where, whatever it asks for.

use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;
use weir_proto::contact::v1::{
    ChangeUniqueIdentifiersRequest, DeleteContactRequest, ExportContactsRequest, ExportFormat,
    FieldKey, GetContactRequest, ImportContactsRequest, ListContactsRequest, ListMergesRequest,
    PreviewMergeRequest, SearchContactsRequest, SplitContactRequest, StartReindexRequest,
    UpsertContactsRequest, delete_contact_request, get_contact_request,
};
use weir_proto::settings::v1::KeyStrategy;

use crate::harness::*;

const NUL: &str = "a\0b";

#[track_caller]
fn names<T: std::fmt::Debug>(answer: Result<T, Status>, field: &str) {
    let refused = answer.expect_err(field);
    assert_eq!(refused.code(), Code::InvalidArgument, "{field}: {refused}");
    let details = refused.get_details_bad_request().expect(field);
    assert_eq!(details.field_violations[0].field, field);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_nul_in_it_is_told_where_and_stores_nothing() {
    let service = Service::start().await;
    let person = || identify(1, ("u1", "a1"), r#"{"str::first":"Lana"}"#);
    let batch = |change: fn(&mut UpsertContactsRequest)| {
        let mut batch = service.batch(vec![person(), person()]);
        change(&mut batch);
        batch
    };
    for (request, field) in [
        (batch(|one| one.account_id = NUL.into()), "account_id"),
        (batch(|one| one.batch_id = NUL.into()), "batch_id"),
        (batch(|one| one.window = NUL.into()), "window"),
        (batch(|one| one.source_id = NUL.into()), "source_id"),
        (
            batch(|one| one.unique_identifiers[0] = format!("str::{NUL}")),
            "unique_identifiers[0]",
        ),
        (
            batch(|one| one.caseless_identifiers = vec![format!("str::{NUL}")]),
            "caseless_identifiers[0]",
        ),
        (
            batch(|one| one.events[1].user_id = NUL.into()),
            "events[1].user_id",
        ),
        (
            batch(|one| one.events[1].anonymous_id = NUL.into()),
            "events[1].anonymous_id",
        ),
        (
            batch(|one| one.events[1].fields_json = "{\"str::first\":\"a\0\"}".into()),
            "events[1].fields_json",
        ),
    ] {
        names(service.send(request).await, field);
    }
    let contacts = "SELECT count(*) FROM contacts WHERE account_id = $1";
    assert_eq!(service.count(contacts).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_or_changes_contacts_with_nul_is_told_where() {
    let service = Service::start().await;
    service.set_up();
    service.upsert(vec![identify(1, ("u1", "a1"), "")]).await;
    let account_id = service.account.to_string();
    let field = |field_id: &str, value: &str| FieldKey {
        field_id: field_id.into(),
        value: value.into(),
    };
    {
        use get_contact_request::Key;
        for (key, name) in [
            (Key::ContactId(NUL.into()), "contact_id"),
            (Key::UserId(NUL.into()), "user_id"),
            (Key::AnonymousId(NUL.into()), "anonymous_id"),
            (Key::Field(field("str::a\0", "a@x.org")), "field.field_id"),
            (Key::Field(field("str::email", NUL)), "field.value"),
        ] {
            names(service.find(key).await, name);
        }
    }
    {
        use delete_contact_request::Key;
        for (key, name) in [
            (Key::UserId(NUL.into()), "user_id"),
            (Key::Field(field("str::email", NUL)), "field.value"),
        ] {
            names(service.delete(Uuid::now_v7(), key).await, name);
        }
        let request = DeleteContactRequest {
            account_id: account_id.clone(),
            request_id: NUL.into(),
            key: Some(Key::UserId("u1".into())),
        };
        let mut people = service.people.clone();
        names(people.delete_contact(request).await, "request_id");
    }
    pages_and_lists(&service, &account_id).await;
    let strategy = KeyStrategy::Any.into();
    let change = ChangeUniqueIdentifiersRequest {
        account_id: account_id.clone(),
        unique_identifiers: vec!["str::a\0".into()],
        key_strategy: strategy,
    };
    let mut client = service.client.clone();
    let changed = client.change_unique_identifiers(change).await;
    names(changed, "unique_identifiers[0]");
    let reindex = |field: &str, request_id: &str| StartReindexRequest {
        account_id: account_id.clone(),
        unique_identifiers: vec![field.into()],
        key_strategy: strategy,
        request_id: request_id.into(),
    };
    let mut identity = service.identity.clone();
    let started = identity.start_reindex(reindex("str::a\0", "")).await;
    names(started, "unique_identifiers[0]");
    let started = identity.start_reindex(reindex("str::ei", NUL)).await;
    names(started, "request_id");
}

async fn pages_and_lists(service: &Service, account_id: &str) {
    let account_id = account_id.to_owned();
    let search = |query: &str, page_token: &str| SearchContactsRequest {
        account_id: account_id.clone(),
        query: query.into(),
        page_token: page_token.into(),
        ..Default::default()
    };
    let mut searches = service.searches.clone();
    names(searches.search_contacts(search(NUL, "")).await, "query");
    // As a token that somebody made would be.
    let nul_in_token = "610062";
    let found = searches.search_contacts(search("u1", nul_in_token)).await;
    assert_eq!(found.unwrap_err().code(), Code::InvalidArgument);
    let list = ListContactsRequest {
        account_id: account_id.clone(),
        page_token: nul_in_token.into(),
        ..Default::default()
    };
    let listed = service.client.clone().list_contacts(list).await;
    assert_eq!(listed.unwrap_err().code(), Code::InvalidArgument);
    let get = GetContactRequest {
        account_id: NUL.into(),
        key: Some(get_contact_request::Key::UserId("u1".into())),
        show_provenance: false,
    };
    names(service.client.clone().get_contact(get).await, "account_id");
    let mut people = service.people.clone();
    let merges = ListMergesRequest {
        account_id: account_id.clone(),
        contact_id: NUL.into(),
        ..Default::default()
    };
    names(people.list_merges(merges).await, "contact_id");
    let preview = PreviewMergeRequest {
        account_id: account_id.clone(),
        contact_id: Uuid::now_v7().to_string(),
        other_contact_id: NUL.into(),
    };
    names(people.preview_merge(preview).await, "other_contact_id");
    let split = SplitContactRequest {
        account_id: account_id.clone(),
        merge_id: NUL.into(),
    };
    names(people.split_contact(split).await, "merge_id");
    let mut transfers = service.transfers.clone();
    let export = ExportContactsRequest {
        account_id: account_id.clone(),
        format: ExportFormat::Csv.into(),
        columns: vec!["str::a\0".into()],
    };
    let exported = transfers.export_contacts(export).await;
    names(exported.map(|_| ()), "columns[0]");
    let import = ImportContactsRequest {
        account_id: account_id.clone(),
        import_id: Uuid::now_v7().to_string(),
        first_row: 1,
        as_of_time: Some(prost_types::Timestamp {
            seconds: FIRST_SECOND,
            nanos: 0,
        }),
        columns: vec!["str::a\0".into()],
        ..Default::default()
    };
    names(transfers.import_contacts(import).await, "columns[0]");
}
