//! Batches in good weather: who is asked what, and how it is put together.

use serde_json::json;
use weir_proto::contact::v1::{UpsertMode, UpsertStatus};

use crate::harness::Edge;
use crate::stub::{AUDIENCE, FOREIGN_AUDIENCE, utf8};

#[tokio::test]
async fn an_identify_goes_through_one_call_per_hop() {
    let edge = Edge::start().await;
    let events: Vec<_> = (0..500)
        .map(|n| {
            json!({"user_id": n.to_string(), "message_id": n, "traits": {"a": n},
                        "timestamp": "2025-07-10T06:09:00Z"})
        })
        .skip(1)
        .collect();
    let answer = edge.identify(json!(events)).await;
    assert_eq!(answer.statuses(), [200; 499]);
    assert_eq!(edge.settled().await, [(499, 0)]);
    let order = edge.stub.state().order.clone();
    assert_eq!(
        order,
        [
            "authenticate",
            "map_events",
            "reserve",
            "upsert_contacts",
            "settle"
        ]
    );
    // Again: repeats, free.
    assert_eq!(edge.identify(json!(events)).await.statuses(), [200; 499]);
    assert_eq!(edge.settled().await, [(499, 0), (0, 0)]);
}

#[tokio::test]
async fn settlements_go_along_with_the_next_reservation() {
    let edge = Edge::start().await;
    for n in 1..=30 {
        let event = json!({"user_id": n.to_string(), "message_id": n, "traits": {},
                           "timestamp": "2025-07-10T06:09:00Z"});
        assert_eq!(edge.identify(json!([event])).await.statuses(), [200]);
    }
    assert_eq!(edge.settled().await.len(), 30);
    // The last one gets a call of its own, and others where this machine was slow.
    let calls = edge.stub.count("settle");
    assert!((1..30).contains(&calls), "{calls}");
}

#[tokio::test]
async fn tracks_go_where_they_belong() {
    let edge = Edge::start().await;
    let update = |mode: &str| json!({"mode": mode, "id": AUDIENCE});
    let track = |user: &str| json!({"user_id": user, "event": "e", "message_id": user});
    let with = |user: &str, key: &str, value: serde_json::Value| {
        let mut event = track(user);
        event[key] = value;
        event
    };
    let events = json!([
        track("plain"),
        with("traits", "traits", json!({"a": 1})),
        with("adds", "audience", update("add")),
        with("removes", "audience", update("remove")),
        with("echo", "namespace", json!("ortto.com")),
        {"user_id": "unmapped", "event": "Unmapped"},
        {"user_id": "nameless"},
    ]);
    let answer = edge.track(events).await;
    assert_eq!(answer.statuses(), [200, 200, 200, 200, 200, 422, 400]);
    assert_eq!(answer.message(5), "No mappings configured");
    assert_eq!(edge.settled().await, [(2, 4)]);
    let state = edge.stub.state();
    let modes: Vec<_> = state
        .contacts
        .iter()
        .map(|one| (utf8(&one.user_id), one.mode()))
        .collect();
    assert_eq!(
        modes,
        [("traits", UpsertMode::Track), ("adds", UpsertMode::Track)]
    );
    let routed: Vec<_> = state
        .activities
        .iter()
        .map(|one| (utf8(&one.user_id), utf8(&one.contact_id)))
        .collect();
    let expected = [
        ("plain", ""),
        ("traits", "contact of traits"),
        ("adds", "contact of adds"),
        ("removes", ""),
    ];
    assert_eq!(routed, expected);
    let asked: Vec<_> = state
        .updates
        .iter()
        .map(|one| utf8(&one.contact_id))
        .collect();
    assert_eq!(asked, ["contact of adds"]);
    // The nameless one is there for its sample.
    let refused: Vec<_> = state
        .mapped
        .iter()
        .filter_map(|one| one.refusal.as_ref())
        .collect();
    assert_eq!((refused.len(), refused[0].path.as_str()), (1, "event"));
    assert_eq!(state.mapped.len(), 6, "the echo goes nowhere");
}

