//! What errors of a real server mean.

#![allow(clippy::unwrap_used)]

use weir_postgres::{Failure, JsonText, failure_of};
use weir_servers::TestServers;

#[tokio::test]
async fn a_value_that_is_not_taken_is_told_from_a_fault_of_ours() {
    let database = TestServers::shared().await.fresh_database().await;
    let pool = weir_postgres::connect(&database.url_for("audience"), 1, &[]).unwrap();
    let client = pool.get().await.unwrap();
    let table = "SET ROLE weir_audience_owner;
        CREATE TABLE kept (text text PRIMARY KEY, number numeric(5, 2), json jsonb); RESET ROLE";
    client.unscoped().batch_execute(table).await.unwrap();

    // So long that no index takes it, and so mixed that it can't be compressed.
    let mut state = 1_u64;
    let long: String = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'a' + u8::try_from(state >> 59).unwrap() % 26)
    })
    .take(100_000)
    .collect();
    let deep = "[".repeat(100_000);
    let insert = "INSERT INTO kept (text, json) VALUES ($1, $2)";
    for (text, json) in [
        ("nul\0", "{}"),
        (&long[..], "{}"),
        ("number", "1e-16384"),
        ("half", r#""\ud83d""#),
        ("deep", &deep[..]),
    ] {
        let refused = client
            .unscoped()
            .execute(insert, &[&text, &JsonText(json)])
            .await;
        let error = refused.unwrap_err();
        let failure = failure_of(&error);
        assert!(matches!(failure, Failure::Refused), "{:?}", error.code());
    }
    let large = client
        .unscoped()
        .execute("INSERT INTO kept VALUES ('large', 1e9)", &[]);
    assert!(matches!(
        failure_of(&large.await.unwrap_err()),
        Failure::Refused
    ));

    for ours in [
        "SELECT FROM nowhere",
        "SELEC",
        "INSERT INTO kept (text) VALUES (NULL)",
    ] {
        let error = client.unscoped().execute(ours, &[]).await.unwrap_err();
        assert!(matches!(failure_of(&error), Failure::Internal), "{ours}");
    }
}
