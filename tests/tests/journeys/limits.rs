//! Limits that are reached in the middle of a batch, and never overrun.

use std::slice;

use serde_json::{Value, json};
use weir_tests::events::{identify, track, with};
use weir_tests::{Account, Plan, journey};

const SMALL: Plan = Plan {
    contacts: 3,
    activity_slots: 5,
};

/// Semantics 6.1, 6.7.
#[test]
fn a_limit_reached_in_the_middle_of_a_batch_stops_there() {
    journey(async |weir| {
        let account = Account::create(weir, SMALL).await;
        let batch: Vec<Value> = (0..40)
            .map(|n| identify(&format!("u{n}"), json!({"firstName": "U"})))
            .collect();
        let answer = account.identify(&batch).await;
        let expected: Vec<u16> = [[200; 30].as_slice(), &[429; 10]].concat();
        assert_eq!(answer.statuses(), expected);
        assert!(
            answer.header("ratelimit").contains("r=0"),
            "{:?}",
            answer.headers
        );
        assert!(!answer.header("ratelimit-policy").is_empty());
        assert_eq!(account.contacts().await.len(), 30);
        // Repeats are free and answered as before, also now.
        assert_eq!(account.identify(&batch).await.statuses(), expected);
        assert_eq!(account.usage().await, (30, 0));

        // 5 × 3 contacts × 1 activity.
        let tracks: Vec<Value> = (0..20).map(|_| track("u1")).collect();
        let expected: Vec<u16> = [[200; 15].as_slice(), &[429; 5]].concat();
        assert_eq!(account.track(&tracks).await.statuses(), expected);
        assert_eq!(account.usage().await, (30, 15));

        // Neither unit is left: 429, and the contact stays as it is.
        let both = with(track("u1"), json!({"traits": {"firstName": "Changed"}}));
        assert_eq!(
            account.track(slice::from_ref(&both)).await.statuses(),
            [429]
        );

        // A larger plan counts at once; so does one more activity.
        account.map_activity("Second", 730).await;
        weir_tests::eventually("the limit follows the activities", async || {
            let fresh = track("u1");
            (account.track(&[fresh]).await.statuses() == [200]).then_some(())
        })
        .await;
        account
            .put_plan(Plan {
                contacts: 4,
                ..SMALL
            })
            .await;
        weir_tests::eventually("the limit follows the plan", async || {
            let fresh = identify("fresh", json!({"firstName": "F"}));
            (account.identify(&[fresh]).await.statuses() == [200]).then_some(())
        })
        .await;
    });
}

#[test]
fn many_connections_at_the_limit_never_overrun_it() {
    journey(async |weir| {
        let account = Account::create(
            weir,
            Plan {
                contacts: 20,
                activity_slots: 5,
            },
        )
        .await;
        let batch = |b: usize| -> Vec<Value> {
            (0..50)
                .map(|n| identify(&format!("u{b}-{n}"), json!({"firstName": "U"})))
                .collect()
        };
        let batches: Vec<Vec<Value>> = (0..6).map(batch).collect();
        let answers = tokio::join!(
            account.identify(&batches[0]),
            account.identify(&batches[1]),
            account.identify(&batches[2]),
            account.identify(&batches[3]),
            account.identify(&batches[4]),
            account.identify(&batches[5]),
        );
        let answers = [
            answers.0, answers.1, answers.2, answers.3, answers.4, answers.5,
        ];
        let stored: usize = answers
            .iter()
            .map(|answer| answer.statuses().iter().filter(|s| **s == 200).count())
            .sum();
        assert_eq!(stored, 200);
        assert_eq!(account.contacts().await.len(), 200);
        assert_eq!(account.usage().await, (200, 0));
    });
}
