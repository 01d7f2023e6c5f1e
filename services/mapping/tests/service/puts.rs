//! What a Put does not say stays as it is.

use tonic::Code;
use weir_proto::mapping::v1::*;
use weir_proto::settings::v1::{KeyStrategy, MergeStrategy};
use weir_reasons::Reason;
use weir_rpc::reason_of;

use crate::call;
use crate::harness::*;
use crate::tokens::{tokens, wish};

#[tokio::test]
async fn what_a_put_does_not_say_stays() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let full = PutAccountRequest {
        plan: Some(Plan {
            included_contacts: Some(5_000),
            additional_contacts: Some(100),
            activity_slots: Some(3),
            profile_factor: Some(11),
            activity_factor: Some(6),
        }),
        unique_identifiers: Some(UniqueIdentifiers {
            field_ids: vec!["phn::phone".to_owned()],
        }),
        key_strategy: KeyStrategy::NextIfEmpty.into(),
        ..account("Demo")
    };
    let before = call!(client, put_account, full).unwrap().account.unwrap();
    let named = PutAccountRequest {
        name: "Demo".to_owned(),
        ..Default::default()
    };
    let address = PutAccountRequest {
        notification_address: Some("other@example.org".to_owned()),
        ..named.clone()
    };
    let slots = PutAccountRequest {
        plan: Some(Plan {
            activity_slots: Some(4),
            ..Default::default()
        }),
        ..named.clone()
    };
    let same = call!(client, put_account, named).unwrap();
    assert_eq!(same.change(), ChangeKind::Unchanged);
    assert_eq!(same.account.as_ref(), Some(&before));
    call!(client, put_account, address).unwrap();
    let after = call!(client, put_account, slots).unwrap().account.unwrap();
    let mut expected = before;
    expected.settings_version = after.settings_version;
    expected.notification_address = "other@example.org".to_owned();
    expected.plan.as_mut().unwrap().activity_slots = Some(4);
    assert_eq!(after, expected);

    let source = |merge_strategy: MergeStrategy, existing_only: Option<bool>| PutSourceRequest {
        account_id: tenant.account_id.clone(),
        name: "Website".to_owned(),
        merge_strategy: merge_strategy.into(),
        existing_only,
        ..Default::default()
    };
    let put = |request: PutSourceRequest| {
        let client = client.clone();
        async move { call!(client, put_source, request).unwrap().source.unwrap() }
    };
    put(source(MergeStrategy::Append, Some(true))).await;
    let silent = put(source(MergeStrategy::Unspecified, None)).await;
    assert_eq!(silent.merge_strategy(), MergeStrategy::Append);
    assert!(silent.existing_only);
    assert_eq!(silent.kind(), SourceKind::SegmentActions);
    let strategy = put(source(MergeStrategy::Overwrite, None)).await;
    assert!(strategy.existing_only);
    let all = put(source(MergeStrategy::Unspecified, Some(false))).await;
    assert_eq!(all.merge_strategy(), MergeStrategy::Overwrite);
    assert!(!all.existing_only);
}

#[tokio::test]
async fn what_a_put_of_a_mapping_does_not_say_stays() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let put = |request: PutActivityMappingRequest| {
        let client = client.clone();
        async move { call!(client, put_activity_mapping, request) }
    };
    let named = PutActivityMappingRequest {
        retention_days: None,
        attributes: vec![],
        ..tenant.activity("Login")
    };
    // By hand, before any sample came (semantics 4.1).
    let new = put(named.clone()).await.unwrap().activity.unwrap();
    assert_eq!((new.retention_days, new.attributes.len()), (730, 0));
    let full = PutActivityMappingRequest {
        retention_days: Some(365),
        ..tenant.activity("Login")
    };
    let before = put(full).await.unwrap().activity.unwrap();
    let same = put(named.clone()).await.unwrap();
    assert_eq!(same.change(), ChangeKind::Unchanged);
    assert_eq!(same.activity.as_ref(), Some(&before));
    let shorter = PutActivityMappingRequest {
        retention_days: Some(30),
        ..named.clone()
    };
    let after = put(shorter).await.unwrap().activity.unwrap();
    assert_eq!((after.retention_days, after.attributes.len()), (30, 2));
    let cleared = PutActivityMappingRequest {
        clear_attributes: true,
        ..named.clone()
    };
    let after = put(cleared).await.unwrap().activity.unwrap();
    assert_eq!((after.retention_days, after.attributes.len()), (30, 0));
    let both = PutActivityMappingRequest {
        clear_attributes: true,
        ..tenant.activity("Login")
    };
    let none = PutActivityMappingRequest {
        retention_days: Some(0),
        ..named
    };
    for wrong in [both, none] {
        assert_eq!(put(wrong).await.unwrap_err().code(), Code::InvalidArgument);
    }

    let mapped = tenant.map_contact(&client).await;
    let empty = tenant.contact_mapping(&[]);
    let error = call!(client, put_contact_mapping, empty.clone()).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    let request = GetContactMappingRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
    };
    let kept = call!(client, get_contact_mapping, request.clone()).unwrap();
    assert_eq!(kept.mappings.len(), 5);
    assert_eq!(kept.mapping_version, mapped.mapping_version);
    let clear = PutContactMappingRequest {
        clear: true,
        ..empty
    };
    call!(client, put_contact_mapping, clear).unwrap();
    let kept = call!(client, get_contact_mapping, request).unwrap();
    assert!(kept.mappings.is_empty());
}

