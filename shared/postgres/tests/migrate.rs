//! Migrations, on a real server.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use weir_postgres::{MigrateError, Migration, Open, Pool, migrate};
use weir_servers::{TestDatabase, TestServers};

const FIRST: Migration = Migration {
    number: 1,
    oldest: 1,
    name: "first",
    sql: "CREATE TABLE things (number int NOT NULL) PARTITION BY LIST (number);
          DO $$ BEGIN
              CREATE TABLE things_one (LIKE things);
              INSERT INTO things_one VALUES (1);
          END $$;
          ALTER TABLE things ATTACH PARTITION things_one FOR VALUES IN (1);",
};
const SECOND: Migration = Migration {
    number: 2,
    oldest: 2,
    name: "second",
    sql: "ALTER TABLE things ADD COLUMN name text",
};
/// What programs of before need not know.
const ADDED: Migration = Migration {
    number: 3,
    oldest: 2,
    name: "added",
    sql: "CREATE TABLE later (account_id uuid NOT NULL);
          ALTER TABLE things ADD COLUMN further text;",
};
const LATER_IS_OPEN: Open = &[("later", "read before an account is known")];

async fn pool() -> (Pool, TestDatabase) {
    let database = TestServers::shared().await.fresh_database().await;
    let url = database.url_for("audience");
    let pool = weir_postgres::connect(&url, 3, weir_postgres::PLAN_BY_KEY).unwrap();
    (pool, database)
}

async fn applied(pool: &Pool) -> i32 {
    let client = pool.get().await.unwrap();
    let row = client
        .unscoped()
        .query_one("SELECT max(number) FROM migrations", &[]);
    row.await.unwrap().get(0)
}

#[tokio::test]
async fn each_file_is_applied_once_whoever_comes_first() {
    let (pool, _database) = pool().await;
    let both = [FIRST, SECOND];
    let (one, two, three) = tokio::join!(
        migrate(&pool, &both, &[]),
        migrate(&pool, &both, &[]),
        migrate(&pool, &both, &[])
    );
    one.and(two).and(three).unwrap();
    migrate(&pool, &both, &[]).await.unwrap();
    let client = pool.get().await.unwrap();
    let rows = client
        .unscoped()
        .query("SELECT number, name FROM things", &[])
        .await;
    assert_eq!(rows.unwrap().len(), 1);
}

#[tokio::test]
async fn a_file_that_fails_leaves_nothing_behind() {
    let (pool, _database) = pool().await;
    let fails = Migration {
        number: 2,
        oldest: 2,
        name: "fails",
        sql: "CREATE TABLE others (); SELECT 1 / 0;",
    };
    let failed = migrate(&pool, &[FIRST, fails], &[]).await.unwrap_err();
    assert!(matches!(failed, MigrateError::Statement(_)), "{failed}");
    assert_eq!(applied(&pool).await, 1);
    let client = pool.get().await.unwrap();
    let row = client
        .unscoped()
        .query_one("SELECT to_regclass('others') IS NULL", &[]);
    assert!(row.await.unwrap().get::<_, bool>(0));
}

#[tokio::test]
async fn a_file_that_was_applied_must_not_change() {
    let (pool, _database) = pool().await;
    migrate(&pool, &[FIRST], &[]).await.unwrap();
    let changed = Migration {
        sql: "CREATE TABLE things (number bigint)",
        ..FIRST
    };
    let refused = migrate(&pool, &[changed, SECOND], &[]).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("migration 1 (first) was applied"),
        "{refused}"
    );
    assert_eq!(applied(&pool).await, 1);
}

#[tokio::test]
async fn a_schema_that_is_newer_than_the_program_is_left_alone() {
    let (pool, _database) = pool().await;
    migrate(&pool, &[FIRST, SECOND], &[]).await.unwrap();
    let refused = migrate(&pool, &[FIRST], &[]).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the database is newer than this program: it is at migration 2, which takes programs that \
         know 2, and this one knows 1; start a newer program, or restore the backup from before the \
         upgrade"
    );
}

