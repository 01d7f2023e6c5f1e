//! Jobs that one replica does at a time.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use weir_postgres::{Jobs, Pool, Sole, connect};
use weir_servers::{TestDatabase, TestServers};
use weir_testkit::{Proxy, eventually};

/// One look of another, and some.
const SOON: Duration = Duration::from_secs(4);

async fn database() -> TestDatabase {
    TestServers::shared().await.fresh_database().await
}

fn pool(url: &str) -> Pool {
    connect(url, 1, &[]).unwrap()
}

/// Asks until the job is this one's; answers how long that took.
async fn taken_by(sole: &mut Sole) -> Duration {
    let began = Instant::now();
    eventually("the job is taken", async || sole.is_mine().await).await;
    began.elapsed()
}

#[tokio::test]
async fn a_job_is_one_replicas_until_that_is_gone_and_then_the_others() {
    let database = database().await;
    let pool = pool(&database.url_for("contact"));
    let (mut first, mut second) = (
        Jobs::new(&pool).sole("purge"),
        Jobs::new(&pool).sole("purge"),
    );
    assert!(first.is_mine().await);
    assert!(!second.is_mine().await);
    // Other jobs, and those of other services, are others'.
    assert!(Jobs::new(&pool).sole("relay").is_mine().await);
    let activity = connect(&database.url_for("activity"), 1, &[]).unwrap();
    assert!(Jobs::new(&activity).sole("purge").is_mine().await);

    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        assert!(first.is_mine().await);
        assert!(!second.is_mine().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(first);
    let took = taken_by(&mut second).await;
    assert!(took < SOON, "{took:?}");
}

#[tokio::test]
async fn a_replica_that_gives_a_job_up_rests_while_another_takes_it() {
    let database = database().await;
    let pool = pool(&database.url_for("contact"));
    let (mut first, mut second) = (
        Jobs::new(&pool).sole("purge"),
        Jobs::new(&pool).sole("purge"),
    );
    assert!(first.is_mine().await);
    assert!(!second.is_mine().await);
    first.give_up(Duration::from_secs(60)).await;
    let took = taken_by(&mut second).await;
    assert!(took < SOON, "{took:?}");
    assert!(!first.is_mine().await);
}

#[tokio::test]
async fn jobs_of_a_replica_share_a_connection_and_one_is_given_up_without_the_others() {
    let database = database().await;
    let pool = pool(&database.session_url_for("contact"));
    let (ours, theirs) = (Jobs::new(&pool), Jobs::new(&pool));
    let mut ours = ["purge", "outbox", "reindex"].map(|job| ours.sole(job));
    for job in &mut ours {
        assert!(job.is_mine().await);
    }
    let held = "SELECT count(DISTINCT l.pid) FROM pg_locks l
        JOIN pg_database d ON d.oid = l.database
        WHERE l.locktype = 'advisory' AND d.datname = current_database()";
    let client = pool.get().await.unwrap();
    let row = client.unscoped().query_one(held, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 1);

    ours[1].give_up(Duration::from_secs(60)).await;
    let mut taken = theirs.sole("outbox");
    assert!(taken.is_mine().await);
    assert!(!theirs.sole("purge").is_mine().await);
    assert!(ours[0].is_mine().await && ours[2].is_mine().await && !ours[1].is_mine().await);
}

#[tokio::test]
async fn a_replica_whose_connection_ends_or_falls_silent_lets_the_job_go() {
    let database = database().await;
    let proxy = Proxy::to(&database.url_for("contact")).await;
    let pools = [pool(&proxy.url), pool(&database.url_for("contact"))];
    let [mut first, mut second] = pools.map(|pool| Jobs::new(&pool).sole("purge"));
    assert!(first.is_mine().await);
    assert!(!second.is_mine().await);
    proxy.cut();
    let took = taken_by(&mut second).await;
    assert!(took < SOON, "{took:?}");
    eventually("the first one knows", async || !first.is_mine().await).await;

    drop(second);
    taken_by(&mut first).await;
    proxy.silence();
    let began = Instant::now();
    eventually("the first one knows", async || !first.is_mine().await).await;
    let took = began.elapsed();
    // A look, and the time that an answer may take.
    assert!(took < Duration::from_secs(7), "{took:?}");
}

/// As one that refuses to look for a lock, or has never heard of any.
#[tokio::test]
async fn where_an_engine_has_no_such_locks_everybody_does_the_job() {
    let database = database().await;
    let sql = pool(&database.superuser_url);
    let client = sql.get().await.unwrap();
    let lacks = "CREATE SCHEMA engine;
        CREATE FUNCTION engine.pg_try_advisory_lock(bigint) RETURNS boolean LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = '0A000'; END $$;
        GRANT USAGE ON SCHEMA engine TO PUBLIC";
    client.unscoped().batch_execute(lacks).await.unwrap();
    let url = database.session_url_for("contact");
    let mark = if url.contains('?') { '&' } else { '?' };
    let path = "options=-csearch_path%3Dcontact,engine,pg_catalog";
    let pool = pool(&format!("{url}{mark}{path}"));
    for mut replica in [
        Jobs::new(&pool).sole("purge"),
        Jobs::new(&pool).sole("purge"),
    ] {
        assert!(replica.is_mine().await);
        assert!(replica.is_mine().await);
    }
}
