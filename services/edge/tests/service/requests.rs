//! Requests that are refused as a whole, and how the edge behaves as an HTTP server.

use std::io::Write;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tonic_health::ServingStatus;

use crate::harness::Edge;
use crate::stub::{AUDIENCE, FOREIGN_AUDIENCE, KEY};

#[tokio::test]
async fn what_is_neither_an_array_nor_an_object_is_400() {
    let edge = Edge::start().await;
    for body in [
        "", "x", "{", "{}{}", "[", "[{}", "[{}]]", "[{}] x", "[{},]", "[,{}]", "null",
    ] {
        let answer = edge.post("/v1/identify", body).await;
        answer.check_problem(400);
        assert_eq!(answer.json["code"], "BODY_INVALID");
    }
    let answer = edge.post("/v1/track", " [ ] ").await;
    assert_eq!(answer.statuses(), Vec::<u64>::new());
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(edge.stub.count("map_events"), 0);
}

#[tokio::test]
async fn large_batches_and_bodies_are_413_and_the_answer_arrives() {
    let edge = Edge::start().await;
    let events = |n: usize| format!("[{}]", vec!["{}"; n].join(","));
    assert_eq!(
        edge.post("/v1/track", events(1_000)).await.statuses().len(),
        1_000
    );
    edge.post("/v1/track", events(1_001))
        .await
        .check_problem(413);
    let large = format!("[\"{}\"]", "x".repeat(17 << 20));
    edge.post("/v1/track", large.clone())
        .await
        .check_problem(413);
    let chunks = large
        .into_bytes()
        .chunks(1 << 20)
        .map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk))))
        .collect::<Vec<_>>();
    let unknown_length = StreamBody::new(futures_util::stream::iter(chunks));
    edge.post_body("/v1/track", unknown_length.boxed())
        .await
        .check_problem(413);
}

