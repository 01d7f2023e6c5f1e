//! Every statement reaches rows by their full key, whatever the statistics say: a young table
//! has none, and what is planned then is kept. Checked with what was really read.

use std::collections::HashMap;
use std::fmt::Write as _;

use chrono::Days;
use serde_json::Value;
use tokio_postgres::SimpleQueryMessage;
use weir_ledger::sql;
use weir_servers::TestServers;

use super::partitions::partition_of;
use super::{
    MIGRATIONS, OPEN, PLAN_BY_KEY, Store, attach, correct, forget, links, people, reading,
    receipts, record,
};
use crate::domain::Range;

/// Rows of each table, all of one account.
const ROWS: u32 = 20_000;
/// What a statement may read of them: it is given a hundred keys, or a page of fifty.
const MAX_READ: f64 = 4_000.0;

/// Each statement with its arguments, in words of `WORDS`.
const HOT: &[(&str, &str, &str)] = &[
    ("fence", record::FENCE, "account"),
    ("anchor", sql::ANCHOR, "account"),
    ("standings", record::STANDINGS, "account kinds values"),
    ("lock", record::LOCK, "account kinds values flags days"),
    ("copies", record::COPIES, "account keys days"),
    (
        "waiting_copies",
        record::COPIES_IN_BACKLOG,
        "account kinds values keys days",
    ),
    (
        "store",
        record::STORE,
        "account days keys contacts keys texts times texts jsons times",
    ),
    (
        "wait",
        record::WAIT,
        "account days keys kinds values keys texts times texts jsons times key flags",
    ),
    (
        "begin_waiting",
        record::BEGIN_WAITING,
        "account kinds values days",
    ),
    ("correct", correct::CORRECT, "account keys days jsons"),
    (
        "correct_waiting",
        correct::CORRECT_WAITING,
        "account kinds values keys days jsons",
    ),
    ("received", receipts::RECEIVED, "account keys"),
    ("receive", receipts::RECEIVE, "account keys day"),
    ("charge", sql::CHARGE, "account old_day key one"),
    ("close", sql::CLOSE, "account old_days keys"),
    ("units", sql::UNITS, "account old_days keys"),
    ("raise", sql::RAISE, "account one one"),
    ("sums", sql::SUMS, "account day"),
    ("windows", sql::WINDOWS, "account old_day"),
    ("merge", links::MERGE, "account keys contacts numbers"),
    ("own", people::OWN, "account"),
    ("unmerge", people::UNMERGE, "account contact one"),
    ("late", people::LATE, "account contact time"),
    ("move", people::MOVE, "account key day contact"),
    ("forget_merge", people::FORGET_MERGE, "account contact"),
    ("first", people::FIRST, "account key day"),
    ("erased_counts", people::COUNTS, "account key"),
    ("counted", people::COUNTED, "account key json"),
    ("of_contact", people::OF_CONTACT, "account contact fifty"),
    (
        "delete_activity",
        people::DELETE_ACTIVITY,
        "account key day",
    ),
    ("delete_counts", people::DELETE_COUNTS, "account contact"),
    (
        "lock_identifier",
        people::LOCK_IDENTIFIER,
        "account kind value",
    ),
    (
        "waiting_before",
        people::WAITING,
        "account kind value time fifty",
    ),
    (
        "delete_waiting",
        people::DELETE_WAITING,
        "account kind value key day",
    ),
    (
        "delete_identifier",
        people::DELETE_IDENTIFIER,
        "account kind value contacts",
    ),
    (
        "find_deletions",
        forget::DELETIONS.find,
        "account older_day fifty",
    ),
    (
        "forget_deletions",
        forget::DELETIONS.delete,
        "account hex json",
    ),
    (
        "find_erasures",
        forget::ERASURES.find,
        "account older_day fifty",
    ),
    (
        "forget_erasures",
        forget::ERASURES.delete,
        "account key day",
    ),
    (
        "begin_erasure",
        weir_tombstones::sql::BEGIN,
        "account time hash",
    ),
    ("note", weir_tombstones::sql::NOTE, "account hashes time"),
    ("look_up", weir_tombstones::sql::LOOK_UP, "account hashes"),
    (
        "link",
        links::LINK,
        "account kinds values contacts numbers times",
    ),
    ("families", links::FAMILIES, "account contacts"),
    ("lock_counts", attach::LOCK, "account contacts"),
    ("unlock_counts", attach::UNLOCK, "account contacts"),
    ("page", attach::PAGE, "account some_kinds some_values fifty"),
    ("counts", attach::COUNTS, "account contacts old_day day"),
    (
        "attach",
        attach::ATTACH,
        "account kinds values keys days contacts",
    ),
    ("discard", attach::DISCARD, "account keys days"),
    ("leave", attach::LEAVE, "account kind value last_key"),
    (
        "add_counts",
        attach::ADD_COUNTS,
        "account contacts days numbers",
    ),
    ("end_waiting", attach::END_WAITING, "account kinds values"),
    (
        "list",
        reading::LIST,
        "account contacts old_day time last_key fifty million one",
    ),
    (
        "waiting_of",
        reading::BACKLOG_OF_IDENTIFIER,
        "account old_day kind value",
    ),
    ("has_activity", reading::HAS_ACTIVITY, "account contact"),
    ("purge_end", sql::PURGE_END, "account older_day fifty"),
    (
        "find_counts",
        forget::COUNTS.find,
        "account older_day fifty",
    ),
    (
        "find_receipts",
        forget::RECEIPTS.find,
        "account older_day fifty",
    ),
    (
        "find_identifiers",
        forget::IDENTIFIERS.find,
        "account older_day fifty",
    ),
    ("purge", sql::PURGE, "account older_day older_day key"),
    ("sum_up", sql::SUM_UP, "account older_day"),
    ("purge_days", sql::PURGE_DAYS, "account older_day"),
    ("forget_counts", forget::COUNTS.delete, "account key day"),
    (
        "forget_receipts",
        forget::RECEIPTS.delete,
        "account key day",
    ),
    (
        "forget_identifiers",
        forget::IDENTIFIERS.delete,
        "account kind value",
    ),
];

