//! Events as they come: what is taken, and what costs its event alone.

use serde_json::{Value, json};

use crate::harness::Edge;
use crate::stub::{AUDIENCE, utf8};

const IDENTIFY: &str = r#"{ "type": "identify", "userId": "lana.romeijn.myonlinestore-studio", "anonymousId": "507f191e810c19729de860ea", "timestamp": "2025-07-10T06:09:00Z", "messageId":"3e9a7f45-1f5d-4a52-9c9e-80eb08c2cf7e", "traits": { "firstName": "Lana", "lastName": "Romeijn", "email": "lana.romeijn@example.org", "birthday": "28-07-1980", "active": true } }"#;
const TRACK: &str = r#"{ "type": "track", "userId": "lana.romeijn.myonlinestore-studio", "event": "Sign-in button clicked", "timestamp": "2025-07-11T06:09:00Z", "messageId":"a5cbd0b6-38e6-4c98-bf95-9f1b3d3949f1", "properties": { "action": "sign-in-button-clicked", "count": 3 } }"#;
const TRACK_WITH_TRAITS: &str = r#"{ "type": "track", "userId": "lana.romeijn.myonlinestore-studio", "event": "Sign-in button clicked", "timestamp": "2025-07-11T06:09:00Z", "messageId": "a5cbd0b6-38e6-4c98-bf95-9f1b3d3949f1", "properties": { "action": "sign-in-button-clicked", "count": 3 }, "traits": { "firstName": "Lana", "lastName": "Romeijn", "email": "lana.romeijn@example.org", "birthday": "28-07-1980", "active": true } }"#;

#[tokio::test]
async fn the_documentations_samples_are_taken_as_they_stand() {
    let edge = Edge::start().await;
    assert_eq!(edge.post("/v1/identify", IDENTIFY).await.statuses(), [200]);
    for sample in [TRACK, TRACK_WITH_TRAITS] {
        assert_eq!(edge.post("/v1/track", sample).await.statuses(), [200]);
    }
    let both = format!("[{TRACK},{TRACK_WITH_TRAITS}]");
    assert_eq!(edge.post("/v1/track", both).await.statuses(), [200, 200]);
    let state = edge.stub.state();
    assert_eq!(state.activities.len(), 1, "the two tracks are one activity");
    let activity = &state.activities[0];
    assert_eq!(
        (utf8(&activity.user_id), utf8(&activity.message_id)),
        (
            "lana.romeijn.myonlinestore-studio",
            "a5cbd0b6-38e6-4c98-bf95-9f1b3d3949f1"
        )
    );
    assert_eq!(
        utf8(&state.contacts[0].anonymous_id),
        "507f191e810c19729de860ea"
    );
}

