//! Every statement of a batch reaches rows by their full key, whatever the statistics say.

use serde_json::Value;
use uuid::Uuid;
use weir_audience::store::HOT;

use crate::harness::{World, audience};

/// Contacts of the account, all of them in one audience and merged: as many as make a plan that
/// reads an account's rows one that is felt.
const CONTACTS: usize = 20_000;
/// In a batch.
const BATCH: usize = 500;

/// Rows are reached by these columns, all of them.
fn key_of(table: &str) -> &'static [&'static str] {
    match table {
        "accounts" => &["account_id"],
        "audiences" => &["account_id", "audience_id"],
        "contact_merges" => &["account_id", "contact_id"],
        "memberships" => &["account_id", "audience_id", "contact_id"],
        other => panic!("{other} is no table that a batch looks into"),
    }
}

/// All of whose columns a batch asks for.
const FULL_KEYS: [&str; 4] = [
    "accounts_pkey",
    "audiences_pkey",
    "contact_merges_pkey",
    "memberships_pkey",
];

/// Every node of a plan that reads a table must do so by its key.
fn check(name: &str, node: &Value) {
    if let Some(table) = node["Relation Name"].as_str()
        && node["Node Type"] != "ModifyTable"
    {
        let condition = node["Index Cond"].as_str().unwrap_or_default();
        let by_key = key_of(table)
            .iter()
            .all(|column| condition.contains(&format!("{column} =")));
        assert!(by_key && node["Filter"].is_null(), "{name}: {node:#}");
        // A column in the middle that is not asked for would have the whole account read.
        let index = node["Index Name"].as_str().unwrap_or_default();
        assert!(FULL_KEYS.contains(&index), "{name}: {index}");
    }
    assert!(node["Join Filter"].is_null(), "{name}: {node:#}");
    for child in node["Plans"].as_array().into_iter().flatten() {
        check(name, child);
    }
}

struct Arguments {
    account: String,
    audiences: String,
    contacts: String,
}

impl Arguments {
    fn of(&self, name: &str) -> String {
        let Self {
            account,
            audiences,
            contacts,
        } = self;
        let repeated = |value: &str, ty: &str| {
            let all = vec![value; BATCH].join(",");
            format!("'{{{all}}}'::{ty}[]")
        };
        let (flags, texts) = (repeated("t", "boolean"), repeated("m", "text"));
        let times = repeated("2026-11-24T10:00:00Z", "timestamptz");
        let row = format!("{flags}, {times}, {times}, {flags}, {times}, {texts}");
        let rest = match name {
            "share the account" => String::new(),
            "who contacts are today" => format!(", {contacts}"),
            "origins of audiences" => format!(", {audiences}"),
            "lock memberships" | "insert who waits" => format!(", {audiences}, {contacts}"),
            "insert memberships" | "put memberships" => {
                format!(", {audiences}, {contacts}, {row}")
            }
            "note work for the sync" => ", '2026-11-25'".to_owned(),
            "write what happened" => {
                let kinds = repeated("1", "smallint");
                format!(
                    ", '2026-11-24T10:00:00Z', 1, NULL, {contacts}, {contacts}, {audiences}, \
                     {kinds}, {times}, {times}, {texts}"
                )
            }
            "count what happened" => {
                let (days, numbers) = (repeated("2026-11-24", "date"), repeated("1", "bigint"));
                let numbers = vec![numbers; 5].join(", ");
                format!(", 3, {audiences}, {days}, {numbers}")
            }
            other => panic!("no arguments for {other}"),
        };
        format!("'{account}'{rest}")
    }
}

/// As the service asks: with the policies in the plans.
async fn check_all(database: &tokio_postgres::Client, arguments: &Arguments) {
    let service = format!(
        "SET ROLE weir_audience; SET app.account = '{}'",
        arguments.account
    );
    database.batch_execute(&service).await.unwrap();
    for mode in ["force_generic_plan", "force_custom_plan"] {
        for (name, sql) in HOT {
            let plan = format!(
                "SET plan_cache_mode = {mode}; DEALLOCATE ALL; PREPARE hot AS {sql};
                 EXPLAIN (FORMAT JSON) EXECUTE hot ({})",
                arguments.of(name)
            );
            let messages = database.simple_query(&plan).await.unwrap();
            let text = messages.iter().find_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
                _ => None,
            });
            let plan: Value = serde_json::from_str(text.unwrap()).unwrap();
            check(&format!("{name} ({mode})"), &plan[0]["Plan"]);
        }
    }
    database.batch_execute("RESET ROLE").await.unwrap();
}

#[tokio::test]
async fn hot_statements_go_by_full_keys_whatever_the_statistics_say() {
    let (world, mut client) = World::with_one().await;
    // It is migrated when it answers.
    audience(&mut client, "VIP").await;
    let database = world.database().await;
    database
        .batch_execute("SET search_path = audience")
        .await
        .unwrap();
    for setting in weir_postgres::PLAN_BY_KEY {
        let (name, value) = setting.split_once('=').unwrap();
        database
            .batch_execute(&format!("SET {name} = {value}"))
            .await
            .unwrap();
    }
    for table in [
        "accounts",
        "audiences",
        "memberships",
        "contact_merges",
        "waiting",
        "sync_work",
        "membership_history",
        "audience_days",
    ] {
        let quiet = format!("ALTER TABLE {table} SET (autovacuum_enabled = false)");
        database.batch_execute(&quiet).await.unwrap();
    }
    let (account, vip) = (Uuid::now_v7(), Uuid::now_v7());
    let contacts: Vec<Uuid> = (0..CONTACTS).map(|_| Uuid::now_v7()).collect();
    let list: Vec<String> = contacts[..BATCH].iter().map(Uuid::to_string).collect();
    let arguments = Arguments {
        account: account.to_string(),
        audiences: format!("'{{{}}}'::uuid[]", vec![vip.to_string(); BATCH].join(",")),
        contacts: format!("'{{{}}}'::uuid[]", list.join(",")),
    };
    // Empty, and nobody ever looked.
    check_all(&database, &arguments).await;
    // Looked at while empty, then filled: a new account.
    database.batch_execute("ANALYZE").await.unwrap();
    check_all(&database, &arguments).await;
    for (sql, with_audience) in [
        ("INSERT INTO accounts VALUES ($1)", false),
        (
            "INSERT INTO audiences VALUES ($1, $2, 'VIP', 'segment_actions', '2026-11-24')",
            true,
        ),
    ] {
        let parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)] = if with_audience {
            &[&account, &vip]
        } else {
            &[&account]
        };
        database.execute(sql, parameters).await.unwrap();
    }
    let memberships = "INSERT INTO memberships
        SELECT $1, $2, u.id, true, true, '2026-11-24', NULL, '2026-11-24', 'm'
        FROM unnest($3::uuid[]) u (id)";
    database
        .execute(memberships, &[&account, &vip, &contacts])
        .await
        .unwrap();
    let merges = "INSERT INTO contact_merges SELECT $1, u.id, $2 FROM unnest($3::uuid[]) u (id)";
    let survivor = Uuid::now_v7();
    database
        .execute(merges, &[&account, &survivor, &contacts])
        .await
        .unwrap();
    check_all(&database, &arguments).await;
    // And looked at when full.
    database.batch_execute("ANALYZE").await.unwrap();
    check_all(&database, &arguments).await;
}
