//! What is kept for replay, and how it is taken anew (semantics 7.5, 1.7).

use serde_json::{Value, json};
use tonic::Status;
use weir_proto::mapping::v1::{EventKind, EventToKeep, EventToReplay, ReplayWork};

use crate::harness::Edge;
use crate::stub::{AUDIENCE, Fault, Stub, utf8};

fn away() -> Vec<Fault> {
    let status = || Status::unavailable("PostgreSQL is away");
    (0..4).map(|_| Fault::Say(status())).collect()
}

fn seen(stub: &Stub) -> Vec<(String, u32, String, bool)> {
    let state = stub.state();
    let each = |kept: &EventToKeep| {
        let whole = kept.event.as_ref().unwrap();
        let id = whole.message_id.clone();
        (id, kept.status, kept.code.clone(), kept.stored)
    };
    state.kept.iter().map(each).collect()
}

/// Work out of what was kept, as mapping gives it out.
fn work(kept: &[EventToKeep], repair: bool) -> ReplayWork {
    let event = |kept: &EventToKeep| EventToReplay {
        event: kept.event.clone(),
        correction: kept.stored,
    };
    ReplayWork {
        account_id: "account".into(),
        source_id: "source".into(),
        work_id: "work".into(),
        lease_token: "lease".into(),
        repair,
        events: kept.iter().map(event).collect(),
        ..Default::default()
    }
}

/// Semantics 7.5.
#[tokio::test]
async fn what_is_not_taken_whole_is_kept_and_nothing_else() {
    let edge = Edge::start().await;
    edge.stub.state().activity_limit = 2;
    let answer = edge
        .track(json!([
            {"user_id": "good", "event": "e", "message_id": "m0"},
            {"user_id": "p", "event": "e", "message_id": "m1", "timestamp": "soon"},
            {"user_id": "u", "event": "Unmapped", "message_id": "m2",
             "timestamp": "2025-07-10T06:09:00Z"},
            {"user_id": "key-taken", "event": "e", "message_id": "m3", "traits": {}},
            {"user_id": "u", "event": "e", "message_id": "m4"},
        ]))
        .await;
    assert_eq!(answer.statuses(), [200, 400, 422, 200, 429]);
    edge.eventually("all is kept", |stub| stub.state().kept.len() == 4)
        .await;
    let all = seen(&edge.stub);
    let expected = [
        ("m1", 400, "TIMESTAMP_UNREADABLE", false),
        ("m2", 422, "NO_MAPPING", false),
        ("m3", 200, "IDENTIFIER_TAKEN", true),
        ("m4", 429, "ACTIVITY_LIMIT", false),
    ];
    let expected =
        expected.map(|(id, status, code, stored)| (id.to_owned(), status, code.to_owned(), stored));
    assert_eq!(all, expected);
    let state = edge.stub.state();
    let unmapped = &state.kept[1];
    let whole = unmapped.event.as_ref().unwrap();
    let raw: Value = serde_json::from_slice(&whole.raw).unwrap();
    assert_eq!((raw["event"].as_str(), whole.index), (Some("Unmapped"), 2));
    assert_eq!(
        (&*unmapped.user_id, &*unmapped.event_name),
        ("u", "Unmapped")
    );
    assert_eq!(unmapped.event_time.unwrap().seconds, 1_752_127_740);
    assert!(whole.event_key.len() == 16 && whole.receive_time.is_some());
    assert!(state.kept[3].event_time.is_none());
}

#[tokio::test]
async fn an_event_of_which_mapping_ignored_a_value_is_kept_as_stored() {
    let edge = Edge::start().await;
    let known = json!([{"user_id": "u", "traits": {"a": 1}}]);
    assert_eq!(edge.identify(known).await.statuses(), [200]);
    let event = json!([{"user_id": "u", "event": "e", "message_id": "m",
        "traits": {"ignored": ["EMAIL_INVALID"], "cleared": 1}}]);
    assert_eq!(edge.track(event).await.statuses(), [200]);
    edge.eventually("it is kept", |stub| stub.state().kept.len() == 1)
        .await;
    let expected = ("m".to_owned(), 200, "EMAIL_INVALID".to_owned(), true);
    assert_eq!(seen(&edge.stub), [expected]);
}

