//! Every stage failing.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tonic::{Code, Status};
use weir_reasons::Reason;

use crate::harness::Edge;
use crate::stub::{AUDIENCE, Fault, KEY};

fn away() -> Status {
    Status::unavailable("PostgreSQL is away")
}

/// More often than the edge tries.
fn for_long(status: impl Fn() -> Status) -> Vec<Fault> {
    (0..4).map(|_| Fault::Say(status())).collect()
}

fn identify() -> Value {
    json!([{"user_id": "a", "message_id": "m", "traits": {}, "timestamp": "2025-07-10T06:09:00Z"}])
}

fn tracks() -> Value {
    json!([
        {"user_id": "a", "message_id": "1", "event": "e", "timestamp": "2025-07-10T06:09:00Z"},
        {"user_id": "b", "message_id": "2", "event": "e", "timestamp": "2025-07-10T06:09:00Z",
         "traits": {}},
        {"user_id": "c", "message_id": "3", "event": "e", "timestamp": "2025-07-10T06:09:00Z",
         "audience": {"mode": "add", "id": AUDIENCE}},
        {"user_id": "d", "message_id": "4", "event": "e", "timestamp": "2025-07-10T06:09:00Z",
         "audience": {"mode": "remove", "id": AUDIENCE}},
    ])
}

#[tokio::test]
async fn a_source_that_was_deleted_is_a_key_that_is_no_good_from_then_on() {
    let edge = Edge::start().await;
    let gone = || weir_rpc::not_found(Reason::SourceUnknown, "source");
    assert_eq!(edge.identify(identify()).await.statuses(), [200]);
    edge.stub.script("map_events", [Fault::Say(gone())]);
    let answer = edge.identify(identify()).await;
    answer.check_problem(401);
    assert_eq!(answer.json["code"], "KEY_UNKNOWN");
    let asked = edge.stub.count("authenticate");
    edge.identify(identify()).await;
    assert_eq!(edge.stub.count("authenticate"), asked + 1, "not remembered");
}

/// Semantics 1.3.
#[tokio::test]
async fn a_service_that_is_away_before_anything_is_stored_is_503_and_never_4xx() {
    for hop in ["authenticate", "map_events", "reserve", "upsert_contacts"] {
        let edge = Edge::start().await;
        edge.stub.script(hop, for_long(away));
        let answer = edge.identify(identify()).await;
        answer.check_problem(503);
        assert!(!answer.header("retry-after").is_empty());
        assert!(
            !answer.json.to_string().contains("PostgreSQL"),
            "nothing of the inside is told"
        );
        assert_eq!(
            edge.identify(identify()).await.statuses(),
            [200],
            "after {hop}"
        );
    }
    let edge = Edge::start().await;
    edge.stub.script("record_activities", for_long(away));
    let plain = json!([tracks()[0]]);
    edge.track(plain.clone()).await.check_problem(503);
    assert_eq!(edge.track(plain).await.statuses(), [200]);
}

/// Whoever sent them has a good key: it is ours that is not known (semantics 9.3).
#[tokio::test]
async fn a_service_that_does_not_know_the_edge_is_503_and_never_401() {
    let (token, certificate) = (Reason::TokenUnknown, Reason::CertificateUnknown);
    for (hop, reason) in [
        ("authenticate", token),
        ("map_events", certificate),
        ("reserve", token),
        ("upsert_contacts", certificate),
    ] {
        let edge = Edge::start().await;
        let stranger = weir_rpc::refused(Code::Unauthenticated, reason, "not known");
        edge.stub.script(hop, [Fault::Say(stranger)]);
        edge.identify(identify()).await.check_problem(503);
        assert_eq!(edge.identify(identify()).await.statuses(), [200]);
    }
}

#[tokio::test]
async fn a_short_hiccup_is_not_noticed() {
    for hop in [
        "authenticate",
        "map_events",
        "reserve",
        "upsert_contacts",
        "record_activities",
    ] {
        let edge = Edge::start().await;
        edge.stub.script(hop, [Fault::Say(away())]);
        assert_eq!(edge.track(tracks()).await.statuses(), [200; 4], "{hop}");
        assert_eq!(edge.stub.count(hop), 2);
    }
}

/// Where they can't be kept either (semantics 1.7).
#[tokio::test]
async fn contacts_away_cost_the_tracks_that_need_one_as_a_whole() {
    let edge = Edge::start().await;
    edge.stub.state().room_to_defer = 0;
    edge.stub.script("upsert_contacts", for_long(away));
    let answer = edge.track(tracks()).await;
    assert_eq!(answer.statuses(), [200, 500, 500, 500]);
    assert_eq!(answer.code(1), "CONTACTS_AWAY");
    // The others leave nothing, and the plain one is stored.
    assert_eq!(edge.stub.state().activities.len(), 1);
    // It is not certain what contact-upsert stored: the sweeper will ask it.
    assert_eq!(edge.stub.state().settled, []);
    // Once it is back, a retry completes what was left undone.
    assert_eq!(edge.track(tracks()).await.statuses(), [200; 4]);
    assert_eq!(edge.stub.state().activities.len(), 4);
    edge.eventually("settled", |stub| stub.state().settled == [(2, 3)])
        .await;
}

