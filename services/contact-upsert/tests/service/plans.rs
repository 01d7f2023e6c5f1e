//! Every statement reaches its rows by their whole key, whatever the planner knows of the tables
//! and whenever it made its plan: an account that is imported in one go must not be read as a
//! whole for each batch until somebody analyses it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::harness::*;

/// Tables with a row for each contact, event or batch.
const LARGE: [&str; 8] = [
    "contact_texts",
    "contacts",
    "identifiers",
    "receipts",
    "merges",
    "usage",
    "outbox",
    "kept_removes",
];

/// They ask whether there is any row at all, or go through all of them in order.
const IN_ORDER: [&str; 11] = [
    "SELECT outbox_id FROM outbox WHERE account_id = $1 ORDER BY outbox_id LIMIT 1",
    "SELECT EXISTS (SELECT FROM contacts",
    "every account",
    "SELECT count(*) AS rows FROM kept_removes",
    // Of runs of reindexing, which look at every contact, and at all that are to be looked at again.
    "FROM reindex_again AS k",
    "DELETE FROM reindex_again WHERE account_id = $1",
    "SELECT count(*) AS contacts",
    "ORDER BY contact_id DESC LIMIT 1",
    "SELECT value FROM identifiers WHERE account_id = $1 AND kind = $2 ORDER BY value",
    // A few windows, and the batches under way.
    "FROM usage_grants",
    "FROM usage_leases",
];

/// Full ones, as large batches are.
const KEYS: usize = 500;

/// The statements of the store and of the ledger, as their sources have them: constants without
/// an escape.
fn statements() -> BTreeSet<String> {
    let mut folders = vec![
        concat!(env!("CARGO_MANIFEST_DIR"), "/src/store").into(),
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/ledger/src").into(),
    ];
    let mut statements = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir::<PathBuf>(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for constant in code.split(": &str =").skip(1) {
                let literal = constant.trim_start().strip_prefix('"');
                let literal = literal.unwrap_or_else(|| panic!("{}: {constant}", path.display()));
                let statement = literal.split('"').next().unwrap();
                assert!(!statement.contains('\\'), "{statement}");
                if statement.contains("account_id") {
                    statements.insert(statement.to_owned());
                }
            }
            assert!(
                !code.contains("format!("),
                "{}: made up as it runs",
                path.display()
            );
        }
    }
    statements
}

/// 40,000 people, as an import leaves them.
const FILL: [&str; 7] = [
    "INSERT INTO contacts SELECT $1, md5('c' || n)::uuid, true, '{\"str::first\":\"Lana\"}',
         '[[1,\"m\"]]', NULL, 1, now(), now() FROM generate_series(1, 40000) AS n",
    "INSERT INTO contact_texts SELECT $1, md5('c' || n)::uuid, 'lana ' || n, n || ' lana', 'lana',
         'v' || n, '+61' || n, 'e' || n FROM generate_series(1, 40000) AS n",
    "INSERT INTO identifiers (account_id, kind, value, contact_id, version, link_time, event_time,
                              message_id)
     SELECT $1, kind, 'v' || n, md5('c' || n)::uuid, 1, now(), now(), 'm'
     FROM generate_series(1, 40000) AS n, unnest(ARRAY['u', 'a', 'str::email']) AS kind",
    "INSERT INTO receipts SELECT (jsonb_populate_record(r, jsonb_build_object(
         'account_id', $1::uuid, 'event_key', gen_random_uuid()))).*
     FROM generate_series(1, 40000) AS n, (SELECT receipts AS r FROM receipts LIMIT 1) AS one",
    "INSERT INTO usage SELECT $1, CURRENT_DATE, gen_random_uuid(), 1
     FROM generate_series(1, 40000) AS n",
    "INSERT INTO kept_removes SELECT $1, 'u', 'k' || n, gen_random_uuid(), now(), 'm', now()
     FROM generate_series(1, 40000) AS n",
    "INSERT INTO outbox SELECT $1, gen_random_uuid(), '{}' FROM generate_series(1, 40000) AS n",
];

/// A literal of a parameter's type, as a full batch has it.
fn literal(parameter: &str, account: Uuid) -> String {
    let list = |of: &dyn Fn(usize) -> String| {
        let items: Vec<String> = (0..KEYS).map(of).collect();
        format!("'{{{}}}'", items.join(","))
    };
    match parameter {
        "uuid" => format!("'{account}'"),
        "uuid[]" => list(&|n| Uuid::from_u128(n as u128).to_string()),
        "text" => "'1'".to_owned(),
        "text[]" => list(&|n| format!("v{n}")),
        "boolean" => "true".to_owned(),
        "json" => "'[]'".to_owned(),
        "json[]" => list(&|_| "[]".to_owned()),
        "boolean[]" => list(&|_| "true".to_owned()),
        "bigint" | "integer" => "100".to_owned(),
        "bigint[]" | "integer[]" => list(&|n| n.to_string()),
        "date" => "CURRENT_DATE".to_owned(),
        "date[]" => list(&|_| "2025-07-10".to_owned()),
        "timestamp with time zone" => "now()".to_owned(),
        "timestamp with time zone[]" => list(&|_| "2025-07-10T00:00:00Z".to_owned()),
        other => panic!("a parameter of the type {other}"),
    }
}

