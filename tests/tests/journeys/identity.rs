//! Who is it: identifiers, merges, and the backlog of people who are not known yet.

use serde_json::{Value, json};
use weir_tests::events::{ago, identify, track, with};
use weir_tests::{Account, Plan, eventually, journey};

/// Semantics 4.8, 4.9.
#[test]
fn tracks_of_an_unknown_user_are_attached_by_the_identify() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let tracks: Vec<Value> = (0..5).map(|_| track("late")).collect();
        assert_eq!(account.track(&tracks).await.statuses(), [200; 5]);
        assert_eq!(account.backlog().await, 5);
        let known = identify("late", json!({"firstName": "L"}));
        assert_eq!(account.identify(&[known]).await.statuses(), [200]);
        let contact = account.contact("late").await.unwrap();
        eventually("the backlog is attached", async || {
            (account.activities(&contact.contact_id, 100).await.len() == 5).then_some(())
        })
        .await;
        assert_eq!(account.backlog().await, 0);
        // A repeat of what was attached is a repeat.
        assert_eq!(account.track(&tracks).await.statuses(), [200; 5]);
        assert_eq!(account.activities(&contact.contact_id, 100).await.len(), 5);
        assert_eq!(account.usage().await, (1, 5));
    });
}

#[test]
fn of_100_activities_of_one_day_the_oldest_50_are_attached() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        // All on one UTC day, well in the past, sent newest first.
        let time = |n: usize| format!("2026-01-15T10:{:02}:{:02}Z", n / 60, n % 60);
        let tracks: Vec<Value> = (0..100)
            .rev()
            .map(|n| with(track("busy"), json!({"timestamp": time(n)})))
            .collect();
        assert_eq!(account.track(&tracks).await.statuses(), [200; 100]);
        account
            .identify(&[identify("busy", json!({"firstName": "B"}))])
            .await;
        let contact = account.contact("busy").await.unwrap();
        let attached = eventually("fifty are attached", async || {
            let found = account.activities(&contact.contact_id, 1_000).await;
            (!found.is_empty()).then_some(found)
        })
        .await;
        assert_eq!(attached.len(), 50);
        let newest = attached[0].event_time.unwrap();
        let expected = chrono::DateTime::parse_from_rfc3339(&time(49)).unwrap();
        assert_eq!(newest.seconds, expected.timestamp());
        assert_eq!(account.backlog().await, 0);
        // What was discarded stays discarded when it is sent again, and is free.
        assert_eq!(account.track(&tracks).await.statuses(), [200; 100]);
        assert_eq!(
            account.activities(&contact.contact_id, 1_000).await.len(),
            50
        );
        assert_eq!(account.usage().await, (1, 100));
        // The cap is for the backlog only.
        let more = with(track("busy"), json!({"timestamp": time(200)}));
        assert_eq!(account.track(&[more]).await.statuses(), [200]);
        assert_eq!(
            account.activities(&contact.contact_id, 1_000).await.len(),
            51
        );
    });
}

