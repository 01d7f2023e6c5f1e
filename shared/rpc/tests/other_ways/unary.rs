//! One message for one message, as `curl` sends it.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use serde_json::json;
use weir_proto::contact::v1::{ImportContactsRequest, ImportContactsResponse, ImportRow};

use super::server::{Http, IMPORT, Served, detail};

#[tokio::test]
async fn json_is_taken_and_answered_by_both_versions_of_http() {
    let served = Served::start().await;
    let request = r#"{"accountId": "a", "firstRow": "1", "rows": [{"cells": ["x", "é"]}]}"#;
    for http in [Http::One, Http::Two] {
        for media in ["application/json", "application/json; charset=utf-8"] {
            let answer = served.post(http, IMPORT, media, request).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let results = &answer.json()["results"];
            assert_eq!(
                *results,
                json!([
                    {"status": "IMPORT_STATUS_STORED", "contactId": "x"},
                    {"status": "IMPORT_STATUS_STORED", "contactId": "é"},
                ]),
            );
            assert!(answer.json()["units"].is_string(), "64 bits are a text");
        }
    }
    assert_eq!(served.imports(), 4);
}

#[tokio::test]
async fn nothing_is_an_empty_request_and_an_empty_answer_has_no_defaults() {
    let served = Served::start().await;
    for body in ["", "{}", " \n"] {
        let answer = served.json(IMPORT, body).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json().get("results"), None);
    }
}

#[tokio::test]
async fn the_message_may_be_protobuf() {
    let served = Served::start().await;
    let request = ImportContactsRequest {
        rows: vec![ImportRow {
            cells: vec!["x".to_owned()],
            ..Default::default()
        }],
        ..Default::default()
    };
    let answer = served
        .post(
            Http::Two,
            IMPORT,
            "application/proto",
            request.encode_to_vec(),
        )
        .await;
    assert_eq!(answer.header("content-type"), "application/proto");
    let read = ImportContactsResponse::decode(answer.body).unwrap();
    assert_eq!(read.results[0].contact_id, "x");

    let nonsense = served
        .post(Http::One, IMPORT, "application/proto", &b"\xff\xff"[..])
        .await;
    let (status, code, reason) = nonsense.error();
    assert_eq!(
        (status, &*code, &*reason),
        (400, "invalid_argument", "MESSAGE_INVALID")
    );
}

#[tokio::test]
async fn an_error_has_its_code_its_reason_and_all_violations() {
    let served = Served::start().await;
    let unknown = served.json(IMPORT, r#"{"accountId": "unknown"}"#).await;
    let (status, code, reason) = unknown.error();
    assert_eq!(
        (status, &*code, &*reason),
        (404, "not_found", "ACCOUNT_UNKNOWN")
    );
    assert_eq!(unknown.json()["message"], "no such account");

    let wrong = served.json(IMPORT, r#"{"accountId": "wrong"}"#).await;
    assert_eq!(wrong.error().0, 400);
    assert_eq!(
        detail(&wrong.json(), "google.rpc.BadRequest")["fieldViolations"],
        json!([
            {"field": "columns[0]", "description": "is no column"},
            {"field": "rows[1]", "description": "has no cells"},
        ])
    );

    let broken = served.json(IMPORT, r#"{"accountId": "panics"}"#).await;
    assert_eq!(broken.error(), (500, "internal".into(), "INTERNAL".into()));
}

#[tokio::test]
async fn a_timeout_is_a_deadline() {
    let served = Served::start().await;
    let within = |millis: &'static str, account: &'static str| {
        let headers = [
            ("content-type", "application/json"),
            ("connect-protocol-version", "1"),
            ("connect-timeout-ms", millis),
        ];
        let body = json!({ "accountId": account }).to_string();
        let served = &served;
        async move { served.ask(Http::One, IMPORT, &headers, body).await }
    };
    let answer = within("5000", "a").await.json();
    let left: u64 = answer["units"].as_str().unwrap().parse().unwrap();
    assert!((1..=5_000).contains(&left), "{left}");
    let late = within("200", "hangs").await;
    assert_eq!(
        late.error(),
        (504, "deadline_exceeded".into(), "TOO_LATE".into())
    );
    for odd in ["", "-1", "soon", "12345678901"] {
        let refused = within(odd, "a").await;
        assert_eq!(refused.error().0, 400, "{odd:?}");
    }
}

#[tokio::test]
async fn headers_go_in_and_come_back() {
    let served = Served::start().await;
    let headers = [("content-type", "application/json"), ("x-asked", "yes")];
    let answer = served.ask(Http::One, IMPORT, &headers, "{}").await;
    assert_eq!(answer.header("x-answered"), "yes");
    assert!(
        answer
            .headers
            .keys()
            .all(|name| !name.as_str().starts_with("grpc-"))
    );
}

#[tokio::test]
async fn a_body_may_be_gzip() {
    let served = Served::start().await;
    let packed = |text: &[u8]| {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    };
    let ask = |encoding: &'static str, body: Vec<u8>| {
        let headers = [
            ("content-type", "application/json"),
            ("content-encoding", encoding),
        ];
        let served = &served;
        async move { served.ask(Http::One, IMPORT, &headers, body).await }
    };
    let answer = ask("gzip", packed(br#"{"rows": [{"cells": ["x"]}]}"#)).await;
    assert_eq!(answer.json()["results"][0]["contactId"], "x");
    let bomb = ask("gzip", packed(&vec![b' '; 17 * 1024 * 1024])).await;
    assert_eq!(
        bomb.error(),
        (413, "resource_exhausted".into(), "MESSAGE_TOO_LARGE".into())
    );
    let pieces = [packed(br#"{"rows": "#), packed(b""), packed(b"[]}")].concat();
    assert_eq!(ask("gzip", pieces).await.status, 200);
    // Each is nothing, and takes its time.
    let nothings = [packed(b"").repeat(1_000), packed(b"{}")].concat();
    assert_eq!(
        ask("gzip", nothings).await.error(),
        (400, "invalid_argument".into(), "MESSAGE_INVALID".into())
    );
    let plain = ask("gzip", b"{}".to_vec()).await;
    assert_eq!(
        plain.error(),
        (400, "invalid_argument".into(), "MESSAGE_INVALID".into())
    );
    let other = ask("br", b"{}".to_vec()).await;
    assert_eq!(other.error().0, 501);
    assert_eq!(other.header("accept-encoding"), "gzip, identity");
    assert_eq!(ask("identity", b"{}".to_vec()).await.status, 200);
}

/// The reader itself has its own tests; this is that a large one takes the same way.
#[tokio::test]
async fn a_large_request_and_a_large_answer_are_whole() {
    let served = Served::start().await;
    let cells: Vec<_> = (0..20_000).map(|at| format!("cell {at}")).collect();
    let request = json!({"rows": [{"cells": cells}]}).to_string();
    // A machine that is busy must not end it.
    let headers = [
        ("content-type", "application/json"),
        ("connect-timeout-ms", "60000"),
    ];
    let answer = served.ask(Http::One, IMPORT, &headers, request).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert!(answer.body.len() > 1_000_000);
    let results = answer.json()["results"].as_array().cloned().unwrap();
    assert_eq!(results.len(), cells.len());
    assert_eq!(results[19_999]["contactId"], "cell 19999");
}
