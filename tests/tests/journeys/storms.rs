//! People who share e-mail addresses and browsers, on two replicas of everything at once.

use std::num::NonZeroU16;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::RngExt;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::{Value, json};
use weir_stack::StackOptions;
use weir_tests::events::{ago, track, with};
use weir_tests::{Account, Plan, full_length, journey_alone_with};

/// In `./weir test`, and under `./weir test long`.
const SHORT: Duration = Duration::from_secs(20);
const FULL: Duration = Duration::from_secs(600);
/// At once.
const SENDERS: usize = 8;
/// So few that most batches collide.
const PEOPLE: usize = 24;
const BROWSERS: usize = 24;
const ADDRESSES: usize = 12;

fn event(rng: &mut TestRng, is_track: bool, audience: &str) -> Value {
    let user = format!("u{}", rng.random_range(0..PEOPLE));
    let mut event = with(
        track(&user),
        json!({"timestamp": ago(rng.random_range(0..600))}),
    );
    let members = event.as_object_mut().unwrap();
    if !is_track {
        members.remove("event");
        members.remove("properties");
    }
    if rng.random_bool(0.6) {
        members.insert(
            "anonymous_id".into(),
            format!("a{}", rng.random_range(0..BROWSERS)).into(),
        );
        if rng.random_bool(0.5) {
            members.remove("user_id");
        }
    }
    if rng.random_bool(0.15) {
        members.remove("timestamp");
    }
    if !is_track || rng.random_bool(0.5) {
        let mut traits = json!({"firstName": format!("n{}", rng.random_range(0..5))});
        if rng.random_bool(0.5) {
            let address = format!("P{}@x.example", rng.random_range(0..ADDRESSES));
            traits["email"] = address.into();
        }
        if rng.random_bool(0.1) {
            traits["email"] = Value::Null;
        }
        members.insert("traits".into(), traits);
    }
    if rng.random_bool(0.2) {
        let mode = if rng.random_bool(0.5) {
            "add"
        } else {
            "remove"
        };
        members.insert("audience".into(), json!({"mode": mode, "id": audience}));
    }
    event
}

/// Sends until the time is up; what could not be answered is sent again, as Segment would.
async fn send(
    account: &Account,
    edge: &str,
    sender: usize,
    audience: &str,
    until: Instant,
) -> usize {
    let seed = [u8::try_from(sender).unwrap(); 32];
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut sent = 0;
    while Instant::now() < until {
        let is_track = rng.random_bool(0.4);
        let path = if is_track {
            "/v1/track"
        } else {
            "/v1/identify"
        };
        let events: Vec<Value> = (0..rng.random_range(1..40))
            .map(|_| event(&mut rng, is_track, audience))
            .collect();
        let body = serde_json::to_vec(&events).unwrap();
        // One batch in ten comes twice at once.
        let copies = if rng.random_bool(0.1) { 2 } else { 1 };
        let answers = (0..copies).map(|_| account.post_to(edge, path, body.clone()));
        for answer in futures_util::future::join_all(answers).await {
            for (n, status) in answer.statuses().into_iter().enumerate() {
                let result = &answer.json["results"][n];
                assert!(
                    matches!(status, 200 | 422),
                    "{path}: {result} of {}",
                    events[n]
                );
            }
        }
        sent += events.len();
    }
    sent
}

/// Semantics 3.8.
#[test]
fn colliding_people_on_two_replicas_leave_one_holder_of_everything() {
    let two = StackOptions::temporary().replicas(NonZeroU16::new(2).unwrap());
    journey_alone_with(two, async |weir| {
        let account = Account::create(
            weir,
            Plan {
                contacts: 10_000_000,
                activity_slots: 5,
            },
        )
        .await;
        let audience = account.audience("Storm").await;
        let edge = weir.stack.edge_url();
        let until = Instant::now() + full_length(SHORT, FULL);
        let total = AtomicUsize::new(0);
        let senders = (0..SENDERS).map(async |sender| {
            let sent = send(&account, &edge, sender, &audience, until).await;
            total.fetch_add(sent, Ordering::Relaxed);
        });
        futures_util::future::join_all(senders).await;
        let total = total.into_inner();
        assert!(total > 1_000, "{total} events");
        weir.assert_sound().await;
        // Settled: what is charged is what both ledgers hold.
        let (profile, activity) = account.usage().await;
        let stored = |schema: &str| format!("SELECT sum(units)::text FROM {schema}.usage");
        assert_eq!(weir.query(&stored("contact")).await, [profile.to_string()]);
        assert_eq!(
            weir.query(&stored("activity")).await,
            [activity.to_string()]
        );
    });
}
