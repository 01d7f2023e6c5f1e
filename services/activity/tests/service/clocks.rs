//! Clocks that are wrong, and partitions that are not there (semantics 4.11).

use std::collections::BTreeSet;

use chrono::{Datelike, Days, Months, NaiveDate, Utc};
use uuid::Uuid;
use weir_service::Clock;
use weir_testkit::eventually;

use crate::harness::*;

const DAYS: Days = Days::new(100);

fn ahead() -> Clock {
    Clock::of(|| Utc::now() + DAYS)
}

fn behind() -> Clock {
    Clock::of(|| Utc::now() - DAYS)
}

async fn partitions(weir: &Weir) -> BTreeSet<String> {
    let rows = weir
        .sql()
        .await
        .query(
            "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
             WHERE i.inhparent IN ('activity.activities'::regclass, 'activity.backlog'::regclass)
                 AND c.relkind = 'r'",
            &[],
        )
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The first round of the housekeeping is done when the day is noted.
async fn swept(weir: &Weir) {
    // Once it serves, the tables are there.
    weir.record(Vec::new()).await;
    let sql = weir.sql().await;
    let last = "SELECT count(*) FROM activity.housekeeping WHERE day IS NOT NULL";
    eventually("both tasks are done", async || {
        sql.query_one(last, &[]).await.unwrap().get::<_, i64>(0) >= 2
    })
    .await;
}

async fn forget_that_it_was_done(weir: &Weir) {
    let sql = weir.sql().await;
    let undo = "UPDATE activity.housekeeping SET day = NULL WHERE task = 'forgetting'";
    sql.execute(undo, &[]).await.unwrap();
}

#[tokio::test]
async fn a_replica_whose_clock_is_wrong_drops_and_refuses_nothing() {
    let mut right = start().await;
    swept(&right).await;
    let lana = Uuid::now_v7();
    right.link(vec![user_link("lana", lana, 1)]).await;
    let short = |mut event: weir_proto::activity::v1::ActivityEvent| {
        event.retention_days = 30;
        event
    };
    right
        .record(vec![
            short(of_user("lana", "m0")),
            short(of_user("oleg", "m0")),
        ])
        .await;
    let before = partitions(&right).await;

    let mut number = 0;
    for clock in [ahead(), behind()] {
        forget_that_it_was_done(&right).await;
        let (database, account) = (right.database.clone(), right.account);
        right.stop().await;
        let wrong = instance_at(database.clone(), account, clock).await;
        swept(&wrong).await;
        right = instance(database, account).await;
        assert!(partitions(&right).await.is_superset(&before));
        for retention in [30, 90, 365, 730] {
            number += 1;
            for weir in [&wrong, &right] {
                let retained = |user, message: &str| {
                    let mut event = of_user(user, &format!("{message}{number}"));
                    event.retention_days = retention;
                    event
                };
                let who = std::ptr::eq(weir, &right);
                let message = format!("m{who}");
                let events = vec![retained("lana", &message), retained("nobody", &message)];
                assert_eq!(weir.record(events).await, [Stored, Backlogged]);
            }
        }
        assert_eq!(wrong.messages(lana).await, right.messages(lana).await);
        assert_eq!(wrong.backlog().await, right.backlog().await);
    }
    assert_eq!(right.messages(lana).await.len(), 17);
    // A wrong clock attaches what the right ones still show, and forgets no charge.
    let contact = Uuid::now_v7();
    let wrong = instance_at(right.database.clone(), right.account, ahead()).await;
    let links = vec![
        user_link("oleg", contact, 1),
        user_link("nobody", contact, 1),
    ];
    assert_eq!(wrong.link(links).await, (17, 0));
    assert_eq!(right.messages(contact).await.len(), 17);
    assert_eq!(right.usage().await, 34);
}

async fn drop_partition(weir: &Weir, table: &str, month: NaiveDate) {
    let name = format!("activity.{table}_{}", month.format("%Y_%m"));
    let drop = format!("DROP TABLE {name}");
    weir.sql().await.execute(&drop, &[]).await.unwrap();
}

#[tokio::test]
async fn a_partition_that_is_missing_is_made_when_it_is_needed() {
    let weir = start().await;
    swept(&weir).await;
    let lana = Uuid::now_v7();
    weir.link(vec![user_link("lana", lana, 1)]).await;
    let month = |days: u64| {
        let last = noon().date_naive() + Days::new(days);
        last.with_day(1).unwrap()
    };
    let all = partitions(&weir).await;
    let of = |user, message, retention| {
        let mut event = of_user(user, message);
        event.retention_days = retention;
        event
    };
    drop_partition(&weir, "activities", month(365)).await;
    drop_partition(&weir, "backlog", month(730)).await;
    let events = vec![
        of("lana", "m1", 365),
        of("oleg", "m1", 730),
        of("lana", "m2", 30),
    ];
    assert_eq!(weir.record(events).await, [Stored, Backlogged, Stored]);
    assert_eq!(partitions(&weir).await, all);
    // And when backlog is attached.
    drop_partition(&weir, "activities", month(730)).await;
    let oleg = Uuid::now_v7();
    assert_eq!(weir.link(vec![user_link("oleg", oleg, 1)]).await, (1, 0));
    assert_eq!(weir.messages(oleg).await, ["m1"]);
    assert_eq!(weir.usage().await, 3);
}

#[tokio::test]
async fn a_pass_drops_one_month_beyond_what_was_dropped_before() {
    let mut weir = start().await;
    swept(&weir).await;
    let current = (noon() - Days::new(2)).date_naive().with_day(1).unwrap();
    let past = |months: u32| current - Months::new(months);
    let sql = weir.sql().await;
    for months in 1..=4 {
        let month = past(months);
        for table in ["activities", "backlog"] {
            sql.batch_execute(&format!(
                "SET ROLE weir_activity_owner;
                 CREATE TABLE activity.{table}_{} PARTITION OF activity.{table}
                     FOR VALUES FROM ('{month}') TO ('{}')",
                month.format("%Y_%m"),
                month + Months::new(1)
            ))
            .await
            .unwrap();
        }
    }
    let seen = "UPDATE activity.housekeeping SET day = $1 WHERE task = 'partitions'";
    sql.execute(seen, &[&past(4)]).await.unwrap();
    let left = async |weir: &Weir| {
        let partitions = partitions(weir).await;
        let is_there = |months: &u32| {
            let name = past(*months).format("backlog_%Y_%m").to_string();
            partitions.contains(&name)
        };
        (1..=4).filter(is_there).collect::<Vec<_>>()
    };
    for expected in [vec![1, 2, 3], vec![1, 2], vec![1], vec![]] {
        forget_that_it_was_done(&weir).await;
        let (database, account) = (weir.database.clone(), weir.account);
        weir.stop().await;
        weir = instance(database, account).await;
        swept(&weir).await;
        assert_eq!(left(&weir).await, expected);
    }
}
