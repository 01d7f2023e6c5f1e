//! An edge that is told to stop: whoever was accepted is answered.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use weir_service::Clock;

use crate::harness::{self, Edge};
use crate::stub::{Fault, KEY};

const BODY: &str = r#"[{"user_id":"a","traits":{}}]"#;

fn head() -> String {
    format!(
        "POST /v1/identify HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        BODY.len()
    )
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// What comes until the other side closes.
async fn rest(mut client: TcpStream) -> String {
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    answer
}

/// An answer, whether or not its connection is closed then.
async fn one(client: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let read = client.read_buf(&mut answer).await.unwrap();
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&answer));
    }
    String::from_utf8(answer).unwrap()
}

/// One that was accepted, whatever it sent.
async fn accepted(edge: &Edge, begin: &str) -> TcpStream {
    let mut client = connect(edge.address).await;
    client.write_all(begin.as_bytes()).await.unwrap();
    // They are accepted in order.
    assert_eq!(edge.send("GET", "/healthz", &[], "").await.status, 200);
    client
}

async fn until_closed(edge: &Edge) {
    let closed = async || TcpStream::connect(edge.address).await.is_err();
    weir_testkit::eventually("nobody is accepted any more", closed).await;
}

#[tokio::test]
async fn a_request_that_was_accepted_is_answered_by_an_edge_that_stops() {
    let mut edge = Edge::start().await;
    let mut client = connect(edge.address).await;
    client.write_all(head().as_bytes()).await.unwrap();
    edge.eventually("the request is being read", |stub| {
        stub.count("authenticate") == 1
    })
    .await;
    edge.begin_stop();
    client.write_all(BODY.as_bytes()).await.unwrap();
    let answer = rest(client).await;
    assert!(answer.starts_with("HTTP/1.1 207"), "{answer}");
    assert_eq!(edge.settled().await, [(1, 0)]);
}

#[tokio::test]
async fn while_it_drains_it_is_not_ready_and_answers_everybody_for_the_last_time() {
    let mut edge = Edge::start_with(&["--drain", "30s"]).await;
    let mut kept = connect(edge.address).await;
    let request = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    kept.write_all(request.as_bytes()).await.unwrap();
    let answer = one(&mut kept).await;
    assert!(!answer.contains("connection: close"), "{answer}");
    edge.begin_stop();
    let is_away = async || edge.send("GET", "/readyz", &[], "").await.status == 503;
    weir_testkit::eventually("it is not ready", is_away).await;
    for _ in 0..3 {
        let answer = edge.post("/v1/identify", BODY).await;
        assert_eq!(answer.statuses(), [200]);
        assert_eq!(answer.header("connection"), "close");
    }
    kept.write_all(request.as_bytes()).await.unwrap();
    let answer = rest(kept).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn who_was_accepted_may_begin_when_the_drain_is_over() {
    let mut edge = Edge::start().await;
    let mut silent = accepted(&edge, "").await;
    let (first, second) = (head(), head());
    let (first, later) = first.split_at(20);
    let mut begun = accepted(&edge, first).await;
    let mut kept = accepted(&edge, "").await;
    kept.write_all(format!("{second}{BODY}").as_bytes())
        .await
        .unwrap();
    one(&mut kept).await;
    edge.begin_stop();
    until_closed(&edge).await;
    for client in [&mut silent, &mut kept] {
        let request = format!("{second}{BODY}");
        client.write_all(request.as_bytes()).await.unwrap();
    }
    for client in [silent, kept] {
        let answer = rest(client).await;
        assert!(answer.starts_with("HTTP/1.1 207"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    // A head that has begun may come to its end, also later.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    begun
        .write_all(format!("{later}{BODY}").as_bytes())
        .await
        .unwrap();
    let answer = rest(begun).await;
    assert!(answer.starts_with("HTTP/1.1 207"), "{answer}");
    edge.stop().await;
}

#[tokio::test]
async fn who_says_nothing_does_not_hold_it_up() {
    let edge = Edge::start().await;
    let silent = accepted(&edge, "").await;
    let begun = Instant::now();
    edge.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(7), "{begun:?}");
    assert_eq!(rest(silent).await, "");
}

#[tokio::test]
async fn an_answer_under_way_is_waited_for_longer_than_for_a_first_byte() {
    let mut edge = Edge::start().await;
    edge.stub.script("reserve", [Fault::Hang]);
    let client = accepted(&edge, &format!("{}{BODY}", head())).await;
    edge.eventually("units are asked for", |stub| stub.count("reserve") > 0)
        .await;
    edge.begin_stop();
    let answer = rest(client).await;
    assert!(answer.starts_with("HTTP/1.1 50"), "{answer}");
    edge.stop().await;
}

/// As a supervisor hands it to two edges, of which it restarts one after the other.
#[tokio::test]
async fn an_edge_that_shares_its_socket_leaves_nobody_without_an_answer() {
    let (_stub, config) = harness::config(&["--drain", "50ms"]).await;
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    let start = || {
        let listener = TcpListener::from_std(socket.try_clone().unwrap()).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = Box::pin(async {
            let _ = stopped.await;
        });
        let serving = weir_edge::serve(config.clone(), Clock::system(), listener, None, shutdown);
        (stop, tokio::spawn(serving))
    };
    let is_over = AtomicBool::new(false);
    let ask = async || {
        let mut answered = 0;
        while !is_over.load(Ordering::Relaxed) {
            let mut client = connect(address).await;
            let request = format!("{}{BODY}", head());
            client.write_all(request.as_bytes()).await.unwrap();
            let answer = one(&mut client).await;
            assert!(answer.starts_with("HTTP/1.1 207"), "{answer}");
            answered += 1;
        }
        answered
    };
    let restart = async {
        let mut edges = [start(), start()];
        for turn in 0..6 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let (stop, serving) = std::mem::replace(&mut edges[turn % 2], start());
            drop(stop);
            serving.await.unwrap().unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let asking = futures_util::future::join_all((0..16).map(|_| ask()));
    let (answered, ()) = tokio::join!(asking, restart);
    assert!(answered.iter().all(|count| *count > 0), "{answered:?}");
}

#[tokio::test]
async fn who_is_refused_is_told_so_by_an_edge_that_stops_too() {
    let edge = Edge::start_with(&["--max-connections", "1"]).await;
    let mut working = connect(edge.address).await;
    working.write_all(head().as_bytes()).await.unwrap();
    edge.eventually("the request is being read", |stub| {
        stub.count("authenticate") == 1
    })
    .await;
    let refused = connect(edge.address).await;
    let stopping = tokio::spawn(edge.stop());
    let answer = rest(refused).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    working.write_all(BODY.as_bytes()).await.unwrap();
    let answer = rest(working).await;
    assert!(answer.starts_with("HTTP/1.1 207 "), "{answer}");
    stopping.await.unwrap();
}
