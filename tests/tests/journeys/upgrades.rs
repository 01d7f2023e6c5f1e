//! One version takes the place of another (decision 25): the schema of the newer one is there while
//! processes of today still run, and are started on it, which is what going back is.

use std::num::NonZeroU16;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use weir_postgres::{Migration, Open, migrate};
use weir_servers::postgres::SCHEMAS;
use weir_servers::secrets::Secrets;
use weir_stack::{Service, StackOptions};
use weir_tests::{Weir, full_length, journey_alone_with};

use crate::load::{EVENTS, Load, SENDERS};

/// In `./weir test`, and under `./weir test long`: upgrades follow each other for so long.
const SHORT: Duration = Duration::ZERO;
const FULL: Duration = Duration::from_secs(600);
/// Batches of each sender between two steps.
const BATCHES: usize = 3;

/// What a service connects as.
fn url_of(weir: &Weir, schema: &str) -> String {
    let secrets = Secrets::keep(weir.stack.folder()).unwrap();
    let (_, server) = weir.stack.postgres_url().rsplit_once('@').unwrap();
    format!(
        "postgres://weir_{schema}:{}@{server}",
        secrets.roles[schema]
    )
}

/// The last file of a schema.
async fn newest(weir: &Weir, schema: &str) -> i32 {
    let sql = format!("SELECT max(number)::text FROM {schema}.migrations");
    weir.query(&sql).await[0].parse().unwrap()
}

/// What the newer version leaves open as today's does, and its table beside.
async fn open(weir: &Weir, schema: &str, table: &str) -> Open {
    let sql = format!(
        "SELECT relname::text FROM pg_class WHERE relnamespace = '{schema}'::regnamespace
             AND relkind IN ('r', 'p') AND NOT relispartition AND NOT relrowsecurity"
    );
    let mut tables = weir.query(&sql).await;
    tables.push(table.to_owned());
    // A program has it in its text.
    let open = tables.into_iter().map(|table| (&*table.leak(), "a test"));
    open.collect::<Vec<_>>().leak()
}

/// A column more in every table that has an account, an index, and a table more.
async fn additions(weir: &Weir, schema: &str, number: i32) -> &'static str {
    let sql = format!(
        "SELECT DISTINCT c.relname::text FROM pg_class c
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'account_id'
         WHERE c.relnamespace = '{schema}'::regnamespace AND c.relkind IN ('r', 'p')
           AND NOT c.relispartition ORDER BY 1"
    );
    let tables = weir.query(&sql).await;
    assert!(tables.len() > 5, "{schema}: {tables:?}");
    let mut file = String::new();
    for table in tables {
        file += &format!("ALTER TABLE {table} ADD COLUMN of_{number} text;\n");
        file += &format!(
            "ALTER TABLE {table} ADD COLUMN flag_{number} boolean NOT NULL DEFAULT false;\n"
        );
    }
    file += &format!("CREATE INDEX accounts_{number} ON accounts (account_id, of_{number});\n");
    file += &format!("CREATE TABLE later_{number} (account_id uuid NOT NULL, note text);\n");
    file.leak()
}

/// What the first process of the newer version does as it starts: the path that every service
/// takes, under the load of the others.
async fn expand(weir: &Weir, schema: &str) {
    let newest = newest(weir, schema).await;
    let migration = Migration {
        number: newest + 1,
        oldest: newest,
        name: "of the next version",
        sql: additions(weir, schema, newest + 1).await,
    };
    let open = open(weir, schema, &format!("later_{}", migration.number)).await;
    let pool = weir_postgres::connect(&url_of(weir, schema), 1, &[]).unwrap();
    migrate(&pool, &[migration], open).await.unwrap();
}

/// Decision 25.
#[test]
fn programs_of_today_run_and_are_started_on_the_schema_of_the_next_version_under_load() {
    let two = StackOptions::temporary().replicas(NonZeroU16::new(2).unwrap());
    journey_alone_with(two, async |weir| {
        let load = Load::new(weir).await;
        let (mut rounds, begun) = (0, Instant::now());
        load.during(async {
            let until = begun + full_length(SHORT, FULL);
            loop {
                for schema in SCHEMAS {
                    load.until_more(SENDERS * EVENTS).await;
                    expand(weir, schema).await;
                }
                load.until_more(SENDERS * EVENTS * BATCHES).await;
                weir.stack.restart_services().await.unwrap();
                load.until_more(SENDERS * EVENTS * BATCHES).await;
                rounds += 1;
                if Instant::now() >= until {
                    break;
                }
            }
        })
        .await;
        let seconds = begun.elapsed().as_secs();
        eprintln!(
            "{} events in {seconds} s, {rounds} upgrades of four schemas and {} processes each",
            2 * load.people(),
            weir.stack.names().len() - 2,
        );
        assert_eq!(load.unanswered.load(Ordering::Relaxed), 0);
        // Each was started on it, and said so, once.
        for name in [
            "contact-upsert",
            "contact-upsert-2",
            "activity",
            "audience-2",
        ] {
            let log = std::fs::read_to_string(weir.stack.log(name)).unwrap();
            let said = log.matches("newer than this program, and works with it");
            assert_eq!(said.count(), rounds, "{name}");
        }
        // What they do not know they leave as it is.
        let locked = "SELECT count(*)::text FROM pg_class
            WHERE relname LIKE 'later\\_%' AND relrowsecurity";
        assert_eq!(weir.query(locked).await, ["0"]);
        load.assert_nothing_lost_or_doubled().await;
    });
}

/// Decision 25.
#[test]
fn a_program_of_today_is_not_started_on_a_schema_that_it_does_not_work_with() {
    journey_alone_with(StackOptions::temporary(), async |weir| {
        let newest = newest(weir, "activity").await;
        let contraction = format!(
            "INSERT INTO activity.migrations (number, name, checksum, oldest)
             VALUES ({0}, 'takes something away', 'of another day', {0})",
            newest + 1
        );
        weir.alter(&contraction).await;
        let program = weir_stack::find_programs(None).unwrap();
        let program = program.join(Service::Activity.binary());
        let ended = tokio::process::Command::new(program)
            .env("WEIR_DATABASE_URL", url_of(weir, "activity"))
            .env("WEIR_LISTEN", "127.0.0.1:0")
            .env("WEIR_ACCESS", "open")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let ended = tokio::time::timeout(Duration::from_secs(30), ended).await;
        let ended = ended.expect("it ends by itself").unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        let sentence = "the database is newer than this program";
        assert_eq!(said.matches(sentence).count(), 1, "{said}");
        assert!(
            !said.contains("listening on") && said.contains("start a newer program"),
            "{said}"
        );
    });
}
