//! `./weir up` on engines that somebody else runs.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::Mutex;
use weir_servers::{TestServers, Theirs, child};
use weir_stack::StackFile;
use weir_tests::block_on;

struct Door<'a> {
    data: &'a Path,
    engines: [(&'static str, String); 2],
}

impl Door<'_> {
    async fn run(&self, words: &[&str]) -> (Output, String) {
        let program = weir_stack::find_programs(None).unwrap().join("weir");
        let mut command = Command::new(program);
        command.args(words).arg("--data").arg(self.data);
        command.envs(self.engines.clone());
        command.env("WEIR_LOG_FORMAT", "json");
        let output = command.stdin(Stdio::null()).output().await;
        let output = output.unwrap();
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        (output, String::from_utf8(said).unwrap())
    }

    async fn well(&self, words: &[&str]) -> String {
        let (output, said) = self.run(words).await;
        assert!(output.status.success(), "{words:?}: {said}");
        said
    }
}

/// A stack is looked for at its usual ports, so it has them for itself.
static USUAL_PORTS: Mutex<()> = Mutex::const_new(());

/// Of a URL.
fn password(url: &str) -> &str {
    let (user, _) = url.rsplit_once('@').unwrap();
    user.rsplit_once(':').unwrap().1
}

fn holds(folder: &Path, secrets: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            found.extend(holds(&path, secrets));
        } else if kind.is_file() {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            let is_open = entry.metadata().unwrap().permissions().mode() & 0o077 != 0;
            let is_log = path.extension().is_some_and(|name| name == "log");
            if (is_open || is_log) && secrets.iter().any(|secret| text.contains(secret)) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn a_stack_runs_on_engines_of_others_and_leaves_them_as_they_are() {
    block_on(async {
        let _alone = USUAL_PORTS.lock().await;
        let servers = TestServers::start().await.unwrap();
        let data = tempfile::tempdir().unwrap();
        let postgres = servers.postgres.superuser_url("theirs");
        let door = Door {
            data: data.path(),
            engines: [
                ("WEIR_UP_POSTGRES", postgres.clone()),
                ("WEIR_UP_REDIS", servers.redis_url()),
            ],
        };
        let mut said = door.well(&["up", "--detach"]).await;
        // As `door` says it, and whatever else is written.
        let log = std::fs::read_to_string(data.path().join("log/mapping.log")).unwrap();
        assert!(log.starts_with('{'), "{log}");
        assert!(said.contains("/theirs is ready"), "{said}");
        let file = StackFile::read(data.path()).unwrap().unwrap();
        assert_eq!(file.postgres, postgres);
        for words in [&["status"][..], &["health"], &["doctor"]] {
            said += &door.well(words).await;
        }
        said += &restarted_while_it_restarts(&door).await;
        assert!(said.contains("0 faults"), "{said}");
        let roles = std::fs::read_to_string(data.path().join("secrets.json")).unwrap();
        let roles: serde_json::Value = serde_json::from_str(&roles).unwrap();
        let contact = roles["roles"]["contact"].as_str().unwrap();
        let redis = servers.redis_url();
        let secrets = [password(&postgres), password(&redis), contact];
        assert!(
            !secrets.iter().any(|secret| said.contains(secret)),
            "{said}"
        );
        assert_eq!(holds(data.path(), &secrets), [""; 0]);
        for absent in ["postgres", "redis/redis.conf"] {
            assert!(!data.path().join(absent).exists(), "{absent}");
        }
        door.well(&["down"]).await;

        // What was stored is there, and so are those who run it.
        let database = weir_servers::postgres::connect(&postgres).await.unwrap();
        let contacts = "SELECT count(*) FROM contact.contacts";
        let row = database.query_one(contacts, &[]).await.unwrap();
        assert!(row.get::<_, i64>(0) > 0);
        let client = redis::Client::open(servers.redis_url()).unwrap();
        let mut redis = client.get_multiplexed_async_connection().await.unwrap();
        let _: String = redis::cmd("PING").query_async(&mut redis).await.unwrap();
    });
}

/// Who asks while a restart is under way has a whole one of its own behind it.
async fn restarted_while_it_restarts(door: &Door<'_>) -> String {
    let file = || StackFile::read(door.data).unwrap().unwrap();
    let second = async {
        while file().restarts_begun == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let said = door.well(&["restart"]).await;
        assert_eq!(file().restarts, 2, "{said}");
        said
    };
    let restart = ["restart"];
    let (first, second) = tokio::join!(door.well(&restart), second);
    assert!(second.contains("others are restarting"), "{second}");
    first + &second
}

/// As where the window is closed that it was started in.
#[test]
fn the_end_of_a_terminal_stops_everything_in_order() {
    block_on(async {
        let _alone = USUAL_PORTS.lock().await;
        let servers = TestServers::start().await.unwrap();
        let data = tempfile::tempdir().unwrap();
        let program = weir_stack::find_programs(None).unwrap().join("weir");
        // Also where the tests themselves run under `nohup`.
        let mut command = Command::new("env");
        command.arg("--default-signal=HUP").arg(program);
        command.args(["up", "--data"]).arg(data.path());
        command.env("WEIR_UP_POSTGRES", servers.postgres.superuser_url("theirs"));
        command.env("WEIR_UP_REDIS", servers.redis_url());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let up = command.spawn().unwrap();
        while StackFile::read(data.path()).unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        child::signal("HUP", up.id().unwrap());
        let output = up.wait_with_output().await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}");
        assert!(said.contains("the data are kept"), "{said}");
    });
}

