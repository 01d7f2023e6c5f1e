//! The servers that tests of services use.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use weir_servers::postgres::{DATABASE, Postgres, PostgresOptions, SCHEMAS, connect, make_roles};
use weir_servers::{Binaries, TemporaryFolder, TestServers, child, free_port};

#[tokio::test]
async fn every_test_has_a_database_of_its_own() {
    let servers = TestServers::shared().await;
    let (one, two) = tokio::join!(servers.fresh_database(), servers.fresh_database());
    assert_ne!(one.name, two.name);
    let contact = connect(&one.url_for("contact")).await.unwrap();
    contact
        .batch_execute(
            "SET ROLE weir_contact_owner; CREATE TABLE things (id int); RESET ROLE;
             INSERT INTO things VALUES (1)",
        )
        .await
        .unwrap();
    let row = contact
        .query_one("SELECT count(*) FROM contact.things", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 1);
    let other = connect(&two.url_for("contact")).await.unwrap();
    assert!(other.query("SELECT * FROM things", &[]).await.is_err());
}

#[tokio::test]
async fn a_service_can_not_read_the_tables_of_another() {
    let database = TestServers::shared().await.fresh_database().await;
    let contact = connect(&database.url_for("contact")).await.unwrap();
    contact
        .batch_execute("SET ROLE weir_contact_owner; CREATE TABLE things (id int)")
        .await
        .unwrap();
    let activity = connect(&database.url_for("activity")).await.unwrap();
    let error = activity
        .query("SELECT * FROM contact.things", &[])
        .await
        .unwrap_err();
    assert_eq!(
        error.code(),
        Some(&tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE)
    );
}

#[tokio::test]
async fn a_transaction_that_stands_open_is_named_and_not_waited_for() {
    let database = TestServers::shared().await.fresh_database().await;
    let holder = connect(&database.url_for("contact")).await.unwrap();
    for said in [
        "SET ROLE weir_contact_owner; CREATE TABLE things (id int)",
        "BEGIN; REVOKE SELECT ON things FROM weir_contact",
    ] {
        holder.batch_execute(said).await.unwrap();
    }
    let administrator = connect(&database.behind("contact")).await.unwrap();
    let made = make_roles(&administrator, &BTreeMap::new()).await;
    let said = format!("{:#}", made.unwrap_err());
    let row = holder.query_one("SELECT pg_backend_pid()", &[]).await;
    let process: i32 = row.unwrap().get(0);
    let named = format!("of weir_contact, process {process},");
    assert!(said.contains(&named), "{said}");
    holder.batch_execute("ROLLBACK").await.unwrap();
    make_roles(&administrator, &BTreeMap::new()).await.unwrap();
}

#[tokio::test]
async fn servers_of_ones_own_survive_kill_9_and_forget_when_told() {
    let mut own = TestServers::start().await.unwrap();
    let database = own.fresh_database().await;
    let client = connect(&database.url_for("contact")).await.unwrap();
    client
        .batch_execute("SET ROLE weir_contact_owner; CREATE TABLE things (id int)")
        .await
        .unwrap();
    set(&own.redis_url(), "one").await;
    // What was written together is replayed as a transaction.
    let mut redis = connection(&own.redis_url()).await;
    let _: () = redis::pipe()
        .atomic()
        .set("together", 1)
        .set("and this", 2)
        .query_async(&mut redis)
        .await
        .unwrap();

    own.postgres.kill9().await;
    own.postgres.start_again().await.unwrap();
    let client = connect(&database.url_for("contact")).await.unwrap();
    client.query("SELECT * FROM things", &[]).await.unwrap();

    own.redis.stop().await;
    own.redis.start_again().await.unwrap();
    assert_eq!(get(&own.redis_url()).await, Some("one".into()));
    let mut redis = connection(&own.redis_url()).await;
    let mut both = redis::cmd("MGET");
    both.arg("together").arg("and this");
    let both: Vec<Option<i64>> = both.query_async(&mut redis).await.unwrap();
    assert_eq!(both, [Some(1), Some(2)]);
    own.redis.stop().await;
    own.redis.wipe().unwrap();
    own.redis.start_again().await.unwrap();
    assert_eq!(get(&own.redis_url()).await, None);

    let pids = [own.postgres.child().pid(), own.redis.child().pid()];
    drop(own);
    for pid in pids {
        for _ in 0..500 {
            if !child::is_alive(pid) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(!child::is_alive(pid), "{pid} outlives its owner");
    }
}

async fn set(url: &str, value: &str) {
    let mut redis = connection(url).await;
    let _: () = redis::cmd("SET")
        .arg("key")
        .arg(value)
        .query_async(&mut redis)
        .await
        .unwrap();
}

async fn get(url: &str) -> Option<String> {
    let mut redis = connection(url).await;
    redis::cmd("GET")
        .arg("key")
        .query_async(&mut redis)
        .await
        .unwrap()
}

async fn connection(url: &str) -> redis::aio::MultiplexedConnection {
    redis::Client::open(url)
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap()
}

/// As whoever restores to a point in time has it: the archive is slow, and then has no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_is_restored_is_waited_for_until_it_takes_writes() {
    let binaries = Binaries::find().unwrap();
    let folder = TemporaryFolder::create().unwrap();
    let gate = folder.path().join("gate");
    let passwords = SCHEMAS.map(|schema| (schema.to_owned(), "secret".to_owned()));
    let options = PostgresOptions {
        folder: folder.path().join("postgres"),
        port: free_port().unwrap(),
        superuser_password: "secret".into(),
        role_passwords: passwords.into_iter().collect(),
        log: folder.path().join("postgres.log"),
        durable: false,
        settings: vec![format!(
            "restore_command=while [ ! -e {} ]; do sleep 0.05; done; false",
            gate.display()
        )],
        environment: Vec::new(),
        tls: None,
    };
    let before = Box::pin(Postgres::start(&binaries, options.clone()));
    let before = before.await.unwrap();
    let client = connect(&before.superuser_url("postgres")).await.unwrap();
    let data = client.query_one("SHOW data_directory", &[]).await.unwrap();
    let data: String = data.get(0);
    before.stop().await;
    let signal = std::path::Path::new(&data).join("recovery.signal");
    std::fs::write(&signal, "").unwrap();
    if let Some(user) = before.user() {
        std::os::unix::fs::chown(&signal, Some(user.uid), Some(user.gid)).unwrap();
    }
    let told = std::sync::Mutex::new(Vec::new());
    let restored = Postgres::start_telling(&binaries, options, |what| {
        told.lock().unwrap().push(what.to_owned());
        std::fs::write(&gate, "").unwrap();
    });
    let restored = Box::pin(restored).await.unwrap();
    assert!(told.lock().unwrap()[0].contains("replays its WAL"));
    restored.create_database(DATABASE).await.unwrap();
    assert!(!signal.exists());
    restored.stop().await;
}