#[tokio::test]
async fn compressed_bodies_are_inflated_up_to_the_limit() {
    let edge = Edge::start().await;
    let authorization = format!("Bearer {KEY}");
    let send = async |encoding: &str, body: Vec<u8>| {
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("content-encoding", encoding),
        ];
        edge.send("POST", "/v1/identify", &headers, body).await
    };
    let gzip = |body: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    };
    let answer = send("gzip", gzip(br#"[{"user_id":"a","traits":{}}]"#)).await;
    assert_eq!(answer.statuses(), [200]);
    let pieces: Vec<u8> = [&b"[{\"user_id\""[..], b"", b":\"a\",\"traits\":{}}]"]
        .into_iter()
        .flat_map(gzip)
        .collect();
    assert_eq!(send("gzip", pieces).await.statuses(), [200]);
    // Each is nothing, and takes its time.
    send("gzip", gzip(b"").repeat(1_001))
        .await
        .check_problem(400);
    let bomb = gzip(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 1 << 20);
    send("gzip", bomb).await.check_problem(413);
    let whole = gzip(b"[]");
    send("gzip", whole[..whole.len() - 4].to_vec())
        .await
        .check_problem(400);
    send("gzip", b"[]".to_vec()).await.check_problem(400);
    let answer = send("zstd", b"[]".to_vec()).await;
    answer.check_problem(415);
    let answer = send("br", b"[]".to_vec()).await;
    answer.check_problem(415);
    assert!(answer.header("accept-encoding").contains("gzip"));
}

#[tokio::test]
async fn keys_are_asked_for_once_and_refused_with_401() {
    let edge = Edge::start().await;
    let me = async |key: Option<&str>| {
        let value = format!("Bearer {}", key.unwrap_or_default());
        let headers = [("authorization", value.as_str())];
        let headers = if key.is_some() { &headers[..] } else { &[] };
        edge.send("GET", "/v1/me", headers, "").await
    };
    for bad in [None, Some("pau-wrong"), Some("")] {
        let answer = me(bad).await;
        answer.check_problem(401);
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    // The second time from memory.
    for _ in 0..2 {
        let answer = me(Some("expired-key")).await;
        answer.check_problem(401);
        assert_eq!(answer.json["code"], "KEY_EXPIRED");
    }
    let before = edge.stub.count("authenticate");
    for _ in 0..3 {
        let answer = me(Some(KEY)).await;
        assert_eq!(
            (answer.status, answer.json["account_id"].as_str()),
            (200, Some("account"))
        );
    }
    assert_eq!(edge.stub.count("authenticate"), before + 1);
}

#[tokio::test]
async fn paths_methods_and_types_are_checked() {
    let edge = Edge::start().await;
    let authorization = format!("Bearer {KEY}");
    let key = ("authorization", authorization.as_str());
    edge.send("POST", "/v1/nothing", &[key], "[]")
        .await
        .check_problem(404);
    let answer = edge.send("GET", "/v1/identify", &[key], "").await;
    answer.check_problem(405);
    assert_eq!(answer.header("allow"), "POST");
    let answer = edge
        .send("POST", "/v1/audiences/members", &[key], "[]")
        .await;
    assert_eq!((answer.status, answer.header("allow")), (405, "PUT"));
    for (given, status) in [
        ("text/plain", 415),
        ("application/jsonp", 415),
        ("application/json; charset=utf-8", 207),
        ("Application/JSON", 207),
    ] {
        let headers = [key, ("content-type", given)];
        let answer = edge.send("POST", "/v1/identify", &headers, "[]").await;
        assert_eq!(answer.status, status, "{given}");
    }
}

#[tokio::test]
async fn audiences_are_created_and_found() {
    let edge = Edge::start().await;
    let made = edge
        .post("/v1/audiences/create", r#"{"name":" Newsletter "}"#)
        .await;
    let expected = serde_json::json!({"id": AUDIENCE, "name": "Newsletter"});
    assert_eq!((made.status, &made.json), (200, &expected));
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(151));
    for (body, says) in [
        (r#"{"name":" "}"#, "blank"),
        (&long, "150 characters"),
        (r#"{"name":"a\nb"}"#, "control"),
        ("{}", "name"),
        ("[]", "name"),
    ] {
        let answer = edge.post("/v1/audiences/create", body.to_owned()).await;
        answer.check_problem(400);
        assert!(
            answer.json["detail"].as_str().unwrap().contains(says),
            "{answer:?}"
        );
    }
    let odd = "\u{feff}{\"name\":\"x\",\"name\":\"Newsletter\",\"y\":1e999}";
    assert_eq!(edge.post("/v1/audiences/create", odd).await.json, expected);
    let foreign = format!(r#"{{"id":"{FOREIGN_AUDIENCE}"}}"#);
    for (path, body) in [
        ("/v1/audiences/create", r#"{"name":"By hand"}"#),
        ("/v1/audiences/get", &foreign),
    ] {
        let answer = edge.post(path, body.to_owned()).await;
        answer.check_problem(409);
        assert_eq!(answer.json["code"], "AUDIENCE_NAME_TAKEN");
    }
    let found = edge
        .post("/v1/audiences/get", format!(r#"{{"id":"{AUDIENCE}"}}"#))
        .await;
    assert_eq!((found.status, &found.json), (200, &expected));
    for body in [r#"{"id":"no-id"}"#, r#"{"id":"x"}"#] {
        let answer = edge.post("/v1/audiences/get", body).await;
        answer.check_problem(404);
        assert_eq!(answer.json["code"], "AUDIENCE_NOT_FOUND");
    }
}

#[tokio::test]
async fn it_is_ready_when_all_services_are() {
    let edge = Edge::start().await;
    assert_eq!(edge.send("GET", "/healthz", &[], "").await.status, 200);
    assert_eq!(edge.send("GET", "/readyz", &[], "").await.status, 200);
    let health = edge.stub.health.clone();
    health
        .set_service_status("", ServingStatus::NotServing)
        .await;
    let (started, mut probes) = (Instant::now(), 0);
    let answer = loop {
        probes += 1;
        let answer = edge.send("GET", "/readyz", &[], "").await;
        if answer.status != 200 {
            break answer;
        }
        assert!(started.elapsed() < Duration::from_secs(5));
    };
    answer.check_problem(503);
    assert!(answer.json["detail"].as_str().unwrap().contains("quota"));
    assert_eq!(edge.send("GET", "/healthz", &[], "").await.status, 200);
    let asked = edge.stub.count("health");
    assert_eq!(asked, 2 * 5, "each of them twice, for {probes} probes");
}

#[tokio::test]
async fn many_probes_ask_the_services_once() {
    let edge = Edge::start().await;
    let probe = || edge.send("GET", "/readyz", &[], "");
    let started = Instant::now();
    let answers = futures_util::future::join_all((0..100).map(|_| probe())).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let asked = edge.stub.count("health");
    let most = 5 * (1 + started.elapsed().as_millis() as usize / 300);
    assert!((5..=most).contains(&asked), "{asked} of {most}");
}

#[tokio::test]
async fn beyond_its_limits_it_sheds_with_503() {
    let edge = Edge::start_with(&["--max-queued-events", "0"]).await;
    let answer = edge.post("/v1/track", "[]").await;
    answer.check_problem(503);
    assert!(!answer.header("retry-after").is_empty());
    let edge = Edge::start_with(&["--max-bodies-mib", "0"]).await;
    edge.post("/v1/track", "[]").await.check_problem(503);
}
