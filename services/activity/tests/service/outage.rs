//! PostgreSQL goes away and comes back.

use uuid::Uuid;
use weir_servers::TestServers;

use crate::harness::*;

#[tokio::test]
async fn what_was_answered_survives_a_crash_of_the_database() {
    let mut servers = TestServers::start().await.expect("PostgreSQL is installed");
    let weir = instance(servers.fresh_database().await, Uuid::now_v7()).await;
    let lana = Uuid::now_v7();
    weir.link(vec![user_link("lana", lana, 1)]).await;
    assert_eq!(weir.record(vec![of_user("lana", "m1")]).await, [Stored]);

    servers.postgres.kill9().await;
    let error = weir
        .send(weir.request(vec![of_user("lana", "m2")]))
        .await
        .unwrap_err();
    assert_eq!(error.code(), tonic::Code::Unavailable);
    assert_eq!(error.message(), "the database is away");

    servers.postgres.start_again().await.unwrap();
    let events = vec![of_user("lana", "m1"), of_user("lana", "m2")];
    // Connections of before may fail once more each; then there are new ones.
    let mut answer = weir.send(weir.request(events.clone())).await;
    for _ in 0..4 {
        if answer.is_ok() {
            break;
        }
        answer = weir.send(weir.request(events.clone())).await;
    }
    assert_eq!(answer.unwrap().0, [Repeated, Stored]);
    assert_eq!(weir.usage().await, 2);
}
