//! What the edge counts of its answers, and how it tells it: exactly (semantics 7.3a).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tonic::Status;
use weir_proto::contact::v1::UpsertStatus;
use weir_reasons::{About, Reason};

use crate::harness::Edge;
use crate::stub::{AUDIENCE, FOREIGN_AUDIENCE, Fault, Stub};

/// By status, code and subject; once the edge has ended, so that all of it is told.
async fn counted(edge: Edge) -> BTreeMap<(u32, String, String), i64> {
    let stub = edge.stub.clone();
    edge.stop().await;
    counts_of(&stub)
}

fn counts_of(stub: &Stub) -> BTreeMap<(u32, String, String), i64> {
    let state = stub.state();
    let counts = state.counts.iter();
    counts.map(|(key, count)| (key.clone(), *count)).collect()
}

fn expected(counts: &[(u32, &str, &str, i64)]) -> BTreeMap<(u32, String, String), i64> {
    let one = |(status, code, subject, count): &(u32, &str, &str, i64)| {
        let key = (*status, (*code).to_owned(), (*subject).to_owned());
        (key, *count)
    };
    counts.iter().map(one).collect()
}

#[tokio::test]
async fn every_answer_and_every_ignored_value_is_counted() {
    let edge = Edge::start().await;
    edge.stub
        .state()
        .verdicts
        .insert("stale".into(), UpsertStatus::NothingNew);
    let answer = edge
        .track(json!([
            {"user_id": "a", "event": "e"},
            {"user_id": "b", "event": "e"},
            {"user_id": "b", "event": "Unmapped"},
            {"user_id": "p", "event": "e", "timestamp": "soon"},
            {"user_id": "key-taken", "event": "e", "traits": {}},
            {"user_id": "c", "event": "e", "anonymousId": "a\u{200b}b"},
            {"user_id": "d", "event": "f", "namespace": "ortto.com"},
            {"user_id": "e", "event": "f",
             "traits": {"ignored": ["EMAIL_INVALID", "DATE_FORMAT_MISMATCH"], "x": "cleared"}},
        ]))
        .await;
    assert_eq!(answer.statuses(), [200, 200, 422, 400, 200, 200, 200, 206]);
    let answer = edge
        .identify(json!([{"user_id": "a", "traits": {}}, {"user_id": "stale", "traits": {}}, 5]))
        .await;
    assert_eq!(answer.statuses(), [200, 422, 400]);
    let seen = counted(edge).await;
    assert_eq!(
        seen,
        expected(&[
            (0, "ANONYMOUS_ID_UNUSABLE", "anonymousId", 1),
            (0, "DATE_FORMAT_MISMATCH", "str:cm:field", 2),
            (0, "EMAIL_INVALID", "str:cm:field", 1),
            (0, "IDENTIFIER_TAKEN", "str::email", 1),
            (200, "OK", "", 1),
            (200, "OK", "e", 4),
            (200, "OK", "f", 1),
            (206, "CONTACT_NOTHING_VALID", "f", 1),
            (400, "NOT_AN_OBJECT", "", 1),
            (400, "TIMESTAMP_UNREADABLE", "e", 1),
            (422, "NOTHING_NEW", "", 1),
            (422, "NO_MAPPING", "Unmapped", 1),
        ])
    );
}

#[tokio::test]
async fn what_one_second_counts_is_told_in_the_next() {
    let edge = Edge::start().await;
    for round in 1..=3 {
        edge.track(json!([{"user_id": "u", "event": "e", "message_id": round}]))
            .await;
        edge.eventually("it is told", |stub| {
            counts_of(stub) == expected(&[(200, "OK", "e", round)])
        })
        .await;
    }
    let flushes = edge.stub.state().flushes.clone();
    let sequences: Vec<_> = flushes.iter().map(|(_, sequence)| *sequence).collect();
    assert_eq!(sequences, [1, 2, 3]);
    assert!(flushes.iter().all(|(process, _)| *process == flushes[0].0));
}

