//! What slow, many and large requests of one account leave to others.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Answer, Edge};
use crate::stub::{Fault, KEY, OTHER_KEY};

const BODY: &str = r#"[{"user_id":"a","traits":{}}]"#;
const LARGE: usize = 16 << 20;

/// A request whose body is on its way.
struct Sending(TcpStream);

impl Sending {
    /// Sends the head of a request with a body of so many bytes.
    async fn begin(edge: &Edge, key: &str, length: usize) -> Self {
        let mut client = TcpStream::connect(edge.address).await.unwrap();
        let head = format!(
            "POST /v1/track HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n"
        );
        client.write_all(head.as_bytes()).await.unwrap();
        Self(client)
    }

    /// False where nobody reads any more.
    async fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// The status line.
    async fn status(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).await.unwrap();
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    async fn check(&mut self, status: u16) {
        let line = self.status().await;
        assert!(line.starts_with(&format!("HTTP/1.1 {status} ")), "{line}");
    }
}

async fn of_another_account(edge: &Edge, body: &str) -> Answer {
    let authorization = format!("Bearer {OTHER_KEY}");
    let headers = [("authorization", authorization.as_str())];
    let body = body.to_owned();
    edge.send("POST", "/v1/identify", &headers, body).await
}

#[tokio::test]
async fn a_body_slower_than_16_kib_a_second_is_408() {
    let edge = Edge::start().await;
    let begun = Instant::now();
    let drips = async |each: usize| {
        let length = 10 * 1024 * 1024;
        let mut sending = Sending::begin(&edge, KEY, length).await;
        let (mut from, mut to) = sending.0.split();
        let dripping = async {
            loop {
                if to.write_all(&vec![b' '; each]).await.is_err() {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let mut line = [0; 12];
        tokio::select! {
            read = from.read_exact(&mut line) => { read.unwrap(); }
            () = dripping => {}
        }
        assert_eq!(&line, b"HTTP/1.1 408");
        begun.elapsed().as_secs_f64()
    };
    let stalls = async {
        let mut sending = Sending::begin(&edge, KEY, 2_000_000).await;
        sending.send(&[b' '; 1_000_000]).await;
        sending.check(408).await;
        begun.elapsed().as_secs_f64()
    };
    let (nothing, slow, fast, stalled) = tokio::join!(drips(1), drips(1_000), drips(4_000), stalls);
    for early in [nothing, slow] {
        assert!((1.9..4.5).contains(&early), "{early}");
    }
    // These are fast enough, but do not come to an end.
    for late in [fast, stalled] {
        assert!((5.0..8.0).contains(&late), "{late}");
    }
}

#[tokio::test]
async fn a_body_that_takes_its_time_but_is_not_slow_is_taken() {
    let edge = Edge::start().await;
    let mut body = vec![b' '; 120_000];
    body[0] = b'[';
    body[119_999] = b']';
    let mut sending = Sending::begin(&edge, KEY, body.len()).await;
    for piece in body.chunks(4_000) {
        assert!(sending.send(piece).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    sending.check(207).await;
}

#[tokio::test]
async fn large_bodies_that_are_held_leave_room_for_another_account() {
    let edge = Edge::start().await;
    let almost = vec![b' '; LARGE - 1];
    let hold = async || {
        let mut sending = Sending::begin(&edge, KEY, LARGE).await;
        let _ = sending.send(&almost).await;
        sending
    };
    let mut held = futures_util::future::join_all((0..6).map(|_| hold())).await;
    // A half of 96 MiB is three of them, less what is on its way.
    let shed = futures_util::future::join_all(held.iter_mut().map(|sending| async {
        let status = tokio::time::timeout(Duration::from_secs(2), sending.status());
        status.await.ok()
    }));
    let shed: Vec<String> = shed.await.into_iter().flatten().collect();
    assert!((3..=4).contains(&shed.len()), "{shed:?}");
    assert!(shed.iter().all(|line| line.starts_with("HTTP/1.1 503 ")));
    let begun = Instant::now();
    for _ in 0..10 {
        let answer = of_another_account(&edge, BODY).await;
        assert_eq!(answer.statuses(), [200]);
    }
    let large = format!("[{}]", " ".repeat(LARGE - 2));
    let answer = of_another_account(&edge, &large).await;
    assert_eq!(answer.statuses(), Vec::<u64>::new());
    assert!(begun.elapsed() < Duration::from_secs(6), "{begun:?}");
}

#[tokio::test]
async fn slow_heads_refuse_nobody() {
    let edge = Edge::start_with(&["--max-connections", "100"]).await;
    let mut slow = Vec::new();
    for index in 0..300 {
        let mut client = TcpStream::connect(edge.address).await.unwrap();
        let _ = client.write_all(b"POST /v1/track HTTP/1.1\r\nhost: ").await;
        slow.push(client);
        if index % 10 == 0 {
            let answer = of_another_account(&edge, BODY).await;
            assert_eq!(answer.statuses(), [200], "{index}");
        }
    }
    Sending(slow.swap_remove(0)).check(503).await;
}

#[tokio::test]
async fn slow_bodies_take_no_slot() {
    let arguments = ["--pipeline-slots", "1", "--max-queued-events", "2"];
    let edge = Edge::start_with(&arguments).await;
    let begin = async |key| {
        let mut sending = Sending::begin(&edge, key, BODY.len()).await;
        sending.send(&BODY.as_bytes()[..5]).await;
        sending
    };
    let keys = (0..128).map(|index| if index % 2 == 0 { KEY } else { OTHER_KEY });
    let mut slow = futures_util::future::join_all(keys.map(begin)).await;
    let answer = edge.post("/v1/identify", BODY).await;
    assert_eq!(answer.statuses(), [200]);
    let answer = of_another_account(&edge, BODY).await;
    assert_eq!(answer.statuses(), [200]);
    for sending in &mut slow[..4] {
        sending.send(&BODY.as_bytes()[5..]).await;
        sending.check(207).await;
    }
}

#[tokio::test]
async fn answers_that_nobody_reads_count_as_memory_of_their_account() {
    let edge = Edge::start_with(&["--max-bodies-mib", "1"]).await;
    let body = format!("[{}]", vec!["7"; 1_000].join(","));
    let mut unread = Vec::new();
    let full = loop {
        assert!(unread.len() < 1_000, "memory is not bounded");
        let mut client = TcpStream::connect(edge.address).await.unwrap();
        let request = format!(
            "POST /v1/track HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        // More than the system takes of their answers.
        let many = request.repeat(100);
        let sent = client.write_all(many.as_bytes());
        let _ = tokio::time::timeout(Duration::from_millis(50), sent).await;
        unread.push(client);
        let answer = edge.post("/v1/identify", BODY).await;
        if answer.status != 207 {
            break answer;
        }
    };
    full.check_problem(503);
    assert_eq!(of_another_account(&edge, BODY).await.statuses(), [200]);
    drop(unread);
    let is_back = async || edge.post("/v1/identify", BODY).await.status == 207;
    weir_testkit::eventually("memory was given back", is_back).await;
}

#[tokio::test]
async fn an_account_that_is_full_is_told_before_its_body_is_read() {
    // One at work, and of each account one event that waits.
    let arguments = ["--pipeline-slots", "1", "--max-queued-events", "2"];
    let edge = Edge::start_with(&arguments).await;
    edge.stub.script("map_events", [Fault::Hang]);
    let mut working = Sending::begin(&edge, KEY, BODY.len()).await;
    working.send(BODY.as_bytes()).await;
    let hangs = |stub: &crate::stub::Stub| stub.count("map_events") > 0;
    edge.eventually("the request is at work", hangs).await;
    let mut waiting = Sending::begin(&edge, KEY, BODY.len()).await;
    waiting.send(BODY.as_bytes()).await;
    let is_full = async || edge.post("/v1/track", "[]").await.status == 503;
    weir_testkit::eventually("the account is full", is_full).await;
    // Its body never comes.
    let begun = Instant::now();
    Sending::begin(&edge, KEY, 1_000).await.check(503).await;
    assert!(begun.elapsed() < Duration::from_secs(6), "{begun:?}");
    // What can never be taken is told so all the same.
    Sending::begin(&edge, KEY, LARGE + 1).await.check(413).await;
    // Another account's body is waited for.
    let mut other = Sending::begin(&edge, OTHER_KEY, 1_000).await;
    let early = tokio::time::timeout(Duration::from_secs(1), other.status()).await;
    assert!(early.is_err(), "{early:?}");
}

#[tokio::test]
async fn a_flood_with_a_bad_key_asks_once_and_a_new_key_is_good_soon() {
    let edge = Edge::start().await;
    let me = async |key: &str| {
        let authorization = format!("Bearer {key}");
        let headers = [("authorization", authorization.as_str())];
        edge.send("GET", "/v1/me", &headers, "").await.status
    };
    let begun = Instant::now();
    for _ in 0..5 {
        let flood = futures_util::future::join_all((0..40).map(|_| me("pau-new"))).await;
        assert!(flood.iter().all(|status| *status == 401), "{flood:?}");
    }
    let most = 1 + begun.elapsed().as_secs() as usize / 3;
    let asked = edge.stub.count("authenticate");
    assert!((1..=most).contains(&asked), "{asked} of {most}");
    // Others are not kept waiting, and are no worse off.
    assert_eq!(me(KEY).await, 200);
    edge.stub
        .state()
        .accounts
        .insert("pau-new".into(), "account");
    let is_good = async || me("pau-new").await == 200;
    weir_testkit::eventually("the new key is good", is_good).await;
}
