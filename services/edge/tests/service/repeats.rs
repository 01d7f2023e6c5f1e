//! Repeats, batches that start anew, and what they keep.

use serde_json::{Value, json};
use tonic::Code;
use weir_proto::contact::v1::UpsertStatus;
use weir_proto::settings::v1::{BlockedValue, BlockedValues};
use weir_reasons::Reason;

use crate::harness::Edge;
use crate::stub::{AUDIENCE, Fault};

fn entry(message: &str, mode: &str) -> Value {
    json!({"user_id": "a", "message_id": message, "traits": {},
           "audience": {"mode": mode, "id": AUDIENCE}})
}

#[tokio::test]
async fn a_late_retry_of_an_update_without_a_time_keeps_the_time_of_its_first_try() {
    let edge = Edge::start().await;
    for entry in [
        entry("m1", "remove"),
        entry("m2", "add"),
        entry("m1", "remove"),
    ] {
        let body = json!([entry]).to_string();
        let answer = edge.post("/v1/audiences/members", body).await;
        assert_eq!(answer.statuses(), [200]);
    }
    let state = edge.stub.state();
    let times: Vec<_> = state
        .updates
        .iter()
        .map(|update| {
            update
                .update_time
                .map(|time| (time.seconds, time.nanos))
                .unwrap()
        })
        .collect();
    assert_eq!(times.len(), 3);
    assert_eq!(times[0], times[2], "the retry is as old as its first try");
    assert!(times[0] < times[1]);
}

#[tokio::test]
async fn of_events_without_a_time_the_later_in_a_batch_is_later() {
    let edge = Edge::start().await;
    let entries = json!([
        entry("m1", "add"),
        entry("m2", "remove"),
        entry("m3", "add")
    ]);
    let answer = edge
        .post("/v1/audiences/members", entries.to_string())
        .await;
    assert_eq!(answer.statuses(), [200; 3]);
    let state = edge.stub.state();
    let micros = |time: Option<prost_types::Timestamp>| {
        let time = time.unwrap();
        time.seconds * 1_000_000 + i64::from(time.nanos / 1_000)
    };
    let asked: Vec<i64> = state
        .updates
        .iter()
        .map(|one| micros(one.update_time))
        .collect();
    let stored: Vec<i64> = state
        .contacts
        .iter()
        .map(|one| micros(one.event_time))
        .collect();
    assert_eq!(asked, stored);
    assert_eq!(stored, [stored[0], stored[0] + 1, stored[0] + 2]);
    assert!(state.contacts.iter().all(|one| one.undated));
    let update = state.contacts[1].membership_update.as_ref().unwrap();
    assert_eq!(update.audience_id, AUDIENCE);
}

/// Semantics 3.1.
#[tokio::test]
async fn what_an_account_blocks_is_nobody_one_batch_after_mapping_told_of_it() {
    let edge = Edge::start().await;
    let kiosk = || json!([{"user_id": "kiosk", "traits": {}}]);
    assert_eq!(edge.identify(kiosk()).await.statuses(), [200]);
    let entry = BlockedValue {
        kind: "user_id".to_owned(),
        pattern: "kiosk".to_owned(),
    };
    edge.stub.state().blocked_values = (
        BlockedValues {
            blocked: vec![entry],
            allowed_defaults: vec!["guest".to_owned()],
        },
        2,
    );
    let other = json!([{"user_id": "lana", "traits": {}}]);
    assert_eq!(edge.identify(other).await.statuses(), [200]);
    let answer = edge.identify(kiosk()).await;
    assert_eq!(
        (answer.statuses(), answer.code(0)),
        (vec![400], "NO_IDENTIFIER")
    );
    let guest = json!([{"user_id": "guest", "traits": {}}]);
    assert_eq!(edge.identify(guest).await.statuses(), [200]);
    assert_eq!(
        edge.stub.state().calls["authenticate"],
        2,
        "once more, and no more"
    );
}

#[tokio::test]
async fn a_track_without_a_time_that_comes_again_is_one_activity() {
    let edge = Edge::start().await;
    let track = json!([{"user_id": "a", "message_id": "m", "event": "e", "traits": {}}]);
    for _ in 0..2 {
        assert_eq!(edge.track(track.clone()).await.statuses(), [200]);
    }
    let both = json!([track[0], track[0]]);
    assert_eq!(edge.track(both).await.statuses(), [200, 200]);
    assert_eq!(edge.stub.state().activities.len(), 1);
    assert_eq!(edge.settled().await, [(1, 1), (0, 0), (0, 0)]);
}

