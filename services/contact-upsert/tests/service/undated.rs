//! Events that came without a timestamp (semantics 1.4, 5.4).

use weir_proto::contact::v1::UpsertContactsResponse;

use crate::harness::*;

fn first_second(answer: &UpsertContactsResponse) -> Option<i64> {
    let time = answer.results[0].first_time?;
    Some(time.seconds - FIRST_SECOND)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_repeat_answers_the_time_of_its_first_try_and_changes_nothing() {
    let service = Service::start().await;
    let event = |second| undated(second, ("u1", "-"), r#"{"str::first":"A"}"#);
    let first = service.upsert(vec![event(1)]).await;
    assert_eq!(
        (statuses(&first), first_second(&first)),
        (vec![Stored], None)
    );
    service
        .upsert(vec![undated(2, ("u1", "-"), r#"{"str::first":"B"}"#)])
        .await;
    let again = service.upsert(vec![event(3)]).await;
    assert_eq!(
        (statuses(&again), first_second(&again)),
        (vec![Repeated], Some(1))
    );
    assert_eq!(fields(&service.user("u1").await)[0].1, "B");
    assert_eq!(service.units().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_new_keeps_its_first_time_and_takes_it_along() {
    let service = Service::start().await;
    let event = |second| undated(second, ("u1", "-"), r#"{"str::first":"A"}"#);
    service
        .upsert(vec![identify(0, ("u1", "-"), r#"{"str::first":"A"}"#)])
        .await;
    assert_eq!(
        statuses(&service.upsert(vec![event(1)]).await),
        [NothingNew]
    );
    service
        .upsert(vec![undated(2, ("u1", "-"), r#"{"str::first":"B"}"#)])
        .await;
    let again = service.upsert(vec![event(3)]).await;
    assert_eq!(statuses(&again), [NothingNew]);
    assert_eq!(fields(&service.user("u1").await)[0].1, "B");

    // What is new by now is stored as of its first time, once.
    service
        .upsert(vec![identify(4, ("u1", "-"), r#"{"str::first":null}"#)])
        .await;
    let append = |second| {
        let mut batch = service.batch(vec![event(second)]);
        batch.merge_strategy = weir_proto::settings::v1::MergeStrategy::Append.into();
        batch
    };
    let stored = service.send(append(5)).await.unwrap();
    assert_eq!(
        (statuses(&stored), first_second(&stored)),
        (vec![Stored], Some(1))
    );
    let again = service.send(append(6)).await.unwrap();
    assert_eq!((statuses(&again), again.units), (vec![Repeated], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_stored_in_part_does_not_cost_its_neighbours_when_it_comes_again() {
    let service = Service::start().await;
    let event = |second| {
        let fields = r#"{"str::first":"A"}"#;
        undated(second, ("u5", "n5"), fields)
    };
    // The visitor is of another address than the person, and stays apart.
    service
        .upsert(vec![track(0, ("-", "n5"), r#"{"str::email":"n5@x.org"}"#)])
        .await;
    service
        .upsert(vec![identify(
            1,
            ("u5", "-"),
            r#"{"str::email":"u5@x.org"}"#,
        )])
        .await;
    assert_eq!(statuses(&service.upsert(vec![event(2)]).await), [Stored]);
    service
        .upsert(vec![identify(3, ("u5", "-"), r#"{"str::first":"B"}"#)])
        .await;
    let again = service
        .upsert(vec![event(4), identify(5, ("u6", "-"), "")])
        .await;
    assert_eq!(statuses(&again), [Repeated, Stored]);
    assert_eq!(again.units, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_was_not_looked_for_is_no_lost_race() {
    let service = Service::start().await;
    service
        .upsert(vec![
            identify(0, ("u1", "-"), r#"{"str::email":"e@x.org"}"#),
            identify(0, ("u2", "-"), r#"{"str::first":"O"}"#),
        ])
        .await;
    let fields = r#"{"str::email":"e@x.org","str::first":"A"}"#;
    let event = || identify(1, ("u2", "a2"), fields);
    // Of what it says, this strategy takes the anonymous id alone.
    let mut batch = service.batch(vec![event()]);
    batch.merge_strategy = weir_proto::settings::v1::MergeStrategy::Append.into();
    let stored = service.send(batch).await.unwrap();
    assert_eq!(statuses(&stored), [Stored]);
    let ignored = &stored.results[0].ignored_fields[0];
    assert_eq!(ignored.field_id, "str::email");
    assert_eq!(
        (&*ignored.code, &*ignored.value),
        ("IDENTIFIER_TAKEN", "e@x.org")
    );

    // This one would take the name, and leave a second receipt for the address.
    let again = service
        .upsert(vec![event(), identify(9, ("u3", "-"), "")])
        .await;
    assert_eq!((statuses(&again), again.units), (vec![Repeated, Stored], 1));
}
