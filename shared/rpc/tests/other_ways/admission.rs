//! Whoever comes another way is asked the same (semantics 9).

use chrono::{DateTime, Utc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_rpc::{Access, Secret};

use super::server::{EXPORT, Http, IMPORT, Served, enveloped, envelopes};

const TOKEN: &str = "weir_0123456789abcdefghijklmnopqrstuvwxyz";

async fn serve() -> Served {
    let administrator = Secret::administrator(TOKEN).unwrap();
    let access = Access::by_token(Vec::new(), Some(administrator), || {
        DateTime::<Utc>::UNIX_EPOCH
    });
    Served::with("", access).await
}

#[tokio::test]
async fn a_call_without_a_token_is_refused_whatever_way_it_came() {
    let served = serve().await;
    for token in ["", "Bearer weir_of_somebody_else_who_is_not_known_here"] {
        let headers = |media: &'static str| [("content-type", media), ("authorization", token)];
        let json = served
            .ask(Http::One, IMPORT, &headers("application/json"), "{}")
            .await;
        let (status, code, reason) = json.error();
        assert_eq!((status, &*code), (401, "unauthenticated"));
        assert!(!reason.is_empty());
        assert_eq!(json.header("www-authenticate"), "Bearer");

        let web = headers("application/grpc-web+proto");
        let web = served.ask(Http::One, IMPORT, &web, enveloped(0, "")).await;
        assert_eq!(web.header("grpc-status"), "16");

        let stream = headers("application/connect+json");
        let stream = served
            .ask(Http::One, EXPORT, &stream, enveloped(0, "{}"))
            .await;
        let (_, end) = &envelopes(&stream.body)[0];
        let end: serde_json::Value = serde_json::from_slice(end).unwrap();
        assert_eq!(end["error"]["code"], "unauthenticated");
    }
    assert_eq!(served.imports(), 0);
}

#[tokio::test]
async fn who_shows_a_token_is_let_in() {
    let served = serve().await;
    let bearer = format!("Bearer {TOKEN}");
    let headers = [
        ("content-type", "application/json"),
        ("authorization", &*bearer),
    ];
    let answer = served.ask(Http::One, IMPORT, &headers, "{}").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // What is wrong with a message is told to whom it concerns.
    let wrong = served.ask(Http::One, IMPORT, &headers, "[]").await;
    assert_eq!(
        wrong.error(),
        (400, "invalid_argument".into(), "FIELD_INVALID".into())
    );
    let headers = [("content-type", "application/json")];
    let unasked = served.ask(Http::One, IMPORT, &headers, "[]").await;
    assert_eq!(unasked.status, 401);
}

/// A reset would reach some clients before the answer does.
#[tokio::test]
async fn a_stream_whose_call_is_refused_is_not_reset_under_who_sends_its_body() {
    let served = serve().await;
    let stream = TcpStream::connect(served.address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for media in ["application/json", "application/grpc-web+proto"] {
        let head = http::Request::post(format!("http://a{IMPORT}")).header("content-type", media);
        let head = head.body(()).unwrap();
        let (answer, mut body) = client.send_request(head, false).unwrap();
        let mut answer = answer.await.unwrap().into_body();
        while let Some(piece) = answer.data().await {
            piece.unwrap();
        }
        let waited = std::time::Duration::from_millis(200);
        let reset = std::future::poll_fn(|context| body.poll_reset(context));
        let reset = tokio::time::timeout(waited, reset).await;
        assert!(reset.is_err(), "{media}: {reset:?}");
        body.send_data("{}".into(), true).unwrap();
    }
}

#[tokio::test]
async fn of_a_call_that_is_refused_nothing_is_read() {
    let served = serve().await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let head = format!(
        "POST {IMPORT} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: 1000000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 401");
}
