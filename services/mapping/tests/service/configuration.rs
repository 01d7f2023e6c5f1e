//! Accounts, sources, fields, mappings: idempotent, validated, limited.

use tonic::Code;
use tonic_types::StatusExt;
use weir_proto::mapping::v1::*;
use weir_proto::settings::v1::MergeStrategy;
use weir_reasons::Reason;
use weir_rpc::reason_of;

use crate::call;
use crate::harness::*;

#[tokio::test]
async fn putting_the_same_again_changes_nothing() {
    let (_service, client) = Service::start().await;
    let first = call!(client, put_account, account("Demo")).unwrap();
    assert_eq!(first.change(), ChangeKind::Created);
    let again = call!(client, put_account, account("Demo")).unwrap();
    assert_eq!(again.change(), ChangeKind::Unchanged);
    assert_eq!(first.account, again.account);
    let mut larger = account("Demo");
    larger.plan.as_mut().unwrap().included_contacts = Some(20_000);
    assert_eq!(
        call!(client, put_account, larger).unwrap().change(),
        ChangeKind::Updated
    );

    let tenant = tenant(&client, "Demo").await;
    let source = PutSourceRequest {
        account_id: tenant.account_id.clone(),
        kind: SourceKind::SegmentActions.into(),
        name: "Website".to_owned(),
        merge_strategy: MergeStrategy::Append.into(),
        existing_only: Some(true),
        ..Default::default()
    };
    let changed = call!(client, put_source, source.clone()).unwrap();
    assert_eq!(changed.change(), ChangeKind::Updated);
    let again = call!(client, put_source, source).unwrap();
    assert_eq!(again.change(), ChangeKind::Unchanged);
    assert_eq!(changed.source, again.source);

    let version = tenant.map_contact(&client).await;
    let again = tenant.map_contact(&client).await;
    assert_eq!(again.change(), ChangeKind::Unchanged);
    assert_eq!(version.mapping_version, again.mapping_version);

    let activity = call!(client, put_activity_mapping, tenant.activity("Login")).unwrap();
    assert_eq!(activity.change(), ChangeKind::Created);
    let again = call!(client, put_activity_mapping, tenant.activity(" Login ")).unwrap();
    assert_eq!(again.change(), ChangeKind::Unchanged);
    assert_eq!(activity.activity, again.activity);
    assert_eq!(activity.mapping_version, again.mapping_version);
}

#[tokio::test]
async fn an_account_has_one_segment_actions_source() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let source = |kind: SourceKind, name: &str| PutSourceRequest {
        account_id: tenant.account_id.clone(),
        kind: kind.into(),
        name: name.to_owned(),
        ..Default::default()
    };
    let second = call!(
        client,
        put_source,
        source(SourceKind::SegmentActions, "Shop")
    );
    assert_eq!(second.unwrap_err().code(), Code::FailedPrecondition);
    let clash = call!(
        client,
        put_source,
        source(SourceKind::SegmentClassic, "Website")
    );
    assert_eq!(clash.unwrap_err().code(), Code::AlreadyExists);
    call!(
        client,
        put_source,
        source(SourceKind::SegmentClassic, "Apps")
    )
    .unwrap();
    call!(
        client,
        put_source,
        source(SourceKind::SegmentClassic, "Devices")
    )
    .unwrap();

    let mut names = Vec::new();
    let mut token = String::new();
    loop {
        let request = ListSourcesRequest {
            account_id: tenant.account_id.clone(),
            page_size: 2,
            page_token: token,
        };
        let page = call!(client, list_sources, request).unwrap();
        names.extend(page.sources.into_iter().map(|source| source.name));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(names, ["Website", "Apps", "Devices"]);
}

#[tokio::test]
async fn concurrent_puts_of_one_account_make_one() {
    let (_service, client) = Service::start().await;
    let puts = (0..16).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move {
            client
                .put_account(account("Demo"))
                .await
                .unwrap()
                .into_inner()
        })
    });
    let mut ids = std::collections::HashSet::new();
    let mut created = 0;
    for put in puts.collect::<Vec<_>>() {
        let answer = put.await.unwrap();
        created += usize::from(answer.change() == ChangeKind::Created);
        ids.insert(answer.account.unwrap().account_id);
    }
    assert_eq!((ids.len(), created), (1, 1));
}

/// Semantics 4.2.
#[tokio::test]
async fn activities_take_slots_and_free_them() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let put = |name: &str| {
        let (client, request) = (client.clone(), tenant.activity(name));
        async move { call!(client, put_activity_mapping, request) }
    };
    let login = put("Login").await.unwrap().activity.unwrap();
    put("Logout").await.unwrap();
    let refused = put("Third").await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains('2'), "{}", refused.message());
    // One that has its slot may change.
    let mut changed = tenant.activity("Login");
    changed.retention_days = Some(365);
    let changed = call!(client, put_activity_mapping, changed).unwrap();
    assert_eq!(changed.change(), ChangeKind::Updated);

    let delete = DeleteActivityMappingRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        event_name: "Login".to_owned(),
        request_id: String::new(),
    };
    call!(client, delete_activity_mapping, delete.clone()).unwrap();
    call!(client, delete_activity_mapping, delete).unwrap();
    put("Third").await.unwrap();
    assert_eq!(
        put("Login").await.unwrap_err().code(),
        Code::ResourceExhausted
    );

    let mut larger = account("Demo");
    larger.plan.as_mut().unwrap().activity_slots = Some(3);
    call!(client, put_account, larger).unwrap();
    let back = put("Login").await.unwrap().activity.unwrap();
    assert_eq!(back.activity_id, login.activity_id);
    let request = ListActivityMappingsRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        page_size: 2,
        page_token: String::new(),
    };
    let page = call!(client, list_activity_mappings, request).unwrap();
    let names: Vec<&str> = page
        .activities
        .iter()
        .map(|a| a.event_name.as_str())
        .collect();
    assert_eq!(names, ["Login", "Logout"]);
    assert!(!page.next_page_token.is_empty());
}

