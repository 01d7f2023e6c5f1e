//! Batches come in.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::harness::*;

#[tokio::test]
async fn a_known_user_s_track_is_stored_once() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    weir.link(vec![user_link("lana", lana, 1)]).await;
    assert_eq!(weir.record(vec![of_user("lana", "m1")]).await, [Stored]);
    assert_eq!(weir.record(vec![of_user("lana", "m1")]).await, [Repeated]);
    let listed = weir.list(lana).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].event_name, "Sign-in button clicked");
    assert_eq!(listed[0].attributes_json, r#"{"count": 3}"#);
    assert_eq!(listed[0].event_time, stamp(noon()));
    assert_eq!(listed[0].activity_id, ACTIVITY.to_string());
    assert_eq!(listed[0].activity_record_id.len(), 32);
    assert_eq!(weir.usage().await, 1);
}

#[tokio::test]
async fn who_was_linked_just_now_is_not_looked_up() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    weir.record(vec![of_user("waited", "m0")]).await;
    let links = vec![user_link("lana", lana, 1), user_link("waited", lana, 1)];
    assert_eq!(weir.link(links).await, (1, 0));
    let database = weir_servers::postgres::connect(&weir.database.superuser_url);
    let gone = "DELETE FROM activity.identifiers";
    assert_eq!(database.await.unwrap().execute(gone, &[]).await.unwrap(), 2);
    let events = vec![of_user("lana", "m1"), of_user("waited", "m2")];
    assert_eq!(weir.record(events).await, [Stored, Stored]);
    assert_eq!(weir.messages(lana).await.len(), 3);
}

#[tokio::test]
async fn the_user_id_decides_and_the_anonymous_id_only_without_one() {
    let weir = start().await;
    let (lana, device) = (Uuid::now_v7(), Uuid::now_v7());
    weir.link(vec![anonymous_link("device", device, 1)]).await;
    let mut both = of_user("lana", "m1");
    both.anonymous_id = "device".into();
    let mut anonymous = track("m2");
    anonymous.anonymous_id = "device".into();
    let named = of_contact(lana, "m3");
    let statuses = weir.record(vec![both, anonymous, named]).await;
    assert_eq!(statuses, [Backlogged, Stored, Stored]);
    assert_eq!(weir.messages(device).await, ["m2"]);
    assert_eq!(weir.messages(lana).await, ["m3"]);
    assert_eq!(weir.backlog_of("lana", "").await, 1);
    assert_eq!(weir.backlog_of("", "device").await, 0);
    assert_eq!(weir.backlog().await, 1);
}

#[tokio::test]
async fn repeats_are_recognised_in_any_grouping() {
    let weir = start().await;
    let (lana, named) = (Uuid::now_v7(), Uuid::now_v7());
    weir.link(vec![user_link("lana", lana, 1)]).await;
    let event = |n: usize| match n % 3 {
        0 => of_user("lana", &format!("m{n}")),
        1 => of_user("nobody yet", &format!("m{n}")),
        _ => of_contact(named, &format!("m{n}")),
    };
    let mut seen = BTreeSet::new();
    // A walk over 90 events with steps that share no factor with 90, cut at uneven places.
    for (step, cut) in [(7, 11), (13, 29), (31, 90), (1, 1)] {
        let order: Vec<usize> = (0..90).map(|n| n * step % 90).collect();
        for group in order.chunks(cut) {
            // One of each group is there twice.
            let numbers: Vec<usize> = group.iter().copied().chain([group[0]]).collect();
            let statuses = weir
                .record(numbers.iter().map(|n| event(*n)).collect())
                .await;
            for (n, status) in numbers.into_iter().zip(statuses) {
                let expected = match (seen.insert(n), n % 3) {
                    (false, _) => Repeated,
                    (true, 1) => Backlogged,
                    (true, _) => Stored,
                };
                assert_eq!(status, expected, "event {n}");
            }
        }
    }
    assert_eq!(weir.usage().await, 90);
    assert_eq!(weir.list(lana).await.len(), 30);
    assert_eq!(weir.list(named).await.len(), 30);
    assert_eq!(weir.backlog().await, 30);
}

