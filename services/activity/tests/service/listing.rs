//! Reading back.

use chrono::{Days, TimeDelta};
use uuid::Uuid;
use weir_testkit::eventually;

use crate::harness::*;

#[tokio::test]
async fn pages_show_everything_once_newest_first() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    let events: Vec<_> = (0..25)
        .map(|n| {
            let mut event = of_contact(lana, &format!("m{n:02}"));
            // Five of each instant.
            event.event_time = stamp(noon() + TimeDelta::microseconds(n / 5));
            event
        })
        .collect();
    weir.record(events).await;
    let whole = weir.list(lana).await;
    let times: Vec<_> = whole
        .iter()
        .map(|one| {
            let time = one.event_time.unwrap();
            (time.seconds, time.nanos)
        })
        .collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older));
    let mut paged = Vec::new();
    let mut token = String::new();
    loop {
        let page = weir.page(lana, 3, &token).await;
        assert!(page.activities.len() <= 3);
        paged.extend(page.activities);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(paged, whole);
    assert_eq!(whole.len(), 25);
}

#[tokio::test]
async fn a_page_token_of_somewhere_else_is_refused() {
    let weir = start().await;
    let request = weir_proto::activity::v1::ListActivitiesRequest {
        account_id: weir.account.to_string(),
        contact_id: Uuid::now_v7().to_string(),
        page_size: 10,
        page_token: "elsewhere".to_owned(),
    };
    let error = weir
        .client
        .clone()
        .list_activities(request)
        .await
        .unwrap_err();
    assert_eq!(error.code(), tonic::Code::InvalidArgument);
}

#[tokio::test]
async fn merged_contacts_have_one_list_whatever_the_order_of_the_merges() {
    let weir = start().await;
    let [a, b, c, d] = [(); 4].map(|()| Uuid::now_v7());
    for (contact, message) in [(a, "a"), (b, "b"), (c, "c"), (d, "d")] {
        weir.record(vec![of_contact(contact, message)]).await;
    }
    // c went into b, later b into a; the words come the other way round, one of them twice.
    weir.change(Vec::new(), &[(b, a)]).await;
    weir.change(Vec::new(), &[(c, b), (b, a)]).await;
    assert_eq!(weir.messages(a).await, ["a", "b", "c"]);
    weir.change(Vec::new(), &[(d, c)]).await;
    for contact in [a, b, c, d] {
        assert_eq!(weir.messages(contact).await, ["a", "b", "c", "d"]);
    }
}

#[tokio::test]
async fn what_expired_is_never_shown() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    let aged = |days: u64, message: &str| {
        let mut event = of_contact(lana, message);
        event.retention_days = 30;
        event.event_time = stamp(noon() - Days::new(days));
        event
    };
    // Mapping let the second one pass just before midnight.
    weir.record(vec![aged(30, "last day"), aged(31, "gone")])
        .await;
    assert_eq!(weir.messages(lana).await, ["last day"]);

    let mut waiting = aged(31, "gone while it waited");
    (waiting.contact_id, waiting.user_id) = ("".into(), "lana".into());
    weir.record(vec![waiting]).await;
    assert_eq!(weir.backlog().await, 0);
    assert_eq!(weir.link(vec![user_link("lana", lana, 1)]).await, (0, 0));
    assert_eq!(weir.messages(lana).await, ["last day"]);
}

#[tokio::test]
async fn partitions_are_made_ahead_and_dropped_when_they_are_past() {
    let weir = start().await;
    weir.record(vec![of_user("lana", "m")]).await;
    let database = weir_servers::postgres::connect(&weir.database.superuser_url)
        .await
        .unwrap();
    database
        .batch_execute(
            "SET ROLE weir_activity_owner;
             CREATE TABLE activity.backlog_2020_01 PARTITION OF activity.backlog
                 FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
             CREATE TABLE activity.activities_2020_01 PARTITION OF activity.activities
                 FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');",
        )
        .await
        .unwrap();
    // Two replicas start at once, and one of them keeps house.
    let (database_of_all, account) = (weir.database.clone(), weir.account);
    weir.stop().await;
    let (one, two) = tokio::join!(
        instance(database_of_all.clone(), account),
        instance(database_of_all, account)
    );
    assert_eq!((one.backlog().await, two.backlog().await), (1, 1));
    let gone = "SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_2020\\_01'";
    eventually("what is past is dropped", async || {
        let left = database.query_one(gone, &[]).await.unwrap();
        left.get::<_, i64>(0) == 0
    })
    .await;
    for table in ["activities", "backlog"] {
        let rows = database
            .query(
                "SELECT FROM pg_inherits WHERE inhparent = $1::text::regclass",
                &[&format!("activity.{table}")],
            )
            .await
            .unwrap();
        assert_eq!(rows.len(), 28);
    }
}
