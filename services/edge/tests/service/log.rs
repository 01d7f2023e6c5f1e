//! What the source's log gets to know of a batch.

use serde_json::{Value, json};
use weir_proto::contact::v1::UpsertStatus;
use weir_proto::mapping::v1::EventKind;

use crate::harness::Edge;

/// Semantics 7.3.
#[tokio::test]
async fn every_trouble_is_a_line_with_its_place_and_reason() {
    let edge = Edge::start().await;
    for (user, verdict) in [
        ("stale", UpsertStatus::NothingNew),
        ("stranger", UpsertStatus::Refused),
    ] {
        edge.stub.state().verdicts.insert(user.into(), verdict);
    }
    let answer = edge
        .track(json!([
            {"user_id": "good", "event": "e", "message_id": "m0"},
            {"user_id": "p", "event": "e", "message_id": "m1", "timestamp": "soon"},
            {"user_id": "stranger", "event": "e", "message_id": "m2", "traits": {}},
            {"user_id": "key-taken", "event": "e", "message_id": "m3", "traits": {}},
            {"user_id": "u", "event": "e", "message_id": "m4", "anonymousId": "a\u{200b}b"},
        ]))
        .await;
    assert_eq!(answer.statuses(), [200, 400, 206, 200, 200]);
    edge.eventually("the lines are there", |stub| stub.state().log.len() == 4)
        .await;
    let state = edge.stub.state();
    let seen: Vec<_> = state
        .log
        .iter()
        .map(|line| {
            (
                line.index,
                line.status,
                &*line.code,
                &*line.path,
                &*line.value,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (1, 400, "TIMESTAMP_UNREADABLE", "timestamp", "soon"),
            (2, 206, "CONTACT_EXISTING_ONLY", "", ""),
            (3, 0, "IDENTIFIER_TAKEN", "", "a@b.example"),
            (4, 0, "ANONYMOUS_ID_UNUSABLE", "anonymousId", "a\u{200b}b"),
        ]
    );
    assert_eq!(state.log[2].field_id, "str::email");
    let batch_id = &state.map_requests[0].requests[0].batch_id;
    for (n, line) in state.log.iter().enumerate() {
        assert_eq!((line.batch_id.as_str(), line.count), (batch_id.as_str(), 1));
        assert_eq!(line.kind(), EventKind::Track);
        assert_eq!(line.message_id, format!("m{}", n + 1));
        assert_eq!(line.event_name, "e");
        assert!(line.log_time.is_some() && !line.reason.is_empty());
    }
}

#[tokio::test]
async fn a_refused_unique_identifier_is_the_reason_that_is_told() {
    let edge = Edge::start().await;
    let verdict = UpsertStatus::NothingNew;
    for user in ["key-taken", "stale"] {
        edge.stub.state().verdicts.insert(user.into(), verdict);
    }
    let answer = edge
        .identify(json!([{"user_id": "key-taken", "traits": {}}, {"user_id": "stale"}]))
        .await;
    assert_eq!(answer.statuses(), [422, 422]);
    assert_eq!(answer.code(0), "IDENTIFIER_TAKEN");
    assert!(answer.message(0).contains("str::email"), "{answer:?}");
    assert_eq!(answer.code(1), "NOTHING_NEW");
    edge.eventually("the line is there", |stub| !stub.state().log.is_empty())
        .await;
    let state = edge.stub.state();
    assert_eq!(state.log.len(), 1, "one line for the value and the answer");
    assert_eq!(
        (state.log[0].status, &*state.log[0].value),
        (422, "a@b.example")
    );
}

#[tokio::test]
async fn ordinary_refusals_of_a_batch_are_one_line_for_each_name() {
    let edge = Edge::start().await;
    edge.stub.state().activity_limit = 0;
    let events: Vec<Value> = (0..300)
        .map(|n| {
            let name = if n % 2 == 0 { "Unmapped" } else { "e" };
            json!({"user_id": "u", "event": name, "message_id": n})
        })
        .collect();
    let answer = edge.track(json!(events)).await;
    assert_eq!(answer.statuses(), [422, 429].repeat(150));
    edge.eventually("the lines are there", |stub| stub.state().log.len() == 2)
        .await;
    let state = edge.stub.state();
    let seen: Vec<_> = state
        .log
        .iter()
        .map(|line| {
            (
                &*line.code,
                &*line.event_name,
                line.count,
                &*line.message_id,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("NO_MAPPING", "Unmapped", 150, "298"),
            ("ACTIVITY_LIMIT", "e", 150, "299"),
        ]
    );
}

#[tokio::test]
async fn events_of_which_nothing_is_valid_do_not_push_out_why() {
    let edge = Edge::start().await;
    let events: Vec<Value> = (0..500)
        .map(|n| json!({"user_id": format!("u{n}"), "event": "e", "traits": {"x": "ignored"}}))
        .collect();
    let answer = edge.identify(json!(events)).await;
    assert_eq!(answer.statuses(), [422; 500]);
    edge.eventually("a line is there", |stub| !stub.state().log.is_empty())
        .await;
    let answer = edge.track(json!(events)).await;
    assert_eq!(answer.statuses(), [206; 500]);
    edge.eventually("the lines are there", |stub| stub.state().log.len() >= 2)
        .await;
    let state = edge.stub.state();
    let seen: Vec<_> = state
        .log
        .iter()
        .map(|line| (&*line.code, &*line.event_name, line.count, line.index))
        .collect();
    assert_eq!(
        seen,
        [
            ("NOTHING_VALID", "", 500, 499),
            ("CONTACT_NOTHING_VALID", "e", 500, 499),
        ]
    );
}

#[tokio::test]
async fn a_batch_that_is_wrong_in_a_thousand_ways_goes_in_calls_of_a_thousand_lines() {
    let edge = Edge::start().await;
    let events: Vec<Value> = (0..1_000)
        .map(|n| {
            json!({"user_id": "key-taken", "message_id": n, "event": "e", "traits": {},
                        "anonymous_id": [n]})
        })
        .collect();
    edge.stub
        .state()
        .verdicts
        .insert("key-taken".into(), UpsertStatus::Refused);
    edge.track(json!(events)).await;
    edge.eventually("all lines are there", |stub| {
        stub.state().log.len() == 2_000
    })
    .await;
    assert_eq!(edge.stub.state().log_calls, [1_000, 1_000]);
}

#[tokio::test]
async fn what_is_too_old_is_told_with_its_time() {
    let edge = Edge::start().await;
    let answer = edge
        .track(json!([
            {"user_id": "u", "event": "e"},
            {"user_id": "u", "event": "Old", "timestamp": "2001-07-10 06:09"},
        ]))
        .await;
    assert_eq!(answer.statuses(), [200, 422]);
    edge.eventually("the line is there", |stub| !stub.state().log.is_empty())
        .await;
    let line = edge.stub.state().log[0].clone();
    let seen = (line.index, &*line.code, &*line.path, &*line.value);
    let sent = "2001-07-10 06:09";
    assert_eq!(seen, (1, "PAST_RETENTION", "timestamp", sent));
    assert_eq!((line.status, &*line.reason), (422, "older than 90 days"));
}

#[tokio::test]
async fn an_event_without_a_message_id_has_none_in_the_log_either() {
    let edge = Edge::start().await;
    let answer = edge
        .track(json!([
            {"user_id": "u", "event": "Unmapped"},
            {"user_id": "u", "event": "Unmapped2", "anonymous_id": [1], "message_id": " "},
            {"user_id": "u", "event": "e", "timestamp": "soon"},
        ]))
        .await;
    assert_eq!(answer.statuses(), [422, 200, 400]);
    edge.eventually("the lines are there", |stub| stub.state().log.len() == 3)
        .await;
    let state = edge.stub.state();
    assert!(state.log.iter().all(|line| line.message_id.is_empty()));
    assert!(state.mapped.iter().all(|event| event.message_id.is_empty()));
    let stored = &state.activities[0].message_id;
    assert!(!stored.is_empty(), "what is stored has one all the same");
}