#[tokio::test]
async fn without_a_unit_only_repeats_pass() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    weir.link(vec![user_link("lana", lana, 1)]).await;
    weir.record(vec![of_user("lana", "old"), of_user("nobody", "old2")])
        .await;
    let statuses = weir
        .record(vec![
            unfunded(of_user("lana", "old")),
            unfunded(of_user("nobody", "old2")),
            unfunded(of_user("lana", "new")),
            unfunded(of_user("nobody", "new2")),
            unfunded(named(lana, of_user("lana", "old"))),
        ])
        .await;
    assert_eq!(
        statuses,
        [Repeated, Repeated, NotFunded, NotFunded, Repeated]
    );
    assert_eq!(weir.usage().await, 2);
    assert_eq!(weir.messages(lana).await, ["old"]);
}

#[tokio::test]
async fn a_probe_looks_and_stores_nothing() {
    let weir = start().await;
    weir.record(vec![
        of_user("nobody", "old"),
        named(Uuid::now_v7(), of_user("somebody", "old2")),
    ])
    .await;
    let mut probe = weir.request(vec![
        of_user("nobody", "old"),
        of_user("nobody", "new"),
        unfunded(of_user("somebody", "old2")),
    ]);
    probe.probe_only = true;
    let (statuses, units) = weir.send(probe).await.unwrap();
    assert_eq!((statuses, units), (vec![Repeated, NotFunded, Repeated], 0));
    assert_eq!(weir.usage().await, 2);
    assert_eq!(weir.backlog().await, 1);
}

#[tokio::test]
async fn a_track_that_waits_is_a_repeat_when_its_contact_is_named_later() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    // The contact was refused first (206): the activity went as a plain track.
    assert_eq!(weir.record(vec![of_user("lana", "m")]).await, [Backlogged]);
    let again = named(lana, of_user("lana", "m"));
    assert_eq!(weir.record(vec![again]).await, [Repeated]);
    // And the other way round.
    let first = named(Uuid::now_v7(), of_user("oleg", "n"));
    assert_eq!(weir.record(vec![first]).await, [Stored]);
    assert_eq!(weir.record(vec![of_user("oleg", "n")]).await, [Repeated]);
    assert_eq!(weir.usage().await, 2);
}

#[tokio::test]
async fn a_change_of_retention_does_not_hide_copies() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    weir.link(vec![user_link("lana", lana, 1)]).await;
    weir.record(vec![of_user("lana", "m"), of_user("nobody", "n")])
        .await;
    let changed = |mut event: weir_proto::activity::v1::ActivityEvent| {
        event.retention_days = 365;
        event.earlier_retention_days = vec![90, 30];
        event
    };
    let statuses = weir
        .record(vec![
            changed(of_user("lana", "m")),
            changed(of_user("nobody", "n")),
            changed(of_user("lana", "m2")),
        ])
        .await;
    assert_eq!(statuses, [Repeated, Repeated, Stored]);
    assert_eq!(weir.messages(lana).await, ["m", "m2"]);
}

#[tokio::test]
async fn accounts_see_nothing_of_each_other() {
    let weir = start().await;
    let other = weir.other_account();
    let lana = Uuid::now_v7();
    weir.link(vec![user_link("lana", lana, 1)]).await;
    assert_eq!(weir.record(vec![of_user("lana", "m")]).await, [Stored]);
    assert_eq!(other.record(vec![of_user("lana", "m")]).await, [Backlogged]);
    assert_eq!(other.list(lana).await, []);
    assert_eq!((weir.usage().await, other.usage().await), (1, 1));
}

#[tokio::test]
async fn a_bad_request_names_its_field_and_stores_nothing() {
    let weir = start().await;
    let nowhere = weir.request(vec![of_user("lana", "m"), track("n")]);
    let error = weir.send(nowhere).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::InvalidArgument);
    assert!(error.message().contains("events"), "{}", error.message());
    assert_eq!(weir.record(vec![of_user("lana", "m")]).await, [Backlogged]);
    assert_eq!(weir.record(Vec::new()).await, []);
}
