//! Counts by activity and day (semantics 4.12).

use chrono::TimeDelta;
use uuid::Uuid;
use weir_proto::activity::v1::people_service_client::PeopleServiceClient;
use weir_proto::activity::v1::*;
use weir_testkit::eventually;

use crate::harness::*;
use crate::history::{event, history};

/// (name, day, stored, discarded), all pages.
async fn counts(weir: &Weir, name: &str) -> Vec<(String, String, i64, i64)> {
    let mut found = Vec::new();
    let mut request = CountActivitiesRequest {
        account_id: weir.account.to_string(),
        event_name: name.to_owned(),
        page_size: 2,
        ..CountActivitiesRequest::default()
    };
    loop {
        let page = history(weir).count_activities(request.clone()).await;
        let page = page.unwrap().into_inner();
        let counts = page.counts.into_iter();
        found.extend(counts.map(|one| (one.event_name, one.day, one.stored, one.discarded)));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return found;
        }
    }
}

/// As the activities themselves say it.
async fn counted(weir: &Weir) -> Vec<(String, String, i64)> {
    let count = "SELECT event_name, (event_time AT TIME ZONE 'UTC')::date::text, count(*)
        FROM activity.activities WHERE account_id = $1 AND contact_id IS NOT NULL
        GROUP BY activity_id, event_name, 2 ORDER BY activity_id, 2";
    let rows = weir.sql().await.query(count, &[&weir.account]).await;
    let rows = rows.unwrap().into_iter();
    rows.map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

async fn agree(weir: &Weir) {
    let stored = counts(weir, "").await.into_iter();
    let stored = stored.filter(|(.., stored, _)| *stored != 0);
    let stored: Vec<_> = stored.map(|(name, day, n, _)| (name, day, n)).collect();
    assert_eq!(stored, counted(weir).await);
}

/// Semantics 4.12.
#[tokio::test]
async fn counts_are_those_of_what_is_stored_whatever_happens_to_it() {
    let weir = start().await;
    let [ann, bob] = [Uuid::now_v7(), Uuid::now_v7()];
    let day = |n: i64| noon() - TimeDelta::days(n);
    weir.record(vec![
        event("Login", day(0), of_contact(ann, "m1")),
        event("Login", day(0), of_contact(bob, "m2")),
        event("Bought", day(0), of_contact(ann, "m3")),
        event("Login", day(1), of_contact(ann, "m4")),
        // Without a unit, in the backlog, and twice: not stored.
        unfunded(event("Login", day(0), of_contact(ann, "m5"))),
        event("Login", day(0), of_user("eve", "m6")),
        event("Login", day(0), of_contact(ann, "m1")),
    ])
    .await;
    let (today, yesterday) = (
        day(0).date_naive().to_string(),
        day(1).date_naive().to_string(),
    );
    let of = |name: &str, day: &String, stored, discarded| {
        (name.to_owned(), day.clone(), stored, discarded)
    };
    let expected = [
        of("Login", &yesterday, 1, 0),
        of("Login", &today, 2, 0),
        of("Bought", &today, 1, 0),
    ];
    assert_eq!(counts(&weir, "").await, expected);
    assert_eq!(counts(&weir, "Bought").await, expected[2..]);
    agree(&weir).await;

    // A repeat, a merge, a split and a correction change nothing.
    weir.record(vec![event("Login", day(0), of_contact(bob, "m2"))])
        .await;
    weir.change(Vec::new(), &[(bob, ann)]).await;
    let correction = ActivityEvent {
        correction: true,
        attributes_json: r#"{"count": 4}"#.into(),
        ..unfunded(event("Login", day(0), of_contact(ann, "m1")))
    };
    weir.record(vec![correction]).await;
    let mut people = PeopleServiceClient::new(weir_rpc::connect(&weir.url).unwrap());
    people.split_contacts(split(&weir, bob, ann)).await.unwrap();
    assert_eq!(counts(&weir, "").await, expected);
    agree(&weir).await;

    // What is attached is counted, and what is over the cap as discarded.
    let backlog = (0..60).map(|n| event("Login", day(1), of_user("eve", &format!("e{n:02}"))));
    weir.record(backlog.collect()).await;
    assert_eq!(weir.link(vec![user_link("eve", bob, 1)]).await, (51, 10));
    assert_eq!(weir.link(vec![user_link("eve", bob, 1)]).await, (0, 0));
    assert_eq!(
        counts(&weir, "Login").await,
        [of("Login", &yesterday, 51, 10), of("Login", &today, 3, 0)]
    );
    agree(&weir).await;

    // What is deleted is taken off.
    let erasure = EraseContactsRequest {
        account_id: weir.account.to_string(),
        deletion_id: Uuid::now_v7().to_string(),
        contact_ids: vec![bob.to_string()],
        identifiers: Vec::new(),
        delete_time: stamp(noon()),
    };
    for _ in 0..2 {
        people.erase_contacts(erasure.clone()).await.unwrap();
    }
    assert_eq!(
        counts(&weir, "").await,
        [
            of("Login", &yesterday, 1, 10),
            of("Login", &today, 2, 0),
            of("Bought", &today, 1, 0)
        ]
    );
    agree(&weir).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_of_one_activity_at_once_count_each_once_and_wait_in_no_circle() {
    let first = start().await;
    let second = instance(first.database.clone(), first.account).await;
    let contact = Uuid::now_v7();
    let mut tasks = Vec::new();
    for sender in 0..8_i64 {
        let weir = if sender % 2 == 0 { &first } else { &second }.clone();
        tasks.push(tokio::spawn(async move {
            for batch in 0..12 {
                let events = (0..20).map(|n| {
                    // Over days and names, each in another order, and half of them sent twice.
                    let at = (n * (sender + 3)) % 20;
                    let name = ["a", "bb", "ccc"][usize::try_from(at % 3).unwrap()];
                    let time = noon() - TimeDelta::days(at % 4);
                    event(
                        name,
                        time,
                        of_contact(contact, &format!("{}-{batch}-{at}", sender / 2)),
                    )
                });
                weir.record(events.collect()).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    agree(&first).await;
    let sql = first.sql().await;
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(
        sql.query_one(deadlocks, &[])
            .await
            .unwrap()
            .get::<_, i64>(0),
        0
    );
}

/// Semantics 4.12.
#[tokio::test]
async fn days_that_are_over_are_folded_and_count_the_same() {
    let weir = start().await;
    let contact = Uuid::now_v7();
    let old = noon() - TimeDelta::days(3);
    let sql = weir.sql().await;
    eventually("the first round is over", async || {
        let day = "SELECT day IS NOT NULL FROM activity.housekeeping WHERE task = 'forgetting'";
        let row = sql.query_one(day, &[]).await;
        row.is_ok_and(|row| row.get(0))
    })
    .await;
    for n in 0..12 {
        let events = vec![
            event("Login", old, of_contact(contact, &format!("o{n}"))),
            event("Login", noon(), of_contact(contact, &format!("n{n}"))),
        ];
        weir.record(events).await;
    }
    let slots = async || -> i64 {
        let count =
            "SELECT count(*) FROM activity.activity_counts WHERE account_id = $1 AND day = $2";
        let row = sql
            .query_one(count, &[&weir.account, &old.date_naive()])
            .await;
        row.unwrap().get(0)
    };
    assert!(slots().await > 1, "twelve batches wrote to one slot");
    let before = counts(&weir, "").await;
    let undo = "UPDATE activity.housekeeping SET day = NULL WHERE task = 'forgetting'";
    sql.execute(undo, &[]).await.unwrap();
    let next = instance(weir.database.clone(), weir.account).await;
    let account = weir.account;
    weir.stop().await;
    eventually("the day is folded", async || {
        let count =
            "SELECT count(*) FROM activity.activity_counts WHERE account_id = $1 AND day = $2";
        let row = sql.query_one(count, &[&account, &old.date_naive()]).await;
        row.unwrap().get::<_, i64>(0) == 1
    })
    .await;
    assert_eq!(counts(&next, "").await, before);
    agree(&next).await;
}

fn split(weir: &Weir, contact: Uuid, survivor: Uuid) -> SplitContactsRequest {
    SplitContactsRequest {
        account_id: weir.account.to_string(),
        splits: vec![ContactSplit {
            contact_id: contact.to_string(),
            survivor_id: survivor.to_string(),
            version: 2,
            merge_time: stamp(noon() - TimeDelta::hours(1)),
            links: Vec::new(),
        }],
    }
}
