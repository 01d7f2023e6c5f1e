//! What a source's recent events get to know of a batch (semantics 7.8).

use serde_json::{Value, json};
use weir_proto::contact::v1::UpsertStatus;
use weir_proto::mapping::v1::{RecentEvent, Stage};

use crate::harness::Edge;
use crate::stub::Stub;

fn noted(stub: &Stub) -> Vec<RecentEvent> {
    let state = stub.state();
    let calls = state.noted.iter();
    calls.flat_map(|call| call.events.clone()).collect()
}

fn left_out(stub: &Stub) -> i64 {
    stub.state().noted.iter().map(|call| call.left_out).sum()
}

/// `stage: word, reason` of each stage that spoke.
fn stages(event: &RecentEvent) -> Vec<String> {
    let verdicts = event.stages.iter();
    let each = verdicts.map(|one| {
        let stage = one.stage().as_str_name().trim_start_matches("STAGE_");
        format!("{} {} {}", stage.to_lowercase(), one.said, one.code)
            .trim()
            .to_owned()
    });
    each.collect()
}

/// Semantics 7.8.
#[tokio::test]
async fn every_event_is_noted_with_what_each_stage_said_and_without_any_value() {
    let edge = Edge::start().await;
    let stranger = ("stranger".to_owned(), UpsertStatus::Refused);
    edge.stub.state().verdicts.extend([stranger]);
    let answer = edge
        .track(json!([
            {"user_id": "good", "event": "e", "message_id": "m0", "traits": {"secret": "s3cr3t"}},
            {"user_id": "p", "event": "e", "message_id": "m1", "timestamp": "soon"},
            {"user_id": "stranger", "event": "e", "message_id": "m2", "traits": {}},
            {"user_id": "u", "event": "Unmapped", "message_id": "m3",
             "timestamp": "2025-07-10T06:09:00Z"},
        ]))
        .await;
    assert_eq!(answer.statuses(), [200, 400, 206, 422]);
    edge.eventually("they are noted", |stub| noted(stub).len() == 4)
        .await;
    let all = noted(&edge.stub);
    let seen: Vec<_> = all
        .iter()
        .map(|event| (&*event.message_id, event.status, &*event.code, event.index))
        .collect();
    let expected = [
        ("m0", 200, "", 0),
        ("m1", 400, "TIMESTAMP_UNREADABLE", 1),
        ("m2", 206, "CONTACT_EXISTING_ONLY", 2),
        ("m3", 422, "NO_MAPPING", 3),
    ];
    assert_eq!(seen, expected);
    let good = [
        "accepted accepted",
        "mapped mapped",
        "identifiers found",
        "units profile_and_activity",
        "contact stored",
        "activity stored",
    ];
    assert_eq!(stages(&all[0]), good);
    assert_eq!(stages(&all[1]), ["accepted refused TIMESTAMP_UNREADABLE"]);
    let refused = [
        "accepted accepted",
        "mapped mapped",
        "identifiers refused CONTACT_EXISTING_ONLY",
        "units activity",
        "activity stored",
    ];
    assert_eq!(stages(&all[2]), refused);
    assert_eq!(
        stages(&all[3]),
        ["accepted accepted", "mapped rejected NO_MAPPING"]
    );
    assert!(!all[0].contact_id.is_empty() && all[0].fields > 0);
    assert_eq!(all[3].event_time.unwrap().seconds, 1_752_127_740);
    let batch_id = edge.stub.state().map_requests[0].requests[0]
        .batch_id
        .clone();
    assert!(all.iter().all(|event| event.batch_id == batch_id));
    assert!(all.iter().all(|event| event.answer_time.is_some()));
    assert!(!format!("{all:?}").contains("s3cr3t"));
    assert_eq!(left_out(&edge.stub), 0);
}

#[tokio::test]
async fn of_a_flood_fifty_a_second_are_noted_and_the_others_are_counted() {
    let edge = Edge::start().await;
    let events: Vec<Value> = (0..500)
        .map(|number| json!({"user_id": "u", "event": "e", "message_id": format!("m{number}")}))
        .collect();
    let answer = edge.track(json!(events)).await;
    assert_eq!(answer.statuses().len(), 500);
    edge.eventually("all are noted or counted", |stub| {
        noted(stub).len() as i64 + left_out(stub) == 500
    })
    .await;
    let all = noted(&edge.stub);
    // What came in one batch is answered in one moment.
    assert_eq!(all.len(), 50);
    let indexes: Vec<u32> = all.iter().map(|event| event.index).collect();
    let expected: Vec<u32> = (0..50).map(|number| number * 10 + 9).collect();
    assert_eq!(indexes, expected, "spread over the batch");
    let last = all[49].stages.last().unwrap();
    assert_eq!(last.stage(), Stage::Activity);
    let state = edge.stub.state();
    assert!(state.noted.iter().any(|call| call.left_out_time.is_some()));
}
