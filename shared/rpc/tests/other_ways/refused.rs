//! What is no call, or no message, and what it is answered.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use http_body_util::StreamBody;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server::{EXPORT, Http, IMPORT, NAME, Served, detail};

const LIMIT: usize = 16 * 1024 * 1024;

#[tokio::test]
async fn json_that_is_no_such_message_says_which_field_and_what_it_takes() {
    let served = Served::start().await;
    for (body, field, hint) in [
        (&br#"{"accountId": 5}"#[..], "account_id", "must be a text"),
        (
            br#"{"acountId": "a"}"#,
            "acountId",
            "is no field of ImportContactsRequest",
        ),
        (
            br#"{"rows": [{}, {"cells": "a"}]}"#,
            "rows[1].cells",
            "must be an array",
        ),
        (
            br#"{"asOfTime": "yesterday"}"#,
            "as_of_time",
            "a time such as",
        ),
        (
            br#"{"mergeStrategy": "BEST"}"#,
            "merge_strategy",
            "one of MERGE_STRATEGY_",
        ),
        (b"[]", "", "must be a JSON object"),
    ] {
        let refused = served.json(IMPORT, body).await;
        let (status, code, reason) = refused.error();
        assert_eq!(
            (status, &*code, &*reason),
            (400, "invalid_argument", "FIELD_INVALID")
        );
        let error = refused.json();
        let all = if field.is_empty() {
            "the request "
        } else {
            field
        };
        assert!(
            error["message"].as_str().unwrap().starts_with(all),
            "{error}"
        );
        let violation = detail(&error, "google.rpc.BadRequest")["fieldViolations"][0].clone();
        // A field without a name is left out of JSON.
        assert_eq!(
            violation["field"].as_str().unwrap_or_default(),
            field,
            "{error}"
        );
        assert!(
            violation["description"].as_str().unwrap().contains(hint),
            "{error}"
        );
    }
    for body in [&b"hello"[..], b"{", b"{\"a\": \"\xff\"}", b"{} {}"] {
        let refused = served.json(IMPORT, body).await;
        let expected = (400, "invalid_argument".into(), "MESSAGE_INVALID".into());
        assert_eq!(refused.error(), expected, "{body:?}");
    }
    assert_eq!(served.imports(), 0);
}

#[tokio::test]
async fn depth_has_an_end() {
    let served = Served::start().await;
    for body in ["[".repeat(1_000_000), "{\"rows\":".repeat(100_000)] {
        assert_eq!(served.json(IMPORT, body).await.error().0, 400);
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_at_once() {
    let served = Served::start().await;
    let fits = format!("{}{{}}", " ".repeat(LIMIT - 2));
    // A machine that is busy must not end it.
    let headers = [
        ("content-type", "application/json"),
        ("connect-timeout-ms", "60000"),
    ];
    for http in [Http::One, Http::Two] {
        let answer = served.ask(http, IMPORT, &headers, fits.clone()).await;
        assert_eq!(answer.status, 200);
        let refused = served.ask(http, IMPORT, &headers, format!("{fits} ")).await;
        let expected = (413, "resource_exhausted".into(), "MESSAGE_TOO_LARGE".into());
        assert_eq!(refused.error(), expected, "{http:?}");
    }
    assert_eq!(served.imports(), 2);

    // By its length alone, before a byte of it is there.
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let head = format!(
        "POST {IMPORT} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: 17825792\r\nexpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_body_without_a_length_is_measured_as_it_comes() {
    let served = Served::start().await;
    let stream = TcpStream::connect(served.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let piece =
        || Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from(vec![b' '; 1 << 20])));
    // It would go on for ever.
    let body = StreamBody::new(tokio_stream::iter(std::iter::repeat_with(piece)));
    let request = http::Request::post(format!("http://{}{IMPORT}", served.address))
        .header("host", "a")
        .header("content-type", "application/json")
        .body(body)
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 413);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_waited_for_until_the_deadline() {
    let served = Served::start().await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let head = format!(
        "POST {IMPORT} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         connect-timeout-ms: 300\r\ncontent-length: 2\r\n\r\n{{"
    );
    let began = Instant::now();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 504");
    assert!(began.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn other_media_types_are_told_what_is_taken() {
    let served = Served::start().await;
    for media in [
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/json; charset=latin1",
        "application/connect+json",
        // gRPC has no HTTP/1.1.
        "application/grpc",
    ] {
        let refused = served.post(Http::One, IMPORT, media, "{}").await;
        let expected = (415, "unimplemented".into(), "MEDIA_TYPE_UNSUPPORTED".into());
        assert_eq!(refused.error(), expected, "{media}");
        assert_eq!(refused.header("accept-post"), "application/json");
    }
    let streams = served.json(EXPORT, "{}").await;
    assert_eq!(streams.status, 415);
    // Which method answers with a stream is not told before somebody is asked who calls.
    let refused = served.post(Http::One, IMPORT, "text/plain", "{}").await;
    assert_eq!(streams.json(), refused.json());
    let taken = streams.headers.get_all("accept-post").iter();
    assert!(taken.eq([
        "application/json",
        "application/connect+json",
        "application/proto",
        "application/connect+proto",
    ]));
    let message = streams.json()["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("where the answer is a stream"),
        "{message}"
    );
    assert_eq!(served.imports(), 0);
}

#[tokio::test]
async fn what_is_not_here_is_told_from_no_call_and_what_is_here_is_not_listed() {
    let served = Served::start().await;
    let none = "no such method; reflection tells which there are";
    let call = "calls are a POST to /SERVICE/METHOD; GET / says how";
    for (path, hint) in [
        (format!("/{NAME}/Nothing"), none),
        ("/weir.quota.v1.QuotaService/GetUsage".to_owned(), none),
        ("/a/b/c".to_owned(), none),
        ("/".to_owned(), call),
        ("/nothing".to_owned(), call),
    ] {
        let refused = served.json(&path, "{}").await;
        let expected = (501, "unimplemented".into(), "CALL_UNSUPPORTED".into());
        assert_eq!(refused.error(), expected, "{path}");
        assert_eq!(refused.json()["message"], hint, "{path}");
    }
    for method in [Method::GET, Method::PUT, Method::OPTIONS] {
        let refused = served
            .send(Http::One, method, IMPORT, &[], Bytes::new())
            .await;
        assert_eq!(refused.status, 405);
        assert_eq!(refused.header("allow"), "POST");
    }
}

#[tokio::test]
async fn an_unknown_version_of_the_protocol_is_refused() {
    let served = Served::start().await;
    let headers = [
        ("content-type", "application/json"),
        ("connect-protocol-version", "2"),
    ];
    let refused = served.ask(Http::One, IMPORT, &headers, "{}").await;
    assert_eq!(refused.error().0, 400);
}

#[tokio::test]
async fn who_looks_is_told_what_this_is_and_how_it_is_called() {
    let served = Served::start().await;
    for http in [Http::One, Http::Two] {
        let page = served.send(http, Method::GET, "/", &[], Bytes::new()).await;
        assert_eq!(page.status, 200);
        assert_eq!(page.header("content-type"), "text/plain; charset=utf-8");
        let call = format!("curl http://{}{IMPORT} ", served.address);
        for part in [NAME, &*call, "authorization: Bearer"] {
            assert!(page.text().contains(part), "{part}: {}", page.text());
        }
        // Two of them would be refused.
        assert_eq!(page.text().matches("authorization:").count(), 1);
    }
    let headers = [("host", "weir.example.org")];
    let page = served
        .send(Http::One, Method::GET, "/", &headers, Bytes::new())
        .await;
    assert!(page.text().contains("curl http://weir.example.org/weir."));
    let headers = [("host", "a$(reboot)")];
    let page = served
        .send(Http::One, Method::GET, "/", &headers, Bytes::new())
        .await;
    assert!(!page.text().contains("reboot"));
}

#[tokio::test]
async fn health_can_be_asked_for_with_curl() {
    let served = Served::start().await;
    let answer = served.json("/grpc.health.v1.Health/Check", "").await;
    assert_eq!(answer.json(), json!({"status": "SERVING"}));
}
