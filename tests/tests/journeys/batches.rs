//! Whole batches: every status, mixed, repeated, regrouped.

use std::slice;

use serde_json::{Value, json};
use weir_tests::events::{ago, identify, now, track, with};
use weir_tests::{Account, Plan, eventually, journey};

/// A batch of 500 tracks and what each must be answered: known people, unknown people,
/// every kind of refusal, and repeats within the batch.
fn mixed_tracks() -> (Vec<Value>, Vec<u16>) {
    let mut batch: Vec<Value> = Vec::new();
    let mut expected = Vec::new();
    for index in 0..500 {
        let user = format!("user-{}", index % 40);
        let event = track(&user);
        let (event, status) = match index % 10 {
            0..=3 => (event, 200),
            4 => (
                with(event, json!({"traits": {"firstName": format!("N{index}")}})),
                200,
            ),
            5 => (with(event, json!({"event": "Never mapped"})), 422),
            6 => (with(event, json!({"timestamp": ago(731 * 86_400)})), 422),
            7 => (with(event, json!({"timestamp": "yesterday"})), 400),
            8 => (
                with(event, json!({"user_id": " ", "anonymous_id": null})),
                400,
            ),
            _ => (batch[index - 9].clone(), 200),
        };
        batch.push(event);
        expected.push(status);
    }
    (batch, expected)
}

#[test]
fn a_mixed_batch_of_500_answers_each_event_for_itself() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let known: Vec<Value> = (0..20)
            .map(|n| identify(&format!("user-{n}"), json!({"firstName": "Known"})))
            .collect();
        assert_eq!(account.identify(&known).await.statuses(), [200; 20]);

        let (batch, expected) = mixed_tracks();
        assert_eq!(account.track(&batch).await.statuses(), expected);
        // Five of ten are stored; the repeats inside the batch are free.
        assert_eq!(account.usage().await, (20 + 50, 250));

        // The same again, and the same backwards in other groups: as before, and free.
        assert_eq!(account.track(&batch).await.statuses(), expected);
        for (events, statuses) in batch.rchunks(70).zip(expected.rchunks(70)) {
            assert_eq!(account.track(events).await.statuses(), statuses);
        }
        assert_eq!(account.usage().await, (70, 250));
    });
}

/// Semantics 6.2.
#[test]
fn every_status_can_be_had() {
    journey(async |weir| {
        let account = Account::create(
            weir,
            Plan {
                contacts: 1,
                activity_slots: 1,
            },
        )
        .await;
        // Ten profile units, five activity units.
        let first = identify("a", json!({"firstName": "A"}));
        let old = with(track("a"), json!({"timestamp": ago(731 * 86_400)}));
        assert_eq!(
            account.identify(slice::from_ref(&first)).await.statuses(),
            [200]
        );
        let nothing_new = with(first, json!({"timestamp": now(), "message_id": "other"}));
        let answer = account
            .identify(&[nothing_new, json!({"user_id": "b", "timestamp": "?"})])
            .await;
        assert_eq!(answer.statuses(), [422, 400]);
        assert!(answer.message(1).contains("timestamp"), "{answer:?}");
        assert_eq!(account.track(&[old]).await.statuses(), [422]);

        // Units that were granted and not used are free again once their batch is settled.
        assert_eq!(account.usage().await, (1, 0));
        let nine: Vec<Value> = (0..10)
            .map(|n| identify(&format!("n{n}"), json!({"firstName": "N"})))
            .collect();
        let answer = account.identify(&nine).await;
        assert_eq!(answer.statuses()[8..], [200, 429]);
        assert!(
            answer.message(9).contains("10"),
            "names the limit: {answer:?}"
        );
        assert!(!answer.header("retry-after").is_empty());
        // No profile unit is left, an activity unit is.
        let partial = with(track("a"), json!({"traits": {"firstName": "New"}}));
        assert_eq!(account.track(&[partial]).await.statuses(), [206]);
        assert_eq!(account.usage().await, (10, 1));
    });
}

#[test]
fn tracks_without_timestamp_or_message_id_are_taken() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        account
            .identify(&[identify("a", json!({"firstName": "A"}))])
            .await;
        let bare = json!({"user_id": "a", "event": "Sign-in button clicked"});
        let batch = [bare.clone(), bare];
        assert_eq!(account.track(&batch).await.statuses(), [200, 200]);
        let contact = account.contact("a").await.unwrap();
        eventually("both are stored: nothing tells them apart", async || {
            (account.activities(&contact.contact_id, 100).await.len() == 2).then_some(())
        })
        .await;
    });
}

#[test]
fn activities_are_listed_newest_first_whatever_the_size_of_a_page() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        account
            .identify(&[identify("a", json!({"firstName": "A"}))])
            .await;
        let batch: Vec<Value> = (0..25)
            .map(|n| with(track("a"), json!({"timestamp": ago((n * 7) % 25)})))
            .collect();
        assert_eq!(account.track(&batch).await.statuses(), [200; 25]);
        let contact = account.contact("a").await.unwrap();
        let whole = eventually("all are on the contact", async || {
            let found = account.activities(&contact.contact_id, 1_000).await;
            (found.len() == 25).then_some(found)
        })
        .await;
        let times: Vec<_> = whole
            .iter()
            .map(|a| a.event_time.map(|t| (t.seconds, t.nanos)))
            .collect();
        assert!(times.is_sorted_by(|a, b| a >= b));
        assert_eq!(account.activities(&contact.contact_id, 7).await, whole);
    });
}

/// Semantics 4.6.
#[test]
fn events_of_our_own_namespace_are_answered_and_ignored() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let echo = with(track("a"), json!({"namespace": "ortto.com"}));
        assert_eq!(account.track(&[echo]).await.statuses(), [200]);
        assert_eq!(account.usage().await, (0, 0));
        assert_eq!(account.backlog().await, 0);
    });
}
