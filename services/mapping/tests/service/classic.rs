//! Classic sources: origins, and mappings that they hand on; and sources that are paused
//! (semantics 8.3 to 8.5).

use tonic::Code;
use tonic_types::StatusExt;
use weir_proto::mapping::v1::*;
use weir_reasons::Reason;
use weir_rpc::reason_of;

use crate::call;
use crate::harness::*;

fn put(tenant: &Tenant, name: &str, origins: Option<&[&str]>) -> PutSourceRequest {
    let origins = origins.map(|origins| AllowedOrigins {
        origins: origins.iter().map(|one| (*one).to_owned()).collect(),
    });
    PutSourceRequest {
        account_id: tenant.account_id.clone(),
        kind: SourceKind::SegmentClassic.into(),
        name: name.to_owned(),
        allowed_origins: origins,
        ..Default::default()
    }
}

/// A classic source of the same account.
async fn classic(client: &Client, tenant: &Tenant, name: &str) -> Tenant {
    let answer = call!(client, put_source, put(tenant, name, None)).unwrap();
    Tenant {
        source_id: answer.source.unwrap().source_id,
        ..tenant.clone()
    }
}

fn copy(from: &Tenant, to: &Tenant) -> CopyMappingRequest {
    CopyMappingRequest {
        account_id: from.account_id.clone(),
        from_source_id: from.source_id.clone(),
        to_source_id: to.source_id.clone(),
        expected_version: None,
        request_id: String::new(),
    }
}

async fn version(client: &Client, tenant: &Tenant) -> i64 {
    let request = GetSourceRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
    };
    let answer = call!(client, get_source, request).unwrap();
    answer.source.unwrap().mapping_version
}

async fn activities(client: &Client, tenant: &Tenant) -> Vec<ActivityMapping> {
    let request = ListActivityMappingsRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        ..Default::default()
    };
    let answer = call!(client, list_activity_mappings, request).unwrap();
    answer.activities
}

async fn contact(client: &Client, tenant: &Tenant) -> Vec<FieldMapping> {
    let request = GetContactMappingRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
    };
    let answer = call!(client, get_contact_mapping, request).unwrap();
    answer.mappings
}

#[tokio::test]
async fn origins_of_a_classic_source_are_told_along_with_its_key() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let some: &[&str] = &["https://Shop.example/", "https://*.example"];
    let answer = call!(client, put_source, put(&tenant, "Web", Some(some))).unwrap();
    let source = answer.source.unwrap();
    let kept = ["https://shop.example", "https://*.example"];
    assert_eq!(source.allowed_origins, kept);
    let again = call!(client, put_source, put(&tenant, "Web", Some(some))).unwrap();
    assert_eq!(again.change(), ChangeKind::Unchanged);
    // What is not said stays.
    let silent = call!(client, put_source, put(&tenant, "Web", None)).unwrap();
    assert_eq!(silent.source.unwrap().allowed_origins, kept);
    // A second one beside it, since there may be any number.
    call!(client, put_source, put(&tenant, "App", Some(&["*"]))).unwrap();

    let key = CreateKeyRequest {
        account_id: tenant.account_id.clone(),
        source_id: source.source_id,
        key: "pau-of-the-web".to_owned(),
        ..Default::default()
    };
    call!(client, create_key, key).unwrap();
    let ask = || AuthenticateRequest {
        key: "pau-of-the-web".to_owned(),
    };
    let told = call!(client, authenticate, ask()).unwrap();
    assert_eq!(told.source_kind(), SourceKind::SegmentClassic);
    assert_eq!(
        (told.allowed_origins.as_slice(), told.paused),
        (&kept.map(String::from)[..], false)
    );
    call!(client, put_source, put(&tenant, "Web", Some(&[]))).unwrap();
    let told = call!(client, authenticate, ask()).unwrap();
    assert_eq!(told.allowed_origins, Vec::<String>::new());

    let wrong = call!(
        client,
        put_source,
        put(&tenant, "Web", Some(&["a", "*", "b"]))
    );
    let status = wrong.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let faults = status.get_details_bad_request().unwrap().field_violations;
    let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
    let expected = ["allowed_origins.origins[0]", "allowed_origins.origins[2]"];
    assert_eq!(fields, expected);
    let actions = PutSourceRequest {
        kind: SourceKind::SegmentActions.into(),
        ..put(&tenant, "Website", Some(&["*"]))
    };
    let refused = call!(client, put_source, actions).unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_source_is_paused_until_it_is_resumed() {
    let (service, client) = Service::start().await;
    let configuration = service.configuration();
    let tenant = tenant(&client, "Demo").await;
    let key = CreateKeyRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        key: "pau-to-pause".to_owned(),
        ..Default::default()
    };
    call!(client, create_key, key).unwrap();
    let is_paused = async || {
        let ask = AuthenticateRequest {
            key: "pau-to-pause".to_owned(),
        };
        call!(client, authenticate, ask).unwrap().paused
    };
    let pause = || PauseSourceRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
    };
    let resume = || ResumeSourceRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
    };
    assert!(!is_paused().await);
    let paused = call!(configuration, pause_source, pause()).unwrap();
    assert_eq!(paused.change(), ChangeKind::Updated);
    assert!(paused.warning.contains("four hours"), "{}", paused.warning);
    let since = paused.source.unwrap().pause_time.unwrap();
    assert!(is_paused().await);
    let again = call!(configuration, pause_source, pause()).unwrap();
    assert_eq!(again.change(), ChangeKind::Unchanged);
    assert_eq!(again.source.unwrap().pause_time, Some(since));
    let listed = call!(
        configuration,
        list_paused_sources,
        ListPausedSourcesRequest::default()
    )
    .unwrap();
    assert_eq!(listed.sources[0].account_name, "Demo");
    let source = listed.sources[0].source.as_ref().unwrap();
    assert_eq!(
        (&source.source_id, source.pause_time),
        (&tenant.source_id, Some(since))
    );

    let resumed = call!(configuration, resume_source, resume()).unwrap();
    assert_eq!(resumed.change(), ChangeKind::Updated);
    assert_eq!(resumed.source.unwrap().pause_time, None);
    let again = call!(configuration, resume_source, resume()).unwrap();
    assert_eq!(again.change(), ChangeKind::Unchanged);
    assert!(!is_paused().await);
    let listed = call!(
        configuration,
        list_paused_sources,
        ListPausedSourcesRequest::default()
    )
    .unwrap();
    assert_eq!(listed.sources, []);
    let unknown = PauseSourceRequest {
        source_id: "018f3e6a-7c1b-7d2a-9a3e-5b6c7d8e9f00".to_owned(),
        ..pause()
    };
    let error = call!(configuration, pause_source, unknown).unwrap_err();
    assert_eq!(reason_of(&error), Some(Reason::SourceUnknown));
}