#[tokio::test]
async fn concurrent_activities_never_take_more_slots_than_there_are() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let puts = (0..12).map(|number| {
        let mut client = client.clone();
        let request = tenant.activity(&format!("Activity {number}"));
        tokio::spawn(async move { client.put_activity_mapping(request).await.is_ok() })
    });
    let mut taken = 0;
    for put in puts.collect::<Vec<_>>() {
        taken += usize::from(put.await.unwrap());
    }
    assert_eq!(taken, 2);
    let request = GetAccountRequest {
        account_id: String::new(),
        name: "Demo".to_owned(),
    };
    let account = call!(client, get_account, request)
        .unwrap()
        .account
        .unwrap();
    assert_eq!(account.mapped_activities, 2);
}

#[tokio::test]
async fn fields_are_fixed_once_made_and_listed_by_name() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let create = |name: &str, value_type: ValueType| {
        let request = CreateFieldRequest {
            account_id: tenant.account_id.clone(),
            name: name.to_owned(),
            r#type: value_type.into(),
            request_id: String::new(),
        };
        let client = client.clone();
        async move { call!(client, create_field, request) }
    };
    let made = create("Is Active", ValueType::Boolean).await.unwrap();
    assert_eq!(made.field.unwrap().field_id, "bol:cm:is-active");
    let again = create("Is Active", ValueType::Boolean).await.unwrap();
    assert_eq!(again.change(), ChangeKind::Unchanged);
    for (name, value_type) in [
        ("Is Active", ValueType::Text),
        ("is active!", ValueType::Boolean),
        ("Email", ValueType::Text),
    ] {
        let error = create(name, value_type).await.unwrap_err();
        assert_eq!(error.code(), Code::AlreadyExists, "{name}");
    }
    let list = |page_size, page_token| {
        let request = ListFieldsRequest {
            account_id: tenant.account_id.clone(),
            page_size,
            page_token,
            ..Default::default()
        };
        let client = client.clone();
        async move { call!(client, list_fields, request).unwrap() }
    };
    let search = ListFieldsRequest {
        account_id: tenant.account_id.clone(),
        contains: "ACT".to_owned(),
        ..Default::default()
    };
    // Semantics 7.9.
    let found = call!(client, list_fields, search).unwrap().fields;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].name, "Is Active");
    let first = list(8, String::new()).await;
    let rest = list(100, first.next_page_token.clone()).await;
    let names: Vec<String> = [first.fields, rest.fields]
        .concat()
        .into_iter()
        .map(|field| field.name)
        .collect();
    assert_eq!(names.len(), 13);
    assert!(
        names.is_sorted_by_key(|name| name.to_lowercase()),
        "{names:?}"
    );
    for number in 1..200 {
        create(&format!("Field {number}"), ValueType::Text)
            .await
            .unwrap();
    }
    let error = create("One more", ValueType::Text).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn wrong_mappings_are_refused_and_name_the_entry() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let pairs = [("email", "str::email", ""), ("birthday", "dtz::b", "")];
    let error = call!(client, put_contact_mapping, tenant.contact_mapping(&pairs)).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    let details = error.get_error_details();
    let violation = &details.bad_request().unwrap().field_violations[0];
    assert_eq!(violation.field, "mappings[1].date_format");
    let request = GetContactMappingRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
    };
    let mapping = call!(client, get_contact_mapping, request).unwrap();
    assert!(mapping.mappings.is_empty());

    let mut activity = tenant.activity("Login");
    activity.attributes[1].r#type = ValueType::Unspecified.into();
    let error = call!(client, put_activity_mapping, activity).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    let mut activity = tenant.activity("Login");
    activity.retention_days = Some(31);
    let error = call!(client, put_activity_mapping, activity).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    let mut wrong = account("Other");
    wrong.notification_address = Some("nobody".to_owned());
    let error = call!(client, put_account, wrong).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    let request = ListAccountsRequest {
        page_size: 10,
        page_token: "nonsense".to_owned(),
        ..Default::default()
    };
    let error = call!(client, list_accounts, request).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_plan_below_what_is_mapped_is_refused_and_names_what_is_in_the_way() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    for name in ["Login", "Logout"] {
        call!(client, put_activity_mapping, tenant.activity(name)).unwrap();
    }
    let refused = call!(client, put_activity_mapping, tenant.activity("Third")).unwrap_err();
    assert_eq!(reason_of(&refused), Some(Reason::SlotsUsedUp));
    for said in ["2 of", "Activities +"] {
        assert!(refused.message().contains(said), "{}", refused.message());
    }
    let slots = |slots: i64| PutAccountRequest {
        name: "Demo".to_owned(),
        plan: Some(Plan {
            activity_slots: Some(slots),
            ..Default::default()
        }),
        ..Default::default()
    };
    let refused = call!(client, put_account, slots(1)).unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason_of(&refused), Some(Reason::SlotsInUse));
    for said in ["at least 1", "Login", "Logout"] {
        assert!(refused.message().contains(said), "{}", refused.message());
    }
    let delete = DeleteActivityMappingRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        event_name: "Login".to_owned(),
        request_id: String::new(),
    };
    call!(client, delete_activity_mapping, delete).unwrap();
    call!(client, put_account, slots(1)).unwrap();
}