/// What an account, or a source, was seen as.
async fn seen(client: &Client, tenant: &Tenant) -> Option<i64> {
    let request = GetAccountRequest {
        account_id: tenant.account_id.clone(),
        ..Default::default()
    };
    let account = call!(client, get_account, request)
        .unwrap()
        .account
        .unwrap();
    Some(account.settings_version)
}

fn slots(slots: i64, expected_version: Option<i64>) -> PutAccountRequest {
    PutAccountRequest {
        name: "Demo".to_owned(),
        plan: Some(Plan {
            activity_slots: Some(slots),
            ..Default::default()
        }),
        expected_version,
        request_id: uuid::Uuid::new_v4().to_string(),
        ..Default::default()
    }
}

fn lost(error: &tonic::Status) {
    assert_eq!(error.code(), Code::Aborted, "{error}");
    assert_eq!(reason_of(error), Some(Reason::MappingChanged));
}

#[tokio::test]
async fn of_two_who_change_what_both_have_seen_exactly_one_is_told_that_it_did() {
    let (mut service, client) = Service::start().await;
    let others = service.another().await;
    let tenant = tenant(&client, "Demo").await;
    let clients = [&client, &others];
    for round in 0..10 {
        let expected = seen(&client, &tenant).await;
        let wanted = [slots(10 + round, expected), slots(30 + round, expected)];
        let (one, two) = tokio::join!(
            async { call!(clients[0], put_account, wanted[0].clone()) },
            async { call!(clients[1], put_account, wanted[1].clone()) }
        );
        let (won, by, refused) = match (one, two) {
            (Ok(won), Err(refused)) => (won, 0, refused),
            (Err(refused), Ok(won)) => (won, 1, refused),
            other => panic!("{other:?}"),
        };
        lost(&refused);
        let stands = won.account.unwrap();
        assert_eq!(stands.plan, {
            let request = GetAccountRequest {
                account_id: tenant.account_id.clone(),
                ..Default::default()
            };
            let account = call!(client, get_account, request).unwrap().account;
            account.unwrap().plan
        });
        // Its answer was lost, and others changed something since: it is done all the same.
        let next = Some(stands.settings_version);
        call!(client, put_account, slots(50 + round, next)).unwrap();
        let again = call!(client, put_account, wanted[by].clone()).unwrap();
        assert_eq!(again.change(), ChangeKind::Unchanged);
    }
}

