//! What waits finds its contact.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;
use weir_proto::activity::v1::{Activity, ActivityEvent};
use weir_testkit::eventually;

use crate::harness::*;

fn at(time: DateTime<Utc>, event: ActivityEvent) -> ActivityEvent {
    ActivityEvent {
        event_time: stamp(time),
        ..event
    }
}

/// `count` tracks of a user id, one a second, from `first` on.
fn tracks(user_id: &str, prefix: &str, first: DateTime<Utc>, count: i64) -> Vec<ActivityEvent> {
    (0..count)
        .map(|n| {
            let event = of_user(user_id, &format!("{prefix}{n:05}"));
            at(first + TimeDelta::seconds(n), event)
        })
        .collect()
}

#[tokio::test]
async fn an_identify_brings_the_backlog_to_its_contact() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    weir.record(vec![of_user("lana", "m1"), of_user("lana", "m2")])
        .await;
    assert_eq!(weir.list(lana).await, []);
    assert_eq!(weir.link(vec![user_link("lana", lana, 1)]).await, (2, 0));
    assert_eq!(weir.messages(lana).await, ["m1", "m2"]);
    assert_eq!(weir.list(lana).await[0].attributes_json, r#"{"count": 3}"#);
    assert_eq!(weir.backlog().await, 0);
    // Again, and late: nothing happens.
    assert_eq!(weir.link(vec![user_link("lana", lana, 1)]).await, (0, 0));
    let statuses = weir
        .record(vec![of_user("lana", "m1"), of_user("lana", "m3")])
        .await;
    assert_eq!(statuses, [Repeated, Stored]);
    assert_eq!(weir.usage().await, 3);
}

/// Semantics 1.7, 4.9.
#[tokio::test]
async fn what_waits_for_a_contact_that_could_not_be_reached_is_not_under_the_cap() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    let mut events = tracks("lana", "d", noon(), 80);
    for event in &mut events {
        event.contact_deferred = true;
    }
    events.extend(tracks("lana", "m", noon(), 60));
    weir.record(events).await;
    assert_eq!(weir.backlog().await, 140);
    assert_eq!(weir.link(vec![user_link("lana", lana, 1)]).await, (130, 10));
    let kept = weir.messages(lana).await;
    let deferred = kept.iter().filter(|message| message.starts_with('d'));
    assert_eq!(deferred.count(), 80);
}

/// Semantics 4.9.
#[tokio::test]
async fn of_a_hundred_of_one_day_the_first_fifty_are_attached() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    let mut events = tracks("lana", "m", noon(), 100);
    events.reverse();
    // Other activities of the day count as well; other days have a count of their own.
    for event in events.iter_mut().step_by(2) {
        event.activity_id = Uuid::from_u128(2).to_string().into();
    }
    events.extend(tracks("lana", "y", noon() - TimeDelta::days(1), 3));
    weir.record(events.clone()).await;
    assert_eq!(weir.link(vec![user_link("lana", lana, 1)]).await, (53, 50));
    let kept = weir.messages(lana).await;
    let expected: Vec<_> = (0..50).map(|n| format!("m{n:05}")).collect();
    assert_eq!(kept[..50], expected);
    assert_eq!(weir.backlog().await, 0);
    // What was discarded stays a repeat, and is never charged again.
    let statuses = weir.record(events).await;
    assert!(statuses.iter().all(|status| *status == Repeated));
    assert_eq!(weir.usage().await, 103);
    assert_eq!(weir.list(lana).await.len(), 53);
}

