//! Requests that wait, and go on together.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Notify;
use tonic::Status;

use crate::harness::{Answer, Edge};
use crate::stub::{AUDIENCE, Fault, Stub, utf8};

/// An edge that drives one batch at once, and so many events that wait are all that it takes of
/// an account.
async fn edge(waiting: usize) -> Edge {
    let most = (2 * waiting).to_string();
    Edge::start_with(&["--pipeline-slots", "1", "--max-queued-events", &most]).await
}

/// What `path` answers to `bodies`, which wait together until `prepare` is done: the slot is held
/// by another request meanwhile, and they are all that may wait.
async fn together(
    edge: &Edge,
    path: &str,
    bodies: &[Value],
    prepare: impl FnOnce(),
) -> Vec<Answer> {
    let told = Arc::new(Notify::new());
    let calls = edge.stub.count("map_events");
    edge.stub.script("map_events", [Fault::Hold(told.clone())]);
    let first = async {
        let first = json!([{"user_id": "first", "event": "e", "traits": {"x": 1}}]);
        edge.post(path, first.to_string()).await
    };
    let others = bodies.iter().map(async |body| {
        let is_held = |stub: &Stub| stub.count("map_events") > calls;
        edge.eventually("the slot is taken", is_held).await;
        edge.post(path, body.to_string()).await
    });
    let release = async {
        weir_testkit::eventually("no more may wait", async || {
            edge.post(path, "[]").await.status == 503
        })
        .await;
        prepare();
        told.notify_one();
    };
    let others = futures_util::future::join_all(others);
    let (first, others, ()) = tokio::join!(first, others, release);
    assert_eq!(first.statuses(), [200]);
    others
}

fn user(id: &str) -> Value {
    json!({"user_id": id, "message_id": id, "event": "e", "traits": {"x": 1},
           "timestamp": "2025-07-10T06:09:00Z"})
}

/// Semantics 1.9.
#[tokio::test]
async fn requests_that_wait_go_on_as_one_batch_and_each_is_answered_for_itself() {
    let edge = edge(6).await;
    let bodies = [
        json!([user("a"), 42, user("b")]),
        json!([user("b"), {"user_id": "key-taken", "traits": {"x": 1}}]),
        json!(user("c")),
    ];
    let answers = together(&edge, "/v1/identify", &bodies, || ()).await;
    let statuses: Vec<_> = answers.iter().map(Answer::statuses).collect();
    assert_eq!(statuses, [vec![200, 400, 200], vec![200, 200], vec![200]]);
    assert_eq!(edge.settled().await.iter().map(|one| one.0).sum::<i64>(), 5);
    for hop in ["map_events", "reserve", "upsert_contacts"] {
        assert_eq!(
            edge.stub.count(hop),
            2,
            "{hop}: the first alone, and then all"
        );
    }
    edge.eventually("the lines are there", |stub| stub.state().log.len() == 2)
        .await;
    let state = edge.stub.state();
    assert_eq!(state.contacts.len(), 5, "one of the same two is a repeat");
    let request = &state.map_requests[1];
    let mut counts: Vec<_> = request.requests.iter().map(|one| one.event_count).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2, 3]);
    // Each event is said to be of its own request, and where it stands there.
    let mut events = state.mapped[1..].iter();
    for one in &request.requests {
        for index in 0..one.event_count {
            let event = events.next().unwrap();
            assert_eq!(event.index, index);
            let raw: Value = serde_json::from_slice(&event.raw).unwrap();
            let body = &bodies[3 - one.event_count as usize];
            assert_eq!(raw, *body.get(index as usize).unwrap_or(body));
        }
    }
    let batch_id = |count| {
        let mut requests = request.requests.iter();
        let one = requests.find(|one| one.event_count == count).unwrap();
        (one.batch_id.clone(), one.receive_time)
    };
    for (code, count) in [("NOT_AN_OBJECT", 3), ("IDENTIFIER_TAKEN", 2)] {
        let line = state.log.iter().find(|line| line.code == code).unwrap();
        assert_eq!(
            (line.index, (line.batch_id.clone(), line.log_time)),
            (1, batch_id(count))
        );
    }
}