/// What can be no address at all is wrong input.
fn code_of(said: &str) -> i32 {
    match said {
        "begins with postgres://" | "it is no address" => 2,
        _ => 1,
    }
}

#[test]
fn engines_that_can_not_be_used_are_named_and_nothing_is_started() {
    block_on(async {
        let _alone = USUAL_PORTS.lock().await;
        let servers = TestServers::start().await.unwrap();
        let postgres = servers.postgres.superuser_url("theirs");
        let redis = servers.redis_url();
        let client = redis::Client::open(redis.as_str()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut set = async |name: &str, value: &str| {
            let mut set = redis::cmd("CONFIG");
            let set = set.arg("SET").arg(name).arg(value);
            set.query_async::<()>(&mut connection).await.unwrap();
        };
        let nobody = weir_servers::free_port().unwrap();
        let cases = [
            (
                format!("postgres://boss:secret-1@127.0.0.1:{nobody}/x"),
                redis.clone(),
                "refused",
            ),
            (
                postgres.replace("postgres://", "mysql://"),
                redis.clone(),
                "begins with postgres://",
            ),
            (
                postgres.replace("weir:", "weir:x"),
                redis.clone(),
                "password authentication failed",
            ),
            (
                postgres.clone(),
                format!("redis://:secret-1@127.0.0.1:{nobody}/3"),
                "/3 can't be used: ",
            ),
            (
                postgres.clone(),
                redis.replace("default:", "default:x"),
                "can't be used: ",
            ),
            (
                postgres.clone(),
                "http://secret-1".into(),
                "it is no address",
            ),
            (
                postgres.clone(),
                redis.clone(),
                "maxmemory-policy noeviction",
            ),
        ];
        let last = cases.len() - 1;
        for (case, (postgres, redis, said)) in cases.into_iter().enumerate() {
            if case == last {
                set("maxmemory", "1gb").await;
                set("maxmemory-policy", "allkeys-lru").await;
            }
            let data = tempfile::tempdir().unwrap();
            let door = Door {
                data: data.path(),
                engines: [("WEIR_UP_POSTGRES", postgres), ("WEIR_UP_REDIS", redis)],
            };
            let (output, text) = door.run(&["up"]).await;
            assert_eq!(output.status.code(), Some(code_of(said)), "{text}");
            assert!(text.contains(said), "{said}: {text}");
            let errors = String::from_utf8(output.stderr).unwrap();
            assert_eq!(errors.lines().count(), 1, "{errors}");
            assert!(!text.contains("secret-1"), "{text}");
            assert!(!text.contains("starting the services"), "{text}");
            assert_eq!(StackFile::read(data.path()).unwrap(), None);
        }
        // A Redis that is of no use is found before anything is made in PostgreSQL.
        let all = servers.postgres.superuser_url("postgres");
        let database = weir_servers::postgres::connect(&all).await.unwrap();
        let made = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'weir\\_%'";
        let row = database.query_one(made, &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 0);
    });
}

/// A program of before, or of an upgrade that was taken back.
#[test]
fn a_database_that_is_newer_than_the_program_stops_the_start() {
    block_on(async {
        let _alone = USUAL_PORTS.lock().await;
        let servers = TestServers::start().await.unwrap();
        let postgres = servers.postgres.superuser_url("theirs");
        let passwords: BTreeMap<String, String> = weir_servers::postgres::SCHEMAS
            .map(|schema| (schema.to_owned(), "secret-1".to_owned()))
            .into();
        let theirs = Theirs::read(&postgres).unwrap();
        theirs.set_up(&passwords, 1).await.unwrap();
        let database = weir_servers::postgres::connect(&postgres).await.unwrap();
        let newer = "SET ROLE weir_audience_owner;
            CREATE TABLE audience.migrations (number integer PRIMARY KEY, name text NOT NULL,
                checksum text NOT NULL);
            INSERT INTO audience.migrations VALUES (0, 'lock row', ''), (999, 'later', '')";
        database.batch_execute(newer).await.unwrap();
        let data = tempfile::tempdir().unwrap();
        let door = Door {
            data: data.path(),
            engines: [
                ("WEIR_UP_POSTGRES", postgres),
                ("WEIR_UP_REDIS", servers.redis_url()),
            ],
        };
        let program = weir_stack::find_programs(None).unwrap().join("weir");
        let mut command = Command::new(program);
        command.args(["up", "--data"]).arg(data.path());
        command.envs(door.engines.clone());
        // Behind a sentence that ends a service, it would be all that is shown of its log.
        command.env("RUST_BACKTRACE", "0");
        for schema in weir_servers::postgres::SCHEMAS {
            let name = format!("WEIR_{}_DATABASE_PASSWORD", schema.to_uppercase());
            command.env(name, "secret-1");
        }
        let output = command.output().await.unwrap();
        assert_eq!(output.status.code(), Some(1));
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(
            errors.contains("the database is newer than this program"),
            "{errors}"
        );
        assert_eq!(StackFile::read(data.path()).unwrap(), None);
    });
}
