//! Every row has an end, or lives as long as what it is about.

use std::time::Duration;

use chrono::{Days, NaiveDate};
use uuid::Uuid;
use weir_proto::ledger::v1::ListWindowsRequest;

use crate::harness::*;

#[tokio::test]
async fn every_table_says_how_long_its_rows_live() {
    let weir = start().await;
    weir.record(Vec::new()).await;
    let rows = weir
        .sql()
        .await
        .query(
            "SELECT c.relname::text, COALESCE(obj_description(c.oid, 'pg_class'), '')
             FROM pg_class c WHERE c.relnamespace = 'activity'::regnamespace
                 AND c.relkind IN ('r', 'p') AND NOT c.relispartition",
            &[],
        )
        .await
        .unwrap();
    let mut tables = Vec::new();
    for row in &rows {
        let (table, comment): (String, String) = (row.get(0), row.get(1));
        // Its own migrations are the one table that is not this service's.
        if table != "migrations" {
            assert!(comment.starts_with("Life time: "), "{table}: {comment}");
            tables.push(table);
        }
    }
    assert_eq!(tables.len(), 18, "{tables:?}");
}

async fn count(weir: &Weir, table: &str) -> i64 {
    let count = format!("SELECT count(*) FROM activity.{table}");
    weir.sql()
        .await
        .query_one(&count, &[])
        .await
        .unwrap()
        .get(0)
}

#[tokio::test]
async fn what_has_outlived_its_time_is_forgotten_and_nothing_else() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    // Two wait, one of them without a timestamp; one is attached, and counts.
    let mut undated = of_user("waits", "m2");
    undated.undated = true;
    weir.record(vec![of_user("waits", "m1"), undated, of_user("lana", "m1")])
        .await;
    weir.link(vec![user_link("lana", lana, 1)]).await;

    let sql = weir.sql().await;
    let today = noon().date_naive();
    let account = weir.account;
    let old = |table: &str| match table {
        "usage" => "VALUES ($1, $2::date - 36, gen_random_uuid(), 1)".to_owned(),
        "attached_counts" => "VALUES ($1, gen_random_uuid(), $2::date - 761, 50)".to_owned(),
        "undated_receipts" => "VALUES ($1, gen_random_uuid(), $2::date - 1)".to_owned(),
        // More than are deleted at a time.
        _ => "SELECT $1, 'a', n::text, NULL, -1, NULL, true, $2::date - 1
              FROM generate_series(1, 4500) n"
            .to_owned(),
    };
    let tables = [
        "usage",
        "attached_counts",
        "undated_receipts",
        "identifiers",
    ];
    let mut kept = Vec::new();
    for table in tables {
        kept.push(count(&weir, table).await);
        let insert = format!("INSERT INTO activity.{table} {}", old(table));
        sql.execute(&insert, &[&account, &today]).await.unwrap();
    }
    assert_eq!(kept, [1, 1, 1, 2]);
    let undo = "UPDATE activity.housekeeping SET day = NULL WHERE task = 'forgetting'";
    // The first replica may still be about its first round.
    loop {
        let row = sql
            .query_one(
                "SELECT day FROM activity.housekeeping WHERE task = 'forgetting'",
                &[],
            )
            .await
            .unwrap();
        if row.get::<_, Option<NaiveDate>>(0).is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sql.execute(undo, &[]).await.unwrap();
    let (database, account) = (weir.database.clone(), weir.account);
    weir.stop().await;
    let weir = instance(database, account).await;
    weir.record(Vec::new()).await;
    for (table, kept) in tables.into_iter().zip(kept) {
        while count(&weir, table).await > kept {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(count(&weir, table).await, kept, "{table}");
    }
    assert_eq!((weir.usage().await, weir.backlog().await), (3, 2));
    assert_eq!(weir.messages(lana).await, ["m1"]);
    // What its window came to is known beyond the rows of its batches (semantics 6.8).
    let request = ListWindowsRequest {
        account_id: account.to_string(),
        from_window: (today - Days::new(40)).to_string(),
    };
    let listed = weir.ledger.clone().list_windows(request).await.unwrap();
    let windows = listed.into_inner().windows.into_iter();
    let windows: Vec<_> = windows.map(|one| (one.window, one.units)).collect();
    let old = (today - Days::new(36)).to_string();
    assert_eq!(windows, [(old, 1), (window(), 3)]);
}

#[tokio::test]
async fn an_identifier_is_remembered_for_as_long_as_the_last_of_its_backlog() {
    let weir = start().await;
    let of = |message, retention| {
        let mut event = of_user("waits", message);
        event.retention_days = retention;
        event
    };
    let sql = weir.sql().await;
    let forget_day = async || -> NaiveDate {
        let row = "SELECT forget_day FROM activity.identifiers WHERE value = 'waits'";
        sql.query_one(row, &[]).await.unwrap().get(0)
    };
    let after = |days| first_of_next_month(noon().date_naive() + Days::new(days));
    weir.record(vec![of("m1", 30)]).await;
    assert_eq!(forget_day().await, after(30));
    weir.record(vec![of("m2", 365), of("m3", 90)]).await;
    assert_eq!(forget_day().await, after(365));
    weir.record(vec![of("m4", 30)]).await;
    assert_eq!(forget_day().await, after(365));
}

fn first_of_next_month(day: NaiveDate) -> NaiveDate {
    use chrono::{Datelike, Months};
    day.with_day(1).unwrap() + Months::new(1)
}