async fn policies(pool: &Pool) -> i64 {
    let client = pool.get().await.unwrap();
    let sql = "SELECT count(*) FROM pg_policy WHERE polrelid = 'later'::regclass";
    let row = client.unscoped().query_one(sql, &[]).await.unwrap();
    row.get(0)
}

/// Decision 25.
#[tokio::test]
async fn a_program_of_before_starts_on_a_newer_schema_that_allows_it_and_leaves_it_alone() {
    let (pool, _database) = pool().await;
    let all = [FIRST, SECOND, ADDED];
    migrate(&pool, &all, LATER_IS_OPEN).await.unwrap();
    // It would lock a table that it does not know: whoever made it has it open.
    migrate(&pool, &all[..2], &[]).await.unwrap();
    assert_eq!((applied(&pool).await, policies(&pool).await), (3, 0));
    // One that is older still is not said to work.
    let refused = migrate(&pool, &all[..1], &[]).await.unwrap_err();
    assert!(
        matches!(
            refused,
            MigrateError::Newer {
                found: 3,
                oldest: 2,
                known: 1
            }
        ),
        "{refused}"
    );
    let changed = Migration {
        sql: "CREATE TABLE things (number bigint)",
        ..FIRST
    };
    let refused = migrate(&pool, &[changed, SECOND], &[]).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Changed { .. }), "{refused}");
}

#[tokio::test]
async fn a_database_that_does_not_say_who_may_start_takes_nobody_of_before() {
    let (pool, _database) = pool().await;
    migrate(&pool, &[FIRST, SECOND], &[]).await.unwrap();
    let client = pool.get().await.unwrap();
    let of_before = "SET ROLE weir_audience_owner; ALTER TABLE migrations DROP COLUMN oldest;
        RESET ROLE";
    client.unscoped().batch_execute(of_before).await.unwrap();
    drop(client);
    let refused = migrate(&pool, &[FIRST], &[]).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Newer { .. }), "{refused}");
    let all = [FIRST, SECOND, ADDED];
    let (one, two) = tokio::join!(migrate(&pool, &all, &[]), migrate(&pool, &all, &[]));
    one.and(two).unwrap();
    migrate(&pool, &all[..2], &[]).await.unwrap();
    assert_eq!(applied(&pool).await, 3);
}

#[tokio::test]
async fn a_migration_waits_for_a_lock_without_keeping_others_out() {
    let (pool, _database) = pool().await;
    migrate(&pool, &[FIRST], &[]).await.unwrap();
    let mut holder = pool.get().await.unwrap();
    let holding = holder.unscoped_mut().transaction().await.unwrap();
    holding.execute("SELECT FROM things", &[]).await.unwrap();
    let waiting = pool.clone();
    let waiting = tokio::spawn(async move { migrate(&waiting, &[FIRST, SECOND], &[]).await });
    // It waits behind the holder, and would make this wait behind it for ever.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let reader = pool.get().await.unwrap();
    let read = reader.unscoped().execute("SELECT FROM things", &[]);
    let read = tokio::time::timeout(Duration::from_secs(4), read).await;
    assert_eq!(read.expect("nobody waits longer").unwrap(), 1);
    assert!(!waiting.is_finished());
    holding.commit().await.unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(applied(&pool).await, 2);
}

#[tokio::test]
async fn a_migration_may_take_longer_than_a_call() {
    let (pool, _database) = pool().await;
    let slow = Migration {
        number: 1,
        oldest: 1,
        name: "slow",
        sql: "CREATE TABLE settings AS SELECT name, setting FROM pg_settings;",
    };
    migrate(&pool, &[slow], &[]).await.unwrap();
    let client = pool.get().await.unwrap();
    let said = "SELECT setting FROM settings WHERE name = $1";
    let shown = async |name: &str| {
        let row = client.unscoped().query_one(said, &[&name]).await.unwrap();
        row.get::<_, String>(0)
    };
    assert_eq!(shown("statement_timeout").await, "0");
    assert_eq!(shown("enable_seqscan").await, "on");
    // What is left of a second.
    let locks: u64 = shown("lock_timeout").await.parse().unwrap();
    assert!((200..=1_000).contains(&locks), "{locks}");
}