/// A session that has prepared all statements.
struct Planner {
    client: Client,
    statements: Vec<(String, String)>,
}

impl Planner {
    async fn of(service: &Service, texts: &BTreeSet<String>) -> Self {
        let client = service.sql().await;
        // As the service asks: with the policies in the plans.
        let role = format!(
            "SET ROLE weir_contact; SET app.account = '{}'",
            service.account
        );
        client.batch_execute(&role).await.unwrap();
        let mut statements = Vec::new();
        for (n, text) in texts.iter().enumerate() {
            let prepare = format!("PREPARE s{n} AS {text}");
            client.batch_execute(&prepare).await.unwrap();
            let types = "SELECT array_to_string(parameter_types::regtype[]::text[], ';')
                         FROM pg_prepared_statements WHERE name = $1";
            let types = client.query_one(types, &[&format!("s{n}")]).await.unwrap();
            let types: String = types.get(0);
            let values = types.split(';').filter(|name| !name.is_empty());
            let values: Vec<String> = values.map(|name| literal(name, service.account)).collect();
            let call = match values.as_slice() {
                [] => format!("EXECUTE s{n}"),
                values => format!("EXECUTE s{n} ({})", values.join(",")),
            };
            statements.push((text.clone(), call));
        }
        Self { client, statements }
    }

    /// What is wrong with the plans, in words.
    async fn faults(&self, settings: &str) -> Vec<String> {
        self.client.batch_execute(settings).await.unwrap();
        let mut faults = Vec::new();
        for (text, call) in &self.statements {
            let explain = format!("EXPLAIN (FORMAT JSON) {call}");
            let rows = self.client.query(&explain, &[]).await.unwrap();
            let plan: Value = rows[0].get(0);
            let mut found = Vec::new();
            look_at(&plan[0]["Plan"], &mut found);
            let in_order = IN_ORDER.iter().any(|known| text.contains(known));
            if !found.is_empty() && !in_order {
                faults.push(format!("{settings}: {text}\n{}", found.join("\n")));
            }
        }
        faults
    }
}

async fn fill(client: &Client, account: Uuid) {
    for fill in FILL {
        let filled = client.execute(fill, &[&account]).await.unwrap();
        assert!(filled >= 40_000);
    }
}

fn look_at(plan: &Value, faults: &mut Vec<String>) {
    let text = |name: &str| plan[name].as_str().unwrap_or_default().to_owned();
    let (node, table, condition) = (text("Node Type"), text("Relation Name"), text("Index Cond"));
    let of_bitmap = node == "Bitmap Index Scan";
    if plan.get("Join Filter").is_some() {
        faults.push(format!("{node} with the filter {}", text("Join Filter")));
    }
    if LARGE.contains(&table.as_str()) || of_bitmap {
        if node == "Seq Scan" {
            faults.push(format!("all of {table}"));
        }
        // Every index begins with the account: the condition has to say more.
        let by_index = of_bitmap || node.starts_with("Index");
        if by_index && condition.matches(" AND ").count() == 0 && !condition.contains("ROW(") {
            faults.push(format!("{node} of {table} by {condition}"));
        }
    }
    if condition.contains("(kind = ") && !condition.contains("(value ") {
        faults.push(format!("{node} of all of a kind: {condition}"));
    }
    for below in plan["Plans"].as_array().into_iter().flatten() {
        look_at(below, faults);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_finds_its_rows_by_key_whatever_is_known_of_the_tables() {
    let mut service = Service::start().await;
    service
        .upsert(vec![track(0, ("u1", "a1"), r#"{"str::first":"Lana"}"#)])
        .await;
    let owner = service.sql().await;
    for table in LARGE {
        // Without statistics, as in the first minute.
        let young = format!("ALTER TABLE IF EXISTS {table} SET (autovacuum_enabled = off)");
        owner.batch_execute(&young).await.unwrap();
    }
    let texts = statements();
    assert!(texts.len() > 30, "{}", texts.len());

    // By forms alone, and with what the service sets besides.
    let settings = [
        "SET plan_cache_mode = force_generic_plan",
        "SET plan_cache_mode = force_custom_plan",
        "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
         SET plan_cache_mode = force_generic_plan",
        "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
         SET plan_cache_mode = force_custom_plan",
    ];
    service.account = Uuid::now_v7();
    let young = Planner::of(&service, &texts).await;
    let mut faults = Vec::new();
    for settings in settings {
        faults.extend(young.faults(settings).await);
    }
    fill(&owner, service.account).await;
    for settings in settings {
        let full = Planner::of(&service, &texts).await;
        faults.extend(full.faults(settings).await);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}