#[tokio::test]
async fn a_flush_whose_answer_was_lost_is_told_again_under_its_number() {
    let edge = Edge::start().await;
    let away = || Status::unavailable("PostgreSQL is away");
    edge.stub.script(
        "add_counts",
        [
            Fault::WorkAndSay(away()),
            Fault::Say(away()),
            Fault::WorkAndSay(away()),
        ],
    );
    edge.track(json!([{"user_id": "u", "event": "e"}])).await;
    edge.eventually("it was told once, at least", |stub| {
        stub.count("add_counts") > 0
    })
    .await;
    edge.track(json!([{"user_id": "u", "event": "e"}, {"user_id": "v", "event": "Unmapped"}]))
        .await;
    let stub = edge.stub.clone();
    edge.stop().await;
    assert!(stub.count("add_counts") >= 4);
    let all = expected(&[(200, "OK", "e", 2), (422, "NO_MAPPING", "Unmapped", 1)]);
    assert_eq!(counts_of(&stub), all);
    assert!(stub.state().flushes.len() <= 2);
}

#[tokio::test]
async fn a_batch_that_is_mapped_and_stored_anew_is_counted_once() {
    let edge = Edge::start().await;
    edge.stub.state().identifiers_versions = (2, 1);
    let fenced = Fault::Say(Status::aborted("the epoch is past"));
    edge.stub.script("upsert_contacts", [fenced]);
    let event = json!({"user_id": "u", "traits": {"ignored": ["TOO_LONG"], "x": "cleared"}});
    edge.stub
        .state()
        .verdicts
        .insert("u".into(), UpsertStatus::Stored);
    let answer = edge.identify(json!([event])).await;
    assert_eq!(answer.statuses(), [200]);
    let seen = counted(edge).await;
    let all = [(0, "TOO_LONG", "str:cm:field", 1), (200, "OK", "", 1)];
    assert_eq!(seen, expected(&all));
}

#[tokio::test]
async fn where_nobody_takes_counts_events_are_answered_all_the_same() {
    let edge = Edge::start().await;
    let faults = (0..100).map(|_| Fault::Say(Status::unavailable("away")));
    edge.stub.script("add_counts", faults);
    let names = (0..500).map(|n| json!({"user_id": "u", "event": format!("e{n}")}));
    let names: Vec<Value> = names.collect();
    for _ in 0..6 {
        assert_eq!(edge.track(json!(names)).await.statuses(), [200; 500]);
    }
    edge.stop().await;
}

