//! What a PostgreSQL must be like for the service to begin in it.

use clap::Parser;
use weir_contact_upsert::Config;
use weir_servers::{TestDatabase, TestServers};
use weir_service::Clock;
use weir_testkit::TOKENS;

use crate::harness::NOBODY;

/// Why it does not begin, as a role of this schema.
async fn refused(database: &TestDatabase, schema: &str) -> String {
    let url = database.url_for(schema);
    let mut arguments = vec!["weir-contact-upsert", "--database-url", &url];
    for other in [
        "--activity-url",
        "--mapping-url",
        "--audience-url",
        "--quota-url",
    ] {
        arguments.extend([other, NOBODY]);
    }
    let config = Config::try_parse_from(arguments.into_iter().chain(TOKENS)).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let shutdown = Box::pin(std::future::pending());
    let served = weir_contact_upsert::serve(config, Clock::system(), listener, shutdown).await;
    format!("{:#}", served.unwrap_err())
}

async fn tables(database: &TestDatabase) -> i64 {
    let admin = weir_servers::postgres::connect(&database.superuser_url);
    let count = "SELECT count(*) FROM pg_tables
        WHERE schemaname IN ('mapping', 'contact', 'activity', 'audience')";
    admin
        .await
        .unwrap()
        .query_one(count, &[])
        .await
        .unwrap()
        .get(0)
}

#[tokio::test]
async fn a_role_of_another_service_is_refused_before_anything_is_made() {
    let database = TestServers::shared().await.fresh_database().await;
    for schema in ["mapping", "activity", "audience"] {
        let refused = refused(&database, schema).await;
        assert!(
            refused.contains("weir_contact, in WEIR_DATABASE_URL"),
            "{refused}"
        );
    }
    assert_eq!(tables(&database).await, 0);
}

#[tokio::test]
async fn a_limit_that_not_all_its_pools_fit_in_is_refused() {
    let database = TestServers::shared().await.fresh_database().await;
    let admin = weir_servers::postgres::connect(&database.superuser_url);
    // One less than for calls, for what is beside them, for exports, and the one of jobs.
    let limit = format!("ALTER DATABASE {} CONNECTION LIMIT 8", database.name);
    admin.await.unwrap().batch_execute(&limit).await.unwrap();
    let refused = refused(&database, "contact").await;
    assert!(refused.contains("it takes 8 connections"), "{refused}");
    assert!(refused.contains("and 9 are needed"), "{refused}");
    assert_eq!(tables(&database).await, 0);
}
