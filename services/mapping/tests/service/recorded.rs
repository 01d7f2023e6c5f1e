//! The record of changes, read (semantics 9.5); and requests that are known again by it.

use tonic::Status;
use uuid::Uuid;
use weir_proto::access::v1::change_service_client::ChangeServiceClient;
use weir_proto::access::v1::*;
use weir_proto::mapping::v1::*;
use weir_proto::settings::v1::MergeStrategy;
use weir_reasons::Reason;
use weir_rpc::reason_of;

use crate::call;
use crate::changes::changes;
use crate::harness::{Service, tenant};
use crate::tokens::{showing, tokens, wish};

#[tokio::test]
async fn a_change_says_who_made_it_and_others_do_not_see_it() {
    let (service, client) = Service::start().await;
    let (ours, theirs) = (
        tenant(&client, "Ours").await,
        tenant(&client, "Theirs").await,
    );
    let role = Role::Write;
    let made = call!(
        tokens(&service),
        create_token,
        wish("deploy", role, &[&ours])
    )
    .unwrap();
    let mapping =
        mapping_service_client::MappingServiceClient::new(showing(&service, &made.secret));
    weir_testkit::eventually("the token is good", async || {
        call!(mapping, put_activity_mapping, ours.activity("Bought")).ok()
    })
    .await;
    let newest = changes(&service, &ours.account_id).await.remove(0);
    let actor = newest.actor.clone().unwrap();
    assert_eq!((actor.kind(), &*actor.name), (ActorKind::Token, "deploy"));
    assert_eq!(actor.id, made.token.unwrap().token_id);
    assert_eq!(newest.thing(), ChangedThing::ActivityMapping);

    let record = ChangeServiceClient::new(showing(&service, &made.secret));
    let ask = |account_id: &str| ListChangesRequest {
        account_id: account_id.to_owned(),
        ..Default::default()
    };
    assert!(call!(record, list_changes, ask(&ours.account_id)).is_ok());
    for (account_id, reason) in [
        (theirs.account_id.as_str(), Reason::AccountForbidden),
        ("", Reason::AccountForbidden),
    ] {
        let refused: Result<_, Status> = call!(record, list_changes, ask(account_id));
        assert_eq!(reason_of(&refused.unwrap_err()), Some(reason));
    }
}

/// Semantics 9.5.
#[tokio::test]
async fn what_answers_is_told_where_a_part_is_wanted_and_what_is_missing_is_named() {
    let (service, client) = Service::start().await;
    let ours = tenant(&client, "Ours").await;
    let record = ChangeServiceClient::new(service.channel());
    let ask = |in_part| ListChangesRequest {
        account_id: ours.account_id.clone(),
        in_part,
        ..Default::default()
    };
    let all = call!(record, list_changes, ask(true)).unwrap();
    assert!(!all.changes.is_empty() && all.missing_services.is_empty());
    service.contacts.set_away(true);
    let away = call!(record, list_changes, ask(false)).unwrap_err();
    assert_eq!(away.code(), tonic::Code::Unavailable);
    assert!(away.message().starts_with("the "), "{away:?}");
    let rest = call!(record, list_changes, ask(true)).unwrap();
    assert_eq!(rest.changes, all.changes);
    assert!(rest.missing_services.contains(&"contact-upsert".to_owned()));
}

#[tokio::test]
async fn a_list_of_changes_has_pages_filters_and_an_end() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    for name in ["A", "B", "C", "D"] {
        call!(client, put_activity_mapping, tenant.activity(name)).unwrap_or_default();
    }
    let all = changes(&service, &tenant.account_id).await;
    assert_eq!(
        all.len(),
        4,
        "an account, a source and two activities: {all:?}"
    );
    assert!(all.is_sorted_by(|one, other| one.change_id > other.change_id));
    let record = ChangeServiceClient::new(service.channel());
    let (mut paged, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListChangesRequest {
            account_id: tenant.account_id.clone(),
            page_size: 3,
            page_token,
            ..Default::default()
        };
        let page = call!(record, list_changes, request).unwrap();
        paged.extend(page.changes);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(paged, all);
    let only = |request: ListChangesRequest| {
        let record = record.clone();
        let account_id = tenant.account_id.clone();
        async move {
            let request = ListChangesRequest {
                account_id,
                ..request
            };
            call!(record, list_changes, request).unwrap().changes.len()
        }
    };
    let things = vec![ChangedThing::ActivityMapping.into()];
    assert_eq!(
        only(ListChangesRequest {
            things,
            ..Default::default()
        })
        .await,
        2
    );
    let start_time = all[1].change_time;
    assert!(
        only(ListChangesRequest {
            start_time,
            ..Default::default()
        })
        .await
            >= 2
    );
    let end_time = all[3].change_time;
    assert_eq!(
        only(ListChangesRequest {
            end_time,
            ..Default::default()
        })
        .await,
        0
    );
}