type Case = (Reason, &'static str, Value);

/// A way to each answer that needs nothing but the event: where it is sent, and what.
fn plain_ways() -> Vec<Case> {
    use Reason::*;
    let id = "x".repeat(300);
    let update = |mode: &str, id: &str| json!({"mode": mode, "id": id});
    vec![
        (NotAnObject, "/v1/identify", json!(5)),
        (NoIdentifier, "/v1/identify", json!({"user_id": "null"})),
        (UserIdUnusable, "/v1/identify", json!({"user_id": id})),
        (EventNameMissing, "/v1/track", json!({"user_id": "u"})),
        (
            EventNameUnusable,
            "/v1/track",
            json!({"user_id": "u", "event": id}),
        ),
        (
            TimestampUnreadable,
            "/v1/track",
            json!({"user_id": "u", "event": "e", "timestamp": "soon"}),
        ),
        (
            TimestampInFuture,
            "/v1/track",
            json!({"user_id": "u", "event": "e", "timestamp": "2999-01-01T00:00:00Z"}),
        ),
        (
            TraitsNotAnObject,
            "/v1/identify",
            json!({"user_id": "u", "traits": 5}),
        ),
        (
            PropertiesNotAnObject,
            "/v1/track",
            json!({"user_id": "u", "event": "e", "properties": 5}),
        ),
        (
            AudienceInvalid,
            "/v1/identify",
            json!({"user_id": "u", "audience": 5}),
        ),
        (
            AudienceModeInvalid,
            "/v1/identify",
            json!({"user_id": "u", "audience": update("join", AUDIENCE)}),
        ),
        (
            AudienceUnknown,
            "/v1/identify",
            json!({"user_id": "u", "audience": update("add", "018f3e6a-7c1b-7d2a-9a3e-5b6c7d8e9fff")}),
        ),
        (
            AudienceOtherOrigin,
            "/v1/identify",
            json!({"user_id": "u", "audience": update("add", FOREIGN_AUDIENCE)}),
        ),
        (
            NoMapping,
            "/v1/track",
            json!({"user_id": "u", "event": "Unmapped"}),
        ),
        (
            PastRetention,
            "/v1/track",
            json!({"user_id": "u", "event": "Old", "timestamp": "2001-07-10T06:09:00Z"}),
        ),
        (
            NothingValid,
            "/v1/identify",
            json!({"user_id": "u", "traits": {"x": "ignored"}}),
        ),
        (
            ContactNothingValid,
            "/v1/track",
            json!({"user_id": "u", "event": "e", "traits": {"x": "ignored"}}),
        ),
    ]
}

/// Answers that contact-upsert brings about, by what it says of a user.
fn verdicts() -> Vec<(UpsertStatus, Case)> {
    use Reason::*;
    let identify = |reason, user: &str| {
        let event = json!({"user_id": user, "traits": {}});
        (reason, "/v1/identify", event)
    };
    let track = |reason, user: &str| {
        let event = json!({"user_id": user, "event": "e", "traits": {}});
        (reason, "/v1/track", event)
    };
    vec![
        (UpsertStatus::NothingNew, identify(NothingNew, "known")),
        (UpsertStatus::Refused, identify(ExistingOnly, "stranger")),
        (UpsertStatus::Deleted, identify(ContactDeleted, "deleted")),
        (UpsertStatus::Unstorable, identify(Unstorable, "poison")),
        (UpsertStatus::Unspecified, identify(Internal, "odd")),
        (UpsertStatus::Refused, track(ContactExistingOnly, "nobody")),
    ]
}

/// Sends one event; whether it is answered with the reason.
async fn check(edge: &Edge, reason: Reason, path: &str, body: impl Into<bytes::Bytes>) {
    let answer = edge.post(path, body).await;
    assert_eq!(answer.code(0), reason.code(), "{answer:?}");
}

/// Limits that are reached, and units that others hold.
async fn check_limits(edge: &Edge) -> Vec<Reason> {
    use Reason::*;
    let mut reached = Vec::new();
    edge.settled().await;
    {
        let mut state = edge.stub.state();
        state.profile_limit = state.used.0;
    }
    let track = json!([{"user_id": "c", "event": "e"}]).to_string();
    let with_traits = json!([{"user_id": "d", "event": "e", "traits": {}}]).to_string();
    for (reason, path) in [(ProfileLimit, "/v1/identify"), (ContactLimit, "/v1/track")] {
        check(edge, reason, path, with_traits.clone()).await;
        reached.push(reason);
    }
    edge.settled().await;
    {
        let mut state = edge.stub.state();
        state.activity_limit = state.used.1;
    }
    check(edge, ActivityLimit, "/v1/track", track.clone()).await;
    reached.push(ActivityLimit);
    edge.stub.state().activity_limit += 1;
    edge.stub.state().held_elsewhere = (0, 1);
    edge.stub.state().held_for = usize::MAX;
    check(edge, UnitsInFlight, "/v1/track", track).await;
    reached.push(UnitsInFlight);
    {
        let mut state = edge.stub.state();
        (state.profile_limit, state.activity_limit) = (1_000_000, 1_000_000);
        state.held_for = 0;
    }
    reached
}

/// Services that are away where something of the batch is stored.
async fn check_outages(edge: &Edge) -> Vec<Reason> {
    use Reason::*;
    let mut reached = Vec::new();
    let away = || (0..4).map(|_| Fault::Say(Status::unavailable("away")));
    let both =
        json!([{"user_id": "a", "event": "e", "traits": {}}, {"user_id": "b", "event": "e"}]);
    for (reason, hop, room_to_defer) in [
        (ContactDeferred, "upsert_contacts", 1),
        (ContactsAway, "upsert_contacts", 0),
        (ActivitiesAway, "record_activities", 0),
    ] {
        edge.stub.state().room_to_defer = room_to_defer;
        edge.stub.script(hop, away());
        check(edge, reason, "/v1/track", both.to_string()).await;
        reached.push(reason);
    }
    edge.stub.script("check_audiences", away());
    let update = json!({"mode": "add", "id": "018f3e6a-7c1b-7d2a-9a3e-5b6c7d8e9f77"});
    let some = json!([{"user_id": "a", "audience": update}, {"user_id": "b", "traits": {}}]);
    check(edge, AudiencesAway, "/v1/identify", some.to_string()).await;
    reached.push(AudiencesAway);
    reached
}

/// What only a classic source can be told: its answer is one for all, so the counts say.
async fn check_classic(edge: &Edge) -> [Reason; 3] {
    let long = "x".repeat(33 * 1024);
    let events = json!([
        {"type": "purchase", "userId": "u"},
        {"type": "identify", "userId": "u", "traits": {"a": long}},
        {"type": "page", "userId": "u"},
    ]);
    let body = json!({"batch": events, "writeKey": "classic-key"}).to_string();
    let headers = [("content-type", "application/json")];
    let answer = edge.send("POST", "/classic/v1/batch", &headers, body).await;
    assert_eq!(answer.json, json!({"success": true}), "{answer:?}");
    [
        Reason::EventTypeUnknown,
        Reason::EventTooLarge,
        Reason::TypeNotStored,
    ]
}

/// Semantics 1.6: every reason code that an event can be answered is reached, answered, counted,
/// and told to the log, where it belongs there.
#[tokio::test]
async fn every_reason_of_the_registry_that_an_event_can_be_answered_is_reached() {
    use Reason::*;
    let edge = Edge::start().await;
    let mut reached = BTreeSet::new();
    for (reason, path, event) in plain_ways() {
        check(&edge, reason, path, json!([event]).to_string()).await;
        reached.insert(reason);
    }
    for (verdict, (reason, path, event)) in verdicts() {
        let user = event["user_id"].as_str().unwrap().to_owned();
        edge.stub.state().verdicts.insert(user, verdict);
        check(&edge, reason, path, json!([event]).to_string()).await;
        reached.insert(reason);
    }
    let deep = "[".repeat(200) + &"]".repeat(200);
    for (reason, body) in [
        (InvalidJson, b"[{\"user_id\": tru}]".to_vec()),
        (InvalidUtf8, b"[{\"user_id\": \"\xff\"}]".to_vec()),
        (
            TooDeep,
            format!("[{{\"user_id\": \"u\", \"traits\": {{\"x\": {deep}}}}}]").into_bytes(),
        ),
    ] {
        check(&edge, reason, "/v1/identify", body).await;
        reached.insert(reason);
    }
    reached.extend(check_limits(&edge).await);
    reached.extend(check_outages(&edge).await);
    reached.extend(check_classic(&edge).await);

    let events = Reason::ALL
        .iter()
        .filter(|reason| reason.about() == About::Event);
    let missing: Vec<_> = events.filter(|reason| !reached.contains(reason)).collect();
    assert!(missing.is_empty(), "no way is known to {missing:?}");
    let stub = edge.stub.clone();
    edge.stop().await;
    let counted: BTreeSet<String> = counts_of(&stub)
        .into_keys()
        .map(|(_, code, _)| code)
        .collect();
    let logged: BTreeSet<String> = stub
        .state()
        .log
        .iter()
        .map(|line| line.code.clone())
        .collect();
    for reason in reached {
        assert!(counted.contains(reason.code()), "{reason} is not counted");
        let is_logged = logged.contains(reason.code());
        let is_told = ![NothingNew, TypeNotStored].contains(&reason);
        assert_eq!(is_logged, is_told, "{reason} in the log");
    }
}

/// Semantics 6.8.
#[tokio::test]
async fn what_events_were_charged_and_which_the_limit_rejected_is_counted_by_name() {
    let edge = Edge::start().await;
    edge.stub.state().activity_limit = 4;
    let track =
        |user: &str, event: &str| json!({"user_id": user, "message_id": "m", "event": event});
    let mut both = track("c", "f");
    both["traits"] = json!({});
    let events = json!([
        track("a", "e"),
        track("b", "e"),
        both,
        track("d", "Unmapped"),
        track("a", "e")
    ]);
    assert_eq!(
        edge.track(events.clone()).await.statuses(),
        [200, 200, 200, 422, 200]
    );
    // Repeats cost nothing.
    assert_eq!(
        edge.track(events).await.statuses(),
        [200, 200, 200, 422, 200]
    );
    let more = json!([track("g", "e"), track("h", "e"), track("i", "f")]);
    assert_eq!(edge.track(more).await.statuses(), [200, 429, 429]);
    edge.identify(json!([{"user_id": "p", "traits": {}}])).await;
    let stub = edge.stub.clone();
    edge.stop().await;
    let units: BTreeMap<_, _> = stub.state().units.clone().into_iter().collect();
    let expected = [
        (("UNIT_KIND_ACTIVITY", "e"), 3),
        (("UNIT_KIND_ACTIVITY", "f"), 1),
        (("UNIT_KIND_PROFILE", ""), 1),
        (("UNIT_KIND_PROFILE", "f"), 1),
        (("UNIT_KIND_REJECTED", "e"), 1),
        (("UNIT_KIND_REJECTED", "f"), 1),
    ];
    let expected = expected.map(|((kind, name), count)| ((kind, name.to_owned()), count));
    assert_eq!(units, BTreeMap::from(expected));
}