#[tokio::test]
async fn spans_point_at_the_payload() {
    let edge = Edge::start().await;
    let body = r#"[ 1 , {"user_id":"a", "traits" : {"x":"\u00e9"},"event":" e ","properties":{"p":[1]},"location":{},"ip":"10.0.0.1"} ]"#;
    assert_eq!(edge.post("/v1/track", body).await.statuses(), [400, 200]);
    let state = edge.stub.state();
    let event = &state.mapped[1];
    let text = |span: &Option<weir_proto::mapping::v1::Span>| {
        let span = span.as_ref().unwrap();
        let (start, length) = (span.start as usize, span.length as usize);
        String::from_utf8(event.raw[start..start + length].to_vec()).unwrap()
    };
    assert_eq!(text(&event.traits), r#"{"x":"\u00e9"}"#);
    assert_eq!(text(&event.properties), r#"{"p":[1]}"#);
    assert_eq!(text(&event.location), "{}");
    assert_eq!(
        (utf8(&event.ip), utf8(&event.event_name)),
        ("10.0.0.1", "e")
    );
    assert_eq!(&state.mapped[0].raw[..], b"1");
}

#[tokio::test]
async fn unknown_audiences_are_400_before_anything_is_stored() {
    let edge = Edge::start().await;
    let event = |id: &str| json!({"user_id": "a", "audience": {"mode": "add", "id": id}});
    let unknown = "018f3e6a-7c1b-7d2a-9a3e-5b6c7d8e9fff";
    let events = json!([
        event(AUDIENCE),
        event(unknown),
        event(FOREIGN_AUDIENCE),
        event("no-id")
    ]);
    let answer = edge.identify(events).await;
    assert_eq!(answer.statuses(), [200, 400, 400, 400]);
    assert!(
        answer.message(1).starts_with("audience.id"),
        "{}",
        answer.message(1)
    );
    assert!(
        answer.message(2).contains("not created by Segment"),
        "{}",
        answer.message(2)
    );
    assert_eq!(edge.stub.state().contacts.len(), 1);
    // What is usable is remembered.
    assert_eq!(
        edge.identify(json!([event(AUDIENCE)])).await.statuses(),
        [200]
    );
    assert_eq!(edge.stub.count("check_audiences"), 1);
}

/// Semantics 1.5, 5.1: an edge that remembers a deleted audience stores one batch more, no second.
#[tokio::test]
async fn an_audience_that_was_deleted_is_not_remembered_once_an_update_was_refused() {
    let edge = Edge::start().await;
    let send = async |user: &str| {
        let update = json!({"mode": "add", "id": AUDIENCE});
        edge.identify(json!([{"user_id": user, "message_id": user, "audience": update}]))
            .await
    };
    assert_eq!(send("before").await.statuses(), [200]);
    edge.stub.state().is_audience_deleted = true;
    for user in ["just behind", "later"] {
        assert_eq!(send(user).await.code(0), "AUDIENCE_UNKNOWN", "{user}");
    }
    let state = edge.stub.state();
    let stored = state.contacts.iter().map(|one| utf8(&one.user_id));
    assert_eq!(stored.collect::<Vec<_>>(), ["before", "just behind"]);
}

#[tokio::test]
async fn member_entries_without_a_time_are_still_recognised_when_they_come_again() {
    let edge = Edge::start().await;
    let entry =
        json!([{"user_id": "a", "message_id": "m", "audience": {"mode": "add", "id": AUDIENCE}}]);
    for _ in 0..2 {
        let answer = edge.post("/v1/audiences/members", entry.to_string()).await;
        assert_eq!(answer.statuses(), [200]);
    }
    assert_eq!(edge.settled().await, [(1, 0), (0, 0)]);
    assert_eq!(
        edge.stub.state().updates.len(),
        2,
        "a retry applies the update again"
    );
}

#[tokio::test]
async fn units_are_granted_in_batch_order() {
    let edge = Edge::start().await;
    edge.stub.state().profile_limit = 2;
    let event = |n: usize| json!({"user_id": n.to_string(), "message_id": "m", "traits": {}});
    // The second is a repeat of the first and needs no unit.
    let answer = edge
        .identify(json!([event(1), event(1), event(2), event(3)]))
        .await;
    assert_eq!(answer.statuses(), [200, 200, 200, 429]);
    assert!(
        answer
            .message(3)
            .contains("limit of 2 contact profile events"),
        "{}",
        answer.message(3)
    );
    assert!((3_599..=3_601).contains(&answer.header("retry-after").parse::<i64>().unwrap()));
    assert!(
        answer
            .header("ratelimit")
            .starts_with("\"profile\";r=0;t=3"),
        "{answer:?}"
    );
    assert_eq!(answer.header("ratelimit-policy"), "\"profile\";q=2;w=86400");
    assert_eq!(edge.settled().await, [(2, 0)]);
}

#[tokio::test]
async fn a_track_without_an_activity_unit_writes_no_contact_unless_it_is_a_repeat() {
    let edge = Edge::start().await;
    edge.stub.state().activity_limit = 2;
    let event = |n: usize| {
        json!({"user_id": n.to_string(), "message_id": n, "event": "e", "traits": {},
               "timestamp": "2025-07-10T06:09:00Z"})
    };
    assert_eq!(edge.track(json!([event(1)])).await.statuses(), [200]);
    assert_eq!(edge.settled().await, [(1, 1)]);
    // One unit is left, for the first; the repeat is free, the last has none.
    let answer = edge
        .track(json!([event(2), event(2), event(1), event(3)]))
        .await;
    assert_eq!(answer.statuses(), [200, 200, 200, 429]);
    assert!(
        answer.message(3).contains("limit of 2 activity events"),
        "{}",
        answer.message(3)
    );
    assert_eq!(edge.settled().await, [(1, 1), (1, 1)]);
    assert_eq!(edge.stub.state().contacts.len(), 2);
}

#[tokio::test]
async fn a_track_without_a_profile_unit_is_206_and_may_become_200() {
    let edge = Edge::start().await;
    edge.stub.state().profile_limit = 0;
    let event = json!([{"user_id": "a", "message_id": "m", "event": "e", "traits": {},
                        "timestamp": "2025-07-10T06:09:00Z"}]);
    let answer = edge.track(event.clone()).await;
    assert_eq!(answer.statuses(), [206]);
    assert!(!answer.header("retry-after").is_empty());
    assert_eq!(edge.settled().await, [(0, 1)]);
    assert_eq!(
        edge.stub.state().activities[0].contact_id,
        "",
        "it went as a plain track"
    );
    edge.stub.state().profile_limit = 10;
    assert_eq!(edge.track(event).await.statuses(), [200]);
    assert_eq!(edge.settled().await, [(0, 1), (1, 0)]);
}

#[tokio::test]
async fn what_contact_upsert_decides_is_told() {
    let edge = Edge::start().await;
    for (user, verdict) in [
        ("stale", UpsertStatus::NothingNew),
        ("stranger", UpsertStatus::Refused),
        ("deleted", UpsertStatus::Deleted),
        ("odd", UpsertStatus::Unspecified),
    ] {
        edge.stub.state().verdicts.insert(user.into(), verdict);
    }
    let users = ["stale", "stranger", "deleted", "odd", "key-taken"];
    let events: Vec<_> = users
        .map(|user| json!({"user_id": user, "event": "e", "traits": {}}))
        .into();
    assert_eq!(
        edge.identify(json!(events)).await.statuses(),
        [422, 422, 422, 500, 200]
    );
    assert_eq!(
        edge.track(json!(events)).await.statuses(),
        [200, 206, 422, 500, 200]
    );
    let stored: Vec<_> = edge
        .stub
        .state()
        .activities
        .iter()
        .map(|one| one.user_id.clone())
        .collect();
    assert_eq!(
        stored,
        ["stale", "stranger", "key-taken"],
        "nothing of who was deleted, or of what makes no sense"
    );
}
