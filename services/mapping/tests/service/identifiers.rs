//! Unique identifiers: fields of the account, free to change until the first contact is stored
//! (semantics 3.2). Contact-upsert, which decides that, is a stub here.

use tonic::Code;
use weir_proto::mapping::v1::*;
use weir_proto::settings::v1::KeyStrategy;
use weir_reasons::Reason;
use weir_rpc::reason_of;

use crate::call;
use weir_testkit::eventually;

use crate::harness::*;

fn identified_by(ids: &[&str]) -> PutAccountRequest {
    PutAccountRequest {
        name: "Demo".to_owned(),
        unique_identifiers: Some(UniqueIdentifiers {
            field_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        }),
        ..Default::default()
    }
}

async fn settings(client: &Client, request: MapEventsRequest) -> (Vec<String>, i64) {
    let answer = call!(client, map_events, request).unwrap();
    let settings = answer.contact_settings.unwrap();
    (settings.unique_identifiers, settings.identifiers_version)
}

/// A batch that contact-upsert refused under this version.
fn refused(tenant: &Tenant, version: i64) -> MapEventsRequest {
    MapEventsRequest {
        refused_identifiers_version: Some(version),
        ..tenant.batch(vec![])
    }
}

#[tokio::test]
async fn a_unique_identifier_is_an_existing_text_email_or_phone_field() {
    let (_service, client) = Service::start().await;
    for ids in [
        &["str:cm:nope"][..],
        &["dtz::b"],
        &["geo::city"],
        &["email"],
    ] {
        let error = call!(client, put_account, identified_by(ids)).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{ids:?}");
        assert_eq!(reason_of(&error), Some(Reason::FieldInvalid));
        assert!(error.message().contains(ids[0]), "{}", error.message());
    }
    let tenant = tenant(&client, "Demo").await;
    for (name, value_type) in [
        ("Login", ValueType::Text),
        ("Colour", ValueType::SingleSelect),
    ] {
        let field = CreateFieldRequest {
            account_id: tenant.account_id.clone(),
            name: name.to_owned(),
            r#type: value_type.into(),
            request_id: String::new(),
        };
        call!(client, create_field, field).unwrap();
    }
    for ids in [
        &["str:cm:nope"][..],
        &["str:cm:colour"],
        &["str:cm:login", "str:cm:login"],
        &["str:cm:login", "str::email", "phn::phone"],
    ] {
        let error = call!(client, put_account, identified_by(ids)).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{ids:?}");
    }
    let chosen = identified_by(&["str:cm:login", "phn::phone"]);
    let account = call!(client, put_account, chosen).unwrap().account.unwrap();
    assert_eq!(account.unique_identifiers, ["str:cm:login", "phn::phone"]);
    let none = call!(client, put_account, identified_by(&[])).unwrap();
    assert!(none.account.unwrap().unique_identifiers.is_empty());
}

#[tokio::test]
async fn they_can_change_after_events_came_and_not_once_a_contact_is_stored() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    // Chosen with the account: nobody is asked.
    assert_eq!(service.contacts.calls(), 0);
    tenant
        .map(&client, vec![event(EventKind::Identify, "{}")])
        .await;
    let phone = identified_by(&["phn::phone"]);
    let changed = call!(client, put_account, phone.clone()).unwrap();
    assert_eq!(changed.change(), ChangeKind::Updated);
    eventually("the change takes effect", async || {
        let now = settings(&client, tenant.batch(vec![])).await;
        now == (vec!["phn::phone".to_owned()], 1)
    })
    .await;
    let again = call!(client, put_account, phone).unwrap();
    assert_eq!(again.change(), ChangeKind::Unchanged);

    service.contacts.store_contact(&tenant.account_id);
    let next_if_empty = PutAccountRequest {
        name: "Demo".to_owned(),
        key_strategy: KeyStrategy::NextIfEmpty.into(),
        ..Default::default()
    };
    for change in [identified_by(&["str::email"]), next_if_empty] {
        let error = call!(client, put_account, change).unwrap_err();
        assert_eq!(error.code(), Code::FailedPrecondition);
        assert_eq!(reason_of(&error), Some(Reason::ContactsExist));
    }
    // What else a request says is refused along with it, and by itself is free.
    let request = GetAccountRequest {
        account_id: tenant.account_id.clone(),
        ..Default::default()
    };
    let account = call!(client, get_account, request).unwrap();
    let account = account.account.unwrap();
    assert_eq!(account.unique_identifiers, ["phn::phone"]);
    assert_eq!(account.key_strategy(), KeyStrategy::Any);
    let plan = call!(client, put_account, account_with_slots(7)).unwrap();
    assert_eq!(plan.change(), ChangeKind::Updated);
}

