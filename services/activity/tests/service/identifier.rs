//! Which track is which: by activity, time, message and identifier (semantics 4.5).

use chrono::TimeDelta;
use uuid::Uuid;
use weir_proto::activity::v1::ActivityEvent;

use crate::harness::*;

fn anonymous(anonymous_id: &str, message_id: &str) -> ActivityEvent {
    ActivityEvent {
        anonymous_id: anonymous_id.to_owned().into(),
        ..track(message_id)
    }
}

#[tokio::test]
async fn the_same_message_of_somebody_else_is_another_activity() {
    let weir = start().await;
    let (lana, oleg) = (Uuid::now_v7(), Uuid::now_v7());
    weir.link(vec![user_link("lana", lana, 1), user_link("oleg", oleg, 1)])
        .await;
    let events = || {
        vec![
            of_user("lana", "m"),
            of_user("oleg", "m"),
            of_user("nobody", "m"),
            of_user("nobody else", "m"),
            anonymous("lana", "m"),
            named(lana, of_user("a third id of lana", "m")),
        ]
    };
    assert_eq!(
        weir.record(events()).await,
        [Stored, Stored, Backlogged, Backlogged, Backlogged, Stored]
    );
    assert_eq!(weir.record(events()).await, [Repeated; 6]);
    assert_eq!(weir.usage().await, 6);
    assert_eq!(weir.messages(lana).await, ["m", "m"]);
    assert_eq!(weir.messages(oleg).await, ["m"]);
    // All of them come to one contact, and stay what they are.
    let links = vec![
        user_link("nobody", lana, 1),
        user_link("nobody else", lana, 1),
        anonymous_link("lana", lana, 1),
    ];
    assert_eq!(weir.link(links).await, (3, 0));
    assert_eq!(weir.record(events()).await, [Repeated; 6]);
    assert_eq!(weir.list(lana).await.len(), 5);
}

#[tokio::test]
async fn a_message_of_two_visitors_is_under_the_cap_of_each() {
    let weir = start().await;
    let (lana, oleg) = (Uuid::now_v7(), Uuid::now_v7());
    let of = |user: &str| -> Vec<_> {
        (0..60)
            .map(|n| of_user(user, &format!("m{n:02}")))
            .collect()
    };
    for user in ["lana", "oleg"] {
        assert_eq!(weir.record(of(user)).await, [Backlogged; 60]);
    }
    let links = vec![user_link("lana", lana, 1), user_link("oleg", oleg, 1)];
    assert_eq!(weir.link(links).await, (100, 20));
    // What was discarded is remembered for its own sender alone.
    for user in ["lana", "oleg"] {
        assert_eq!(weir.record(of(user)).await, [Repeated; 60]);
    }
    let third = weir.record(of("somebody else")).await;
    assert_eq!(third, [Backlogged; 60]);
}

#[tokio::test]
async fn a_track_stays_the_same_whoever_is_found_for_it() {
    let weir = start().await;
    let (lana, other) = (Uuid::now_v7(), Uuid::now_v7());
    let changed = |mut event: ActivityEvent| {
        event.attributes_json = r#"{"count": 4}"#.into();
        event.event_name = "Other name".into();
        event
    };
    assert_eq!(weir.record(vec![of_user("lana", "m")]).await, [Backlogged]);
    for event in [
        of_user("lana", "m"),
        changed(of_user("lana", "m")),
        named(lana, of_user("lana", "m")),
        named(other, of_user("lana", "m")),
        unfunded(of_user("lana", "m")),
    ] {
        assert_eq!(weir.record(vec![event]).await, [Repeated]);
    }
    weir.link(vec![user_link("lana", lana, 1)]).await;
    let listed = weir.list(lana).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].event_name, "Sign-in button clicked");
    let mut retained = named(lana, of_user("lana", "m"));
    retained.retention_days = 30;
    retained.earlier_retention_days = vec![90];
    assert_eq!(weir.record(vec![retained]).await, [Repeated]);
}

