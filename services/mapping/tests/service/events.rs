//! `MapEvents`: conversion, rejections, order, limits.

use tonic::Code;
use weir_proto::mapping::v1::*;
use weir_proto::settings::v1::{KeyStrategy, MergeStrategy};

use crate::call;
use weir_testkit::eventually;

use crate::harness::*;

const LANA: &str = r#"{"user_id":"lana.romeijn.myonlinestore-studio","traits":{"firstName":"Lana","lastName":"Romeijn","email":"lana.romeijn@example.org","birthday":"28-07-1980","active":true}}"#;
const SIGN_IN: &str = r#"{"user_id":"lana.romeijn.myonlinestore-studio","event":"Sign-in button clicked","properties":{"action":"sign-in-button-clicked","count":3},"traits":{"firstName":"Lana"}}"#;

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn segments_own_samples_become_typed_values() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    tenant.map_contact(&client).await;
    call!(
        client,
        put_activity_mapping,
        tenant.activity("Sign-in button clicked")
    )
    .unwrap();
    let events = vec![
        event(EventKind::Identify, LANA),
        track("Sign-in button clicked", SIGN_IN),
    ];
    let answer = tenant.map(&client, events).await;
    let fields = r#"{"str::first":"Lana","str::last":"Romeijn","str::email":"lana.romeijn@example.org","dtz::b":"1980-07-28","bol:cm:active":true}"#;
    assert_eq!(mapped(&answer.results[0]).fields_json, fields);
    assert_eq!(mapped(&answer.results[0]).activity, None);
    let track = mapped(&answer.results[1]);
    assert_eq!(track.fields_json, r#"{"str::first":"Lana"}"#);
    let activity = track.activity.as_ref().unwrap();
    assert_eq!(
        activity.attributes_json,
        r#"{"action":"sign-in-button-clicked","count":3}"#
    );
    assert_eq!(activity.retention_days, 730);
    let entitlement = answer.entitlement.unwrap();
    assert_eq!(
        (entitlement.contacts, entitlement.mapped_activities),
        (5_000, 1)
    );
    assert_eq!(
        (entitlement.profile_factor, entitlement.activity_factor),
        (10, 5)
    );
    let settings = answer.contact_settings.unwrap();
    assert_eq!(settings.unique_identifiers, ["str::email"]);
    assert_eq!(settings.merge_strategy(), MergeStrategy::Overwrite);
    assert_eq!(settings.key_strategy(), KeyStrategy::Any);
}

#[tokio::test]
async fn events_may_stand_in_the_body_of_the_request() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    tenant.map_contact(&client).await;
    let whole = event(EventKind::Identify, LANA);
    let plain = tenant.map(&client, vec![whole.clone()]).await;
    let body = format!("[{{}},{LANA}]");
    let mut request = tenant.batch(vec![spanned(whole, 4, LANA.len())]);
    request.body = body.into();
    let answer = call!(client, map_events, request).unwrap();
    assert_eq!(answer, plain);
}

fn spanned(event: Event, start: u32, length: usize) -> Event {
    Event {
        raw: Default::default(),
        span: Some(Span {
            start,
            length: u32::try_from(length).unwrap(),
        }),
        ..event
    }
}

#[tokio::test]
async fn a_date_in_another_format_is_ignored_and_logged() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    tenant.map_contact(&client).await;
    let raw = LANA.replace("28-07-1980", "1980-07-28");
    let answer = tenant
        .map(&client, vec![event(EventKind::Identify, &raw)])
        .await;
    let fields = text(&mapped(&answer.results[0]).fields_json);
    assert!(!fields.contains("dtz::b"), "{fields}");
    assert!(fields.contains("bol:cm:active"), "{fields}");
    let log = tenant.log(&client, 1).await;
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].path, "traits.birthday");
    assert_eq!(log[0].value, "1980-07-28");
    assert_eq!(log[0].reason, "expected a date written as DD-MM-YYYY");
    assert_eq!(log[0].message_id, "a5cbd0b6");
    assert_eq!(log[0].kind(), EventKind::Identify);
}

/// Semantics 2.1.
#[tokio::test]
async fn without_a_contact_mapping_everything_is_rejected_and_sampled() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    call!(
        client,
        put_activity_mapping,
        tenant.activity("Sign-in button clicked")
    )
    .unwrap();
    let events = vec![
        event(EventKind::Identify, LANA),
        track("Sign-in button clicked", SIGN_IN),
        event(EventKind::Member, LANA),
    ];
    let answer = tenant.map(&client, events).await;
    for result in &answer.results {
        assert_eq!(rejected(result).code, "NO_MAPPING");
        assert_eq!(rejected(result).message, "No mappings configured");
    }
    let samples = eventually("both samples are there", async || {
        let found = call!(client, list_samples, tenant.samples_request(""))
            .unwrap()
            .samples;
        (found.len() == 2).then_some(found)
    })
    .await;
    assert_eq!(samples[0].kind(), EventKind::Member);
    assert_eq!(samples[0].raw, LANA);
    let request = tenant.samples_request("Sign-in button clicked");
    let samples = call!(client, list_samples, request).unwrap().samples;
    assert_eq!(samples[0].raw, SIGN_IN);
}