#[tokio::test]
async fn a_mapping_is_copied_as_a_whole_and_once() {
    let (service, client) = Service::start().await;
    let configuration = service.configuration();
    let ours = tenant(&client, "Demo").await;
    let web = classic(&client, &ours, "Web").await;
    let nothing = call!(configuration, copy_mapping, copy(&web, &ours)).unwrap_err();
    assert_eq!(reason_of(&nothing), Some(Reason::NothingMapped));

    web.map_contact(&client).await;
    for name in ["Login", "Logout"] {
        call!(client, put_activity_mapping, web.activity(name)).unwrap();
    }
    let before = version(&client, &ours).await;
    let copied = call!(configuration, copy_mapping, copy(&web, &ours)).unwrap();
    assert_eq!(copied.change(), ChangeKind::Updated);
    assert_eq!((copied.fields, copied.activities, copied.saved), (5, 2, 3));
    // Each that was saved is a version of its own.
    assert_eq!(copied.mapping_version, before + 3);
    assert_eq!(version(&client, &ours).await, before + 3);
    assert_eq!(contact(&client, &ours).await, contact(&client, &web).await);
    assert_eq!(
        activities(&client, &ours).await,
        activities(&client, &web).await
    );
    let versions = ListMappingVersionsRequest {
        account_id: ours.account_id.clone(),
        source_id: ours.source_id.clone(),
        event_name: "Login".to_owned(),
        ..Default::default()
    };
    let listed = call!(configuration, list_mapping_versions, versions).unwrap();
    assert_eq!(listed.versions.len(), 1);

    let again = call!(configuration, copy_mapping, copy(&web, &ours)).unwrap();
    assert_eq!(again.change(), ChangeKind::Unchanged);
    assert_eq!((again.saved, again.mapping_version), (0, before + 3));

    // What differs alone is saved; what the other one does not map stays.
    let drop = DeleteActivityMappingRequest {
        account_id: web.account_id.clone(),
        source_id: web.source_id.clone(),
        event_name: "Logout".to_owned(),
        request_id: String::new(),
    };
    call!(client, delete_activity_mapping, drop).unwrap();
    let other = web.contact_mapping(&[("email", "str::email", "")]);
    call!(client, put_contact_mapping, other).unwrap();
    let seen = CopyMappingRequest {
        expected_version: Some(before),
        ..copy(&web, &ours)
    };
    let changed = call!(configuration, copy_mapping, seen).unwrap_err();
    assert_eq!(reason_of(&changed), Some(Reason::MappingChanged));
    let copied = call!(configuration, copy_mapping, copy(&web, &ours)).unwrap();
    assert_eq!((copied.fields, copied.activities, copied.saved), (1, 1, 1));
    assert_eq!(activities(&client, &ours).await.len(), 2);
}

#[tokio::test]
async fn a_mapping_is_copied_between_two_sources_of_one_account() {
    let (service, client) = Service::start().await;
    let configuration = service.configuration();
    let ours = tenant(&client, "Demo").await;
    let theirs = tenant(&client, "Other").await;
    theirs.map_contact(&client).await;
    let same = call!(configuration, copy_mapping, copy(&ours, &ours)).unwrap_err();
    assert_eq!(same.code(), Code::InvalidArgument);
    let foreign = CopyMappingRequest {
        account_id: ours.account_id.clone(),
        ..copy(&theirs, &ours)
    };
    let error = call!(configuration, copy_mapping, foreign).unwrap_err();
    assert_eq!(reason_of(&error), Some(Reason::SourceUnknown));
    assert_eq!(contact(&client, &ours).await, []);
}
