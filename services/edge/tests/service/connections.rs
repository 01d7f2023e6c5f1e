//! The edge as an HTTP server for clients that are slow, many, or do not listen.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::Edge;
use crate::stub::{FOREIGN_AUDIENCE, KEY, Stub};

/// A head of so many bytes of body.
fn head(method_and_path: &str, key: &str, length: usize) -> String {
    format!(
        "{method_and_path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// Sends all of it, and reads until the other side closes.
async fn exchange(edge: &Edge, request: &[u8]) -> String {
    let mut client = TcpStream::connect(edge.address).await.unwrap();
    client.write_all(request).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Semantics 1.8.
#[tokio::test]
async fn the_status_line_says_what_to_do() {
    let edge = Edge::start().await;
    let foreign = format!(r#"{{"id":"{FOREIGN_AUDIENCE}"}}"#);
    for (method, path, key, body, line) in [
        (
            "POST",
            "/v1/identify",
            KEY,
            "x",
            "HTTP/1.1 400 Send a JSON array of events\r\n",
        ),
        (
            "POST",
            "/v1/identify",
            "pau-wrong",
            "[]",
            "HTTP/1.1 401 The API key is not known, or was revoked; check the destination's settings\r\n",
        ),
        (
            "PUT",
            "/v1/identify",
            KEY,
            "[]",
            "HTTP/1.1 405 This path takes POST\r\n",
        ),
        (
            "POST",
            "/v1/audiences/get",
            KEY,
            foreign.as_str(),
            "HTTP/1.1 409 This audience was not created by Segment (Actions)\r\n",
        ),
    ] {
        let request = head(&format!("{method} {path}"), key, body.len())
            .replace("host: x", "host: x\r\nconnection: close");
        let answer = exchange(&edge, format!("{request}{body}").as_bytes()).await;
        assert!(answer.starts_with(line), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
}

#[tokio::test]
async fn an_early_refusal_does_not_wait_for_the_body_and_arrives() {
    let edge = Edge::start().await;
    let large = 17 << 20;
    for (key, path, status) in [
        ("pau-wrong", "/v1/track", "401"),
        (KEY, "/v1/track", "413"),
        (KEY, "/v1/nothing", "404"),
    ] {
        // A body that never comes.
        let started = Instant::now();
        let request = head(&format!("POST {path}"), key, large);
        let mut client = TcpStream::connect(edge.address).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 12];
        client.read_exact(&mut answer).await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(6), "{status}");
        assert_eq!(answer, format!("HTTP/1.1 {status}").as_bytes());

        // One that is sent to its end, whatever the answer.
        let mut request = request.into_bytes();
        request.resize(request.len() + large, b' ');
        let answer = exchange(&edge, &request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
        assert!(answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn a_small_refused_body_does_not_cost_its_connection() {
    let edge = Edge::start().await;
    let mut client = TcpStream::connect(edge.address).await.unwrap();
    let request = head("POST /v1/track", "pau-wrong", 2) + "[]";
    for _ in 0..2 {
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0);
        }
        assert!(answer.starts_with(b"HTTP/1.1 401"));
    }
}

#[tokio::test]
async fn a_body_in_pieces_does_not_cost_its_connection() {
    let edge = Edge::start().await;
    let mut client = TcpStream::connect(edge.address).await.unwrap();
    let request = format!(
        "POST /v1/track HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
         transfer-encoding: chunked\r\n\r\n1\r\n[\r\n1\r\n]\r\n0\r\n\r\n"
    );
    for _ in 0..2 {
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0);
        }
        assert!(answer.starts_with(b"HTTP/1.1 207"));
    }
}

#[tokio::test]
async fn a_body_that_stalls_or_drips_is_408_within_eight_seconds() {
    let edge = Edge::start().await;
    let request = head("POST /v1/track", KEY, 1_000);
    let stalls = async {
        let started = Instant::now();
        let mut client = TcpStream::connect(edge.address).await.unwrap();
        let begun = format!("{request}[");
        client.write_all(begun.as_bytes()).await.unwrap();
        let mut answer = vec![0; 12];
        client.read_exact(&mut answer).await.unwrap();
        (String::from_utf8(answer).unwrap(), started.elapsed())
    };
    let drips = async {
        let started = Instant::now();
        let stream = TcpStream::connect(edge.address).await.unwrap();
        let (mut from, mut to) = stream.into_split();
        to.write_all(request.as_bytes()).await.unwrap();
        let dripping = tokio::spawn(async move {
            while to.write_all(b"[").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let mut answer = vec![0; 12];
        from.read_exact(&mut answer).await.unwrap();
        dripping.abort();
        (String::from_utf8(answer).unwrap(), started.elapsed())
    };
    let (stalled, dripped) = tokio::join!(stalls, drips);
    for (answer, elapsed) in [stalled, dripped] {
        assert_eq!(answer, "HTTP/1.1 408");
        assert!(elapsed < Duration::from_secs(8), "{elapsed:?}");
    }
}

/// One whose request is at work for as long as its body takes.
async fn at_work(edge: &Edge) -> TcpStream {
    let mut client = TcpStream::connect(edge.address).await.unwrap();
    let begun = head("POST /v1/track", KEY, 1_000) + "[";
    client.write_all(begun.as_bytes()).await.unwrap();
    let asked = |stub: &Stub| stub.count("authenticate") > 0;
    edge.eventually("the request is being read", asked).await;
    client
}

#[tokio::test]
async fn connections_over_the_limit_are_all_told_to_come_again() {
    let edge = Edge::start_with(&["--max-connections", "1"]).await;
    let _held = at_work(&edge).await;
    let body = vec![b' '; 300_000];
    let mut request = head("POST /v1/track", KEY, body.len()).into_bytes();
    request.extend_from_slice(&body);
    let refused = (0..50).map(|_| exchange(&edge, &request));
    for answer in futures_util::future::join_all(refused).await {
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("\r\nretry-after: 2\r\n"), "{answer}");
        assert!(answer.contains(r#""code":"OVERLOADED""#), "{answer}");
    }
    // One that says nothing is told, too.
    let mut silent = TcpStream::connect(edge.address).await.unwrap();
    let mut answer = String::new();
    silent.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

#[tokio::test]
async fn who_waits_longest_for_a_head_makes_room_for_newcomers() {
    let edge = Edge::start_with(&["--max-connections", "3"]).await;
    let mut working = at_work(&edge).await;
    let mut slow = Vec::new();
    for begun in [
        "",
        "POST /v1/tr",
        "POST /v1/identify HTTP/1.1\r\nhost: x\r\n",
    ] {
        let mut client = TcpStream::connect(edge.address).await.unwrap();
        client.write_all(begun.as_bytes()).await.unwrap();
        slow.push(client);
    }
    for _ in 0..2 {
        let request = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let answer = exchange(&edge, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    // The last of them has its place still, and is served once its head is there.
    let mut last = slow.pop().unwrap();
    last.write_all(b"connection: close\r\n\r\n").await.unwrap();
    for (mut client, status) in slow.into_iter().zip([503, 503]).chain([(last, 401)]) {
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    let rest = [b' '; 998];
    working
        .write_all(&[&rest[..], b"]"].concat())
        .await
        .unwrap();
    let mut answer = [0; 12];
    working.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 207");
}

#[tokio::test]
async fn a_slow_head_is_told_so_and_an_idle_connection_is_closed() {
    let edge = Edge::start().await;
    let wait = async |begun: &str| {
        let mut client = TcpStream::connect(edge.address).await.unwrap();
        client.write_all(begun.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (slow, silent) = tokio::join!(wait("POST /v1/track HTTP/1.1\r\nhost"), wait(""));
    assert!(slow.starts_with("HTTP/1.1 408 "), "{slow}");
    assert!(slow.contains("connection: close"), "{slow}");
    assert_eq!(silent, "");
}

#[tokio::test]
async fn requests_over_the_limit_are_told_so_whatever_they_send() {
    let edge = Edge::start_with(&["--max-queued-events", "0"]).await;
    let body = vec![b' '; 2 << 20];
    let mut request = head("POST /v1/track", KEY, body.len()).into_bytes();
    request.extend_from_slice(&body);
    for _ in 0..10 {
        let answer = exchange(&edge, &request).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("retry-after"), "{answer}");
    }
}