#[tokio::test]
async fn an_engine_that_is_of_no_use_is_refused_before_anything_is_made() {
    let frozen = "ALTER ROLE weir_audience IN DATABASE $ SET default_transaction_read_only = on";
    let narrow = "ALTER DATABASE $ CONNECTION LIMIT 3";
    for (change, said) in [
        (frozen, "the database can't be used: it takes no writes"),
        (narrow, "it takes 3 connections of this role at most"),
    ] {
        let (pool, database) = pool().await;
        let superuser = weir_servers::postgres::connect(&database.superuser_url).await;
        let superuser = superuser.unwrap();
        let change = change.replace('$', &database.name);
        superuser.batch_execute(&change).await.unwrap();
        let refused = migrate(&pool, &[FIRST], &[]).await.unwrap_err();
        assert!(matches!(refused, MigrateError::Unfit(_)), "{refused:?}");
        assert!(refused.to_string().contains(said), "{refused}");
        let made = "SELECT count(*) FROM pg_tables WHERE schemaname = 'audience'";
        let row = superuser.query_one(made, &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 0);
    }
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Captured {
    /// The line with these words.
    async fn line(&self, words: &str) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned();
            if let Some(line) = text.lines().find(|line| line.contains(words)) {
                return line.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn what_postgresql_said_is_in_the_log_while_it_is_waited_for() {
    // As in the edge's test of its log: two subscribers, so that each line is asked of both.
    let _other = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (pool, database) = pool().await;
    let admin = weir_servers::postgres::connect(&database.superuser_url);
    let admin = admin.await.unwrap();
    let limit = |limit: i32| format!("ALTER DATABASE {} CONNECTION LIMIT {limit}", database.name);
    admin.batch_execute(&limit(4)).await.unwrap();
    let url = database.session_url_for("audience");
    let mut taken = Vec::new();
    while let Ok(one) = weir_postgres::connect_once(&url).await {
        taken.push(one);
    }
    let waits = pool.clone();
    let waits = tokio::spawn(async move { migrate(&waits, &[FIRST], &[]).await });
    let line = captured.line("waiting for PostgreSQL").await;
    let said = "no connection to the database: too many connections for database";
    assert!(line.contains(said) && line.contains("(53300)"), "{line}");
    assert_eq!(line.matches("too many").count(), 1, "{line}");
    let mut job = weir_postgres::Jobs::new(&pool).sole("a job");
    assert!(!job.is_mine().await);
    let line = captured.line("not known whose job it is").await;
    assert!(line.contains("too many connections for database"), "{line}");
    taken.clear();
    waits.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_schema_that_is_not_its_own_is_refused_before_anything_is_made() {
    let connect = |url: &str| weir_postgres::connect(url, 3, weir_postgres::PLAN_BY_KEY).unwrap();
    let (pool, database) = pool().await;
    let everybodys = connect(&database.superuser_url);
    let refused = migrate(&everybodys, &[FIRST], &[]).await.unwrap_err();
    assert!(
        refused.to_string().contains("has no schema of its own"),
        "{refused}"
    );
    let superuser = weir_servers::postgres::connect(&database.superuser_url).await;
    let superuser = superuser.unwrap();
    let gone = "DROP SCHEMA activity CASCADE";
    superuser.batch_execute(gone).await.unwrap();
    let nowhere = connect(&database.url_for("activity"));
    let refused = migrate(&nowhere, &[FIRST], &[]).await.unwrap_err();
    assert!(
        refused.to_string().contains("make roles and schemas first"),
        "{refused}"
    );
    migrate(&pool, &[FIRST], &[]).await.unwrap();
    let other = Migration {
        name: "another's",
        sql: "CREATE TABLE others (number int)",
        ..FIRST
    };
    let refused = migrate(&pool, &[other], &[]).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("the schema is another service's"),
        "{refused}"
    );
}
