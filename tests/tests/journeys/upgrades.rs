//! One version takes the place of another (decision 25).

use std::process::Stdio;
use std::time::Duration;

use weir_servers::secrets::Secrets;
use weir_stack::{Service, StackOptions};
use weir_tests::{Weir, journey_alone_with};

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
