//! Changes take effect everywhere within a second, and a source's status follows.

use std::time::{Duration, Instant};

use weir_proto::mapping::v1::*;

use crate::call;
use weir_testkit::eventually;

use crate::harness::*;

/// Semantics 7.4.
#[tokio::test]
async fn a_saved_mapping_takes_effect_on_another_instance_within_a_second() {
    let (mut service, client) = Service::start().await;
    let other = service.another().await;
    let tenant = tenant(&client, "Demo").await;
    let lana = || {
        vec![event(
            EventKind::Identify,
            r#"{"traits":{"firstName":"Lana"}}"#,
        )]
    };
    let before = tenant.map(&other, lana()).await;
    rejected(&before.results[0]);
    let saved = tenant.map_contact(&client).await;
    let since = Instant::now();
    eventually("the mapping takes effect", async || {
        let answer = tenant.map(&other, lana()).await;
        answer.mapping_version == saved.mapping_version
    })
    .await;
    let took = since.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn limits_follow_the_plan_and_the_mapped_activities() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let entitled = |contacts, activities| {
        let (client, tenant) = (client.clone(), tenant.clone());
        async move {
            eventually("the entitlement follows", async || {
                let answer = tenant.map(&client, vec![]).await.entitlement.unwrap();
                let now = (answer.contacts, answer.mapped_activities);
                now == (contacts, activities)
            })
            .await;
        }
    };
    entitled(5_000, 0).await;
    call!(client, put_activity_mapping, tenant.activity("Login")).unwrap();
    entitled(5_000, 1).await;
    let mut larger = account("Demo");
    larger.plan.as_mut().unwrap().additional_contacts = Some(1_000);
    call!(client, put_account, larger).unwrap();
    entitled(6_000, 1).await;
    let delete = DeleteActivityMappingRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        event_name: "Login".to_owned(),
        request_id: String::new(),
    };
    call!(client, delete_activity_mapping, delete).unwrap();
    entitled(6_000, 0).await;
}

#[tokio::test]
async fn the_status_of_a_source_follows_its_first_identify_and_its_mapping() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let status = || async {
        let source = call!(client, get_source, tenant.source_request()).unwrap();
        source.source.unwrap().status()
    };
    let becomes = |expected| async move {
        eventually("the status follows", async || status().await == expected).await;
    };
    assert_eq!(status().await, SourceStatus::WaitingForEvents);
    tenant.map(&client, vec![track("Login", "{}")]).await;
    // Written in order: when the identify's effect is there, the track's would be too.
    tenant
        .map(&client, vec![event(EventKind::Identify, "{}")])
        .await;
    becomes(SourceStatus::WaitingForMapping).await;
    tenant.map_contact(&client).await;
    assert_eq!(status().await, SourceStatus::Active);
}

#[tokio::test]
async fn a_source_that_was_mapped_beforehand_is_active_with_its_first_identify() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    tenant.map_contact(&client).await;
    let status = || async {
        let source = call!(client, get_source, tenant.source_request()).unwrap();
        source.source.unwrap().status()
    };
    assert_eq!(status().await, SourceStatus::WaitingForEvents);
    tenant
        .map(&client, vec![event(EventKind::Identify, "{}")])
        .await;
    eventually("the status follows", async || {
        status().await == SourceStatus::Active
    })
    .await;
}

/// Semantics 4.4.
#[tokio::test]
async fn a_change_of_retention_is_handed_on_with_what_was() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    tenant.map_contact(&client).await;
    for days in [30, 365] {
        let mut activity = tenant.activity("Login");
        activity.retention_days = Some(days);
        call!(client, put_activity_mapping, activity).unwrap();
    }
    let answer = tenant.map(&client, vec![track("Login", "{}")]).await;
    let activity = mapped(&answer.results[0]).activity.as_ref().unwrap();
    assert_eq!(activity.retention_days, 365);
    assert_eq!(activity.earlier_retention_days, [30]);
    assert_eq!(activity.attributes_json, "{}");
}