/// Without a timestamp of its own, received `seconds` after noon.
fn undated(seconds: i64, event: ActivityEvent) -> ActivityEvent {
    ActivityEvent {
        event_time: stamp(noon() + TimeDelta::seconds(seconds)),
        event_key: vec![7; 16].into(),
        undated: true,
        ..event
    }
}

#[tokio::test]
async fn a_track_without_a_timestamp_has_that_of_its_first_receipt() {
    let weir = start().await;
    let (lana, oleg) = (Uuid::now_v7(), Uuid::now_v7());
    weir.link(vec![user_link("lana", lana, 1)]).await;
    let events = |seconds| {
        vec![
            undated(seconds, of_user("lana", "m")),
            undated(seconds, of_user("oleg", "m")),
        ]
    };
    assert_eq!(weir.record(events(0)).await, [Stored, Backlogged]);
    // Later, after midnight, in another month of expiry.
    let long = 60 * 86_400;
    for seconds in [1, 13 * 3_600, -13 * 3_600, long] {
        assert_eq!(weir.record(events(seconds)).await, [Repeated; 2]);
        let events = events(seconds).into_iter().map(unfunded).collect();
        assert_eq!(weir.record(events).await, [Repeated; 2]);
    }
    let mut changed = undated(9, of_user("lana", "m"));
    changed.attributes_json = r#"{"count": 4}"#.into();
    changed.event_key = vec![8; 16].into();
    assert_eq!(weir.record(vec![changed]).await, [Repeated]);
    assert_eq!(weir.link(vec![user_link("oleg", oleg, 1)]).await, (1, 0));
    assert_eq!(weir.record(events(2)).await, [Repeated; 2]);
    for contact in [lana, oleg] {
        let listed = weir.list(contact).await;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].event_time, stamp(noon()));
    }
    assert_eq!(weir.usage().await, 2);
    // With a timestamp it is another one.
    assert_eq!(weir.record(vec![at_second(5)]).await, [Stored]);
}

fn at_second(seconds: i64) -> ActivityEvent {
    ActivityEvent {
        undated: false,
        ..undated(seconds, of_user("lana", "m"))
    }
}

#[tokio::test]
async fn a_track_without_a_timestamp_is_received_when_it_is_stored() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    weir.link(vec![user_link("lana", lana, 1)]).await;
    let event = |seconds| undated(seconds, of_user("lana", "m"));
    assert_eq!(weir.record(vec![unfunded(event(0))]).await, [NotFunded]);
    let mut probe = weir.request(vec![event(1)]);
    probe.probe_only = true;
    assert_eq!(weir.send(probe.clone()).await.unwrap().0, [NotFunded]);
    // Twice in a batch, the second is a repeat.
    let statuses = weir.record(vec![event(2), event(3)]).await;
    assert_eq!(statuses, [Stored, Repeated]);
    assert_eq!(weir.send(probe).await.unwrap().0, [Repeated]);
    assert_eq!(
        weir.list(lana).await[0].event_time,
        stamp(noon() + TimeDelta::seconds(2))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_tries_at_the_same_time_one_is_stored() {
    let first = start().await;
    let second = instance(first.database.clone(), first.account).await;
    let lana = Uuid::now_v7();
    first.link(vec![user_link("lana", lana, 1)]).await;
    for round in 0..20 {
        let tasks: Vec<_> = (0..6)
            .map(|n| {
                let weir = if n % 2 == 0 { &first } else { &second }.clone();
                let message = format!("m{round}");
                tokio::spawn(async move {
                    let users = ["lana", "oleg"];
                    let events = users.map(|user| undated(n, of_user(user, &message)));
                    weir.record(events.to_vec()).await
                })
            })
            .collect();
        let mut stored = [0, 0];
        for task in tasks {
            for (stored, status) in stored.iter_mut().zip(task.await.unwrap()) {
                *stored += usize::from(status != Repeated);
            }
        }
        assert_eq!(stored, [1, 1]);
    }
    assert_eq!(first.list(lana).await.len(), 20);
    assert_eq!(first.usage().await, 40);
}