#[tokio::test]
async fn what_a_request_id_did_is_not_done_again() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let request_id = Uuid::new_v4().to_string();
    let address = |address: &str, request_id: &str| PutAccountRequest {
        name: "Demo".to_owned(),
        notification_address: Some(address.to_owned()),
        request_id: request_id.to_owned(),
        ..Default::default()
    };
    call!(client, put_account, address("one@example.org", &request_id)).unwrap();
    call!(client, put_account, address("two@example.org", "")).unwrap();
    let late = call!(client, put_account, address("one@example.org", &request_id)).unwrap();
    assert_eq!(late.change(), ChangeKind::Unchanged);
    assert_eq!(
        late.account.unwrap().notification_address,
        "two@example.org"
    );
    let field = CreateFieldRequest {
        account_id: tenant.account_id.clone(),
        name: "Shoe size".to_owned(),
        r#type: ValueType::Integer.into(),
        request_id,
    };
    let taken = call!(client, create_field, field.clone()).unwrap_err();
    assert_eq!(reason_of(&taken), Some(Reason::RequestIdTaken));
    let field = CreateFieldRequest {
        request_id: Uuid::new_v4().to_string(),
        ..field
    };
    call!(client, create_field, field.clone()).unwrap();
    let request = DeleteFieldRequest {
        account_id: tenant.account_id.clone(),
        field_id: "int:cm:shoe-size".to_owned(),
        request_id: String::new(),
    };
    assert!(
        call!(service.configuration(), delete_field, request)
            .unwrap()
            .deleted
    );
    call!(client, create_field, field).unwrap();
    let listed = ListFieldsRequest {
        account_id: tenant.account_id.clone(),
        page_size: 1_000,
        ..Default::default()
    };
    let fields = call!(client, list_fields, listed).unwrap().fields;
    assert!(
        fields
            .iter()
            .all(|field| field.field_id != "int:cm:shoe-size")
    );
}

#[tokio::test]
async fn who_asks_for_something_else_under_one_id_is_told_so() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let wish = |id: &str| PutSourceRequest {
        account_id: tenant.account_id.clone(),
        kind: SourceKind::SegmentClassic.into(),
        name: "Shop".to_owned(),
        request_id: id.to_owned(),
        create_only: true,
        ..Default::default()
    };
    let made = call!(client, put_source, wish("1")).unwrap();
    assert_eq!(made.change(), ChangeKind::Created);
    let again = call!(client, put_source, wish("1")).unwrap();
    assert_eq!(again.change(), ChangeKind::Unchanged);
    assert_eq!(again.source, made.source);
    let second = call!(client, put_source, wish("2")).unwrap_err();
    assert_eq!(reason_of(&second), Some(Reason::NameTaken));

    let merging = |strategy: MergeStrategy, id: &str| PutSourceRequest {
        merge_strategy: strategy.into(),
        create_only: false,
        ..wish(id)
    };
    for strategy in [MergeStrategy::Append, MergeStrategy::Ignore] {
        let other = call!(client, put_source, merging(strategy, "1")).unwrap_err();
        assert_eq!(reason_of(&other), Some(Reason::RequestIdTaken));
    }
    call!(client, put_source, merging(MergeStrategy::Append, "3")).unwrap();
    let other = call!(client, put_source, merging(MergeStrategy::Ignore, "3")).unwrap_err();
    assert_eq!(reason_of(&other), Some(Reason::RequestIdTaken));
    // It is done, whatever others made of it since.
    call!(client, put_source, merging(MergeStrategy::Ignore, "4")).unwrap();
    let late = call!(client, put_source, merging(MergeStrategy::Append, "3")).unwrap();
    assert_eq!(late.change(), ChangeKind::Unchanged);
    assert_eq!(late.source.unwrap().merge_strategy(), MergeStrategy::Ignore);

    let slots = |slots: i64| PutAccountRequest {
        name: "Demo".to_owned(),
        plan: Some(Plan {
            activity_slots: Some(slots),
            ..Default::default()
        }),
        request_id: "5".to_owned(),
        ..Default::default()
    };
    call!(client, put_account, slots(7)).unwrap();
    let other = call!(client, put_account, slots(8)).unwrap_err();
    assert_eq!(reason_of(&other), Some(Reason::RequestIdTaken));
}

