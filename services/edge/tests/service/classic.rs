//! The classic source, as its SDKs see it (semantics 8).

use std::io::Write;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{Answer, Edge};
use crate::stub::{Fault, KEY};

const CLASSIC_KEY: &str = "classic-key";
const PAGE: &str = "https://shop.example.com";

/// `Basic KEY:`
fn basic(key: &str) -> String {
    format!(
        "Basic {}",
        data_encoding::BASE64.encode(format!("{key}:").as_bytes())
    )
}

async fn send(edge: &Edge, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    edge.send("POST", path, headers, body.to_owned()).await
}

async fn batch(edge: &Edge, events: Value) -> Answer {
    let body = json!({"batch": events, "writeKey": CLASSIC_KEY, "sentAt": "x"}).to_string();
    send(
        edge,
        "/classic/v1/batch",
        &[("content-type", "text/plain")],
        &body,
    )
    .await
}

fn identify(user: &str) -> Value {
    json!({"type": "identify", "userId": user, "messageId": user,
           "timestamp": "2025-07-10T06:09:00Z", "traits": {"a": 1}})
}

fn track(user: &str) -> Value {
    json!({"type": "track", "userId": user, "event": "Login", "messageId": user,
           "timestamp": "2025-07-10T06:09:00Z", "properties": {"a": 1}})
}

fn is_success(answer: &Answer) -> bool {
    answer.status == 200 && answer.json == json!({"success": true})
}

fn check_refused(answer: &Answer, status: u16, code: &str) {
    answer.check_problem(status);
    assert_eq!(answer.json["code"], code, "{answer:?}");
    assert_eq!(answer.json["success"], false);
}

#[tokio::test]
async fn a_batch_goes_through_the_pipeline_identifies_first() {
    let edge = Edge::start().await;
    let events = json!([
        track("u1"),
        identify("u1"),
        {"type": "page", "userId": "u1"},
        identify("u2"),
        track("u2"),
    ]);
    assert!(is_success(&batch(&edge, events.clone()).await));
    let users: Vec<String> = {
        let state = edge.stub.state();
        assert_eq!(state.activities.len(), 2);
        state
            .contacts
            .iter()
            .map(|one| String::from_utf8(one.user_id.to_vec()).unwrap())
            .collect()
    };
    assert_eq!(users, ["u1", "u2"]);
    let before = edge.settled().await;
    // What an SDK sends again costs nothing.
    let mut again = events;
    again[0]["sentAt"] = "another".into();
    assert!(is_success(&batch(&edge, again).await));
    let after = edge.settled().await;
    let sum = |all: &[(i64, i64)]| -> (i64, i64) {
        (
            all.iter().map(|one| one.0).sum(),
            all.iter().map(|one| one.1).sum(),
        )
    };
    assert_eq!((sum(&before), sum(&after)), ((2, 2), (2, 2)));
}

#[tokio::test]
async fn each_endpoint_takes_its_event_by_either_name_and_the_key_wherever_it_stands() {
    let edge = Edge::start().await;
    let basic = basic(CLASSIC_KEY);
    let bearer = format!("Bearer {CLASSIC_KEY}");
    let body = |event: Value| event.to_string();
    for (path, event) in [
        ("/classic/v1/identify", identify("u1")),
        ("/classic/v1/i", identify("u2")),
        ("/classic/v1/track", track("u3")),
        ("/classic/v1/t", track("u4")),
    ] {
        let headers = [("authorization", basic.as_str())];
        assert!(
            is_success(&send(&edge, path, &headers, &body(event)).await),
            "{path}"
        );
    }
    let headers = [("authorization", bearer.as_str())];
    let answer = send(&edge, "/classic/v1/t", &headers, &body(track("u5"))).await;
    assert!(is_success(&answer));
    let mut keyed = identify("u6");
    keyed["writeKey"] = CLASSIC_KEY.into();
    let answer = send(&edge, "/classic/v1/i", &[], &body(keyed.clone())).await;
    assert!(is_success(&answer));
    // Where both are there, the header's counts.
    keyed["writeKey"] = "pau-wrong".into();
    let headers = [("authorization", basic.as_str())];
    let answer = send(&edge, "/classic/v1/i", &headers, &body(keyed.clone())).await;
    assert!(is_success(&answer));
    let answer = send(&edge, "/classic/v1/i", &[], &body(keyed)).await;
    check_refused(&answer, 401, "KEY_UNKNOWN");
    let answer = send(&edge, "/classic/v1/i", &[], &body(identify("u"))).await;
    check_refused(&answer, 401, "KEY_UNKNOWN");
    let state = edge.stub.state();
    // What came twice was one event: its key is no part of it.
    assert_eq!((state.contacts.len(), state.activities.len()), (3, 3));
}