/// Semantics 7.3, 7.3a.
#[tokio::test]
async fn what_is_discarded_is_told_to_the_log_and_counts_of_its_source() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    let source = Uuid::from_u128(5).to_string();
    let sent = [
        ("Login", 70, 0, &*source),
        ("Logout", 10, 1, &*source),
        ("Old", 5, 2, ""),
    ];
    for (name, number, hours, source_id) in sent {
        let first = noon() + TimeDelta::hours(hours);
        let mut request = weir.request(tracks("lana", name, first, number));
        for event in &mut request.events {
            event.event_name = name.to_owned().into();
        }
        request.source_id = source_id.to_owned();
        weir.send(request).await.unwrap();
    }
    assert_eq!(weir.link(vec![user_link("lana", lana, 1)]).await, (50, 35));
    eventually("it is told", async || {
        !weir.others.lines().is_empty() && !weir.others.counts().is_empty()
    })
    .await;
    let mut lines: Vec<_> = weir
        .others
        .lines()
        .into_iter()
        .map(|line| (line.event_name, line.code, line.status, line.count))
        .collect();
    lines.sort();
    let line = |name: &str, count| (name.to_owned(), "BACKLOG_DAY_CAP".to_owned(), 0, count);
    assert_eq!(lines, [line("Login", 20), line("Logout", 10)]);
    let counts = weir.others.counts().into_iter();
    let mut counts: Vec<_> = counts
        .map(|count| (count.subject, count.code, count.status, count.count))
        .collect();
    counts.sort();
    assert_eq!(counts, lines);
}

#[tokio::test]
async fn the_counts_of_all_links_and_of_merged_contacts_add_up() {
    let weir = start().await;
    let (older, newer) = (Uuid::now_v7(), Uuid::now_v7());
    weir.record(tracks("u1", "a", noon(), 40)).await;
    weir.record(tracks("u2", "b", noon(), 40)).await;
    weir.record(tracks("u3", "c", noon(), 40)).await;
    assert_eq!(weir.link(vec![user_link("u1", older, 1)]).await, (40, 0));
    assert_eq!(weir.link(vec![user_link("u2", newer, 1)]).await, (40, 0));
    // What is attached stays, but there is no room for more.
    let merged = weir
        .change(vec![user_link("u3", newer, 1)], &[(newer, older)])
        .await;
    assert_eq!(merged, (0, 40));
    assert_eq!(weir.list(older).await.len(), 80);
    weir.record(tracks("u4", "d", noon(), 40)).await;
    weir.record(tracks("u5", "e", noon() - TimeDelta::days(1), 40))
        .await;
    let links = vec![user_link("u4", older, 1), user_link("u5", older, 1)];
    assert_eq!(weir.link(links).await, (40, 40));
}

#[tokio::test]
async fn two_identifiers_of_one_call_share_the_fifty_oldest_first() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    weir.record(tracks("u1", "a", noon() + TimeDelta::seconds(20), 40))
        .await;
    weir.record(tracks("u2", "b", noon(), 40)).await;
    let links = vec![user_link("u1", lana, 1), user_link("u2", lana, 1)];
    assert_eq!(weir.link(links).await, (50, 30));
    let kept = weir.messages(lana).await;
    let last_of = |prefix: &str| kept.iter().filter(|one| one.starts_with(prefix)).count();
    assert_eq!((last_of("a"), last_of("b")), (15, 35));
}

/// Semantics 4.9.
#[tokio::test]
async fn what_came_after_the_link_is_never_under_the_cap() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    weir.record(tracks("lana", "m", noon(), 60)).await;
    // Linked at one o'clock; the word of it has not come yet.
    let mut late = weir.request(tracks("lana", "late", noon(), 60));
    late.receive_time = stamp(noon() + TimeDelta::hours(2));
    weir.send(late).await.unwrap();
    assert_eq!(weir.link(vec![user_link("lana", lana, 1)]).await, (110, 10));
    // And it took nothing of the day's fifty: they were all used by what came before.
    weir.record(tracks("device", "d", noon(), 1)).await;
    assert_eq!(weir.link(vec![user_link("device", lana, 1)]).await, (0, 1));
}