/// Semantics 4.1, 4.4.
#[tokio::test]
async fn unmapped_and_expired_tracks_are_rejected_alone() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    tenant.map_contact(&client).await;
    let mut activity = tenant.activity("Sign-in button clicked");
    activity.retention_days = Some(30);
    call!(client, put_activity_mapping, activity).unwrap();
    let at = |seconds| Event {
        event_time: Some(time(seconds)),
        ..track("Sign-in button clicked", SIGN_IN)
    };
    let oldest = NOW - 30 * 86_400;
    let events = vec![at(oldest), at(oldest - 1), track("Other", SIGN_IN), at(NOW)];
    let answer = tenant.map(&client, events).await;
    mapped(&answer.results[0]);
    let old = rejected(&answer.results[1]);
    assert_eq!(old.code, "PAST_RETENTION");
    assert!(old.message.contains("30 days"), "{}", old.message);
    assert!(
        old.message.contains("2025-06-11T06:09:00Z"),
        "{}",
        old.message
    );
    assert_eq!(rejected(&answer.results[2]).code, "NO_MAPPING");
    mapped(&answer.results[3]);
}

#[tokio::test]
async fn a_poisonous_leaf_costs_only_itself() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    tenant.map_contact(&client).await;
    let poisons = [
        r#""\ud800""#,
        r#""a\u0000b""#,
        r#"["a"]"#,
        r#"{"a":1e-16384}"#,
        &"9".repeat(2_000),
    ];
    let mut events: Vec<Event> = poisons
        .iter()
        .map(|poison| {
            let raw = format!(
                r#"{{"traits":{{"firstName":{poison},"unmapped":{poison},"lastName":"Romeijn"}}}}"#
            );
            event(EventKind::Identify, &raw)
        })
        .collect();
    // Bytes that are not UTF-8, which no string of ours can hold.
    let raw = b"{\"traits\":{\"firstName\":\"\xff\",\"lastName\":\"Romeijn\"}}";
    events.push(Event {
        traits: Some(Span {
            start: 10,
            length: u32::try_from(raw.len()).unwrap() - 11,
        }),
        raw: raw.to_vec().into(),
        ..event(EventKind::Identify, "{}")
    });
    let count = events.len();
    let answer = tenant.map(&client, events).await;
    for result in &answer.results {
        assert_eq!(mapped(result).fields_json, r#"{"str::last":"Romeijn"}"#);
    }
    let log = tenant.log(&client, count).await;
    assert_eq!(log.len(), count);
    assert!(log.iter().all(|entry| entry.path == "traits.firstName"));
}

#[tokio::test]
async fn null_clears_and_the_location_fills_what_no_trait_fills() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let pairs = [("name", "str::name", ""), ("address.city", "geo::city", "")];
    call!(client, put_contact_mapping, tenant.contact_mapping(&pairs)).unwrap();
    let location =
        r#""location":{"country":"Netherlands","state":"","city":"Utrecht","post_code":null}"#;
    let check = |traits: &str| {
        event(
            EventKind::Identify,
            &format!(r#"{{"traits":{traits},{location}}}"#),
        )
    };
    let events = vec![
        check(r#"{"name":null}"#),
        check(r#"{"address":{"city":"Amsterdam"}}"#),
        check(r#"{"address":{"city":null}}"#),
        check(r#"{"address":{"city":" "}}"#),
        event(EventKind::Identify, r#"{"traits":{"other":1}}"#),
        event(EventKind::Identify, "{}"),
    ];
    let answer = tenant.map(&client, events).await;
    let fields: Vec<&str> = answer
        .results
        .iter()
        .map(|result| text(&mapped(result).fields_json))
        .collect();
    assert_eq!(
        fields,
        [
            r#"{"str::name":null,"geo::country":"Netherlands","geo::city":"Utrecht"}"#,
            r#"{"geo::city":"Amsterdam","geo::country":"Netherlands"}"#,
            r#"{"geo::city":null,"geo::country":"Netherlands"}"#,
            r#"{"geo::country":"Netherlands","geo::city":"Utrecht"}"#,
            "",
            "",
        ]
    );
}

#[tokio::test]
async fn a_refused_event_leaves_its_sample_alone() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    tenant.map_contact(&client).await;
    let mut refused = event(EventKind::Identify, r#"{"timestamp":"yesterday"}"#);
    refused.event_time = None;
    refused.refusal = Some(Refusal {
        path: "timestamp".to_owned(),
        reason: "can't be read".to_owned(),
        value: "yesterday".to_owned(),
    });
    let answer = tenant
        .map(&client, vec![refused, event(EventKind::Identify, LANA)])
        .await;
    assert_eq!(answer.results.len(), 2);
    mapped(&answer.results[1]);
    eventually("both samples are there", async || {
        let request = tenant.samples_request("");
        let samples = call!(client, list_samples, request).unwrap().samples;
        samples.len() == 2
    })
    .await;
    // The edge appends the line, with what it answered.
    assert_eq!(tenant.log(&client, 0).await, []);
}

#[tokio::test]
async fn wrong_requests_are_refused_whole() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let refused = |request: MapEventsRequest| {
        let client = client.clone();
        async move { call!(client, map_events, request).unwrap_err().code() }
    };
    let many = vec![event(EventKind::Identify, "{}"); 1_001];
    assert_eq!(refused(tenant.batch(many)).await, Code::InvalidArgument);
    let mut outside = event(EventKind::Identify, "{}");
    outside.traits = Some(Span {
        start: 1,
        length: u32::MAX,
    });
    assert_eq!(
        refused(tenant.batch(vec![outside])).await,
        Code::InvalidArgument
    );
    let mut outside = tenant.batch(vec![spanned(event(EventKind::Identify, "{}"), 1, 2)]);
    outside.body = "{}".into();
    assert_eq!(refused(outside).await, Code::InvalidArgument);
    let unspecified = event(EventKind::Unspecified, "{}");
    assert_eq!(
        refused(tenant.batch(vec![unspecified])).await,
        Code::InvalidArgument
    );
    let mut request = tenant.batch(vec![]);
    request.account_id = "demo".to_owned();
    assert_eq!(refused(request).await, Code::InvalidArgument);
    let empty = tenant.map(&client, vec![]).await;
    assert!(empty.results.is_empty());
}
