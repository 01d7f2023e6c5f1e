//! Units that are short, and what answers say of the limits.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::Edge;
use crate::stub::{AUDIENCE, Fault};

fn people(count: usize) -> Value {
    (0..count)
        .map(|n| json!({"user_id": format!("u{n}"), "message_id": "m", "event": "e", "traits": {}}))
        .collect()
}

/// Semantics 6.1.
#[tokio::test]
async fn a_limit_that_is_reached_is_told_as_a_product() {
    let edge = Edge::start().await;
    edge.stub.state().profile_limit = 30;
    let answer = edge.identify(people(31)).await;
    assert_eq!(answer.statuses()[30], 429);
    assert_eq!(answer.code(30), "PROFILE_LIMIT");
    let message = answer.message(30);
    assert!(message.contains("10 × 3 = 30"), "{message}");
    assert!(!answer.header("retry-after").is_empty());
    assert_eq!(edge.stub.count("reserve"), 1, "nothing is under way");
}

#[tokio::test]
async fn units_that_batches_under_way_hold_are_asked_for_again() {
    let edge = Edge::start().await;
    edge.stub.state().profile_limit = 10;
    edge.stub.state().held_elsewhere = (5, 0);
    edge.stub.state().held_for = 1;
    let answer = edge.identify(people(10)).await;
    assert_eq!(answer.statuses(), [200; 10]);
    assert_eq!(edge.stub.count("reserve"), 2);
    let settled = edge.settled().await;
    assert_eq!(settled, [(5, 0), (5, 0)], "nobody waits who has a unit");
}

#[tokio::test]
async fn events_whose_units_stay_in_flight_are_500_as_a_whole_and_store_nothing() {
    let edge = Edge::start().await;
    edge.stub.state().profile_limit = 10;
    edge.stub.state().held_elsewhere = (9, 0);
    edge.stub.state().held_for = usize::MAX;
    let started = Instant::now();
    let answer = edge.track(people(2)).await;
    assert!(started.elapsed() < Duration::from_secs(6));
    assert_eq!(answer.statuses(), [200, 500]);
    assert_eq!(answer.code(1), "UNITS_IN_FLIGHT");
    assert_eq!(answer.header("retry-after"), "");
    assert_eq!(edge.stub.state().activities.len(), 1);
    assert_eq!(edge.stub.state().contacts.len(), 1);

    let answer = edge.identify(people(3)).await;
    assert_eq!(answer.statuses(), [500; 3]);
    assert_eq!(answer.code(0), "UNITS_IN_FLIGHT");

    // Once they are charged the limit is reached.
    edge.settled().await;
    edge.stub.state().held_for = 0;
    edge.stub.state().used = (10, 1);
    assert_eq!(
        edge.track(people(3)).await.statuses(),
        [200, 206, 206],
        "the first is a repeat"
    );
}

#[tokio::test]
async fn activity_units_in_flight_write_no_contact() {
    let edge = Edge::start().await;
    edge.stub.state().activity_limit = 10;
    edge.stub.state().held_elsewhere = (0, 10);
    edge.stub.state().held_for = usize::MAX;
    let mut tracks = people(2);
    tracks[1].as_object_mut().unwrap().remove("traits");
    let answer = edge.track(tracks).await;
    assert_eq!(answer.statuses(), [500, 500]);
    assert_eq!(answer.code(0), "UNITS_IN_FLIGHT");
    assert_eq!(answer.code(1), "UNITS_IN_FLIGHT");
    assert!(edge.stub.state().contacts.is_empty());
    assert!(edge.stub.state().activities.is_empty());
}

#[tokio::test]
async fn what_is_left_is_told_of_every_batch_after_what_it_used() {
    let edge = Edge::start().await;
    edge.stub.state().profile_limit = 100;
    edge.stub.state().activity_limit = 200;
    let left = |answer: &crate::harness::Answer| {
        let header = answer.header("ratelimit").to_owned();
        let fields = header.split(", ").map(|field| {
            let (name, rest) = field.split_once(";r=").unwrap();
            let (left, _) = rest.split_once(';').unwrap();
            (
                name.trim_matches('"').to_owned(),
                left.parse::<i64>().unwrap(),
            )
        });
        fields.collect::<Vec<_>>()
    };
    let profile = |left: i64| vec![("profile".to_owned(), left)];
    let first = edge.identify(people(10)).await;
    assert_eq!(left(&first), profile(90));
    // A repeat uses nothing: what it reserved is free again.
    let again = edge.identify(people(10)).await;
    assert_eq!(left(&again), profile(90));
    edge.settled().await;
    for (path, body) in [
        ("/v1/identify", json!([])),
        ("/v1/identify", json!([42, {}])),
        (
            "/v1/identify",
            json!([{"user_id": "x", "traits": {"x": "ignored"}}]),
        ),
        ("/v1/audiences/members", json!([{"user_id": "x"}])),
    ] {
        let answer = edge.post(path, body.to_string()).await;
        answer.statuses();
        assert_eq!(left(&answer), profile(90), "{body}");
    }
    let both = vec![("activity".to_owned(), 200), ("profile".to_owned(), 90)];
    for body in [
        json!([]),
        json!([{"user_id": "x", "event": "Unmapped"}]),
        json!([{"user_id": "x", "event": "e", "namespace": "ortto.com"}]),
    ] {
        let answer = edge.track(body.clone()).await;
        answer.statuses();
        assert_eq!(left(&answer), both, "{body}");
    }
    let entry = json!([{"user_id": "m", "audience": {"mode": "add", "id": AUDIENCE}}]);
    let answer = edge.post("/v1/audiences/members", entry.to_string()).await;
    assert_eq!(left(&answer), profile(89));
}

#[tokio::test]
async fn an_answer_does_not_wait_long_for_what_is_left() {
    let edge = Edge::start().await;
    edge.stub.script("get_usage", [Fault::Hang]);
    let started = Instant::now();
    let answer = edge.post("/v1/identify", "[42]").await;
    assert_eq!((answer.status, answer.code(0)), (207, "NOT_AN_OBJECT"));
    assert_eq!(answer.header("ratelimit"), "");
    assert!(started.elapsed() < Duration::from_secs(6));
}