#[tokio::test]
async fn a_source_is_changed_by_whoever_has_seen_what_stands() {
    let (mut service, client) = Service::start().await;
    let others = service.another().await;
    let tenant = tenant(&client, "Demo").await;
    let put = |strategy: MergeStrategy, only: bool, expected_version| PutSourceRequest {
        account_id: tenant.account_id.clone(),
        name: "Website".to_owned(),
        merge_strategy: strategy.into(),
        existing_only: Some(only),
        expected_version,
        request_id: uuid::Uuid::new_v4().to_string(),
        ..Default::default()
    };
    let get = || GetSourceRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
    };
    for round in 0..10 {
        let now = call!(client, get_source, get()).unwrap().source.unwrap();
        let expected = Some(now.settings_version);
        let wanted = match round % 2 {
            0 => [
                put(MergeStrategy::Append, true, expected),
                put(MergeStrategy::Ignore, false, expected),
            ],
            _ => [
                put(MergeStrategy::Append, false, expected),
                put(MergeStrategy::Overwrite, false, expected),
            ],
        };
        let [one, two] = wanted.clone();
        let (one, two) = tokio::join!(async { call!(client, put_source, one) }, async {
            call!(others, put_source, two)
        });
        let (won, by, refused) = match (one, two) {
            (Ok(won), Err(refused)) => (won, 0, refused),
            (Err(refused), Ok(won)) => (won, 1, refused),
            other => panic!("{other:?}"),
        };
        lost(&refused);
        let stands = call!(others, get_source, get()).unwrap().source;
        assert_eq!(stands, won.source);
        let again = call!(client, put_source, wanted[by].clone()).unwrap();
        assert_eq!(again.change(), ChangeKind::Unchanged);
    }
    // Who wants what stands has nothing to look at.
    let now = call!(client, get_source, get()).unwrap().source.unwrap();
    let same = put(now.merge_strategy(), now.existing_only, Some(1));
    let same = call!(client, put_source, same).unwrap();
    assert_eq!(same.change(), ChangeKind::Unchanged);
    // It has another name since: none is made under the one that is gone.
    let rename = RenameSourceRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        name: "Shop".to_owned(),
    };
    call!(service.configuration(), rename_source, rename).unwrap();
    let late = PutSourceRequest {
        kind: SourceKind::SegmentActions.into(),
        ..put(MergeStrategy::Append, false, Some(now.settings_version))
    };
    lost(&call!(client, put_source, late).unwrap_err());
}

#[tokio::test]
async fn what_tells_contacts_apart_is_asked_for_by_one_of_two() {
    let (mut service, client) = Service::start().await;
    let others = service.another().await;
    let tenant = tenant(&client, "Demo").await;
    let put = |field: &str, expected_version| PutAccountRequest {
        unique_identifiers: Some(UniqueIdentifiers {
            field_ids: vec![field.to_owned()],
        }),
        expected_version,
        ..slots(2, None)
    };
    let expected = seen(&client, &tenant).await;
    let (one, two) = tokio::join!(
        async { call!(client, put_account, put("phn::phone", expected)) },
        async { call!(others, put_account, put("str::ei", expected)) }
    );
    let (won, refused) = match (one, two) {
        (Ok(won), Err(refused)) | (Err(refused), Ok(won)) => (won.account.unwrap(), refused),
        other => panic!("{other:?}"),
    };
    lost(&refused);
    assert_eq!(Some(won.settings_version), seen(&client, &tenant).await);
    // There is none that somebody could have seen.
    let nobody = PutAccountRequest {
        name: "Another".to_owned(),
        ..slots(2, Some(1))
    };
    let error = call!(client, put_account, nobody).unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
}

#[tokio::test]
async fn no_name_that_somebody_gives_holds_control_characters() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let (name, account_id) = ("tab\there\nline".to_owned(), tenant.account_id.clone());
    let account = PutAccountRequest {
        name: name.clone(),
        ..Default::default()
    };
    let source = PutSourceRequest {
        account_id: account_id.clone(),
        kind: SourceKind::SegmentClassic.into(),
        name: name.clone(),
        ..Default::default()
    };
    let rename = RenameSourceRequest {
        account_id: account_id.clone(),
        source_id: tenant.source_id.clone(),
        name: name.clone(),
    };
    let field = CreateFieldRequest {
        account_id,
        name: name.clone(),
        r#type: ValueType::Text.into(),
        request_id: String::new(),
    };
    let mut activity = tenant.activity("Login");
    activity.attributes[0].attribute = name.clone();
    let token = weir_proto::access::v1::CreateTokenRequest {
        name,
        ..wish("x", weir_proto::access::v1::Role::Read, &[&tenant])
    };
    for error in [
        call!(client, put_account, account).unwrap_err(),
        call!(client, put_source, source).unwrap_err(),
        call!(service.configuration(), rename_source, rename).unwrap_err(),
        call!(client, create_field, field).unwrap_err(),
        call!(client, put_activity_mapping, activity).unwrap_err(),
        call!(tokens(&service), create_token, token).unwrap_err(),
    ] {
        assert_eq!(error.code(), Code::InvalidArgument);
        let says = error.message();
        assert!(says.contains("must not hold control characters"), "{says}");
    }
}