#[tokio::test]
async fn what_is_not_stored_is_counted_and_costs_nothing() {
    let edge = Edge::start().await;
    let basic = basic(CLASSIC_KEY);
    for path in ["page", "p", "screen", "s", "group", "g", "alias", "a"] {
        let path = format!("/classic/v1/{path}");
        let headers = [("authorization", basic.as_str())];
        assert!(is_success(
            &send(&edge, &path, &headers, r#"{"userId":"u"}"#).await
        ));
    }
    // An SDK tells of itself, without a key.
    let answer = send(&edge, "/classic/v1/m", &[], r#"{"series":[]}"#).await;
    assert!(is_success(&answer));
    edge.eventually("all are counted", |stub| {
        let state = stub.state();
        let count = |subject: &str| {
            let key = (200, "TYPE_NOT_STORED".to_owned(), subject.to_owned());
            state.counts.get(&key).copied().unwrap_or(0)
        };
        ["page", "screen", "group", "alias"]
            .iter()
            .all(|of| count(of) == 2)
    })
    .await;
    assert_eq!(edge.stub.count("map_events"), 0);
    assert_eq!(edge.stub.count("reserve"), 0);
}

#[tokio::test]
async fn invalid_events_are_dropped_logged_and_kept() {
    let edge = Edge::start().await;
    let long = "x".repeat(33 * 1024);
    let events = json!([
        {"type": "purchase", "userId": "u", "event": "Sale", "messageId": "m1"},
        {"type": "track", "userId": "u", "messageId": "m2"},
        {"type": "identify", "traits": {}, "messageId": "m3"},
        {"type": "identify", "userId": "u", "traits": {"a": long}, "messageId": "m4"},
        7,
        track("u"),
    ]);
    assert!(is_success(&batch(&edge, events).await));
    edge.eventually("all are logged and kept", |stub| {
        let state = stub.state();
        state.log.len() == 5 && state.kept.len() == 4
    })
    .await;
    let state = edge.stub.state();
    let mut lines: Vec<(u32, &str)> = state
        .log
        .iter()
        .map(|line| (line.index, line.code.as_str()))
        .collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            (0, "EVENT_TYPE_UNKNOWN"),
            (1, "EVENT_NAME_MISSING"),
            (2, "NO_IDENTIFIER"),
            (3, "EVENT_TOO_LARGE"),
            (4, "NOT_AN_OBJECT"),
        ]
    );
    assert!(state.log.iter().all(|line| line.status == 400));
    assert_eq!(state.activities.len(), 1);
}

// Semantics 8.1.
#[tokio::test]
async fn an_event_of_just_32_kb_is_taken_and_one_of_a_byte_more_is_not() {
    let edge = Edge::start().await;
    let key = basic(CLASSIC_KEY);
    for size in [32 * 1024, 32 * 1024 + 1] {
        let around = json!({"userId": "u", "traits": {"a": ""}}).to_string();
        let long = "x".repeat(size - around.len());
        let event = json!({"userId": "u", "traits": {"a": long}}).to_string();
        let headers = [("authorization", &*key)];
        let answer = send(&edge, "/classic/v1/identify", &headers, &event).await;
        assert!(is_success(&answer), "{size}: {answer:?}");
    }
    edge.eventually("the larger one is logged", |stub| {
        let state = stub.state();
        state.log.iter().any(|line| line.code == "EVENT_TOO_LARGE")
    })
    .await;
    assert_eq!(edge.stub.state().contacts.len(), 1);
}

