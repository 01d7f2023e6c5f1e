//! One call per hop and batch, and statements that know their account.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use weir_tests::events::{identify, track, with};
use weir_tests::{Account, Plan, Weir, eventually, journey_alone};

/// What a batch may cost at most in statements of all services together: fences, look-ups,
/// writes, usage, the outbox and its relay, and what this test itself asks meanwhile. One
/// call per event would be 500 and more.
const STATEMENTS_A_BATCH: i64 = 150;
/// Commands that Redis runs for a batch, those inside of scripts and health probes included.
const COMMANDS_A_BATCH: i64 = 250;
/// gRPC calls that a batch causes: one a hop, the settlement, the relay, and what this test
/// itself asks until all is settled.
const CALLS_A_BATCH: i64 = 60;

#[test]
fn a_batch_of_500_costs_no_more_calls_than_one_of_5() {
    journey_alone(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        warm_up(&account).await;
        for kind in ["identify", "track", "track with traits"] {
            for size in [5, 500] {
                let before = (weir.statements().await, weir.redis_commands().await);
                let calls_before = weir.grpc_calls().await;
                let batch = batch(kind, size);
                let answer = match kind {
                    "identify" => account.identify(&batch).await,
                    _ => account.track(&batch).await,
                };
                assert_eq!(answer.statuses(), vec![200; size]);
                account.usage().await;
                eventually("the outbox is empty", async || {
                    (weir.outbox_rows().await == 0).then_some(())
                })
                .await;
                let statements = weir.statements().await - before.0;
                let commands = weir.redis_commands().await - before.1;
                let calls = weir.grpc_calls().await - calls_before;
                // Two at the least: mapping and a store were called.
                assert!(
                    (2..=CALLS_A_BATCH).contains(&calls),
                    "{kind} × {size}: {calls} gRPC calls"
                );
                assert!(
                    statements <= STATEMENTS_A_BATCH && commands <= COMMANDS_A_BATCH,
                    "{kind} × {size}: {statements} statements, {commands} commands"
                );
            }
        }
    });
}

fn batch(kind: &str, size: usize) -> Vec<Value> {
    let name = |n: usize| format!("{kind}-{size}-{n}");
    (0..size)
        .map(|n| match kind {
            "identify" => identify(&name(n), json!({"firstName": "N"})),
            "track" => track(&name(n)),
            _ => with(track(&name(n)), json!({"traits": {"firstName": "N"}})),
        })
        .collect()
}

async fn warm_up(account: &Account) {
    account
        .identify(&[identify("warm", json!({"firstName": "W"}))])
        .await;
    account.track(&[track("warm")]).await;
}

/// What the suite's busiest paths ran, as PostgreSQL saw it: every statement on a table of
/// tenants names `account_id`.
#[test]
fn every_statement_on_a_tenants_table_names_the_account() {
    journey_alone(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        warm_up(&account).await;
        for kind in ["identify", "track", "track with traits"] {
            let batch = batch(kind, 20);
            account.identify(&batch).await;
            account.track(&batch).await;
            account.track(&batch).await;
        }
        let contact = account.contact("warm").await.unwrap();
        account.activities(&contact.contact_id, 10).await;
        account.contacts().await;
        account.log().await;
        account.summaries().await;
        account.usage().await;
        audience_round_trip(weir, &account).await;

        let tables = weir.tenant_tables().await;
        assert!(tables.len() > 15, "{tables:?}");
        let statements = weir.statement_texts().await;
        let mut touched: BTreeMap<&str, usize> = BTreeMap::new();
        for statement in &statements {
            if exempt(statement) {
                continue;
            }
            for table in &tables {
                if mentions(statement, table) {
                    *touched.entry(table).or_default() += 1;
                    assert!(
                        statement.contains("account_id"),
                        "touches {table} without account_id: {statement}"
                    );
                }
            }
        }
        assert!(touched.len() > 10, "the check saw too little: {touched:?}");
    });
}

async fn audience_round_trip(weir: &'static Weir, account: &Account) {
    let body = json!({"name": "A"}).to_string();
    let made = account.post("/v1/audiences/create", body).await;
    let entry = json!([{"user_id": "warm", "audience": {"mode": "add", "id": made.json["id"]}}]);
    weir.send(
        "PUT",
        "/v1/audiences/members",
        Some(&account.key),
        entry.to_string().into(),
    )
    .await;
    account.members(made.json["id"].as_str().unwrap()).await;
}

/// Definitions of tables, and what says of itself that it looks for accounts with work.
fn exempt(statement: &str) -> bool {
    let upper = statement.trim_start().to_uppercase();
    statement.contains("every account")
        || ["CREATE", "ALTER", "DROP", "GRANT", "COMMENT", "COPY"]
            .iter()
            .any(|verb| upper.starts_with(verb))
}

/// Whether `table` stands in the statement as a word behind FROM, JOIN, INTO or UPDATE.
fn mentions(statement: &str, table: &str) -> bool {
    let words: Vec<String> = statement
        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
        .map(|word| word.rsplit('.').next().unwrap_or_default().to_lowercase())
        .filter(|word| !word.is_empty())
        .collect();
    words.windows(2).any(|pair| {
        ["from", "join", "into", "update"].contains(&pair[0].as_str()) && pair[1] == table
    })
}
