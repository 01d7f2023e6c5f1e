//! What is taken away: sources, fields, whole accounts.

use std::time::Duration;

use tonic::Code;
use weir_proto::mapping::v1::*;
use weir_reasons::Reason;
use weir_rpc::reason_of;
use weir_testkit::eventually;

use crate::call;
use crate::harness::*;

fn delete_source(tenant: &Tenant) -> DeleteSourceRequest {
    DeleteSourceRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
    }
}

fn delete_field(tenant: &Tenant, field_id: &str) -> DeleteFieldRequest {
    DeleteFieldRequest {
        account_id: tenant.account_id.clone(),
        field_id: field_id.to_owned(),
        request_id: String::new(),
    }
}

fn delete_account(tenant: &Tenant, name: &str) -> DeleteAccountRequest {
    DeleteAccountRequest {
        account_id: tenant.account_id.clone(),
        name: name.to_owned(),
        request_id: String::new(),
    }
}

#[tokio::test]
async fn a_source_goes_with_all_that_is_its_and_frees_its_slots() {
    let (service, client) = Service::start().await;
    let configuration = service.configuration();
    let ours = tenant(&client, "Ours").await;
    ours.map_contact(&client).await;
    call!(client, put_activity_mapping, ours.activity("Login")).unwrap();
    let key = CreateKeyRequest {
        account_id: ours.account_id.clone(),
        source_id: ours.source_id.clone(),
        key: "pau-key-of-ours".to_owned(),
        ..Default::default()
    };
    call!(client, create_key, key.clone()).unwrap();
    ours.map(&client, vec![event(EventKind::Identify, "{}")])
        .await;
    eventually("the sample is there", async || {
        let samples = call!(client, list_samples, ours.samples_request("")).unwrap();
        !samples.samples.is_empty()
    })
    .await;

    let pause = PauseSourceRequest {
        account_id: ours.account_id.clone(),
        source_id: ours.source_id.clone(),
    };
    call!(configuration, pause_source, pause).unwrap();
    let paused = "SELECT count(*) FROM mapping.account_work WHERE task = 'paused'";
    assert_eq!(service.count(paused).await, 1);

    let gone = call!(configuration, delete_source, delete_source(&ours)).unwrap();
    assert!(gone.deleted);
    assert_eq!(service.count(paused).await, 0);
    let again = call!(configuration, delete_source, delete_source(&ours)).unwrap();
    assert!(!again.deleted);

    let authenticate = AuthenticateRequest { key: key.key };
    let error = call!(client, authenticate, authenticate).unwrap_err();
    assert_eq!(error.code(), Code::Unauthenticated);
    eventually("its events are refused", async || {
        let batch = ours.batch(vec![event(EventKind::Identify, "{}")]);
        call!(client, map_events, batch).is_err_and(|error| error.code() == Code::NotFound)
    })
    .await;
    let account = GetAccountRequest {
        account_id: ours.account_id.clone(),
        ..Default::default()
    };
    let account = call!(client, get_account, account)
        .unwrap()
        .account
        .unwrap();
    assert_eq!(account.mapped_activities, 0);
    // Another Segment (Actions) source may take its place, by the same name.
    let put = PutSourceRequest {
        account_id: ours.account_id.clone(),
        kind: SourceKind::SegmentActions.into(),
        name: "Website".to_owned(),
        ..Default::default()
    };
    let new = call!(client, put_source, put).unwrap();
    assert_eq!(new.change(), ChangeKind::Created);
    let left = service
        .count("SELECT count(*) FROM mapping.mapping_versions")
        .await;
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_source_of_somebody_else_stays() {
    let (service, client) = Service::start().await;
    let configuration = service.configuration();
    let ours = tenant(&client, "Ours").await;
    let theirs = tenant(&client, "Theirs").await;
    let mixed = DeleteSourceRequest {
        account_id: ours.account_id.clone(),
        source_id: theirs.source_id.clone(),
    };
    let answer = call!(configuration, delete_source, mixed).unwrap();
    assert!(!answer.deleted);
    call!(client, get_source, theirs.source_request()).unwrap();
}

#[tokio::test]
async fn a_source_gets_another_name_unless_that_is_taken() {
    let (service, client) = Service::start().await;
    let configuration = service.configuration();
    let ours = tenant(&client, "Ours").await;
    let rename = |name: &str| RenameSourceRequest {
        account_id: ours.account_id.clone(),
        source_id: ours.source_id.clone(),
        name: name.to_owned(),
    };
    let renamed = call!(configuration, rename_source, rename(" Shop ")).unwrap();
    assert_eq!(renamed.change(), ChangeKind::Updated);
    assert_eq!(renamed.source.unwrap().name, "Shop");
    let again = call!(configuration, rename_source, rename("Shop")).unwrap();
    assert_eq!(again.change(), ChangeKind::Unchanged);
    let other = PutSourceRequest {
        account_id: ours.account_id.clone(),
        kind: SourceKind::SegmentClassic.into(),
        name: "App".to_owned(),
        ..Default::default()
    };
    call!(client, put_source, other).unwrap();
    let error = call!(configuration, rename_source, rename("App")).unwrap_err();
    assert_eq!(error.code(), Code::AlreadyExists);
    let error = call!(configuration, rename_source, rename(" ")).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_field_goes_once_nothing_uses_it() {
    let (service, client) = Service::start().await;
    let configuration = service.configuration();
    let ours = tenant(&client, "Ours").await;
    ours.map_contact(&client).await;
    let active = delete_field(&ours, "bol:cm:active");
    let error = call!(configuration, delete_field, active.clone()).unwrap_err();
    assert_eq!(reason_of(&error), Some(Reason::FieldInUse));
    assert!(error.message().contains("\"Website\""), "{error}");

    call!(
        client,
        put_contact_mapping,
        ours.contact_mapping(&[("email", "str::email", "")])
    )
    .unwrap();
    let gone = call!(configuration, delete_field, active.clone()).unwrap();
    assert!(gone.deleted);
    let again = call!(configuration, delete_field, active).unwrap();
    assert!(!again.deleted);
    for (field, reason) in [
        ("str::email", Reason::FieldInvalid),
        ("", Reason::FieldInvalid),
        ("a\0", Reason::FieldInvalid),
    ] {
        let error = call!(configuration, delete_field, delete_field(&ours, field)).unwrap_err();
        assert_eq!(reason_of(&error), Some(reason), "{field:?}");
    }
}

#[tokio::test]
async fn a_field_that_tells_contacts_apart_stays() {
    let (service, client) = Service::start().await;
    let configuration = service.configuration();
    let ours = tenant(&client, "Ours").await;
    let field = CreateFieldRequest {
        account_id: ours.account_id.clone(),
        name: "Login".to_owned(),
        r#type: ValueType::Text.into(),
        request_id: String::new(),
    };
    let field = call!(client, create_field, field).unwrap().field.unwrap();
    let mut put = account("Ours");
    put.unique_identifiers = Some(UniqueIdentifiers {
        field_ids: vec![field.field_id.clone()],
    });
    call!(client, put_account, put).unwrap();
    let delete = delete_field(&ours, &field.field_id);
    let error = call!(configuration, delete_field, delete).unwrap_err();
    assert_eq!(reason_of(&error), Some(Reason::FieldInUse));
    assert!(error.message().contains("unique identifier"), "{error}");
}

/// What mapping does of it; the others' part is tested at theirs.
#[tokio::test]
async fn an_account_is_unknown_at_once_and_gone_everywhere_soon() {
    let (service, client) = Service::start().await;
    let configuration = service.configuration();
    let ours = tenant(&client, "Ours").await;
    let theirs = tenant(&client, "Theirs").await;
    for tenant in [&ours, &theirs] {
        tenant.map_contact(&client).await;
        call!(client, put_activity_mapping, tenant.activity("Login")).unwrap();
        tenant
            .map(&client, vec![event(EventKind::Identify, "{}")])
            .await;
    }
    let error = call!(configuration, delete_account, delete_account(&ours, "Mine")).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    service.contacts.holds(&ours.account_id, 12_000);

    let begun = call!(configuration, delete_account, delete_account(&ours, "Ours")).unwrap();
    assert_eq!(begun.deletion.unwrap().state(), DeletionState::Waiting);
    let get = GetAccountRequest {
        account_id: ours.account_id.clone(),
        ..Default::default()
    };
    let error = call!(client, get_account, get).unwrap_err();
    assert_eq!(reason_of(&error), Some(Reason::AccountUnknown));
    let error = call!(client, put_activity_mapping, ours.activity("More")).unwrap_err();
    assert_eq!(reason_of(&error), Some(Reason::AccountUnknown));
    // The name is free, for another account.
    let new = call!(client, put_account, account("Ours")).unwrap();
    assert_eq!(new.change(), ChangeKind::Created);

    service.forward(Duration::from_secs(100));
    let progress = async || {
        let request = GetAccountDeletionRequest {
            account_id: ours.account_id.clone(),
        };
        let answer = call!(configuration, get_account_deletion, request).unwrap();
        answer.deletion.unwrap()
    };
    eventually("the account is erased", async || {
        progress().await.state() == DeletionState::Done
    })
    .await;
    let steps = progress().await.steps;
    let erased: Vec<(&str, i64)> = steps
        .iter()
        .map(|step| (step.service.as_str(), step.erased))
        .collect();
    assert_eq!(erased[1], ("contact-upsert", 12_000));
    assert!(steps.iter().all(|step| step.done), "{steps:?}");
    for table in [
        "accounts",
        "sources",
        "fields",
        "contact_mappings",
        "mapping_versions",
    ] {
        let left = format!(
            "SELECT count(*) FROM mapping.{table} WHERE account_id = '{}'",
            ours.account_id
        );
        assert_eq!(service.count(&left).await, 0, "{table}");
        let theirs = left.replace(&ours.account_id, &theirs.account_id);
        assert!(service.count(&theirs).await > 0, "{table}");
    }
    let again = call!(configuration, delete_account, delete_account(&ours, "Ours")).unwrap();
    assert_eq!(again.deletion.unwrap().state(), DeletionState::Done);
}

#[tokio::test]
async fn a_deletion_goes_on_when_a_service_is_back_and_on_another_instance() {
    let (mut service, client) = Service::start().await;
    let ours = tenant(&client, "Ours").await;
    service.contacts.holds(&ours.account_id, 3);
    service.contacts.set_away(true);
    let configuration = service.configuration();
    call!(configuration, delete_account, delete_account(&ours, "Ours")).unwrap();
    service.forward(Duration::from_secs(100));
    let get = GetAccountDeletionRequest {
        account_id: ours.account_id.clone(),
    };
    eventually("the first service erased", async || {
        let answer = call!(configuration, get_account_deletion, get.clone()).unwrap();
        let steps = answer.deletion.unwrap().steps;
        steps[0].done && !steps[1].done
    })
    .await;
    service.stop().await;
    service.another().await;
    let configuration = service.configuration();
    service.contacts.set_away(false);
    service.forward(Duration::from_secs(60));
    eventually("the account is erased", async || {
        let answer = call!(configuration, get_account_deletion, get.clone()).unwrap();
        answer.deletion.unwrap().state() == DeletionState::Done
    })
    .await;
}

#[tokio::test]
async fn what_was_never_deleted_is_no_deletion() {
    let (service, client) = Service::start().await;
    let configuration = service.configuration();
    let ours = tenant(&client, "Ours").await;
    let get = |id: &str| GetAccountDeletionRequest {
        account_id: id.to_owned(),
    };
    let error = call!(configuration, get_account_deletion, get(&ours.account_id)).unwrap_err();
    assert_eq!(reason_of(&error), Some(Reason::DeletionUnknown));
    let error = call!(configuration, get_account_deletion, get("x")).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}
