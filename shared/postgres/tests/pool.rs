//! Connections of a pool, on a real server.

#![allow(clippy::unwrap_used)]

use weir_servers::TestServers;

#[tokio::test]
async fn every_connection_has_the_settings_whoever_used_it_first() {
    let database = TestServers::shared().await.fresh_database().await;
    let url = database.url_for("audience");
    let pool = weir_postgres::connect(&url, 2, weir_postgres::PLAN_BY_KEY).unwrap();
    let shown = async |name: &str| {
        let client = pool.get().await.unwrap();
        let row = client
            .unscoped()
            .query_one(&format!("SHOW {name}"), &[])
            .await;
        row.unwrap().get::<_, String>(0)
    };
    // Used for something else first, and given back.
    pool.get()
        .await
        .unwrap()
        .unscoped()
        .simple_query("")
        .await
        .unwrap();
    for _again in 0..2 {
        for name in ["enable_seqscan", "enable_hashjoin", "enable_mergejoin"] {
            assert_eq!(shown(name).await, "off");
        }
    }
    assert_eq!(shown("statement_timeout").await, "7s");
    assert_eq!(shown("enable_indexscan").await, "on");
}