#[tokio::test]
async fn a_request_comes_again_where_a_limit_is_reached_or_something_is_away() {
    let edge = Edge::start().await;
    edge.stub.state().activity_limit = 1;
    let answer = batch(&edge, json!([identify("u1"), track("u1"), track("u2")])).await;
    check_refused(&answer, 429, "ACTIVITY_LIMIT");
    let seconds: i64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(edge.stub.state().contacts.len(), 1, "what can be stored is");
    edge.stub.state().activity_limit = 10;
    assert!(is_success(
        &batch(&edge, json!([identify("u1"), track("u1"), track("u2")])).await
    ));
    assert_eq!(edge.stub.state().activities.len(), 2);

    let away = || Fault::Say(tonic::Status::unavailable("away"));
    edge.stub
        .script("upsert_contacts", [away(), away(), away(), away()]);
    let answer = batch(&edge, json!([identify("u3"), track("u3")])).await;
    check_refused(&answer, 503, "SERVICE_AWAY");
    assert!(!answer.header("retry-after").is_empty());
    assert!(is_success(
        &batch(&edge, json!([identify("u3"), track("u3")])).await
    ));
    assert_eq!(edge.stub.state().activities.len(), 3);
}

#[tokio::test]
async fn the_key_of_the_other_kind_is_told_where_it_belongs() {
    let edge = Edge::start().await;
    let basic = basic(KEY);
    let headers = [("authorization", basic.as_str())];
    let answer = send(&edge, "/classic/v1/i", &headers, &identify("u").to_string()).await;
    check_refused(&answer, 403, "KEY_OF_OTHER_KIND");
    assert!(
        answer.json["detail"]
            .as_str()
            .unwrap()
            .contains("/v1/identify")
    );
    let bearer = format!("Bearer {CLASSIC_KEY}");
    for (method, path) in [
        ("GET", "/v1/me"),
        ("POST", "/v1/identify"),
        ("POST", "/v1/audiences/get"),
    ] {
        let answer = edge
            .send(method, path, &[("authorization", &*bearer)], "{}")
            .await;
        answer.check_problem(403);
        assert_eq!(answer.json["code"], "KEY_OF_OTHER_KIND");
        assert!(
            answer.json["detail"]
                .as_str()
                .unwrap()
                .contains("/classic/v1/")
        );
    }
    assert_eq!(edge.stub.state().contacts.len(), 0);
}

