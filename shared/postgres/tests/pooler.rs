//! Behind PgBouncer, where it is installed.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use weir_ids::AccountId;
use weir_postgres::{
    Jobs, MigrateError, Migration, PLAN_BY_KEY, Pool, Tx, Unfit, connect, migrate,
};
use weir_servers::{PgBouncer, Pooling, TestDatabase, TestServers};
use weir_testkit::eventually;

const FIRST: Migration = Migration {
    number: 1,
    oldest: 1,
    name: "first",
    sql: "CREATE TABLE things (account_id uuid NOT NULL, number int NOT NULL,
              PRIMARY KEY (account_id, number));
          CREATE TABLE others (number int PRIMARY KEY);",
};

struct Behind {
    _servers: TestServers,
    bouncer: PgBouncer,
    database: TestDatabase,
}

impl Behind {
    async fn start(pooling: Pooling) -> Option<Self> {
        let servers = TestServers::start().await.unwrap();
        let bouncer = PgBouncer::start(&servers, pooling).await.unwrap()?;
        let database = servers.fresh_database().await;
        Some(Self {
            _servers: servers,
            bouncer,
            database,
        })
    }

    fn pool(&self) -> Pool {
        let url = self.bouncer.way(&self.database.url_for("audience"));
        connect(&url, 4, PLAN_BY_KEY).unwrap()
    }
}

async fn refused(pooling: Pooling) -> Option<MigrateError> {
    let behind = Behind::start(pooling).await?;
    let refused = migrate(&behind.pool(), &[FIRST], &[]).await.unwrap_err();
    let superuser = weir_servers::postgres::connect(&behind.database.superuser_url).await;
    let made = "SELECT count(*) FROM pg_tables WHERE schemaname = 'audience'";
    let row = superuser.unwrap().query_one(made, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);
    Some(refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_of_transactions_that_keeps_no_statements_is_named() {
    let Some(error) = refused(Pooling::TransactionsAlone).await else {
        return;
    };
    assert!(
        matches!(error, MigrateError::Unfit(Unfit::Statements)),
        "{error:?}"
    );
    assert!(error.to_string().contains("PgBouncer 1.21"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_takes_no_settings_is_named() {
    let Some(error) = refused(Pooling::Strict).await else {
        return;
    };
    assert!(
        matches!(error, MigrateError::Unfit(Unfit::Options)),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("ignore_startup_parameters"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_goes_on_where_sessions_are_pooled() {
    all_goes_on(Pooling::Sessions).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_goes_on_where_transactions_are_pooled() {
    all_goes_on(Pooling::Transactions).await;
}

async fn all_goes_on(pooling: Pooling) {
    let Some(behind) = Behind::start(pooling).await else {
        return;
    };
    let pools = [behind.pool(), behind.pool(), behind.pool()];
    let [one, two, three] = &pools;
    let migrated = tokio::join!(
        migrate(one, &[FIRST], &[]),
        migrate(two, &[FIRST], &[]),
        migrate(three, &[FIRST], &[])
    );
    migrated.0.and(migrated.1).and(migrated.2).unwrap();
    owner_is_nobodys(one).await;
    rows_are_their_accounts(&pools).await;
    a_job_is_one_replicas(&pools).await;
}

/// A role that a migration took must not stay with a connection that others are given.
async fn owner_is_nobodys(pool: &Pool) {
    let mut held = Vec::new();
    for _ in 0..4 {
        let client = pool.get().await.unwrap();
        let begun = client.unscoped().batch_execute("BEGIN").await;
        begun.unwrap();
        held.push(client);
    }
    for client in &held {
        let sql = "SELECT current_user::text, current_setting('statement_timeout'),
                       current_setting('enable_seqscan')";
        let row = client.unscoped().query_one(sql, &[]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), "weir_audience");
        assert_eq!((row.get(1), row.get(2)), ("7s", "off"));
        client.unscoped().batch_execute("ROLLBACK").await.unwrap();
    }
}

/// However transactions of several accounts take turns on the connections.
async fn rows_are_their_accounts(pools: &[Pool; 3]) {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..24_u128 {
        let pool = pools[usize::try_from(number).unwrap() % pools.len()].clone();
        tasks.spawn(async move {
            let account = AccountId(uuid::Uuid::from_u128(number));
            for round in 0..20 {
                let mut client = pool.get().await.unwrap();
                let tx = Tx::begin(&mut client, account);
                let insert = "INSERT INTO things (account_id, number) VALUES ($1, $2)";
                let insert = tx.prepare_cached(insert).await.unwrap();
                tx.execute(&insert, &[&account.0, &round]).await.unwrap();
                let seen = tx.prepare_cached("SELECT count(*) FROM things").await;
                let seen = tx.query_one(&seen.unwrap(), &[]).await.unwrap();
                assert_eq!(seen.get::<_, i64>(0), i64::from(round) + 1);
                tx.commit().await.unwrap();
                // Nobody's transaction sees nothing.
                let all = "SELECT count(*) FROM things";
                let all = client.unscoped().query_one(all, &[]).await.unwrap();
                assert_eq!(all.get::<_, i64>(0), 0);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

/// Also when the one that does it is gone, and the pooler and its connections are not.
async fn a_job_is_one_replicas(pools: &[Pool; 3]) {
    let mut first = Jobs::new(&pools[0]).sole("purge");
    let mut second = Jobs::new(&pools[1]).sole("purge");
    assert!(first.is_mine().await);
    for _ in 0..3 {
        assert!(first.is_mine().await);
        assert!(!second.is_mine().await);
        tokio::time::sleep(Duration::from_millis(1_000)).await;
    }
    drop(first);
    eventually("the job is taken", async || second.is_mine().await).await;
    let mut third = Jobs::new(&pools[2]).sole("purge");
    assert!(!third.is_mine().await);
    second.give_up(Duration::from_secs(60)).await;
    eventually("the job is taken", async || third.is_mine().await).await;
}
