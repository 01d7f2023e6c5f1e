//! When a contact did something for the first and the last time (semantics 4.12).

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, TimeDelta, Utc};
use uuid::Uuid;
use weir_proto::activity::v1::people_service_client::PeopleServiceClient;
use weir_proto::activity::v1::*;
use weir_testkit::eventually;

use crate::harness::*;
use crate::history::{event, history};

/// (name, first, last), all pages.
async fn occurrences(weir: &Weir, contact: Uuid) -> Vec<(String, String, String)> {
    let mut request = ListOccurrencesRequest {
        account_id: weir.account.to_string(),
        contact_id: contact.to_string(),
        page_size: 1,
        ..ListOccurrencesRequest::default()
    };
    let mut found = Vec::new();
    loop {
        let page = history(weir).list_occurrences(request.clone()).await;
        let page = page.unwrap().into_inner();
        found.extend(page.occurrences.into_iter().map(|one| {
            let time = |time: Option<prost_types::Timestamp>| time.unwrap().to_string();
            (one.event_name, time(one.first_time), time(one.last_time))
        }));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return found;
        }
    }
}

fn shown(name: &str, first: DateTime<Utc>, last: DateTime<Utc>) -> (String, String, String) {
    let text = |time| stamp(time).unwrap().to_string();
    (name.to_owned(), text(first), text(last))
}

#[tokio::test]
async fn the_first_and_the_last_are_those_of_all_who_were_merged() {
    let weir = start().await;
    let [ann, bob] = [Uuid::now_v7(), Uuid::now_v7()];
    let hour = |n: i64| noon() - TimeDelta::hours(n);
    weir.record(vec![
        event("Login", hour(5), of_contact(ann, "m1")),
        event("Login", hour(3), of_contact(ann, "m2")),
        event("Login", hour(4), of_contact(ann, "m3")),
        event("Login", hour(1), of_contact(bob, "m4")),
        event("Bought", hour(2), of_contact(ann, "m5")),
    ])
    .await;
    assert_eq!(
        occurrences(&weir, ann).await,
        [
            shown("Login", hour(5), hour(3)),
            shown("Bought", hour(2), hour(2))
        ]
    );
    weir.change(Vec::new(), &[(bob, ann)]).await;
    for contact in [ann, bob] {
        assert_eq!(
            occurrences(&weir, contact).await[0],
            shown("Login", hour(5), hour(1))
        );
    }
    let nobody = Uuid::now_v7();
    let unknown = ListOccurrencesRequest {
        account_id: weir.account.to_string(),
        contact_id: nobody.to_string(),
        ..ListOccurrencesRequest::default()
    };
    weir.others.take_contacts(weir.account, &[nobody]);
    let refused = history(&weir).list_occurrences(unknown).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound);
}

/// A month of expired activities, as it is some days before it is dropped.
async fn expired(weir: &Weir, rows: &[(Uuid, &str, DateTime<Utc>)]) -> NaiveDate {
    let month = (noon() - Days::new(2)).date_naive().with_day(1).unwrap() - Months::new(1);
    let sql = weir.sql().await;
    // Which would drop it while it is being made.
    eventually("the first round is over", async || {
        let day = "SELECT count(*) FROM activity.housekeeping WHERE day IS NOT NULL";
        sql.query_one(day, &[]).await.unwrap().get::<_, i64>(0) == 2
    })
    .await;
    for table in ["activities", "backlog"] {
        let make = format!(
            "SET ROLE weir_activity_owner;
             CREATE TABLE activity.{table}_{} PARTITION OF activity.{table}
                 FOR VALUES FROM ('{month}') TO ('{}');
             RESET ROLE",
            month.format("%Y_%m"),
            month + Months::new(1)
        );
        sql.batch_execute(&make).await.unwrap();
    }
    for (contact, name, time) in rows {
        let insert = "INSERT INTO activity.activities (account_id, expire_day, activity_key,
                contact_id, activity_id, event_name, event_time, message_id, attributes,
                receive_time)
            VALUES ($1, $2, gen_random_uuid(), $3, $4, $5, $6, 'm', '{}', $6)";
        let activity = Uuid::from_u128(0xac00 + name.len() as u128);
        let expire_day = month + Days::new(5);
        sql.execute(
            insert,
            &[&weir.account, &expire_day, contact, &activity, name, time],
        )
        .await
        .unwrap();
    }
    month
}

