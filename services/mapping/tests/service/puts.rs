//! What a Put does not say stays as it is.

use tonic::Code;
use weir_proto::mapping::v1::*;
use weir_proto::settings::v1::{KeyStrategy, MergeStrategy};

use crate::call;
use crate::harness::*;

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