#[tokio::test]
async fn bodies_of_any_type_are_read_as_json_and_nothing_else() {
    let edge = Edge::start().await;
    let basic = basic(CLASSIC_KEY);
    let one = identify("u").to_string();
    for kind in [
        "text/plain",
        "text/plain; charset=UTF-8",
        "application/json",
        "x",
    ] {
        let headers = [("authorization", basic.as_str()), ("content-type", kind)];
        assert!(
            is_success(&send(&edge, "/classic/v1/i", &headers, &one).await),
            "{kind}"
        );
    }
    let headers = [
        ("authorization", basic.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    for body in ["data=e30%3D", "", "[]", "null", "{} {}"] {
        let answer = send(&edge, "/classic/v1/t", &headers, body).await;
        check_refused(&answer, 400, "BODY_INVALID");
    }
    let answer = send(&edge, "/classic/v1/batch", &headers, &one).await;
    check_refused(&answer, 400, "BODY_INVALID");
    let many = format!(r#"{{"batch":[{}]}}"#, vec!["{}"; 2_501].join(","));
    let answer = send(&edge, "/classic/v1/batch", &headers, &many).await;
    check_refused(&answer, 400, "BODY_TOO_LARGE");
    let long = format!(r#"{{"userId":"{}"}}"#, "x".repeat(500 * 1024));
    let answer = send(&edge, "/classic/v1/i", &headers, &long).await;
    check_refused(&answer, 400, "BODY_TOO_LARGE");

    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(one.as_bytes()).unwrap();
    let gzip = encoder.finish().unwrap();
    let headers = [
        ("authorization", basic.as_str()),
        ("content-encoding", "gzip"),
    ];
    let answer = edge.send("POST", "/classic/v1/i", &headers, gzip).await;
    assert!(is_success(&answer));
}

/// Semantics 8.3.
#[tokio::test]
async fn browsers_may_send_from_pages_that_the_source_lists() {
    let edge = Edge::start().await;
    let preflight = [
        ("origin", "https://anywhere.example"),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "authorization,content-type",
        ),
    ];
    // It says nothing of the source, and needs no key.
    let answer = edge.send("OPTIONS", "/classic/v1/t", &preflight, "").await;
    assert_eq!(answer.status, 204);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://anywhere.example"
    );
    assert!(
        answer
            .header("access-control-allow-methods")
            .contains("POST")
    );
    let allowed = answer.header("access-control-allow-headers");
    assert_eq!(allowed, "authorization,content-type");
    assert_eq!(edge.stub.count("authenticate"), 0);

    let mut event = identify("u");
    event["writeKey"] = CLASSIC_KEY.into();
    let from = |origin| [("origin", origin), ("content-type", "text/plain")];
    let answer = send(&edge, "/classic/v1/i", &from(PAGE), &event.to_string()).await;
    assert!(is_success(&answer));
    assert_eq!(answer.header("access-control-allow-origin"), PAGE);
    assert_eq!(answer.header("vary"), "origin");
    for origin in ["https://evil.example", "null", "http://shop.example.com"] {
        let answer = send(&edge, "/classic/v1/i", &from(origin), &event.to_string()).await;
        check_refused(&answer, 403, "ORIGIN_NOT_ALLOWED");
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
    assert_eq!(edge.stub.state().contacts.len(), 1);
    // What is wrong besides, the page may read.
    let answer = send(&edge, "/classic/v1/i", &from(PAGE), "a=b").await;
    check_refused(&answer, 400, "BODY_INVALID");
    assert_eq!(answer.header("access-control-allow-origin"), PAGE);
}

#[tokio::test]
async fn settings_lead_a_browser_back_to_where_it_asked() {
    let edge = Edge::start().await;
    let path = "/classic/v1/projects/classic-key/settings";
    let headers = [
        ("host", "weir.example:8443"),
        ("x-forwarded-proto", "https"),
        ("origin", PAGE),
    ];
    let answer = edge.send("GET", path, &headers, "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), PAGE);
    let segment = &answer.json["integrations"]["Segment.io"];
    assert_eq!(segment["apiKey"], CLASSIC_KEY);
    assert_eq!(segment["apiHost"], "weir.example:8443/classic/v1");
    assert_eq!(segment["protocol"], "https");
    let answer = edge
        .send("GET", path, &[("origin", "https://evil.example")], "")
        .await;
    check_refused(&answer, 403, "ORIGIN_NOT_ALLOWED");
    let unknown = edge
        .send("GET", "/classic/v1/projects/pau-wrong/settings", &[], "")
        .await;
    check_refused(&unknown, 404, "KEY_UNKNOWN");
    let ended = edge
        .send("GET", "/classic/v1/projects/expired-key/settings", &[], "")
        .await;
    check_refused(&ended, 404, "KEY_UNKNOWN");
    let actions = format!("/classic/v1/projects/{KEY}/settings");
    let answer = edge.send("GET", &actions, &[], "").await;
    check_refused(&answer, 403, "KEY_OF_OTHER_KIND");
    edge.send("POST", path, &[], "").await.check_problem(405);
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_no_part_of_its_request_behind() {
    let edge = Edge::start().await;
    let away = || Fault::Say(tonic::Status::unavailable("away"));
    // Slow enough that the client is gone before the tracks have their turn.
    edge.stub.script("map_events", [away(), away()]);
    let events = json!([identify("u1"), track("u2")]);
    let body = json!({"batch": events, "writeKey": CLASSIC_KEY}).to_string();
    let request = format!(
        "POST /classic/v1/batch HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut client = TcpStream::connect(edge.address).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    edge.eventually("the identifies began", |stub| stub.count("map_events") > 0)
        .await;
    drop(client);
    edge.eventually("the tracks are stored, too", |stub| {
        let state = stub.state();
        (state.contacts.len(), state.activities.len()) == (1, 1)
    })
    .await;
    edge.stop().await;
}

/// Semantics 8.4.
#[tokio::test]
async fn a_paused_source_tells_everybody_to_come_again() {
    let edge = Edge::start().await;
    edge.stub.state().is_paused = true;
    let answer = batch(&edge, json!([identify("u")])).await;
    check_refused(&answer, 503, "SOURCE_PAUSED");
    assert_eq!(answer.header("retry-after"), "60");
    for path in [
        "/v1/identify",
        "/v1/track",
        "/v1/audiences/create",
        "/v1/audiences/members",
    ] {
        let answer = edge.post(path, "[]").await;
        answer.check_problem(503);
        assert_eq!(answer.json["code"], "SOURCE_PAUSED", "{path}");
        assert_eq!(answer.header("retry-after"), "60");
    }
    // The key is good all the same.
    let bearer = format!("Bearer {KEY}");
    let answer = edge
        .send("GET", "/v1/me", &[("authorization", &*bearer)], "")
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(edge.stub.count("map_events"), 0);
}