#[tokio::test]
async fn an_event_that_is_stored_later_is_told_to_be_done() {
    let edge = Edge::start().await;
    edge.stub.state().activity_limit = 0;
    let event = json!([{"user_id": "u", "event": "e", "message_id": "m",
        "timestamp": "2025-07-10T06:09:00Z"}]);
    assert_eq!(edge.track(event.clone()).await.statuses(), [429]);
    edge.eventually("it is kept", |stub| stub.state().kept.len() == 1)
        .await;
    edge.stub.state().activity_limit = 10;
    assert_eq!(edge.track(event.clone()).await.statuses(), [200]);
    edge.eventually("it is done", |stub| stub.state().done.len() == 1)
        .await;
    {
        let state = edge.stub.state();
        let key = &state.kept[0].event.as_ref().unwrap().event_key;
        assert_eq!(&state.done[0], key);
    }
    assert_eq!(edge.track(event).await.statuses(), [200]);
    edge.stop().await;
}

#[tokio::test]
async fn a_flood_of_one_reason_keeps_fifty_of_a_second() {
    let edge = Edge::start().await;
    let events: Vec<Value> = (0..500)
        .map(|n| json!({"user_id": "u", "event": "Unmapped", "message_id": n}))
        .collect();
    assert_eq!(edge.track(json!(events)).await.statuses(), [422; 500]);
    edge.eventually("some are kept", |stub| !stub.state().kept.is_empty())
        .await;
    assert_eq!(edge.stub.state().kept.len(), 50);
    assert_eq!(edge.stub.count("keep_events"), 1);
}

#[tokio::test]
async fn where_all_is_well_nobody_is_told_anything() {
    let edge = Edge::start().await;
    let events: Vec<Value> = (0..100)
        .map(|n| json!({"user_id": "u", "event": "e", "message_id": n, "traits": {}}))
        .collect();
    assert_eq!(edge.track(json!(events)).await.statuses(), [200; 100]);
    let stub = edge.stub.clone();
    // Whatever would be told is told before it ends.
    edge.stop().await;
    assert_eq!(
        (stub.count("keep_events"), stub.count("defer_contacts")),
        (0, 0)
    );
}

fn tracks() -> Value {
    let time = "2025-07-10T06:09:00Z";
    json!([
        {"user_id": "a", "message_id": "1", "event": "e", "timestamp": time},
        {"user_id": "b", "message_id": "2", "event": "e", "timestamp": time, "traits": {}},
        {"user_id": "c", "message_id": "3", "event": "e", "timestamp": time,
         "audience": {"mode": "add", "id": AUDIENCE}},
        {"user_id": "d", "event": "e", "traits": {}},
    ])
}

/// Semantics 1.7.
#[tokio::test]
async fn a_contact_that_can_not_be_reached_is_kept_and_made_up_for() {
    let edge = Edge::start().await;
    edge.stub.script("upsert_contacts", away());
    let answer = edge.track(tracks()).await;
    assert_eq!(answer.statuses(), [200, 206, 206, 206]);
    assert_eq!(answer.code(1), "CONTACT_DEFERRED");
    let order = edge.stub.state().order.clone();
    let at = |hop| order.iter().position(|one| *one == hop).unwrap();
    assert!(at("defer_contacts") < at("record_activities"), "kept first");
    let (deferred, first) = {
        let state = edge.stub.state();
        assert_eq!((state.activities.len(), state.updates.len()), (4, 0));
        let flags: Vec<bool> = state
            .activities
            .iter()
            .map(|one| one.contact_deferred)
            .collect();
        assert_eq!(flags, [false, true, true, true]);
        assert_eq!(state.kept, [], "they are kept apart");
        (state.deferred.clone(), state.activities[3].clone())
    };
    assert_eq!(deferred.len(), 3);
    // It is back.
    edge.stub.state().work.push_back(work(&deferred, true));
    edge.eventually("it is told", |stub| !stub.state().reports.is_empty())
        .await;
    let state = edge.stub.state();
    let report = &state.reports[0];
    assert_eq!((report.repair, &*report.lease_token), (true, "lease"));
    let statuses: Vec<u32> = report.outcomes.iter().map(|one| one.status).collect();
    assert_eq!(statuses, [200, 200, 200]);
    let who: Vec<&str> = state
        .contacts
        .iter()
        .map(|one| utf8(&one.user_id))
        .collect();
    assert_eq!(who, ["b", "c", "d"]);
    assert_eq!(state.updates.len(), 1);
    assert_eq!(state.activities.len(), 4, "each is there once");
    assert_eq!(state.activities_corrected, [], "and stays as it is");
    // One without timestamp and message id is the same event still.
    let contact = &state.contacts[2];
    assert_eq!(contact.message_id, first.message_id);
    assert_eq!(contact.event_time, first.event_time);
}

