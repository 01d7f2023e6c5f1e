//! PostgreSQL away.

use std::time::Duration;

use tonic::Code;
use weir_servers::TestServers;

use crate::harness::*;

#[tokio::test(flavor = "multi_thread")]
async fn without_postgresql_batches_are_refused_and_taken_once_it_is_back() {
    let mut own = TestServers::start().await.unwrap();
    let database = own.fresh_database().await;
    let service = Service::start_in(database, "http://127.0.0.1:1", "http://127.0.0.1:1").await;
    let event = |n: i64| identify(n, (&format!("u{n}"), "-"), r#"{"str::first":"Lana"}"#);
    service.upsert(vec![event(0)]).await;

    own.postgres.kill9().await;
    // A session may outlive the server by a moment, and take another batch.
    let error = loop {
        if let Err(error) = service.send(service.batch(vec![event(1)])).await {
            break error;
        }
    };
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(!error.message().contains("postgres"), "{error}");

    own.postgres.start_again().await.unwrap();
    let answer = service.upsert(vec![event(0), event(2)]).await;
    assert_eq!(statuses(&answer)[1], Stored);
    let again = service.upsert(vec![event(1), event(2)]).await;
    assert_eq!(statuses(&again)[1], Repeated);
    assert_eq!(service.units().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_is_away_at_the_start_is_waited_for() {
    let mut own = TestServers::start().await.unwrap();
    let database = own.fresh_database().await;
    own.postgres.stop().await;
    let mut service = Service::start_in(database.clone(), NOBODY, NOBODY).await;
    let event = identify(0, ("u0", "-"), r#"{"str::first":"Lana"}"#);
    let batch = service.batch(vec![event]);
    let error = service.send(batch.clone()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(error.message().contains("starting"), "{error}");

    // One that is told to end while it waits does.
    let mut other = Service::start_in(database, NOBODY, NOBODY).await;
    other.begin_stop();
    while tokio::net::TcpStream::connect(other.address())
        .await
        .is_ok()
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    own.postgres.start_again().await.unwrap();
    let answer = loop {
        match service.send(batch.clone()).await {
            Ok(answer) => break answer,
            Err(error) => assert_eq!(error.code(), Code::Unavailable, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(statuses(&answer), [Stored]);
    service.begin_stop();
}
