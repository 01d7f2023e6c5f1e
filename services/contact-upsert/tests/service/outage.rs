//! PostgreSQL away.

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
