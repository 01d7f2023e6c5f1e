//! Versions of mappings (semantics 7.4).

use tonic::Code;
use weir_proto::mapping::v1::*;
use weir_reasons::Reason;
use weir_rpc::reason_of;

use crate::call;
use crate::harness::*;

fn list(tenant: &Tenant, event_name: &str) -> ListMappingVersionsRequest {
    ListMappingVersionsRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        event_name: event_name.to_owned(),
        page_size: 1_000,
        page_token: String::new(),
    }
}

fn restore(tenant: &Tenant, event_name: &str, version: i64) -> RestoreMappingVersionRequest {
    RestoreMappingVersionRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        event_name: event_name.to_owned(),
        version,
        expected_version: None,
    }
}

fn diff(tenant: &Tenant, event_name: &str, from: i64, to: i64) -> DiffMappingVersionsRequest {
    DiffMappingVersionsRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        event_name: event_name.to_owned(),
        from_version: from,
        to_version: to,
    }
}

#[tokio::test]
async fn a_contact_mapping_can_be_compared_with_what_it_was_and_brought_back() {
    let (service, client) = Service::start().await;
    let configuration = service.configuration();
    let tenant = tenant(&client, "Demo").await;
    let first = [("firstName", "str::first", ""), ("email", "str::email", "")];
    let second = [
        ("email", "str::email", ""),
        ("born", "dtz::b", "DD-MM-YYYY"),
    ];
    let mut versions = Vec::new();
    for pairs in [&first, &second] {
        let put = tenant.contact_mapping(pairs);
        let saved = call!(client, put_contact_mapping, put).unwrap();
        versions.push(saved.mapping_version);
    }
    // Another mapping of the source, which counts along and is not listed here.
    call!(client, put_activity_mapping, tenant.activity("Login")).unwrap();

    let listed = call!(configuration, list_mapping_versions, list(&tenant, "")).unwrap();
    let numbers: Vec<i64> = listed.versions.iter().map(|kept| kept.version).collect();
    assert_eq!(numbers, [versions[1], versions[0]]);
    assert_eq!(listed.versions[1].fields[0].trait_path, "firstName");

    let request = diff(&tenant, "", versions[0], 0);
    let found = call!(configuration, diff_mapping_versions, request).unwrap();
    let rows: Vec<(&str, &str)> = found
        .rows
        .iter()
        .map(|row| {
            let path = |field: &Option<FieldMapping>| {
                field.as_ref().map_or("", |field| {
                    if field.field_id == "str::first" {
                        "first"
                    } else {
                        "birthday"
                    }
                })
            };
            (path(&row.field_before), path(&row.field_after))
        })
        .collect();
    assert_eq!(rows, [("first", ""), ("", "birthday")]);
    assert!(!found.reordered);

    let request = restore(&tenant, "", versions[0]);
    let restored = call!(configuration, restore_mapping_version, request.clone()).unwrap();
    assert_eq!(restored.change(), ChangeKind::Updated);
    let again = call!(configuration, restore_mapping_version, request).unwrap();
    assert_eq!(again.change(), ChangeKind::Unchanged);
    assert_eq!(again.mapping_version, restored.mapping_version);
    let listed = call!(configuration, list_mapping_versions, list(&tenant, "")).unwrap();
    assert_eq!(listed.versions.len(), 3);
    assert_eq!(listed.versions[0].restored_version, versions[0]);
    assert_eq!(listed.versions[0].fields, listed.versions[2].fields);
}

#[tokio::test]
async fn an_activity_comes_back_with_its_retention_or_goes_again() {
    let (service, client) = Service::start().await;
    let configuration = service.configuration();
    let tenant = tenant(&client, "Demo").await;
    let mut put = tenant.activity("Login");
    put.retention_days = Some(30);
    let first = call!(client, put_activity_mapping, put).unwrap();
    let delete = DeleteActivityMappingRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        event_name: "Login".to_owned(),
        request_id: String::new(),
    };
    call!(client, delete_activity_mapping, delete).unwrap();

    let listed = call!(configuration, list_mapping_versions, list(&tenant, "Login")).unwrap();
    let [gone, mapped] = &listed.versions[..] else {
        panic!("{listed:?}")
    };
    assert!(gone.activity.is_none());
    let activity = mapped.activity.as_ref().unwrap();
    assert_eq!(
        (activity.retention_days, activity.attributes.len()),
        (30, 2)
    );
    let request = diff(&tenant, "Login", first.mapping_version, 0);
    let found = call!(configuration, diff_mapping_versions, request).unwrap();
    let retention = found.retention.unwrap();
    assert_eq!((retention.before_days, retention.after_days), (30, 0));
    assert_eq!(found.rows.len(), 2);

    let request = restore(&tenant, "Login", mapped.version);
    let restored = call!(configuration, restore_mapping_version, request).unwrap();
    assert_eq!(restored.change(), ChangeKind::Created);
    let request = restore(&tenant, "Login", gone.version);
    let restored = call!(configuration, restore_mapping_version, request).unwrap();
    assert_eq!(restored.change(), ChangeKind::Updated);
    let list = ListActivityMappingsRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        ..Default::default()
    };
    let left = call!(client, list_activity_mappings, list).unwrap();
    assert!(left.activities.is_empty());
}

