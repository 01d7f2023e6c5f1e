//! Connections of a pool, on a real server.

#![allow(clippy::unwrap_used)]

use weir_postgres::Failure;
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

/// A password is changed, and nobody is refused before, meanwhile or after.
#[tokio::test]
async fn while_a_password_changes_either_lets_in() {
    let database = TestServers::shared().await.fresh_database().await;
    let admin = weir_servers::postgres::connect(&database.superuser_url);
    let admin = admin.await.unwrap();
    let (_, server) = database.superuser_url.rsplit_once('@').unwrap();
    let role = format!("rotated_{}", std::process::id());
    let create = format!("CREATE ROLE {role} LOGIN PASSWORD 'before'");
    admin.batch_execute(&create).await.unwrap();
    let lets_in = async |passwords: &str| {
        let url = format!(
            "postgres://{role}:{}",
            passwords.replace('@', &format!("@{server}"))
        );
        weir_postgres::connect_once(&url).await.is_ok()
    };
    for password in ["before", "after"] {
        let change = format!("ALTER ROLE {role} PASSWORD '{password}'");
        admin.batch_execute(&change).await.unwrap();
        assert!(lets_in("before@?other_password=after").await, "{password}");
        assert!(lets_in("after@?other_password=before").await, "{password}");
        assert_eq!(lets_in("after@").await, password == "after");
        assert!(!lets_in("wrong@?other_password=wronger").await);
    }
    admin
        .batch_execute(&format!("DROP ROLE {role}"))
        .await
        .unwrap();
}

/// A newer version adds a column while this one runs (decision 25): the transaction that finds out
/// is done again, and it alone.
#[tokio::test]
async fn statements_of_a_schema_of_before_are_prepared_anew() {
    let database = TestServers::shared().await.fresh_database().await;
    let pool = weir_postgres::connect(&database.session_url_for("audience"), 2, &[]).unwrap();
    let both = [pool.get().await.unwrap(), pool.get().await.unwrap()];
    let owner = |statement: &str| format!("SET ROLE weir_audience_owner; {statement}; RESET ROLE");
    let table = owner("CREATE TABLE things (number int); GRANT SELECT ON things TO weir_audience");
    both[0].unscoped().batch_execute(&table).await.unwrap();
    let take = async |client: &weir_postgres::Client| {
        let client = client.unscoped();
        let all = client.prepare_cached("SELECT * FROM things").await?;
        client.query(&all, &[]).await.map_err(Failure::from)
    };
    for client in &both {
        take(client).await.unwrap();
    }
    let column = owner("ALTER TABLE things ADD COLUMN text text");
    both[0].unscoped().batch_execute(&column).await.unwrap();
    let found = take(&both[0]).await;
    assert!(matches!(found, Err(Failure::Conflict)), "{found:?}");
    drop(both);
    let both = [pool.get().await.unwrap(), pool.get().await.unwrap()];
    for client in &both {
        take(client).await.unwrap();
    }
}
