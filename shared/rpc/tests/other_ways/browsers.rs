//! What browsers need: gRPC-Web, and to be asked which pages may call.

use data_encoding::BASE64;
use http::Method;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_proto::contact::v1::{
    ExportContactsRequest, ImportContactsRequest, ImportContactsResponse, ImportRow,
};

use super::server::{Answer, EXPORT, Http, IMPORT, Served, enveloped, envelopes};

const WEB: &str = "application/grpc-web+proto";
const PAGE: &str = "https://weir.example.org";

/// The flag of the trailers.
const TRAILERS: u8 = 0x80;

fn import(account: &str) -> Vec<u8> {
    let row = ImportRow {
        cells: vec!["x".to_owned()],
        ..Default::default()
    };
    let request = ImportContactsRequest {
        account_id: account.to_owned(),
        rows: vec![row],
        ..Default::default()
    };
    enveloped(0, request.encode_to_vec()).into()
}

/// Wherever it is told: behind the messages, or in front where there are none.
fn status(answer: &Answer) -> String {
    let header = answer.header("grpc-status");
    if !header.is_empty() {
        return header.to_owned();
    }
    let body = envelopes(&answer.body);
    let (flag, trailers) = body.last().unwrap();
    assert_eq!(*flag, TRAILERS);
    let trailers = String::from_utf8(trailers.clone()).unwrap();
    let line = trailers
        .lines()
        .find_map(|line| line.strip_prefix("grpc-status:"));
    line.unwrap().trim().to_owned()
}

#[tokio::test]
async fn grpc_web_is_spoken_over_both_versions_of_http() {
    let served = Served::start().await;
    for http in [Http::One, Http::Two] {
        let answer = served.post(http, IMPORT, WEB, import("a")).await;
        assert_eq!((answer.status.as_u16(), &*status(&answer)), (200, "0"));
        let message = ImportContactsResponse::decode(&*envelopes(&answer.body)[0].1).unwrap();
        assert_eq!(message.results[0].contact_id, "x");

        let refused = served.post(http, IMPORT, WEB, import("unknown")).await;
        assert_eq!(status(&refused), "5");
    }
}

#[tokio::test]
async fn grpc_web_may_be_a_text_and_may_stream() {
    let served = Served::start().await;
    let body = BASE64.encode(&import("a"));
    let text = "application/grpc-web-text";
    let headers = [("content-type", text), ("accept", text)];
    let answer = served.ask(Http::One, IMPORT, &headers, body).await;
    assert_eq!(
        answer.header("content-type"),
        "application/grpc-web-text+proto"
    );
    assert!(answer.body.is_ascii() && !answer.body.is_empty());

    let request = ExportContactsRequest {
        columns: ["a", "b"].map(str::to_owned).to_vec(),
        ..Default::default()
    };
    let request = enveloped(0, request.encode_to_vec());
    let answer = served.post(Http::One, EXPORT, WEB, request).await;
    assert_eq!(envelopes(&answer.body).len(), 3);
    assert_eq!(status(&answer), "0");
}

/// Who sends all of it before reading anything sees what it is answered, all the same.
#[tokio::test]
async fn a_large_body_that_nobody_reads_costs_no_answer() {
    let served = Served::start().await;
    for path in [IMPORT, "/nothing/here"] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        // A message that is larger than any may be, as its head says.
        let body = [&[0, 0xff, 0xff, 0xff, 0xff][..], &vec![0; 16 << 20]].concat();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: {WEB}\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        assert!(answer.contains("grpc-status"), "{path}: {answer}");
    }
}

async fn preflight(served: &Served, origin: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "authorization,content-type",
        ),
    ];
    served
        .send(
            Http::One,
            Method::OPTIONS,
            IMPORT,
            &headers,
            Default::default(),
        )
        .await
}

async fn call_of(served: &Served, origin: &str) -> Answer {
    let headers = [("origin", origin), ("content-type", "application/json")];
    served.ask(Http::One, IMPORT, &headers, "{}").await
}

#[tokio::test]
async fn no_page_may_call_unless_it_is_said() {
    let served = Served::start().await;
    for answer in [preflight(&served, PAGE).await, call_of(&served, PAGE).await] {
        let told = |name: &str| name.starts_with("access-control-");
        assert!(
            answer.headers.keys().all(|name| !told(name.as_str())),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_page_that_may_call_is_told_so_and_no_other() {
    let served = Served::for_pages_of(&format!("{PAGE}, http://localhost:3000")).await;
    for origin in [PAGE, "http://localhost:3000"] {
        let asked = preflight(&served, origin).await;
        assert_eq!(asked.status, 200);
        assert_eq!(asked.header("access-control-allow-origin"), origin);
        assert_eq!(asked.header("access-control-allow-methods"), "POST");
        assert!(
            asked
                .header("access-control-allow-headers")
                .contains("authorization")
        );
        let answer = call_of(&served, origin).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        assert!(
            answer
                .header("access-control-expose-headers")
                .contains("grpc-status")
        );
    }
    for origin in ["https://example.org", "http://weir.example.org", "null"] {
        for answer in [
            preflight(&served, origin).await,
            call_of(&served, origin).await,
        ] {
            assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        }
    }
    // Errors can be read as well, and gRPC-Web.
    let headers = [("origin", PAGE), ("content-type", WEB)];
    let refused = served
        .ask(Http::One, IMPORT, &headers, import("unknown"))
        .await;
    assert_eq!(refused.header("access-control-allow-origin"), PAGE);
    let headers = [("origin", PAGE), ("content-type", "text/plain")];
    let refused = served.ask(Http::One, IMPORT, &headers, "").await;
    assert_eq!(refused.header("access-control-allow-origin"), PAGE);
}