#[tokio::test]
async fn what_came_in_another_request_of_its_batch_has_its_own_receive_time() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    let early = tracks("lana", "m", noon(), 60);
    let late = tracks("lana", "late", noon(), 60).into_iter();
    let late = late.map(|event| ActivityEvent {
        receive_time: stamp(noon() + TimeDelta::hours(2)),
        ..event
    });
    weir.record(early.into_iter().chain(late).collect()).await;
    // Linked at one o'clock: those that came later are not under the cap.
    assert_eq!(weir.link(vec![user_link("lana", lana, 1)]).await, (110, 10));
    let kept = weir.list(lana).await;
    let is_late = |one: &&Activity| one.message_id.starts_with("late");
    let (late, early): (Vec<_>, Vec<_>) = kept.iter().partition(is_late);
    let two_o_clock = stamp(noon() + TimeDelta::hours(2));
    assert!(late.iter().all(|one| one.receive_time == two_o_clock));
    assert!(early.iter().all(|one| one.receive_time == stamp(noon())));
    assert_eq!((early.len(), late.len()), (50, 60));
}

#[tokio::test]
async fn versions_decide_whatever_the_order_of_arrival() {
    let weir = start().await;
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    weir.record(vec![of_user("lana", "m1")]).await;
    weir.link(vec![user_link("lana", second, 2)]).await;
    weir.link(vec![user_link("lana", first, 1)]).await;
    weir.record(vec![of_user("lana", "m2")]).await;
    assert_eq!(weir.messages(second).await, ["m1", "m2"]);
    assert_eq!(weir.list(first).await, []);
}

#[tokio::test]
async fn a_backlog_of_many_pages_is_attached_whole() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    let days = 21;
    for day in 0..days {
        let first = noon() - TimeDelta::days(day);
        weir.record(tracks("device", &format!("d{day:02}-"), first, 1_000))
            .await;
    }
    assert_eq!(weir.backlog().await, days * 1_000);
    let done = weir.link(vec![user_link("device", lana, 1)]).await;
    assert_eq!(done, (days * 50, days * 950));
    assert_eq!(weir.backlog().await, 0);
    let listed = weir.list(lana).await;
    assert_eq!(listed.len(), usize::try_from(days).unwrap() * 50);
    assert!(listed.iter().all(|one| one.message_id[4..] < *"00050"));
}

#[tokio::test]
async fn an_attachment_that_was_cut_short_is_taken_up_by_the_next_delivery() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    weir.record(vec![of_user("lana", "m1"), of_user("lana", "m2")])
        .await;
    // As a process leaves it that dies between two transactions of a long attachment.
    let database = weir_servers::postgres::connect(&weir.database.superuser_url).await;
    let changed = database
        .unwrap()
        .execute(
            "UPDATE activity.identifiers SET contact_id = $1, version = 1, link_time = $2",
            &[&lana, &(noon() + TimeDelta::hours(1))],
        )
        .await;
    assert_eq!(changed.unwrap(), 1);
    // Meanwhile repeats are seen, and new tracks go to the contact.
    let statuses = weir
        .record(vec![of_user("lana", "m1"), of_user("lana", "m3")])
        .await;
    assert_eq!(statuses, [Repeated, Stored]);
    assert_eq!(weir.link(vec![user_link("lana", lana, 1)]).await, (2, 0));
    assert_eq!(weir.messages(lana).await, ["m1", "m2", "m3"]);
    assert_eq!(weir.backlog().await, 0);
}

#[tokio::test]
async fn more_of_one_instant_than_a_page_holds_is_decided_together() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    for batch in 0..6 {
        let events = (0..1_000)
            .map(|n| of_user("device", &format!("m{:04}", 5_999 - (batch * 1_000 + n))))
            .collect();
        weir.record(events).await;
    }
    assert_eq!(
        weir.link(vec![user_link("device", lana, 1)]).await,
        (50, 5_950)
    );
    let kept = weir.messages(lana).await;
    let expected: Vec<_> = (0..50).map(|n| format!("m{n:04}")).collect();
    assert_eq!(kept, expected);
}