#[tokio::test]
async fn the_last_hundred_versions_are_kept() {
    let (service, client) = Service::start().await;
    let configuration = service.configuration();
    let tenant = tenant(&client, "Demo").await;
    let first = call!(client, put_activity_mapping, tenant.activity("Login")).unwrap();
    for number in 0..103 {
        let path = format!("email{number}");
        let put = tenant.contact_mapping(&[(&path, "str::email", "")]);
        call!(client, put_contact_mapping, put).unwrap();
    }
    let listed = call!(configuration, list_mapping_versions, list(&tenant, "")).unwrap();
    assert_eq!(listed.versions.len(), 100);
    assert_eq!(listed.versions[0].fields[0].trait_path, "email102");
    assert_eq!(listed.versions[99].fields[0].trait_path, "email3");
    // Each mapping for itself.
    let activity = call!(configuration, list_mapping_versions, list(&tenant, "Login")).unwrap();
    assert_eq!(activity.versions[0].version, first.mapping_version);
    let request = restore(&tenant, "", first.mapping_version + 1);
    let error = call!(configuration, restore_mapping_version, request).unwrap_err();
    assert_eq!(reason_of(&error), Some(Reason::VersionUnknown));
    // Of another mapping.
    let request = restore(&tenant, "", first.mapping_version);
    let error = call!(configuration, restore_mapping_version, request).unwrap_err();
    assert_eq!(reason_of(&error), Some(Reason::VersionUnknown));
}

#[tokio::test]
async fn a_version_whose_field_is_gone_is_refused_by_name() {
    let (service, client) = Service::start().await;
    let configuration = service.configuration();
    let tenant = tenant(&client, "Demo").await;
    let saved = tenant.map_contact(&client).await;
    let put = tenant.contact_mapping(&[("email", "str::email", "")]);
    call!(client, put_contact_mapping, put).unwrap();
    let delete = DeleteFieldRequest {
        account_id: tenant.account_id.clone(),
        field_id: "bol:cm:active".to_owned(),
        request_id: String::new(),
    };
    call!(configuration, delete_field, delete).unwrap();
    let request = restore(&tenant, "", saved.mapping_version);
    let error = call!(configuration, restore_mapping_version, request).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(error.message().contains("bol:cm:active"), "{error}");
    // It can still be read.
    let request = diff(&tenant, "", saved.mapping_version, 0);
    let found = call!(configuration, diff_mapping_versions, request).unwrap();
    assert_eq!(found.rows.len(), 4);
}

#[tokio::test]
async fn a_save_that_has_not_seen_the_last_one_is_refused() {
    let (service, client) = Service::start().await;
    let configuration = service.configuration();
    let tenant = tenant(&client, "Demo").await;
    let put = |path: &str, expected_version| PutContactMappingRequest {
        expected_version,
        ..tenant.contact_mapping(&[(path, "str::email", "")])
    };
    let first = call!(client, put_contact_mapping, put("one", Some(1))).unwrap();
    let stale = call!(client, put_contact_mapping, put("two", Some(1))).unwrap_err();
    assert_eq!(stale.code(), Code::Aborted);
    assert_eq!(reason_of(&stale), Some(Reason::MappingChanged));
    // The first one again, since its answer was lost.
    let again = call!(client, put_contact_mapping, put("one", Some(1))).unwrap();
    assert_eq!(again.mapping_version, first.mapping_version);
    let activity = PutActivityMappingRequest {
        expected_version: Some(1),
        ..tenant.activity("Login")
    };
    let stale = call!(client, put_activity_mapping, activity.clone()).unwrap_err();
    assert_eq!(stale.code(), Code::Aborted);
    let seen = Some(first.mapping_version);
    call!(client, put_contact_mapping, put("two", seen)).unwrap();
    let mut request = restore(&tenant, "", first.mapping_version);
    request.expected_version = seen;
    let stale = call!(configuration, restore_mapping_version, request).unwrap_err();
    assert_eq!(stale.code(), Code::Aborted);
}
