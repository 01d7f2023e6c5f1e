//! Reads look at those partitions alone in which what they are asked for may be.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use serde_json::Value;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::AccountId;
use weir_servers::TestServers;

use super::super::history::{Arguments, LIST, Sought};
use super::super::{MIGRATIONS, OPEN, PLAN_BY_KEY, Store, export, reading};
use crate::domain::{RETENTIONS, Range, Span};

/// The partitions that a plan touches when it runs, and the indexes by which.
fn touched(node: &Value, partitions: &mut BTreeSet<String>, indexes: &mut BTreeSet<String>) {
    if let Some(table) = node["Relation Name"].as_str() {
        assert_ne!(node["Node Type"], "Seq Scan", "{table}");
        partitions.insert(table.to_owned());
        let index = node["Index Name"].as_str().unwrap();
        let index = index.trim_start_matches(table).trim_start_matches('_');
        indexes.insert(index.to_owned());
    }
    for below in node["Plans"].as_array().into_iter().flatten() {
        touched(below, partitions, indexes);
    }
}

async fn plan(
    store: &Store,
    account: AccountId,
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut connection = store.connection().await.unwrap();
    let tx = connection.begin(account);
    let generic = tx
        .inner
        .prepare_cached("SET LOCAL plan_cache_mode = force_generic_plan");
    let generic = generic.await.unwrap();
    tx.inner.execute(&generic, &[]).await.unwrap();
    let explain = format!("EXPLAIN (ANALYZE, FORMAT JSON) {sql}");
    let rows = tx.query(&explain, params).await.unwrap();
    let text: weir_postgres::JsonText<'_> = rows[0].get(0);
    let plan: Value = serde_json::from_str(text.0).unwrap();
    let (mut partitions, mut indexes) = (BTreeSet::new(), BTreeSet::new());
    touched(&plan[0]["Plan"], &mut partitions, &mut indexes);
    (partitions, indexes)
}

/// Semantics 4.13.
#[tokio::test]
async fn a_day_of_an_account_is_read_from_no_more_partitions_than_there_are_retentions() {
    let database = TestServers::shared().await.fresh_database().await;
    let url = database.url_for("activity");
    let pool = weir_postgres::connect(&url, 4, &PLAN_BY_KEY).unwrap();
    let migrated = weir_postgres::migrate(&pool, MIGRATIONS, OPEN).await;
    migrated.unwrap();
    let store = Store::new(pool, 1_000);
    let now: DateTime<Utc> = weir_service::Clock::system().now();
    let today = now.date_naive();
    let range = Range::of(today, today);
    store.make_partitions(range).await.unwrap();
    let account = AccountId::new();

    // A day in the middle of its months, whatever day it is.
    let day = (today - Days::new(40))
        .and_time(chrono::NaiveTime::MIN)
        .and_utc();
    let span = Span::of(Some(day), Some(day + TimeDelta::days(1)), today);
    let sought = Sought::of(span, None, today);
    let arguments = Arguments::new(account.0, sought);
    let month = |day: NaiveDate| format!("activities_{}", day.format("%Y_%m"));
    let expected: BTreeSet<String> = RETENTIONS
        .map(|days| month(day.date_naive() + Days::new(days.into())))
        .into();
    for (sql, further) in [
        (
            LIST,
            &[&3_000_000_i64 as &(dyn ToSql + Sync), &160_i32, &101_i64][..],
        ),
        (
            export::PAGE,
            &[&3_000_000_i64 as &(dyn ToSql + Sync), &true][..],
        ),
    ] {
        let limit = 25_000_i64;
        let mut params = arguments.params();
        params.push(&limit);
        params.extend(further);
        let (partitions, indexes) = plan(&store, account, sql, &params).await;
        assert!(partitions.len() <= 5, "{partitions:?}");
        assert!(
            partitions.is_subset(&expected),
            "{partitions:?} {expected:?}"
        );
        assert_eq!(indexes, BTreeSet::from(["pkey".to_owned()]));
    }

    // All that is shown of a contact is in any of those that are not past, by its own index.
    let contact = vec![Uuid::from_u128(1)];
    let (key, limit, bytes, beside) = (Uuid::max(), 101_i64, 3_000_000_i64, 160_i32);
    let params: [&(dyn ToSql + Sync); 8] = [
        &account.0, &contact, &today, &now, &key, &limit, &bytes, &beside,
    ];
    let (partitions, indexes) = plan(&store, account, reading::LIST, &params).await;
    assert!(!partitions.contains(&month(today - Days::new(32))));
    assert!(
        indexes
            .iter()
            .all(|index| index.starts_with("account_id_contact_id"))
    );
}
