//! PostgreSQL behind a network that goes silent, and callers that go away.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use weir_ids::AccountId;
use weir_postgres::{Failure, Pool, Tx};
use weir_servers::{TestDatabase, TestServers};
use weir_testkit::Proxy;

/// A database behind a network.
async fn proxied(database: &TestDatabase) -> Proxy {
    Proxy::to(&database.url_for("audience")).await
}

async fn select(pool: &Pool) -> Result<i32, Failure> {
    let client = pool.get().await?;
    Ok(client.unscoped().query_one("SELECT 1", &[]).await?.get(0))
}

/// As a health probe asks.
async fn is_well(pool: &Pool) -> bool {
    let asked = tokio::time::timeout(Duration::from_secs(1), select(pool)).await;
    matches!(asked, Ok(Ok(1)))
}

#[tokio::test]
async fn connections_that_go_silent_are_replaced() {
    let database = TestServers::shared().await.fresh_database().await;
    let proxy = proxied(&database).await;
    let pool = weir_postgres::connect(&proxy.url, 5, &[]).unwrap();
    // Four that are not used, and one in the middle of a call.
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(pool.get().await.unwrap());
    }
    let busy = pool.clone();
    let busy = tokio::spawn(async move {
        let mut client = busy.get().await?;
        let tx = Tx::begin(&mut client, AccountId::new());
        let one = tx.prepare_cached("SELECT 1").await?;
        tx.query(&one, &[]).await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        tx.query(&one, &[]).await?;
        tx.commit().await.map_err(Failure::from)
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(held);
    proxy.silence();

    let began = Instant::now();
    let mut probes = 0;
    while !is_well(&pool).await {
        probes += 1;
        assert!(
            began.elapsed() < Duration::from_secs(7),
            "after {probes} probes"
        );
    }
    // All that are left are well.
    for _ in 0..10 {
        assert_eq!(select(&pool).await.unwrap(), 1);
    }
    // What was under way fails in time, though nobody set it one.
    let failed = tokio::time::timeout(Duration::from_secs(10), busy).await;
    assert!(matches!(
        failed.unwrap().unwrap(),
        Err(Failure::Unavailable)
    ));
    assert!(began.elapsed() > Duration::from_secs(7));
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_no_connection_in_the_middle_of_it() {
    let database = TestServers::shared().await.fresh_database().await;
    let pool = weir_postgres::connect(&database.url_for("audience"), 1, &[]).unwrap();
    let pid = async || {
        let client = pool.get().await.unwrap();
        let row = client
            .unscoped()
            .query_one("SELECT pg_backend_pid()", &[])
            .await;
        row.unwrap().get::<_, i32>(0)
    };
    let first = pid().await;

    // What is undone soon is no reason to close it.
    let mut client = pool.get().await.unwrap();
    let tx = Tx::begin(&mut client, AccountId::new());
    let one = tx.prepare_cached("SELECT 1").await.unwrap();
    tx.query(&one, &[]).await.unwrap();
    drop(tx);
    drop(client);
    assert_eq!(pid().await, first);

    // Given up within a statement.
    let client = pool.get().await.unwrap();
    let slow = client.unscoped().simple_query("SELECT pg_sleep(5)");
    let slow = tokio::time::timeout(Duration::from_millis(100), slow).await;
    assert!(slow.is_err());
    drop(client);
    let began = Instant::now();
    let second = pid().await;
    assert!(began.elapsed() < Duration::from_secs(4));
    assert_ne!(second, first);

    // Left within a transaction that nobody ends.
    let client = pool.get().await.unwrap();
    client.unscoped().batch_execute("BEGIN").await.unwrap();
    drop(client);
    assert_ne!(pid().await, second);
}

#[tokio::test]
async fn a_slow_statement_is_ended_before_its_connection_is_given_up() {
    let database = TestServers::shared().await.fresh_database().await;
    let pool = weir_postgres::connect(&database.url_for("audience"), 1, &[]).unwrap();
    let client = pool.get().await.unwrap();
    let error = client
        .unscoped()
        .simple_query("SELECT pg_sleep(20)")
        .await
        .unwrap_err();
    assert_eq!(
        error.code(),
        Some(&tokio_postgres::error::SqlState::QUERY_CANCELED)
    );
    assert_eq!(
        client
            .unscoped()
            .simple_query("SELECT 1")
            .await
            .unwrap()
            .len(),
        3
    );
}

#[tokio::test]
async fn where_nobody_listens_there_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = listener.local_addr().unwrap();
    let url = format!("postgres://somebody:secret@{silent}/nothing");
    let pool = weir_postgres::connect(&url, 1, &[]).unwrap();
    // It listens, and says nothing.
    let began = Instant::now();
    assert!(matches!(select(&pool).await, Err(Failure::Unavailable)));
    assert!(began.elapsed() < Duration::from_secs(10));
    drop(listener);
    assert!(matches!(select(&pool).await, Err(Failure::Unavailable)));
}

#[tokio::test]
async fn of_several_hosts_the_first_that_lets_us_in_is_taken() {
    let database = TestServers::shared().await.fresh_database().await;
    let url = database.url_for("audience");
    let (front, back) = url.split_once('@').unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let url = |more: &str| format!("{front}@{address},{back}?target_session_attrs={more}");
    let pool = weir_postgres::connect(&url("read-write"), 1, &[]).unwrap();
    assert_eq!(select(&pool).await.unwrap(), 1);
    let pool = weir_postgres::connect(&url("read-only"), 1, &[]).unwrap();
    assert!(matches!(select(&pool).await, Err(Failure::Unavailable)));
}
