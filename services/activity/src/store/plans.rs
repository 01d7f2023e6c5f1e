//! Every statement reaches rows by their full key, whatever the statistics say: a young table
//! has none, and what is planned then is kept. Checked with what was really read.

mod partitions;
mod statements;

use std::collections::HashMap;
use std::fmt::Write as _;

use chrono::Days;
use serde_json::Value;
use tokio_postgres::SimpleQueryMessage;
use weir_servers::TestServers;

use super::partitions::partition_of;
use super::{MIGRATIONS, OPEN, PLAN_BY_KEY, Store};
use crate::domain::Range;
use statements::{FILL, HOT, WORDS};

/// Rows of each table, all of one account.
const ROWS: u32 = 20_000;
/// What a statement may read of them: it is given a hundred keys, or a page of fifty.
const MAX_READ: f64 = 4_000.0;

/// Rows that a plan's nodes read of tables, those that they threw away included.
fn rows_read(node: &Value) -> f64 {
    let number = |name: &str| node[name].as_f64().unwrap_or(0.0);
    let loops = number("Actual Loops");
    let thrown = number("Rows Removed by Filter")
        + number("Rows Removed by Join Filter")
        + number("Rows Removed by Index Recheck");
    let read = if node["Relation Name"].is_string() {
        number("Actual Rows")
    } else {
        0.0
    };
    let below = node["Plans"].as_array().into_iter().flatten();
    (read + thrown) * loops + below.map(rows_read).sum::<f64>()
}

fn scans_a_table(node: &Value) -> bool {
    let whole = node["Node Type"] == "Seq Scan" && number_of_loops(node) > 0.0;
    let below = node["Plans"].as_array().into_iter().flatten();
    whole || below.into_iter().any(scans_a_table)
}

fn number_of_loops(node: &Value) -> f64 {
    node["Actual Loops"].as_f64().unwrap_or(0.0)
}

async fn texts(client: &tokio_postgres::Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await;
    let messages = messages.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap().to_owned()),
        _ => None,
    };
    messages.into_iter().filter_map(row).collect()
}

async fn words(client: &tokio_postgres::Client) -> HashMap<&'static str, String> {
    let mut words = HashMap::new();
    for (word, sql) in WORDS {
        let sql = format!("SELECT quote_nullable(({sql})::text) FROM generate_series(1, 100) n");
        words.insert(*word, texts(client, &sql).await.remove(0));
    }
    words
}

/// What of the statements reads more than it is asked for.
async fn check(client: &tokio_postgres::Client, words: &HashMap<&str, String>) -> String {
    let mut faults = String::new();
    for (name, _, arguments) in HOT {
        let arguments: Vec<&str> = arguments
            .split(' ')
            .map(|word| words[word].as_str())
            .collect();
        let arguments = arguments.join(", ");
        texts(client, "BEGIN").await;
        let explain = format!("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE \"{name}\" ({arguments})");
        let plan = texts(client, &explain).await.remove(0);
        texts(client, "ROLLBACK").await;
        let plan: Value = serde_json::from_str(&plan).unwrap();
        let read = rows_read(&plan[0]["Plan"]);
        if read > MAX_READ || scans_a_table(&plan[0]["Plan"]) {
            writeln!(faults, "{name} read {read} rows: {plan:#}").unwrap();
        }
    }
    faults
}

