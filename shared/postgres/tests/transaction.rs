//! Transactions that begin and end along with their statements, on a real server.

#![allow(clippy::unwrap_used)]

use tokio_postgres::error::SqlState;
use weir_ids::AccountId;
use weir_postgres::{Pool, Tx};
use weir_servers::{TestDatabase, TestServers};

async fn pool() -> (Pool, TestDatabase) {
    let database = TestServers::shared().await.fresh_database().await;
    let url = database.url_for("audience");
    // One connection: what a transaction leaves behind is met by the next.
    let pool = weir_postgres::connect(&url, 1, &[]).unwrap();
    let client = pool.get().await.unwrap();
    let table = "SET ROLE weir_audience_owner; CREATE TABLE audience.kept (number int PRIMARY KEY);
        RESET ROLE";
    client.unscoped().batch_execute(table).await.unwrap();
    drop(client);
    (pool, database)
}

async fn kept(pool: &Pool) -> Vec<i32> {
    let client = pool.get().await.unwrap();
    let all = "SELECT number FROM audience.kept ORDER BY number";
    let rows = client.unscoped().query(all, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

const INSERT: &str = "INSERT INTO audience.kept SELECT unnest($1::int[])";

async fn insert(tx: &Tx<'_>, numbers: &[i32]) -> Result<u64, tokio_postgres::Error> {
    let insert = tx.prepare_cached(INSERT).await?;
    tx.execute(&insert, &[&numbers]).await
}

async fn insert_and_commit(tx: Tx<'_>, numbers: &[i32]) -> Result<u64, tokio_postgres::Error> {
    let insert = tx.prepare_cached(INSERT).await?;
    tx.commit_with(&insert, &[&numbers]).await
}

#[tokio::test]
async fn what_is_committed_lasts_and_nothing_else() {
    let (pool, _database) = pool().await;
    let mut client = pool.get().await.unwrap();

    let tx = Tx::begin(&mut client, AccountId::new());
    assert_eq!(insert(&tx, &[1]).await.unwrap(), 1);
    tx.commit().await.unwrap();

    let tx = Tx::begin(&mut client, AccountId::new());
    assert_eq!(insert(&tx, &[2, 3]).await.unwrap(), 2);
    drop(tx);

    let tx = Tx::begin(&mut client, AccountId::new());
    insert(&tx, &[4]).await.unwrap();
    assert_eq!(insert_and_commit(tx, &[5, 6]).await.unwrap(), 2);

    // Nothing was asked of it.
    drop(Tx::begin(&mut client, AccountId::new()));
    Tx::begin(&mut client, AccountId::new())
        .commit()
        .await
        .unwrap();
    drop(client);
    assert_eq!(kept(&pool).await, [1, 4, 5, 6]);
}

#[tokio::test]
async fn a_statement_that_fails_takes_the_others_with_it() {
    let (pool, _database) = pool().await;
    let mut client = pool.get().await.unwrap();
    insert_and_commit(Tx::begin(&mut client, AccountId::new()), &[1])
        .await
        .unwrap();

    let tx = Tx::begin(&mut client, AccountId::new());
    insert(&tx, &[2]).await.unwrap();
    let error = insert_and_commit(tx, &[1]).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::UNIQUE_VIOLATION));

    let tx = Tx::begin(&mut client, AccountId::new());
    insert(&tx, &[3]).await.unwrap();
    insert(&tx, &[1]).await.unwrap_err();
    drop(tx);

    // What can't be sent at all must not be left out of what is committed.
    let tx = Tx::begin(&mut client, AccountId::new());
    insert(&tx, &[4]).await.unwrap();
    let statement = tx.prepare_cached(INSERT).await.unwrap();
    let error = tx.commit_with(&statement, &[&"no list"]).await;
    assert!(error.unwrap_err().code().is_none());
    drop(client);
    assert_eq!(kept(&pool).await, [1]);
}

#[tokio::test]
async fn statements_that_are_sent_at_once_are_in_the_transaction() {
    let (pool, _database) = pool().await;
    let mut client = pool.get().await.unwrap();
    let tx = Tx::begin(&mut client, AccountId::new());
    let (one, two) = tokio::join!(insert(&tx, &[1]), insert(&tx, &[2]));
    assert_eq!((one.unwrap(), two.unwrap()), (1, 1));
    drop(tx);
    drop(client);
    assert!(kept(&pool).await.is_empty());
}

#[tokio::test]
async fn without_a_connection_nothing_is_said_to_be_done() {
    let (_, database) = pool().await;
    let url = database.session_url_for("audience");
    let pool = weir_postgres::connect(&url, 1, &[]).unwrap();
    let mut client = pool.get().await.unwrap();
    let backend: i32 = client
        .unscoped()
        .query_one("SELECT pg_backend_pid()", &[])
        .await
        .unwrap()
        .get(0);
    let other = weir_postgres::connect(&url, 1, &[]).unwrap();
    let other = other.get().await.unwrap();
    other
        .unscoped()
        .execute("SELECT pg_terminate_backend($1)", &[&backend])
        .await
        .unwrap();
    let tx = Tx::begin(&mut client, AccountId::new());
    insert(&tx, &[1]).await.unwrap_err();
    drop(tx);
    Tx::begin(&mut client, AccountId::new())
        .commit()
        .await
        .unwrap_err();
    drop(client);
    assert!(kept(&pool).await.is_empty());
}