#[tokio::test]
async fn activities_away_after_the_contacts_are_500_for_each() {
    let edge = Edge::start().await;
    edge.stub.script("record_activities", for_long(away));
    let answer = edge.track(tracks()).await;
    assert_eq!(answer.statuses(), [500; 4]);
    assert_eq!(answer.code(0), "ACTIVITIES_AWAY");
    assert_eq!(edge.stub.state().updates, []);
    assert_eq!(edge.track(tracks()).await.statuses(), [200; 4]);
    edge.eventually("settled", |stub| stub.state().settled == [(0, 4)])
        .await;
}

#[tokio::test]
async fn audiences_away_are_500_for_the_events_with_membership_updates() {
    let edge = Edge::start().await;
    edge.stub.script("check_audiences", for_long(away));
    let answer = edge.track(tracks()).await;
    assert_eq!(answer.statuses(), [200, 200, 500, 500]);
    assert_eq!(answer.code(2), "AUDIENCES_AWAY");
    edge.stub.script("check_audiences", for_long(away));
    edge.track(json!([tracks()[2]])).await.check_problem(503);
    edge.stub.script("apply_membership_updates", for_long(away));
    assert_eq!(edge.track(tracks()).await.statuses(), [200, 200, 500, 200]);
    assert_eq!(edge.track(tracks()).await.statuses(), [200; 4]);
    assert_eq!(edge.stub.state().updates.len(), 1);
}

#[tokio::test]
async fn an_answer_that_got_lost_is_made_up_for() {
    let edge = Edge::start().await;
    edge.stub
        .script("upsert_contacts", [Fault::WorkAndSay(away())]);
    assert_eq!(edge.identify(identify()).await.statuses(), [200]);
    assert_eq!(edge.stub.state().contacts.len(), 1);
    // The second answer says nothing was charged, the first was never seen.
    assert_eq!(edge.stub.state().reservations.len(), 1);
    assert_eq!(edge.stub.count("settle"), 0);
}

#[tokio::test]
async fn a_batch_that_was_fenced_starts_anew_under_another_id() {
    let edge = Edge::start().await;
    let fenced = || Fault::Say(Status::aborted("the epoch is past"));
    edge.stub.script("upsert_contacts", [fenced()]);
    assert_eq!(edge.identify(identify()).await.statuses(), [200]);
    assert_eq!(edge.settled().await.len(), 2);
    edge.stub.script("record_activities", [fenced()]);
    assert_eq!(edge.track(tracks()).await.statuses(), [200; 4]);
    assert_eq!(edge.settled().await.iter().sum_pairs(), (3, 4));
    edge.stub
        .script("record_activities", [fenced(), fenced(), fenced()]);
    edge.track(json!([{"user_id": "a", "event": "e"}]))
        .await
        .check_problem(503);
}

trait SumPairs {
    fn sum_pairs(self) -> (i64, i64);
}

impl<'a, I: Iterator<Item = &'a (i64, i64)>> SumPairs for I {
    fn sum_pairs(self) -> (i64, i64) {
        self.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}

#[tokio::test]
async fn an_unexpected_refusal_is_our_fault() {
    for hop in ["map_events", "reserve", "upsert_contacts"] {
        let edge = Edge::start().await;
        edge.stub
            .script(hop, [Fault::Say(Status::invalid_argument("secret"))]);
        let answer = edge.identify(identify()).await;
        answer.check_problem(500);
        assert!(!answer.json.to_string().contains("secret"));
    }
}

#[tokio::test]
async fn a_settlement_that_fails_is_tried_again() {
    let edge = Edge::start().await;
    edge.stub
        .script("settle", [Fault::Say(away()), Fault::Say(away())]);
    assert_eq!(edge.identify(identify()).await.statuses(), [200]);
    assert_eq!(edge.settled().await, [(1, 0)]);
}

#[tokio::test]
async fn a_settlement_outlives_the_reservation_that_it_went_along_with() {
    let edge = Edge::start().await;
    assert_eq!(edge.identify(identify()).await.statuses(), [200]);
    edge.stub.script("reserve", for_long(away));
    edge.identify(identify()).await.check_problem(503);
    assert_eq!(edge.settled().await, [(1, 0)]);
}

#[tokio::test]
async fn a_service_that_hangs_costs_the_deadline_and_no_more() {
    let edge = Edge::start().await;
    edge.stub.state().room_to_defer = 0;
    edge.stub.script("upsert_contacts", [Fault::Hang]);
    let started = std::time::Instant::now();
    let answer = edge.track(tracks()).await;
    assert_eq!(answer.statuses(), [200, 500, 500, 500]);
    let elapsed = started.elapsed().as_secs_f64();
    assert!((5.0..8.0).contains(&elapsed), "{elapsed}");
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_no_batch_half_done() {
    let edge = Edge::start().await;
    // Slow enough that the client is gone before the stores are asked.
    edge.stub
        .script("map_events", [Fault::Say(away()), Fault::Say(away())]);
    let body = tracks().to_string();
    let request = format!(
        "POST /v1/track HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut client = TcpStream::connect(edge.address).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    edge.eventually("the batch began", |stub| stub.count("map_events") > 0)
        .await;
    drop(client);
    edge.eventually("the batch is settled", |stub| {
        stub.state().settled == [(2, 4)]
    })
    .await;
    assert_eq!(edge.stub.state().updates.len(), 1);
    edge.stop().await;
}