/// Another instance keeps house, and drops the month.
async fn dropped(weir: Weir, month: NaiveDate) -> Weir {
    let (database, account) = (weir.database.clone(), weir.account);
    let sql = weir.sql().await;
    weir.stop().await;
    let weir = instance(database, account).await;
    let name = month.format("activities_%Y_%m").to_string();
    eventually("the month is dropped", async || {
        let there = "SELECT count(*) FROM pg_class WHERE relname = $1";
        let there = sql.query_one(there, &[&name]).await.unwrap();
        there.get::<_, i64>(0) == 0
    })
    .await;
    weir
}

#[tokio::test]
async fn what_has_expired_and_is_dropped_still_says_when_it_was_first_and_last() {
    let weir = start().await;
    let [ann, bob] = [Uuid::now_v7(), Uuid::now_v7()];
    let old = |days: i64| noon() - TimeDelta::days(100 + days);
    weir.record(vec![event("Login", noon(), of_contact(ann, "m1"))])
        .await;
    let rows = [
        (ann, "Login", old(1)),
        (ann, "Login", old(9)),
        (ann, "Left", old(4)),
        (bob, "Left", old(6)),
    ];
    let month = expired(&weir, &rows).await;
    let before = [
        shown("Left", old(4), old(4)),
        shown("Login", old(9), noon()),
    ];
    assert_eq!(occurrences(&weir, ann).await, before);
    let weir = dropped(weir, month).await;
    assert_eq!(occurrences(&weir, ann).await, before);
    assert_eq!(
        occurrences(&weir, bob).await,
        [shown("Left", old(6), old(6))]
    );
    assert_eq!(weir.messages(ann).await, ["m1"]);

    // With the person they go.
    let mut people = PeopleServiceClient::new(weir_rpc::connect(&weir.url).unwrap());
    let erasure = EraseContactsRequest {
        account_id: weir.account.to_string(),
        deletion_id: Uuid::now_v7().to_string(),
        contact_ids: vec![ann.to_string()],
        identifiers: Vec::new(),
        delete_time: stamp(noon()),
    };
    let erased = people.erase_contacts(erasure).await.unwrap().into_inner();
    let rows = erased.rows.iter().find(|rows| rows.what == "occurrences");
    assert_eq!(rows.unwrap().count, 2);
    assert_eq!(occurrences(&weir, ann).await, []);
    assert_eq!(occurrences(&weir, bob).await.len(), 1);
}

#[tokio::test]
async fn of_somebody_who_was_deleted_nothing_is_kept_when_a_month_is_dropped() {
    let weir = start().await;
    let [ann, bob] = [Uuid::now_v7(), Uuid::now_v7()];
    let old = noon() - TimeDelta::days(100);
    weir.record(vec![of_contact(bob, "m1")]).await;
    let mut people = PeopleServiceClient::new(weir_rpc::connect(&weir.url).unwrap());
    let erasure = EraseContactsRequest {
        account_id: weir.account.to_string(),
        deletion_id: Uuid::now_v7().to_string(),
        contact_ids: vec![ann.to_string()],
        identifiers: Vec::new(),
        delete_time: stamp(Utc::now()),
    };
    people.erase_contacts(erasure).await.unwrap();
    // As a round finds them that looked before the deletion came to these rows.
    let month = expired(&weir, &[(ann, "Login", old), (bob, "Login", old)]).await;
    let weir = dropped(weir, month).await;
    assert_eq!(occurrences(&weir, ann).await, []);
    assert_eq!(occurrences(&weir, bob).await[0], shown("Login", old, old));
}