#[tokio::test]
async fn what_can_not_be_kept_comes_again_as_a_whole() {
    let edge = Edge::start().await;
    edge.stub.state().room_to_defer = 1;
    edge.stub.script("upsert_contacts", away());
    let answer = edge.track(tracks()).await;
    assert_eq!(answer.statuses(), [200, 206, 500, 500]);
    assert_eq!(answer.code(2), "CONTACTS_AWAY");
    assert_eq!(edge.stub.state().activities.len(), 2);
    edge.stub.script("upsert_contacts", away());
    edge.stub.script("defer_contacts", away());
    assert_eq!(edge.track(tracks()).await.statuses(), [200, 500, 500, 500]);
    // One that is too large.
    edge.stub.state().room_to_defer = 10;
    edge.stub.script("upsert_contacts", away());
    let large = json!([{"user_id": "a", "event": "e", "traits": {"x": "x".repeat(33_000)}},
        {"user_id": "a", "event": "e", "message_id": 1}]);
    assert_eq!(edge.track(large).await.statuses(), [500, 200]);
}

#[tokio::test]
async fn kept_events_are_taken_anew_as_what_they_were() {
    let edge = Edge::start().await;
    edge.stub.state().activity_limit = 0;
    let answer = edge
        .track(json!([
            {"user_id": "u", "event": "e", "message_id": "m0"},
            {"user_id": "u", "event": "e"},
            {"user_id": "key-taken", "event": "e", "message_id": "m2", "traits": {}},
        ]))
        .await;
    assert_eq!(answer.statuses(), [429; 3]);
    let identified = edge.identify(json!([{"user_id": "x", "traits": {"a": "ignored"}}]));
    assert_eq!(identified.await.statuses(), [422]);
    edge.eventually("they are kept", |stub| stub.state().kept.len() == 4)
        .await;
    edge.stub.state().activity_limit = 100;
    let kept = edge.stub.state().kept.clone();
    // The same portion twice, as after the end of a lease.
    for times in 1..3 {
        edge.stub.state().work.push_back(work(&kept, false));
        edge.eventually("it is told", |stub| stub.state().reports.len() == times)
            .await;
    }
    let stub = edge.stub.clone();
    edge.stop().await;
    let state = stub.state();
    let first: Vec<_> = state.reports[0]
        .outcomes
        .iter()
        .map(|one| (one.status, &*one.code, &*one.ignored_code))
        .collect();
    let expected = [
        (422, "NOTHING_VALID", ""),
        (200, "", ""),
        (200, "", ""),
        (200, "", "IDENTIFIER_TAKEN"),
    ];
    assert_eq!(first, expected, "identifies first");
    let again = &state.reports[1].outcomes;
    assert_eq!(again.iter().filter(|one| one.status == 200).count(), 3);
    assert_eq!((state.activities.len(), state.contacts.len()), (3, 1));
    let time = |index: usize| {
        let time = state.activities[index].event_time.unwrap();
        time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000
    };
    let whole = kept[0].event.as_ref().unwrap();
    let receipt = whole.receive_time.unwrap();
    let receipt = receipt.seconds * 1_000_000 + i64::from(receipt.nanos) / 1_000;
    assert_eq!(
        [time(0), time(1)],
        [receipt, receipt + 1],
        "when they were received first"
    );
    // Neither their samples nor what is kept of them comes twice.
    assert_eq!(state.kept.len(), 4);
    let replayed: Vec<bool> = state.map_requests.iter().map(|one| one.replayed).collect();
    assert_eq!(replayed.iter().filter(|replayed| **replayed).count(), 4);
    assert!(!replayed[0] && !replayed[1]);
    // What they were charged is counted, and no answer (semantics 6.8).
    let units = |kind, name: &str| state.units.get(&(kind, name.to_owned())).copied();
    assert_eq!(units("UNIT_KIND_ACTIVITY", "e"), Some(3));
    assert_eq!(units("UNIT_KIND_PROFILE", "e"), Some(1));
    assert_eq!(units("UNIT_KIND_REJECTED", "e"), Some(3));
    let answers = state.counts.iter().filter(|((status, ..), _)| *status > 0);
    assert_eq!(answers.map(|(_, count)| count).sum::<i64>(), 4);
}