#[tokio::test]
async fn what_a_request_id_took_away_or_copied_is_left_alone_by_a_late_try() {
    let (service, client) = Service::start().await;
    let configuration = service.configuration();
    let tenant = tenant(&client, "Demo").await;
    let account_id = tenant.account_id.clone();
    let request_id = || Uuid::new_v4().to_string();

    let make = CreateFieldRequest {
        account_id: account_id.clone(),
        name: "Shoe size".to_owned(),
        r#type: ValueType::Integer.into(),
        request_id: String::new(),
    };
    let take = DeleteFieldRequest {
        account_id: account_id.clone(),
        field_id: "int:cm:shoe-size".to_owned(),
        request_id: request_id(),
    };
    for (again, deleted) in [(false, true), (true, false)] {
        call!(client, create_field, make.clone()).unwrap();
        let answer = call!(configuration, delete_field, take.clone()).unwrap();
        assert_eq!(answer.deleted, deleted, "again: {again}");
    }
    let made = call!(client, create_field, make).unwrap();
    assert_eq!(made.change(), ChangeKind::Unchanged, "it stayed");
    let other = DeleteFieldRequest {
        field_id: "int:cm:other".to_owned(),
        ..take
    };
    let taken = call!(configuration, delete_field, other).unwrap_err();
    assert_eq!(reason_of(&taken), Some(Reason::RequestIdTaken));

    let unmap = DeleteActivityMappingRequest {
        account_id: account_id.clone(),
        source_id: tenant.source_id.clone(),
        event_name: "Bought".to_owned(),
        request_id: request_id(),
    };
    for _ in 0..2 {
        call!(client, put_activity_mapping, tenant.activity("Bought")).unwrap();
        call!(client, delete_activity_mapping, unmap.clone()).unwrap();
    }
    let mapped = call!(client, put_activity_mapping, tenant.activity("Bought")).unwrap();
    assert_eq!(mapped.change(), ChangeKind::Unchanged, "it stayed");

    let source = PutSourceRequest {
        account_id: account_id.clone(),
        kind: SourceKind::SegmentClassic.into(),
        name: "Classic".to_owned(),
        ..Default::default()
    };
    let source = call!(client, put_source, source).unwrap().source.unwrap();
    let copy = CopyMappingRequest {
        account_id: account_id.clone(),
        from_source_id: tenant.source_id.clone(),
        to_source_id: source.source_id.clone(),
        expected_version: None,
        request_id: request_id(),
    };
    let copied = call!(configuration, copy_mapping, copy.clone()).unwrap();
    assert_eq!(copied.change(), ChangeKind::Updated);
    let newest = changes(&service, &account_id).await.remove(0);
    assert_eq!(newest.thing(), ChangedThing::Source);
    assert_eq!(newest.fields[0].field, "mapping_copied_from");
    let unmap = DeleteActivityMappingRequest {
        source_id: source.source_id,
        request_id: request_id(),
        ..unmap
    };
    call!(client, delete_activity_mapping, unmap).unwrap();
    let late = call!(configuration, copy_mapping, copy).unwrap();
    assert_eq!((late.change(), late.saved), (ChangeKind::Unchanged, 0));
    assert!(late.mapping_version > copied.mapping_version);
}
