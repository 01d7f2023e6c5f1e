//! Batches whose values are more than one message between the services may hold.

use serde_json::{Value, json};
use tonic::{Code, Status};
use weir_reasons::Reason;

use crate::harness::Edge;
use crate::stub::{AUDIENCE, Fault, utf8};

const MIB: usize = 1024 * 1024;

fn outgrown() -> Fault {
    let (code, reason) = (Code::ResourceExhausted, Reason::AnswerTooLarge);
    Fault::Say(weir_rpc::refused(code, reason, "too many values"))
}

fn people(count: usize) -> Vec<Value> {
    (0..count)
        .map(|n| json!({"user_id": format!("u{n}"), "message_id": n, "event": "e", "traits": {}}))
        .collect()
}

#[tokio::test]
async fn values_that_outgrow_a_message_cost_no_event_its_outcome() {
    let edge = Edge::start().await;
    // 57 MiB as they are mapped; halves of 28 MiB come back from mapping, and are too large
    // still for the stores.
    edge.stub.state().value_length = 19 * MIB / 10;
    edge.stub.state().profile_limit = 20;
    let mut events = people(30);
    events[17] = json!(42);
    let answer = edge.identify(json!(events)).await;
    let mut expected = [200; 30];
    expected[17] = 400;
    expected[21..].fill(429);
    assert_eq!(answer.statuses(), expected);
    assert!(
        answer.header("ratelimit").contains("\"profile\";r=0;"),
        "{answer:?}"
    );
    assert_eq!(
        edge.settled().await.iter().map(|one| one.0).sum::<i64>(),
        20
    );
    edge.eventually("the lines are there", |stub| !stub.state().log.is_empty())
        .await;
    let state = edge.stub.state();
    let events: Vec<_> = state.map_sizes.iter().map(|one| one.0).collect();
    assert_eq!(events, [30, 15, 15]);
    assert_eq!(state.calls["upsert_contacts"], 4, "halves of the halves");
    let (all, halves) = (state.map_sizes[0].1, &state.map_sizes[1..]);
    assert!(
        halves.iter().all(|half| half.1 < all * 2 / 3),
        "each with its own part of the body"
    );
    for event in &state.mapped {
        let raw: Value = serde_json::from_slice(&event.raw).unwrap();
        assert!(raw == 42 || raw["message_id"] == event.index, "{raw}");
    }
    let stored: Vec<_> = state
        .contacts
        .iter()
        .map(|one| utf8(&one.user_id))
        .collect();
    let expected: Vec<_> = (0..21)
        .filter(|n| *n != 17)
        .map(|n| format!("u{n}"))
        .collect();
    assert_eq!(stored, expected, "units go to events in their order");
    let batch_ids: Vec<_> = state
        .map_requests
        .iter()
        .map(|one| &one.requests[0].batch_id)
        .collect();
    assert_eq!(batch_ids, [batch_ids[0]; 3], "it is one request");
    let line = state.log.iter().find(|one| one.code == "NOT_AN_OBJECT");
    assert_eq!(line.unwrap().index, 17);
}

#[tokio::test]
async fn so_it_is_with_the_attributes_of_tracks() {
    let edge = Edge::start().await;
    edge.stub.state().value_length = 3 * MIB;
    let mut events = people(12);
    for event in &mut events[6..] {
        event.as_object_mut().unwrap().remove("traits");
        event["audience"] = json!({"mode": "add", "id": AUDIENCE});
    }
    let answer = edge.track(json!(events)).await;
    assert_eq!(answer.statuses(), [200; 12]);
    assert_eq!(edge.track(json!(events)).await.statuses(), [200; 12]);
    let settled = edge.settled().await;
    let sum = settled
        .iter()
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!(sum, (12, 12), "the second time all were repeats");
    let state = edge.stub.state();
    let stored: Vec<_> = state
        .activities
        .iter()
        .map(|one| (utf8(&one.message_id), utf8(&one.contact_id)))
        .collect();
    let expected: Vec<_> = (0..12)
        .map(|n| (n.to_string(), format!("contact of u{n}")))
        .collect();
    let expected: Vec<_> = expected.iter().map(|(id, to)| (&**id, &**to)).collect();
    assert_eq!(stored, expected);
    assert_eq!(state.updates.len(), 12, "each of the six in both");
}

#[tokio::test]
async fn an_event_that_is_too_large_alone_costs_itself_alone() {
    let edge = Edge::start().await;
    edge.stub
        .script("map_events", [outgrown(), outgrown(), outgrown()]);
    let answer = edge.identify(json!(people(4))).await;
    assert_eq!(answer.statuses(), [500, 200, 200, 200]);
    assert_eq!(answer.code(0), "INTERNAL");
    // It is said of four, two and one; then the others go one by one.
    assert_eq!(edge.stub.count("map_events"), 6);
    assert_eq!(edge.settled().await, [(1, 0); 3]);
    assert_eq!(edge.identify(json!(people(4))).await.statuses(), [200; 4]);
}

#[tokio::test]
async fn a_later_part_that_fails_comes_again_and_the_first_stands() {
    let edge = Edge::start().await;
    let unexpected = || Fault::Say(Status::invalid_argument("secret"));
    edge.stub.script("map_events", [outgrown(), outgrown()]);
    edge.stub
        .script("upsert_contacts", [Fault::None, unexpected()]);
    let mut events = people(4);
    events[3] = json!(42);
    let answer = edge.identify(json!(events)).await;
    assert_eq!(answer.statuses(), [200, 500, 500, 400]);
    assert_eq!(
        edge.stub.count("upsert_contacts"),
        2,
        "the rest is not tried"
    );
    edge.eventually("all but the first is in the log", |stub| {
        let mut indexes: Vec<_> = stub.state().log.iter().map(|one| one.index).collect();
        indexes.sort_unstable();
        indexes == [1, 2, 3]
    })
    .await;
    assert_eq!(
        edge.identify(json!(events)).await.statuses(),
        [200, 200, 200, 400]
    );
    assert_eq!(edge.stub.state().contacts.len(), 3);

    // Where nothing is stored the request as a whole comes again.
    edge.stub.script("map_events", [outgrown()]);
    edge.stub.script("upsert_contacts", [unexpected()]);
    edge.identify(json!(events)).await.check_problem(500);
}

#[tokio::test]
async fn a_part_is_mapped_again_in_parts_where_the_identifiers_changed() {
    let edge = Edge::start().await;
    edge.stub.state().identifiers_versions = (3, 2);
    edge.stub
        .script("map_events", [Fault::None, outgrown(), Fault::None]);
    assert_eq!(edge.identify(json!(people(4))).await.statuses(), [200; 4]);
    let state = edge.stub.state();
    let users: Vec<_> = state
        .contacts
        .iter()
        .map(|one| utf8(&one.user_id))
        .collect();
    assert_eq!(users, ["u0", "u1", "u2", "u3"]);
}
