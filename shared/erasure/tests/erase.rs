//! Everything of an account goes, of whatever table has it, on a real server.

#![allow(clippy::unwrap_used)]

use tonic::{Code, Request};
use weir_accounts::Accounts;
use weir_erasure::{ALL, Erased, Erasure, erase};
use weir_ids::AccountId;
use weir_postgres::Pool;
use weir_proto::erasure::v1::EraseAccountRequest;
use weir_proto::erasure::v1::erasure_service_server::ErasureService;
use weir_reasons::Reason;
use weir_servers::{TestDatabase, TestServers};
use weir_testkit::Others;

const TABLES: &str = r#"
    CREATE TABLE audience.accounts (account_id uuid PRIMARY KEY);
    CREATE TABLE audience."Odd table" (account_id uuid, n int, PRIMARY KEY (account_id, n));
    CREATE TABLE audience.parts (account_id uuid, day int, n int, PRIMARY KEY (account_id, day, n))
        PARTITION BY RANGE (day);
    CREATE TABLE audience.parts_1 PARTITION OF audience.parts FOR VALUES FROM (0) TO (10);
    CREATE TABLE audience.parts_2 PARTITION OF audience.parts FOR VALUES FROM (10) TO (20);
    CREATE TABLE audience.nobodys (n int PRIMARY KEY);
    INSERT INTO audience.nobodys VALUES (1);
"#;

async fn pool() -> (Pool, TestDatabase) {
    let database = TestServers::shared().await.fresh_database().await;
    let pool = weir_postgres::connect(&database.url_for("audience"), 2, &[]).unwrap();
    let behind = behind(&database).await;
    behind
        .batch_execute("SET ROLE weir_audience_owner")
        .await
        .unwrap();
    behind.batch_execute(TABLES).await.unwrap();
    // As a migration would.
    for table in ["accounts", "\"Odd table\"", "parts", "parts_1", "parts_2"] {
        for statement in weir_postgres::lock(&format!("audience.{table}")) {
            behind.batch_execute(&statement).await.unwrap();
        }
    }
    (pool, database)
}

async fn behind(database: &TestDatabase) -> tokio_postgres::Client {
    weir_servers::postgres::connect(&database.superuser_url)
        .await
        .unwrap()
}

async fn fill(database: &TestDatabase, account: AccountId, rows: usize) {
    let client = behind(database).await;
    let fill = format!(
        "INSERT INTO audience.accounts VALUES ('{0}');
         INSERT INTO audience.\"Odd table\" SELECT '{0}', n FROM generate_series(1, {rows}) n;
         INSERT INTO audience.parts
            SELECT '{0}', n % 20, n FROM generate_series(1, {rows}) n",
        account.0
    );
    client.batch_execute(&fill).await.unwrap();
}

async fn count(database: &TestDatabase, account: AccountId) -> i64 {
    let client = behind(database).await;
    let sql = "SELECT (SELECT count(*) FROM audience.accounts WHERE account_id = $1)
        + (SELECT count(*) FROM audience.\"Odd table\" WHERE account_id = $1)
        + (SELECT count(*) FROM audience.parts WHERE account_id = $1)";
    client.query_one(sql, &[&account.0]).await.unwrap().get(0)
}

#[tokio::test]
async fn all_rows_of_the_account_go_and_no_other_ones() {
    let (pool, database) = pool().await;
    let (gone, stays) = (AccountId::new(), AccountId::new());
    fill(&database, gone, 6_000).await;
    fill(&database, stays, 500).await;
    let erased = erase(&pool, gone, ALL).await.unwrap();
    let expected = Erased {
        rows: 12_001,
        more: false,
    };
    assert_eq!(erased, expected);
    assert_eq!(
        (count(&database, gone).await, count(&database, stays).await),
        (0, 1_001)
    );
    let again = erase(&pool, gone, ALL).await.unwrap();
    assert_eq!((again.rows, again.more), (0, false));
}

#[tokio::test]
async fn a_call_erases_only_so_much() {
    let (pool, database) = pool().await;
    let account = AccountId::new();
    let client = behind(&database).await;
    let many =
        "INSERT INTO audience.\"Odd table\" SELECT $1, n FROM generate_series($2, $2 + 9999) n";
    for first in (0..110_000).step_by(10_000) {
        client.execute(many, &[&account.0, &first]).await.unwrap();
    }
    drop(client);
    let mut calls = 0;
    let mut rows = 0;
    loop {
        let erased = erase(&pool, account, ALL).await.unwrap();
        assert!(erased.rows <= 100_000, "{erased:?}");
        (calls, rows) = (calls + 1, rows + erased.rows);
        if !erased.more {
            break;
        }
    }
    assert_eq!((calls, rows), (2, 110_000));
}

#[tokio::test]
async fn an_account_that_mapping_knows_is_not_erased() {
    let (pool, database) = pool().await;
    let others = Others::start().await;
    let account = AccountId::new();
    fill(&database, account, 10).await;
    let erasure = |url: &str| {
        let accounts = Accounts::connect(url).unwrap();
        Erasure::new(pool.clone(), accounts, ALL)
    };
    let request = || {
        Request::new(EraseAccountRequest {
            account_id: account.to_string(),
        })
    };
    let error = erasure(&others.url)
        .erase_account(request())
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert_eq!(weir_rpc::reason_of(&error), Some(Reason::AccountLives));
    others.set_away(true);
    let error = erasure(&others.url)
        .erase_account(request())
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(count(&database, account).await, 21);
    others.set_away(false);
    others.set_account(account.0, false);
    let answer = erasure(&others.url).erase_account(request()).await.unwrap();
    assert_eq!(answer.into_inner().erased, 21);
}