/// The source's example, with merges in between: who was two people has room for fifty a day, and
/// not for a hundred (semantics 4.9).
#[test]
fn merges_in_between_lend_a_day_of_the_backlog_no_further_room() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let time = |n: usize| format!("2026-01-15T10:{:02}:{:02}Z", n / 60, n % 60);
        let of = |anonymous_id: &str, range: std::ops::Range<usize>| -> Vec<Value> {
            let of_one = range.map(|n| {
                let mut one = with(
                    track(""),
                    json!({"anonymous_id": anonymous_id, "timestamp": time(n)}),
                );
                one.as_object_mut().unwrap().remove("user_id");
                one
            });
            of_one.collect()
        };
        for (visitor, range) in [("v1", 0..40), ("v2", 40..80), ("v3", 80..100)] {
            let tracks = of(visitor, range);
            assert_eq!(
                account.track(&tracks).await.statuses(),
                vec![200; tracks.len()]
            );
        }
        assert_eq!(account.backlog().await, 100);
        // Two visitors leave the same address, and so are one; then the third one signs in as them.
        let visitor = |anonymous_id: &str| {
            json!({"anonymous_id": anonymous_id, "traits": {"email": "busy@example.org"},
                "message_id": format!("identify {anonymous_id}"), "timestamp": time(200)})
        };
        for who in ["v1", "v2"] {
            assert_eq!(
                account.identify(&[visitor(who)]).await.statuses(),
                [200],
                "{who}"
            );
        }
        let mut signs_in = visitor("v3");
        signs_in["user_id"] = json!("busy");
        assert_eq!(account.identify(&[signs_in]).await.statuses(), [200]);
        let contact = account.contact("busy").await.unwrap();
        eventually("nothing waits", async || {
            (account.backlog().await == 0).then_some(())
        })
        .await;
        let attached = account.activities(&contact.contact_id, 1_000).await;
        assert_eq!(attached.len(), 50);
        // Each is there once, those of the first visitor whole.
        let first = attached.iter().filter(|one| {
            let limit = chrono::DateTime::parse_from_rfc3339(&time(40)).unwrap();
            one.event_time.unwrap().seconds < limit.timestamp()
        });
        assert_eq!(first.count(), 40);
        assert_eq!(account.usage().await, (3, 100));
        weir.assert_sound().await;
    });
}

#[test]
fn an_anonymous_contact_is_merged_with_the_known_one() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let anonymous = json!({
            "anonymous_id": "anon-1", "timestamp": ago(60), "message_id": "m1",
            "traits": {"firstName": "Early", "phone": "+61412345678"},
        });
        assert_eq!(account.identify(&[anonymous]).await.statuses(), [200]);
        let both = with(
            identify("u-1", json!({"firstName": "Late"})),
            json!({"anonymous_id": "anon-1"}),
        );
        assert_eq!(account.identify(&[both]).await.statuses(), [200]);
        let contact = account.contact("u-1").await.unwrap();
        assert_eq!(contact.anonymous_ids, ["anon-1"]);
        assert_eq!(account.contacts().await.len(), 1);
        let fields: Vec<&str> = contact.fields.iter().map(|f| f.field_id.as_str()).collect();
        assert_eq!(fields, ["phn::phone", "str::first"]);
    });
}

#[test]
fn two_people_who_share_an_anonymous_id_stay_two() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        for user in ["one", "two"] {
            let event = with(
                identify(user, json!({"firstName": user})),
                json!({"anonymous_id": "shared-browser"}),
            );
            assert_eq!(account.identify(&[event]).await.statuses(), [200]);
        }
        assert_eq!(account.contacts().await.len(), 2);
        assert_ne!(account.contact("one").await, account.contact("two").await);
    });
}

#[test]
fn concurrent_identifies_of_one_person_make_one_contact() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let batch = |n: usize| -> Vec<Value> {
            (0..50)
                .map(|user| {
                    with(
                        identify(
                            &format!("storm-{user}"),
                            json!({"firstName": n.to_string()}),
                        ),
                        json!({"anonymous_id": format!("storm-a-{}", (user + n) % 50)}),
                    )
                })
                .collect()
        };
        let batches: Vec<Vec<Value>> = (0..8).map(batch).collect();
        let answers = tokio::join!(
            account.identify(&batches[0]),
            account.identify(&batches[1]),
            account.identify(&batches[2]),
            account.identify(&batches[3]),
            account.identify(&batches[4]),
            account.identify(&batches[5]),
            account.identify(&batches[6]),
            account.identify(&batches[7]),
        );
        let answers = [
            answers.0, answers.1, answers.2, answers.3, answers.4, answers.5, answers.6, answers.7,
        ];
        let stored: usize = answers
            .iter()
            .map(|answer| answer.statuses().iter().filter(|s| **s == 200).count())
            .sum();
        assert!(
            answers
                .iter()
                .all(|a| a.statuses().iter().all(|s| [200, 422].contains(s)))
        );
        let contacts = account.contacts().await;
        assert_eq!(contacts.len(), 50);
        assert!(contacts.iter().all(|contact| contact.user_ids.len() == 1));
        assert_eq!(account.usage().await.0, i64::try_from(stored).unwrap());
    });
}