#[tokio::test]
async fn tracks_that_go_together_keep_their_own_receive_times() {
    let edge = edge(3).await;
    let with_update = json!({"user_id": "c", "message_id": "c", "event": "e",
                             "audience": {"mode": "add", "id": AUDIENCE}});
    let bodies = [json!([user("a")]), json!([user("b")]), json!([with_update])];
    let answers = together(&edge, "/v1/track", &bodies, || ()).await;
    assert!(answers.iter().all(|answer| answer.statuses() == [200]));
    for hop in ["record_activities", "upsert_contacts"] {
        assert_eq!(edge.stub.count(hop), 2, "{hop}");
    }
    let calls = [
        edge.stub.count("check_audiences"),
        edge.stub.count("apply_membership_updates"),
    ];
    assert_eq!(calls, [1, 1]);
    let state = edge.stub.state();
    let requests = &state.map_requests[1].requests;
    assert_eq!(requests.len(), 3);
    for (event, request) in state.activities[1..].iter().zip(requests) {
        let is_first = request.receive_time == requests[0].receive_time;
        let own = event.receive_time.or(requests[0].receive_time);
        assert_eq!(own, request.receive_time);
        assert_eq!(event.receive_time.is_none(), is_first);
    }
}

#[tokio::test]
async fn a_batch_that_fails_for_something_in_it_is_driven_request_by_request() {
    let unexpected = || Fault::Say(Status::invalid_argument("secret"));
    for hop in [
        "map_events",
        "reserve",
        "upsert_contacts",
        "record_activities",
    ] {
        let edge = edge(4).await;
        let bodies = [
            json!([user("a"), user("b")]),
            json!([user("c")]),
            json!([user("d")]),
        ];
        let script = || {
            // The first request is mapped already; then the batch fails, and the second of its
            // requests.
            let first = (hop != "map_events").then_some(Fault::None);
            edge.stub.script(hop, first);
            edge.stub
                .script(hop, [unexpected(), Fault::None, unexpected()]);
        };
        let answers = together(&edge, "/v1/track", &bodies, script).await;
        let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        let (good, bad): (Vec<_>, Vec<_>) = answers.iter().partition(|one| one.status == 207);
        if ["map_events", "reserve"].contains(&hop) {
            assert_eq!(statuses, [207, 207, 500], "{hop}");
        } else {
            // Its contact or its activity alone is not known to be stored.
            assert!(good.len() >= 2, "{hop}: {statuses:?}");
        }
        assert!(bad.iter().all(|one| one.status == 500), "{hop}");
        // Whichever of them it is, which was received second.
        let is_whole = |one: &Answer| one.statuses().iter().all(|status| *status == 200);
        let failed = good.iter().filter(|one| !is_whole(one));
        assert_eq!(failed.count() + bad.len(), 1, "{hop}: one request fails");
        assert_eq!(edge.stub.count(hop), 5, "{hop}");
        for body in &bodies {
            let answer = edge.track(body.clone()).await;
            assert!(answer.statuses().iter().all(|one| *one == 200), "{hop}");
        }
        let state = edge.stub.state();
        let mut users: Vec<_> = state
            .activities
            .iter()
            .map(|one| utf8(&one.user_id))
            .collect();
        users.sort_unstable();
        assert_eq!(users, ["a", "b", "c", "d", "first"], "{hop}: each once");
    }
}

#[tokio::test]
async fn samples_and_lines_of_mapping_are_left_once_where_a_later_stage_fails() {
    let edge = edge(2).await;
    let script = || {
        let fault = Fault::Say(Status::internal("secret"));
        edge.stub.script("upsert_contacts", [Fault::None, fault]);
    };
    let bodies = [json!([user("a")]), json!([user("b")])];
    let answers = together(&edge, "/v1/identify", &bodies, script).await;
    assert!(answers.iter().all(|answer| answer.statuses() == [200]));
    assert_eq!(edge.stub.count("map_events"), 2);
    assert_eq!(edge.stub.count("upsert_contacts"), 3 + 1);
}