#[tokio::test]
async fn one_message_of_two_persons_is_two_activities() {
    let edge = Edge::start().await;
    edge.stub.state().activity_limit = 2;
    let track = |user: &str| {
        json!({"user_id": user, "anonymous_id": "shared", "message_id": "m", "event": "e",
               "timestamp": "2025-07-10T06:09:00Z"})
    };
    // Both need a unit, though all but the person is the same.
    let answer = edge
        .track(json!([track("a"), track("b"), track("a")]))
        .await;
    assert_eq!(answer.statuses(), [200; 3]);
    assert_eq!(edge.settled().await, [(0, 2)]);
}

#[tokio::test]
async fn a_batch_whose_unique_identifiers_changed_is_mapped_again() {
    let edge = Edge::start().await;
    edge.stub.state().identifiers_versions = (3, 2);
    let events = json!([{"user_id": "a", "message_id": "m", "traits": {}}, 42]);
    assert_eq!(edge.identify(events).await.statuses(), [200, 400]);
    assert_eq!(edge.settled().await, [(0, 0), (1, 0)]);
    let state = edge.stub.state();
    let refused: Vec<_> = state
        .map_requests
        .iter()
        .map(|one| one.refused_identifiers_version)
        .collect();
    assert_eq!(refused, [None, Some(2)]);
    let batch_ids: Vec<_> = state
        .map_requests
        .iter()
        .map(|one| &one.requests[0].batch_id)
        .collect();
    assert_eq!(batch_ids[0], batch_ids[1], "it is one request");
    assert_eq!(batch_ids[0].len(), 36);
    let indexes: Vec<_> = state.mapped.iter().map(|one| one.index).collect();
    assert_eq!(indexes, [0, 1, 0], "the refused one has its sample already");
}

#[tokio::test]
async fn the_epoch_that_a_ledger_names_is_told_to_quota() {
    let edge = Edge::start().await;
    let past = || {
        let (code, reason) = (Code::Aborted, Reason::EpochPast);
        Fault::Say(weir_rpc::refused_with(code, reason, "past", "epoch", 41))
    };
    for hop in ["upsert_contacts", "record_activities"] {
        edge.stub.script(hop, [past()]);
    }
    let events = json!([{"user_id": "a", "message_id": "m", "event": "e", "traits": {}}]);
    assert_eq!(edge.track(events).await.statuses(), [200]);
    let state = edge.stub.state();
    let told: Vec<_> = state
        .reserve_requests
        .iter()
        .map(|one| one.ledger_epoch)
        .collect();
    assert_eq!(told, [0, 41, 41]);
}

#[tokio::test]
async fn what_the_database_does_not_take_is_400_for_its_event_alone() {
    let edge = Edge::start().await;
    let verdict = UpsertStatus::Unstorable;
    edge.stub.state().verdicts.insert("bad".into(), verdict);
    let event = |user: &str| json!({"user_id": user, "event": "e", "traits": {}});
    let answer = edge.identify(json!([event("a"), event("bad")])).await;
    assert_eq!(answer.statuses(), [200, 400]);
    assert_eq!(answer.code(1), "UNSTORABLE");
    let plain = json!({"user_id": "unstorable", "event": "e"});
    let answer = edge.track(json!([event("a"), event("bad"), plain])).await;
    assert_eq!(answer.statuses(), [200, 400, 400]);
    let activities = edge.stub.state().activities.len();
    assert_eq!(activities, 1, "a 400 leaves no activity");
    let update = json!({"mode": "add", "id": AUDIENCE});
    let event = |user: &str| json!({"user_id": user, "event": "e", "audience": update});
    let events = json!([event("a"), event("unstorable-update")]);
    for path in ["/v1/identify", "/v1/track", "/v1/audiences/members"] {
        let answer = edge.post(path, events.to_string()).await;
        assert_eq!(answer.statuses(), [200, 400], "{path}");
        assert_eq!(answer.code(1), "UNSTORABLE");
    }
}