/// Semantics 7.5a.
#[tokio::test]
async fn a_correction_goes_to_both_stores_and_asks_for_no_unit() {
    let edge = Edge::start().await;
    let answer = edge
        .track(json!([{"user_id": "key-taken", "event": "e", "message_id": "m", "traits": {}}]))
        .await;
    assert_eq!(answer.statuses(), [200]);
    edge.eventually("it is kept", |stub| stub.state().kept.len() == 1)
        .await;
    let kept = edge.stub.state().kept.clone();
    let reserved = {
        let mut state = edge.stub.state();
        assert!(!state.contacts[0].correction && !state.activities[0].correction);
        (state.profile_limit, state.activity_limit) = (0, 0);
        state.work.push_back(work(&kept, false));
        state.reserve_requests.len()
    };
    edge.eventually("it is told", |stub| !stub.state().reports.is_empty())
        .await;
    let stub = edge.stub.clone();
    edge.stop().await;
    let state = stub.state();
    assert_eq!(state.units.values().sum::<i64>(), 2, "of the first time");
    let outcome = &state.reports[0].outcomes[0];
    let said = (outcome.status, &*outcome.code, &*outcome.ignored_code);
    assert_eq!(said, (200, "", "IDENTIFIER_TAKEN"));
    assert!(state.contacts_corrected[0].correction && !state.contacts_corrected[0].funded);
    assert!(state.activities_corrected[0].correction && !state.activities_corrected[0].funded);
    let asked = &state.reserve_requests[reserved..];
    let asked = asked
        .iter()
        .map(|one| one.profile_units + one.activity_units);
    assert_eq!(asked.sum::<i64>(), 0);
}

#[tokio::test]
async fn where_there_is_nothing_to_correct_it_is_said() {
    let edge = Edge::start().await;
    let event = |user, event| {
        json!({"user_id": user, "event": event, "message_id": user, "traits": {},
            "timestamp": "2025-07-10T06:09:00Z"})
    };
    let tracks = json!([event("t1", "e"), event("t2", "e")]);
    let identifies = json!([event("i1", "")]);
    for (limit, status, kept) in [(0, 429, 3), (100, 200, 3)] {
        {
            let mut state = edge.stub.state();
            (state.profile_limit, state.activity_limit) = (limit, limit);
        }
        let answer = edge.track(tracks.clone()).await;
        assert_eq!(answer.statuses(), [status; 2]);
        let answer = edge.identify(identifies.clone()).await;
        assert_eq!(answer.statuses(), [status]);
        edge.eventually("they are kept", |stub| stub.state().kept.len() == kept)
            .await;
    }
    {
        let mut state = edge.stub.state();
        // Of one the activity is gone, of the others the contact.
        state.activities.retain(|one| one.user_id != "t1");
        state.contacts.retain(|one| one.user_id == "t1");
        let kept = state.kept.iter().cloned().map(|kept| EventToKeep {
            stored: true,
            ..kept
        });
        let kept: Vec<EventToKeep> = kept.collect();
        state.work.push_back(work(&kept, false));
    }
    edge.eventually("it is told", |stub| !stub.state().reports.is_empty())
        .await;
    let state = edge.stub.state();
    let outcomes = state.reports[0].outcomes.iter();
    let codes: Vec<_> = outcomes.map(|one| (one.status, &*one.code)).collect();
    let nothing = "NOTHING_TO_CORRECT";
    assert_eq!(codes, [(422, nothing), (422, nothing), (206, nothing)]);
    assert_eq!((state.contacts.len(), state.activities.len()), (1, 1));
}

#[tokio::test]
async fn what_is_away_is_no_outcome() {
    let edge = Edge::start().await;
    edge.stub.state().activity_limit = 0;
    edge.track(json!([{"user_id": "u", "event": "e", "message_id": "m"}]))
        .await;
    edge.eventually("it is kept", |stub| stub.state().kept.len() == 1)
        .await;
    let kept = edge.stub.state().kept.clone();
    assert_eq!(kept[0].event.as_ref().unwrap().kind(), EventKind::Track);
    edge.stub.script("map_events", away());
    edge.stub.state().work.push_back(work(&kept, false));
    edge.eventually("it is told", |stub| !stub.state().reports.is_empty())
        .await;
    let outcome = edge.stub.state().reports[0].outcomes[0].clone();
    assert_eq!((outcome.status, &*outcome.code), (500, "SERVICE_AWAY"));
}