#[tokio::test]
async fn an_outage_is_answered_to_all_at_once() {
    for hop in ["map_events", "reserve", "upsert_contacts"] {
        let edge = edge(3).await;
        let script = || {
            let away = || Fault::Say(Status::unavailable("PostgreSQL is away"));
            let first = (hop != "map_events").then_some(Fault::None);
            edge.stub.script(hop, first);
            edge.stub.script(hop, [away(), away(), away(), away()]);
        };
        let bodies = ["a", "b", "c"].map(|id| json!([user(id)]));
        let answers = together(&edge, "/v1/identify", &bodies, script).await;
        for answer in &answers {
            answer.check_problem(503);
            assert!(!answer.header("retry-after").is_empty());
        }
        assert_eq!(edge.stub.count(hop), 1 + 4, "{hop}: tries of one call");
    }
}

#[tokio::test]
async fn a_batch_that_was_fenced_starts_anew_as_a_whole() {
    let edge = edge(3).await;
    let script = || {
        let fenced = Fault::Say(Status::aborted("the epoch is past"));
        edge.stub.script("upsert_contacts", [Fault::None, fenced]);
    };
    let bodies = ["a", "b", "c"].map(|id| json!([user(id)]));
    let answers = together(&edge, "/v1/identify", &bodies, script).await;
    assert!(answers.iter().all(|answer| answer.statuses() == [200]));
    assert_eq!(edge.stub.count("upsert_contacts"), 3);
    assert_eq!(edge.settled().await, [(1, 0), (0, 0), (3, 0)]);
}

#[tokio::test]
async fn who_has_its_units_does_not_wait_for_who_has_not() {
    let edge = edge(6).await;
    let people = |from: usize| {
        let people = (from..from + 3).map(|n| user(&format!("u{n}")));
        json!(people.collect::<Vec<_>>())
    };
    let script = || {
        let mut state = edge.stub.state();
        state.profile_limit = 10;
        state.held_elsewhere = (6, 0);
        state.held_for = usize::MAX;
    };
    // One is charged for the first, six are held elsewhere: three are left for six.
    let answers = together(&edge, "/v1/identify", &[people(0), people(3)], script).await;
    let mut statuses: Vec<_> = answers.iter().map(Answer::statuses).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [[200; 3], [500; 3]]);
    let late = answers
        .iter()
        .find(|one| one.statuses() == [500; 3])
        .unwrap();
    assert_eq!(late.code(0), "UNITS_IN_FLIGHT");
    assert_eq!(
        edge.stub.count("reserve"),
        1 + 4,
        "as often as it is asked again"
    );
    let state = edge.stub.state();
    let wanted: Vec<_> = state
        .reserve_requests
        .iter()
        .map(|one| one.profile_units)
        .collect();
    assert_eq!(wanted, [1, 6, 3, 3, 3], "by those alone that had none");
}

#[tokio::test]
async fn a_request_whose_time_is_over_before_its_turn_does_not_begin() {
    let edge = edge(1).await;
    let told = Arc::new(Notify::new());
    edge.stub.script("map_events", [Fault::Hold(told.clone())]);
    let first = edge.identify(json!([user("first")]));
    let second = async {
        edge.eventually("the slot is taken", |stub| stub.count("map_events") == 1)
            .await;
        edge.identify(json!([user("late")])).await
    };
    let (first, late) = tokio::join!(first, second);
    // The batch of the first one goes on, though nobody waits for it any more.
    first.check_problem(503);
    late.check_problem(503);
    assert!(!late.header("retry-after").is_empty());
    told.notify_one();
    assert_eq!(edge.identify(json!([user("next")])).await.statuses(), [200]);
    let state = edge.stub.state();
    let mapped: Vec<Value> = state
        .mapped
        .iter()
        .map(|event| serde_json::from_slice(&event.raw).unwrap())
        .collect();
    assert!(!mapped.contains(&user("late")), "{mapped:?}");
}