fn account_with_slots(slots: i64) -> PutAccountRequest {
    PutAccountRequest {
        name: "Demo".to_owned(),
        plan: Some(Plan {
            activity_slots: Some(slots),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[tokio::test]
async fn where_contact_upsert_is_away_they_stay() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    service.contacts.set_away(true);
    let phone = identified_by(&["phn::phone"]);
    let error = call!(client, put_account, phone.clone()).unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    // A plan is nobody's business but ours.
    call!(client, put_account, account_with_slots(7)).unwrap();
    // A batch that was refused must not go on under what was refused.
    let error = call!(client, map_events, refused(&tenant, 0)).unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    service.contacts.set_away(false);
    let email = (vec!["str::email".to_owned()], 0);
    assert_eq!(settings(&client, refused(&tenant, 0)).await, email);
    let changed = call!(client, put_account, phone).unwrap();
    assert_eq!(changed.change(), ChangeKind::Updated);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_learned_by_the_batch_that_is_refused() {
    let (mut service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    service.contacts.lose_answers(true);
    let phone = identified_by(&["phn::phone"]);
    call!(client, put_account, phone).unwrap_err();
    service.contacts.lose_answers(false);
    // Another process, as after a crash.
    service.stop().await;
    let client = service.another().await;
    let email = (vec!["str::email".to_owned()], 0);
    assert_eq!(settings(&client, tenant.batch(vec![])).await, email);
    let phone = (vec!["phn::phone".to_owned()], 1);
    assert_eq!(settings(&client, refused(&tenant, 0)).await, phone);
    // From now on without asking, on each replica that was refused, and soon on all.
    let calls = service.contacts.calls();
    assert_eq!(settings(&client, refused(&tenant, 0)).await, phone);
    assert_eq!(settings(&client, tenant.batch(vec![])).await, phone);
    assert_eq!(service.contacts.calls(), calls);
}

#[tokio::test]
async fn after_an_answer_that_was_lost_the_last_word_counts() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    service.contacts.lose_answers(true);
    call!(client, put_account, identified_by(&["phn::phone"])).unwrap_err();
    service.contacts.lose_answers(false);
    // It looks like no change here, but is one there.
    let email = call!(client, put_account, identified_by(&["str::email"])).unwrap();
    assert_eq!(email.change(), ChangeKind::Unchanged);
    eventually("the change takes effect", async || {
        let now = settings(&client, tenant.batch(vec![])).await;
        now == (vec!["str::email".to_owned()], 2)
    })
    .await;
}

#[tokio::test]
async fn a_question_that_was_lost_leaves_what_stands_free_to_be_said_again() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    service.contacts.set_away(true);
    call!(client, put_account, identified_by(&["phn::phone"])).unwrap_err();
    service.contacts.set_away(false);
    service.contacts.store_contact(&tenant.account_id);
    let email = call!(client, put_account, identified_by(&["str::email"])).unwrap();
    assert_eq!(email.change(), ChangeKind::Unchanged);
    let error = call!(client, put_account, identified_by(&["phn::phone"])).unwrap_err();
    assert_eq!(reason_of(&error), Some(Reason::ContactsExist));
}

#[tokio::test]
async fn a_replica_whose_copy_is_old_looks_again_where_a_batch_was_refused() {
    let (mut service, client) = Service::start().await;
    let other = service.another().await;
    let tenant = tenant(&client, "Demo").await;
    settings(&other, tenant.batch(vec![])).await;
    call!(client, put_account, identified_by(&["phn::phone"])).unwrap();
    let calls = service.contacts.calls();
    let phone = (vec!["phn::phone".to_owned()], 1);
    assert_eq!(settings(&other, refused(&tenant, 0)).await, phone);
    assert_eq!(service.contacts.calls(), calls);
}
