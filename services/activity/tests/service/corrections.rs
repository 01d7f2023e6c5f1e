//! Events are taken anew, and their activities take what they say now (semantics 7.5a).

use chrono::TimeDelta;
use uuid::Uuid;
use weir_proto::activity::v1::{ActivityEvent, RecordActivitiesRequest};

use crate::harness::*;

/// The event as it is read now; it was paid for.
fn corrected(event: ActivityEvent, count: i64) -> ActivityEvent {
    ActivityEvent {
        attributes_json: format!(r#"{{"count": {count}}}"#).into(),
        correction: true,
        funded: false,
        ..event
    }
}

impl Weir {
    /// Message ids and attributes, in the order of the former.
    async fn attributes(&self, contact: Uuid) -> Vec<(String, String)> {
        let activities = self.list(contact).await.into_iter();
        let mut all: Vec<_> = activities
            .map(|one| (one.message_id, one.attributes_json))
            .collect();
        all.sort();
        all
    }

    /// How often rows of activities were written.
    async fn writes(&self) -> Vec<String> {
        let rows = "SELECT xmin::text FROM activity.activities ORDER BY activity_key";
        let rows = self.sql().await.query(rows, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

fn said(message: &str, count: i64) -> (String, String) {
    (message.to_owned(), format!(r#"{{"count": {count}}}"#))
}

#[tokio::test]
async fn an_activity_takes_its_attributes_wherever_it_is_and_costs_nothing() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    weir.link(vec![user_link("lana", lana, 1)]).await;
    weir.record(vec![
        of_user("lana", "m1"),
        of_user("lana", "m2"),
        of_user("oleg", "m1"),
        of_user("oleg", "m2"),
        named(lana, of_user("other", "m3")),
    ])
    .await;
    let corrections = || {
        vec![
            corrected(of_user("oleg", "m1"), 7),
            corrected(of_user("lana", "m1"), 8),
            corrected(named(lana, of_user("other", "m3")), 9),
        ]
    };
    assert_eq!(weir.record(corrections()).await, [Repeated; 3]);
    let expected = [said("m1", 8), said("m2", 3), said("m3", 9)];
    assert_eq!(weir.attributes(lana).await, expected);
    let written = weir.writes().await;
    assert_eq!(weir.record(corrections()).await, [Repeated; 3]);
    assert_eq!(weir.writes().await, written, "not even written");
    assert_eq!((weir.usage().await, weir.backlog().await), (5, 2));
    // What waited brings along what it was corrected to.
    let oleg = Uuid::now_v7();
    assert_eq!(weir.link(vec![user_link("oleg", oleg, 1)]).await, (2, 0));
    assert_eq!(weir.attributes(oleg).await, [said("m1", 7), said("m2", 3)]);
    let again = vec![corrected(of_user("oleg", "m2"), 4)];
    assert_eq!(weir.record(again).await, [Repeated]);
    assert_eq!(weir.attributes(oleg).await, [said("m1", 7), said("m2", 4)]);
    // Whoever sends the event again corrects nothing.
    let sent = ActivityEvent {
        correction: false,
        ..corrected(of_user("oleg", "m2"), 5)
    };
    assert_eq!(weir.record(vec![sent]).await, [Repeated]);
    assert_eq!(weir.attributes(oleg).await[1], said("m2", 4));
    assert_eq!(weir.usage().await, 5);
}

#[tokio::test]
async fn what_is_gone_does_not_come_back_and_what_was_never_paid_for_is_stored() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    weir.link(vec![user_link("lana", lana, 1)]).await;
    let gone = corrected(of_user("lana", "m1"), 7);
    assert_eq!(weir.record(vec![gone]).await, [NotFunded]);
    assert_eq!(weir.list(lana).await, []);
    let funded = ActivityEvent {
        funded: true,
        ..corrected(of_user("lana", "m2"), 8)
    };
    let twice = vec![funded.clone(), corrected(of_user("lana", "m2"), 9)];
    assert_eq!(weir.record(twice).await, [Stored, Repeated]);
    assert_eq!(weir.attributes(lana).await, [said("m2", 8)], "the first");
    assert_eq!(weir.usage().await, 1);
    // Who only looks changes nothing.
    let probe = RecordActivitiesRequest {
        probe_only: true,
        ..weir.request(vec![corrected(of_user("lana", "m2"), 10)])
    };
    assert_eq!(weir.send(probe).await.unwrap(), (vec![Repeated], 0));
    assert_eq!(weir.attributes(lana).await, [said("m2", 8)]);
}

/// Semantics 4.4, 4.9.
#[tokio::test]
async fn a_change_of_retention_hides_nothing_and_the_cap_stays_as_it_was() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    weir.record(vec![of_user("lana", "m")]).await;
    let changed = |count| ActivityEvent {
        retention_days: 30,
        earlier_retention_days: vec![90],
        ..corrected(of_user("lana", "m"), count)
    };
    assert_eq!(weir.record(vec![changed(7)]).await, [Repeated]);
    weir.link(vec![user_link("lana", lana, 1)]).await;
    assert_eq!(weir.attributes(lana).await, [said("m", 7)]);
    let before = weir.list(lana).await[0].expire_day.clone();
    assert_eq!(weir.record(vec![changed(8)]).await, [Repeated]);
    assert_eq!(weir.attributes(lana).await, [said("m", 8)]);
    assert_eq!(weir.list(lana).await[0].expire_day, before);
    // Over the cap of its day: it stays discarded.
    let day = noon() - TimeDelta::days(1);
    let many: Vec<ActivityEvent> = (0..60)
        .map(|n| ActivityEvent {
            event_time: stamp(day + TimeDelta::seconds(n)),
            ..of_user("oleg", &format!("m{n:03}"))
        })
        .collect();
    weir.record(many.clone()).await;
    let oleg = Uuid::now_v7();
    assert_eq!(weir.link(vec![user_link("oleg", oleg, 1)]).await, (50, 10));
    let corrections: Vec<_> = many.into_iter().map(|one| corrected(one, 9)).collect();
    assert_eq!(weir.record(corrections).await, [Repeated; 60]);
    let all = weir.attributes(oleg).await;
    assert_eq!(all.len(), 50);
    assert!(all.iter().all(|(_, one)| one == r#"{"count": 9}"#));
}

#[tokio::test]
async fn the_same_corrections_at_once_in_any_order_do_not_wait_in_a_circle() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    weir.link(vec![user_link("lana", lana, 1)]).await;
    let events: Vec<ActivityEvent> = (0..200)
        .map(|n| {
            of_user(
                if n % 2 == 0 { "lana" } else { "oleg" },
                &format!("m{n:03}"),
            )
        })
        .collect();
    weir.record(events.clone()).await;
    let batches = (0..8).map(|turn| {
        let mut events = events.clone();
        events.rotate_left(turn * 25);
        let weir = weir.clone();
        tokio::spawn(async move {
            let events = events
                .into_iter()
                .map(|event| corrected(event, 100 + turn as i64));
            weir.record(events.collect()).await
        })
    });
    for batch in batches.collect::<Vec<_>>() {
        let statuses = batch.await.unwrap();
        assert!(statuses.iter().all(|one| *one == Repeated));
    }
    let seen = weir.attributes(lana).await;
    assert_eq!(seen.len(), 100);
    assert!(seen.iter().all(|(_, attributes)| attributes.contains("10")));
    assert_eq!(weir.usage().await, 200);
}