#[tokio::test]
async fn a_poison_costs_its_event_alone_and_is_told_by_its_reason() {
    let edge = Edge::start().await;
    let deep = format!(
        "{{\"user_id\":\"p\",\"x\":{}{}}}",
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    let long = format!("{{\"user_id\":\"{}\"}}", "x".repeat(256));
    let poisons: [(&[u8], &str); 12] = [
        (b"{\"user_id\":\"\xff\"}", "INVALID_UTF8"),
        (b"{\"user_id\":\"a\x01b\"}", "INVALID_JSON"),
        (b"{\"user_id\":nonsense}", "INVALID_JSON"),
        (deep.as_bytes(), "TOO_DEEP"),
        (b"42", "NOT_AN_OBJECT"),
        (b"{}", "NO_IDENTIFIER"),
        (long.as_bytes(), "USER_ID_UNUSABLE"),
        (
            "{\"user_id\":\"a\u{200b}b\",\"anonymous_id\":\"x\"}".as_bytes(),
            "USER_ID_UNUSABLE",
        ),
        (
            b"{\"user_id\":\"p\",\"timestamp\":\"soon\"}",
            "TIMESTAMP_UNREADABLE",
        ),
        (
            b"{\"user_id\":\"p\",\"timestamp\":\"9999-12-31T00:00:00Z\"}",
            "TIMESTAMP_IN_FUTURE",
        ),
        (
            b"{\"user_id\":\"p\",\"traits\":\"x\"}",
            "TRAITS_NOT_AN_OBJECT",
        ),
        (
            b"{\"user_id\":\"p\",\"audience\":{\"mode\":\"x\",\"id\":\"y\"}}",
            "AUDIENCE_MODE_INVALID",
        ),
    ];
    let mut body = b"[".to_vec();
    for (n, (poison, _)) in poisons.iter().enumerate() {
        let good = format!(r#"{{"user_id":"good-{n}","traits":{{"q":1e999,"h":"\ud83d"}}}},"#);
        body.extend_from_slice(good.as_bytes());
        body.extend_from_slice(poison);
        body.push(b',');
    }
    *body.last_mut().unwrap() = b']';
    let answer = edge.post("/v1/identify", body).await;
    assert_eq!(answer.statuses(), [200, 400].repeat(poisons.len()));
    for (n, (_, code)) in poisons.iter().enumerate() {
        assert_eq!(answer.code(2 * n + 1), *code);
    }
    assert_eq!(edge.stub.state().contacts.len(), poisons.len());
}

#[tokio::test]
async fn a_byte_order_mark_and_a_time_as_text_are_taken() {
    let edge = Edge::start().await;
    let body = "\u{feff}[{\"user_id\":\"a\",\"timestamp\":\"1752127740.123\",\"traits\":[]}]";
    assert_eq!(edge.post("/v1/identify", body).await.statuses(), [200]);
    let state = edge.stub.state();
    let time = state.contacts[0].event_time.unwrap();
    assert_eq!((time.seconds, time.nanos), (1_752_127_740, 123_000_000));
    let raw = &state.mapped[0].raw[..];
    assert!(raw.starts_with(b"{") && raw.ends_with(b"}"));
}

/// Semantics 1.5, 4.6.
#[tokio::test]
async fn what_is_wrong_is_said_before_an_echo_and_an_echo_before_a_mapping() {
    let edge = Edge::start().await;
    let echo = |changes: Value| {
        let mut event = json!({"namespace": "ortto.com", "user_id": "a", "event": "Unmapped"});
        for (key, value) in changes.as_object().unwrap() {
            event[key] = value.clone();
        }
        event
    };
    let unknown = "018f3e6a-7c1b-7d2a-9a3e-5b6c7d8e9fff";
    let answer = edge
        .track(json!([
            echo(json!({})),
            echo(json!({"timestamp": "soon"})),
            echo(json!({"audience": {"mode": "add", "id": unknown}})),
            echo(json!({"audience": {"mode": "add", "id": AUDIENCE}})),
            {"user_id": "a", "event": "Unmapped", "timestamp": "soon"},
            {"user_id": "a", "event": "Unmapped"},
        ]))
        .await;
    assert_eq!(answer.statuses(), [200, 400, 400, 200, 400, 422]);
    assert_eq!(answer.code(2), "AUDIENCE_UNKNOWN");
    assert_eq!(answer.code(5), "NO_MAPPING");
}

#[tokio::test]
async fn what_mapping_made_of_the_traits_decides_what_becomes_of_the_event() {
    let edge = Edge::start().await;
    let ignored = json!({"x": "ignored"});
    let cleared = json!({"x": "cleared"});
    let update = |mode: &str| json!({"mode": mode, "id": AUDIENCE});
    let answer = edge
        .identify(json!([
            {"user_id": "i0", "traits": ignored},
            {"user_id": "i1", "traits": ignored, "audience": update("add")},
            {"user_id": "i2", "traits": ignored, "audience": update("remove")},
            {"user_id": "i3", "traits": cleared},
            {"user_id": "i4", "audience": update("remove")},
            {"user_id": "i5"},
        ]))
        .await;
    assert_eq!(answer.statuses(), [422, 200, 200, 200, 200, 200]);
    assert_eq!(answer.code(0), "NOTHING_VALID");
    let answer = edge
        .track(json!([
            {"user_id": "t0", "event": "e", "traits": ignored},
            {"user_id": "t1", "event": "e", "traits": ignored, "audience": update("add")},
            {"user_id": "t2", "event": "e", "traits": cleared},
            {"user_id": "t3", "event": "e", "audience": update("remove")},
        ]))
        .await;
    assert_eq!(answer.statuses(), [206, 200, 200, 200]);
    assert_eq!(answer.code(0), "CONTACT_NOTHING_VALID");
    assert_eq!(edge.settled().await, [(3, 0), (1, 4)]);
    let state = edge.stub.state();
    let made: Vec<_> = state
        .contacts
        .iter()
        .map(|one| utf8(&one.user_id))
        .collect();
    assert_eq!(made, ["i1", "i3", "i5", "t1"]);
    let no_values: Vec<_> = state.contacts.iter().map(|one| one.no_values).collect();
    assert_eq!(no_values, [true; 4]);
    assert_eq!(state.updates.len(), 2, "what is kept is contact-upsert's");
    let plain: Vec<_> = state
        .activities
        .iter()
        .map(|one| utf8(&one.contact_id))
        .collect();
    assert_eq!(plain, ["", "contact of t1", "", ""]);
}

#[tokio::test]
async fn nulls_beside_ignored_traits_need_a_contact_that_is_there() {
    let edge = Edge::start().await;
    let event = |user: &str, traits: &[&str], mode: &str| {
        let traits: Value = traits.iter().map(|said| json!([said, said])).collect();
        let mut event = json!({"user_id": user, "event": "e", "traits": {"x": traits}});
        if !mode.is_empty() {
            event["audience"] = json!({"mode": mode, "id": AUDIENCE});
        }
        event
    };
    let both = ["cleared", "ignored"];
    assert_eq!(
        edge.identify(json!([event("known", &[], "")]))
            .await
            .statuses(),
        [200]
    );
    let answer = edge
        .identify(json!([
            event("i0", &both, ""),
            event("known", &both, ""),
            event("i2", &both, "add"),
            event("i3", &both, "remove"),
        ]))
        .await;
    assert_eq!(answer.statuses(), [422, 200, 200, 200]);
    assert_eq!(answer.code(0), "NOTHING_VALID");
    let answer = edge
        .track(json!([
            event("t0", &both, ""),
            event("known", &both, ""),
            event("t2", &both, "add"),
            event("t3", &both, "remove"),
        ]))
        .await;
    assert_eq!(answer.statuses(), [206, 200, 200, 200]);
    assert_eq!(answer.code(0), "CONTACT_NOTHING_VALID");
    assert_eq!(edge.settled().await, [(1, 0), (2, 0), (2, 4)]);
    let state = edge.stub.state();
    let made: Vec<_> = state
        .contacts
        .iter()
        .map(|one| (utf8(&one.user_id), one.no_values, one.never_creates))
        .collect();
    assert_eq!(
        made,
        [
            ("known", false, false),
            ("known", true, true),
            ("i2", true, false),
            ("known", true, false),
            ("t2", true, false),
        ]
    );
    let plain: Vec<_> = state
        .activities
        .iter()
        .map(|one| utf8(&one.contact_id))
        .collect();
    assert_eq!(plain, ["", "contact of known", "contact of t2", ""]);
}