/// Words for arguments; `n` runs from 1 to 100, or to 5.
const WORDS: &[(&str, &str)] = &[
    ("account", "md5('account')::uuid"),
    ("one", "1"),
    ("fifty", "50"),
    ("million", "1000000"),
    ("kind", "'a'"),
    ("value", "'v1'"),
    ("key", "md5('new')::uuid"),
    ("json", "'[]'"),
    ("hex", "'00'"),
    ("hash", "'\\x00'"),
    ("hashes", "array_agg(decode(md5('h' || n), 'hex'))"),
    ("last_key", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"),
    ("contact", "md5('c1')::uuid"),
    ("time", "now() + interval '1 year'"),
    ("day", "current_date"),
    ("old_day", "current_date - 10"),
    ("older_day", "current_date - 300"),
    ("kinds", "array_agg('a'::text)"),
    ("values", "array_agg('v' || n)"),
    ("flags", "array_agg(true)"),
    ("numbers", "array_agg(n)"),
    ("days", "array_agg(current_date + n % 300)"),
    ("old_days", "array_agg(current_date - 1 - n % 300)"),
    ("times", "array_agg(now())"),
    ("keys", "array_agg(md5('k' || n)::uuid)"),
    ("contacts", "array_agg(md5('c' || n)::uuid)"),
    ("texts", "array_agg('text'::text)"),
    ("jsons", "array_agg('{}'::json)"),
    ("some_kinds", "array_agg('a'::text) FILTER (WHERE n <= 5)"),
    ("some_values", "array_agg('v' || n) FILTER (WHERE n <= 5)"),
];

/// An account of many, as it is when somebody imported it a moment ago.
const FILL: &str = "
    INSERT INTO accounts SELECT md5('account')::uuid;
    INSERT INTO accounts SELECT md5('other' || n)::uuid FROM generate_series(1, 2000) n;
    INSERT INTO identifiers (account_id, kind, value, contact_id, version, waiting, forget_day)
        SELECT md5('account')::uuid, 'a', 'v' || n, NULL, -1, true, current_date + 10 - n % 330
        FROM generate_series(1, $ROWS) n;
    INSERT INTO activities (account_id, expire_day, activity_key, contact_id, event_time)
        SELECT md5('account')::uuid, current_date + n % 300, md5('k' || n)::uuid,
            md5('c' || n % 1000)::uuid, now() FROM generate_series(1, $ROWS) n;
    INSERT INTO backlog SELECT md5('account')::uuid, current_date + n % 300, 'a', 'v' || n % 400,
            md5('k' || n)::uuid, md5('k')::uuid, 'name', now(), 'message', '{}', now(), NULL, false
        FROM generate_series(1, $ROWS) n;
    INSERT INTO contact_merges SELECT md5('account')::uuid, md5('m' || n)::uuid,
            md5('c' || n % 2000)::uuid, 1 FROM generate_series(1, $ROWS) n;
    INSERT INTO deletions SELECT md5('account')::uuid, decode(md5('h' || n), 'hex'),
            now() - n % 330 * interval '1 day' FROM generate_series(1, $ROWS) n;
    INSERT INTO erasures SELECT md5('account')::uuid, md5('k' || n)::uuid, '[]',
            current_date - n % 330 FROM generate_series(1, $ROWS) n;
    INSERT INTO undated_receipts SELECT md5('account')::uuid, md5('k' || n)::uuid,
            current_date - n % 330 FROM generate_series(1, $ROWS) n;
    INSERT INTO attached_counts SELECT md5('account')::uuid, md5('c' || n % 1000)::uuid,
            current_date - n / 1000 * 20, 1 FROM generate_series(1, $ROWS) n;
    INSERT INTO usage SELECT md5('account')::uuid, current_date - 1 - n % 300,
            md5('k' || n)::uuid, 1 FROM generate_series(1, $ROWS) n;";

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
        let sql = format!("SELECT quote_literal(({sql})::text) FROM generate_series(1, 100) n");
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
    let url = database.url_for("activity");
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

    let partition = partition_of("backlog", today + Days::new(100));

    let behind = weir_servers::postgres::connect(&database.behind("activity"))
        .await
        .unwrap();
    // The statistics stay as they are: nobody looks at the tables in between.
    for table in [
        "identifiers",
        "contact_merges",
        "undated_receipts",
        "attached_counts",
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
            let sql = sql.replace("$partition", &partition);
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