#[tokio::test]
async fn every_statement_reaches_rows_by_their_key_whatever_the_statistics_say() {
    let database = TestServers::shared().await.fresh_database().await;
    // Connections keep their plans.
    let url = database.session_url_for("activity");
    let pool = weir_postgres::connect(&url, 4, &PLAN_BY_KEY).unwrap();
    weir_postgres::migrate(&pool, MIGRATIONS, OPEN)
        .await
        .unwrap();
    let today = weir_service::Clock::system().now().date_naive();
    let range = Range::of(today - Days::new(1), today);
    Store::new(pool.clone(), 1_000)
        .make_partitions(range)
        .await
        .unwrap();

    let partitions = ["backlog", "activities"];
    let partitions = partitions.map(|table| partition_of(table, today + Days::new(100)));

    let behind = weir_servers::postgres::connect(&database.behind("activity"))
        .await
        .unwrap();
    // The statistics stay as they are: nobody looks at the tables in between.
    for table in [
        "identifiers",
        "contact_merges",
        "undated_receipts",
        "attached_counts",
        "activity_counts",
        "occurrences",
        "usage",
    ] {
        let stay = format!("ALTER TABLE {table} SET (autovacuum_enabled = false)");
        texts(&behind, &stay).await;
    }

    // Connections as they are before the first event came: their plans are of empty tables.
    let mut clients = Vec::new();
    for mode in ["force_generic_plan", "force_custom_plan"] {
        let pooled = pool.get().await.unwrap();
        let client = pooled.unscoped();
        // With the policies in the plans.
        texts(
            client,
            "SELECT set_config('app.account', md5('account')::uuid::text, false)",
        )
        .await;
        texts(client, &format!("SET plan_cache_mode = {mode}")).await;
        for (name, sql, _) in HOT {
            let of_activities = *name == "piece";
            let partition = &partitions[usize::from(of_activities)];
            let sql = sql.replace("$partition", partition);
            texts(client, &format!("PREPARE \"{name}\" AS {sql}")).await;
        }
        clients.push((mode, pooled));
    }
    let words = words(&behind).await;
    for (_, client) in &clients {
        assert_eq!(check(client.unscoped(), &words).await, "");
    }

    let fill = FILL.replace("$ROWS", &ROWS.to_string());
    behind.batch_execute(&fill).await.unwrap();
    for (mode, client) in &clients {
        assert_eq!(
            check(client.unscoped(), &words).await,
            "",
            "{mode}, without statistics"
        );
    }
    texts(&behind, "ANALYZE").await;
    for (mode, client) in &clients {
        let faults = check(client.unscoped(), &words).await;
        assert_eq!(faults, "", "{mode}, with statistics");
    }
}

/// Of a page of large activities the values behind its bytes are not read: some thousands of them
/// would take longer than a statement may.
#[tokio::test]
async fn what_lies_behind_a_page_of_large_activities_is_not_read() {
    let database = TestServers::shared().await.fresh_database().await;
    let url = database.session_url_for("activity");
    let pool = weir_postgres::connect(&url, 1, &PLAN_BY_KEY).unwrap();
    weir_postgres::migrate(&pool, MIGRATIONS, OPEN)
        .await
        .unwrap();
    let today = weir_service::Clock::system().now().date_naive();
    let range = Range::of(today - Days::new(1), today);
    let store = Store::new(pool, 1_000);
    store.make_partitions(range).await.unwrap();
    let behind = weir_servers::postgres::connect(&database.behind("activity"))
        .await
        .unwrap();
    behind
        .batch_execute(&FILL.replace("$ROWS", "1000"))
        .await
        .unwrap();
    // 30 kB each, that can't be made smaller.
    texts(
        &behind,
        "UPDATE activities SET attributes = json_build_object('note', (SELECT string_agg(
             md5(activity_key::text || n), '') FROM generate_series(1, 940) n))",
    )
    .await;
    let mut words = words(&behind).await;
    // Whenever they expire.
    let day = today + Days::new(300);
    words.insert("day", format!("'{day}'"));
    let list = HOT.iter().find(|(name, ..)| *name == "account_list");
    let (_, sql, arguments) = list.unwrap();
    let arguments: Vec<&str> = arguments.split(' ').map(|word| &*words[word]).collect();
    let arguments = arguments.join(", ");
    texts(&behind, &format!("PREPARE list AS {sql}")).await;
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE list ({arguments})");
    let plan = texts(&behind, &explain).await.remove(0);
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let plan = &plan[0]["Plan"];
    let blocks = |name: &str| plan[name].as_i64().unwrap();
    let read = blocks("Shared Hit Blocks") + blocks("Shared Read Blocks");
    // Of a megabyte, which the first thirty or so have.
    assert!(plan["Actual Rows"].as_f64().unwrap() > 30.0, "{plan:#}");
    assert!(read < 4_000, "{read} blocks: {plan:#}");
}
