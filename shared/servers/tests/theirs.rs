//! A PostgreSQL that somebody else runs: what it must be like, and what is said where it is not.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use tokio_postgres::Client;
use weir_servers::postgres::{Postgres, PostgresOptions, SCHEMAS, connect, make_roles};
use weir_servers::{Binaries, TemporaryFolder, TestServers, Theirs, free_port};

/// Of an installation, by its name.
fn passwords(of: &str) -> BTreeMap<String, String> {
    let named = |schema: &str| (schema.to_owned(), format!("{of}/{schema}@?#"));
    SCHEMAS.map(named).into()
}

/// A server of one's own stands for somebody else's: it has no roles of ours.
async fn server() -> (TestServers, Client) {
    let servers = TestServers::start().await.unwrap();
    let client = connect(&servers.postgres.superuser_url("postgres"))
        .await
        .unwrap();
    (servers, client)
}

async fn count(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

const ROLES: &str = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'weir\\_%'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_used_is_said_in_a_sentence_and_nothing_is_changed() {
    let (servers, client) = server().await;
    for statement in [
        "CREATE ROLE plain LOGIN PASSWORD 'secret-1'",
        "CREATE ROLE maker LOGIN CREATEROLE PASSWORD 'secret-1'",
        "CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII'",
        "CREATE DATABASE frozen",
        "ALTER DATABASE frozen SET default_transaction_read_only = on",
        "CREATE DATABASE narrow CONNECTION LIMIT 12",
        "CREATE DATABASE sound",
    ] {
        client.batch_execute(statement).await.unwrap();
    }
    let url = |database| servers.postgres.superuser_url(database);
    let port = url("").rsplit(':').next().unwrap().replace('/', "");
    let as_role =
        |role, database| format!("postgres://{role}:secret-1@127.0.0.1:{port}/{database}");
    let nobody = free_port().unwrap();
    let nobody = format!("postgres://boss:secret-1@127.0.0.1:{nobody}/x");
    for (url, connections, said) in [
        (nobody, 40, "refused"),
        (
            as_role("weir", "sound"),
            40,
            "password authentication failed",
        ),
        (
            as_role("plain", "sound"),
            40,
            "plain may not make roles: name an administrator",
        ),
        (
            as_role("maker", "sound"),
            40,
            "maker may not make schemas in this database",
        ),
        (
            as_role("maker", "absent"),
            40,
            "there is no database absent, and its administrator",
        ),
        (url("ascii"), 40, "its encoding is SQL_ASCII"),
        (
            url("frozen"),
            40,
            "it takes no writes: default_transaction_read_only is on",
        ),
        (
            url("narrow"),
            40,
            "it takes 12 connections of this role at most",
        ),
        (
            url("sound"),
            500,
            "connections of this role at most (max_connections",
        ),
        (
            format!("{}?sslmode=require", url("sound")),
            40,
            "it has none (ssl = off)",
        ),
        (format!("{}?unheard=of", url("sound")), 40, "unheard"),
    ] {
        let theirs = Theirs::read(&url).unwrap();
        let refused = theirs.set_up(&passwords("a"), connections).await;
        let error = format!("{:#}", refused.unwrap_err());
        assert!(error.contains(said), "{}: {error}", theirs.place());
        assert!(error.starts_with(&format!("PostgreSQL at {} can't be used: ", theirs.place())));
        assert!(
            !error.contains("secret") && !error.contains('\n'),
            "{error}"
        );
    }
    assert_eq!(count(&client, ROLES).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_told_from_a_primary() {
    let binaries = Binaries::find().unwrap();
    let folder = TemporaryFolder::create().unwrap();
    let options = PostgresOptions {
        folder: folder.path().join("postgres"),
        port: free_port().unwrap(),
        superuser_password: "secret".into(),
        role_passwords: BTreeMap::new(),
        log: folder.path().join("postgres.log"),
        durable: false,
        settings: Vec::new(),
        environment: Vec::new(),
        tls: None,
    };
    let mut standby = Box::pin(Postgres::start(&binaries, options)).await.unwrap();
    let client = connect(&standby.superuser_url("postgres")).await.unwrap();
    let data = client.query_one("SHOW data_directory", &[]).await.unwrap();
    let data: String = data.get(0);
    standby.stop().await;
    let signal = std::path::Path::new(&data).join("standby.signal");
    std::fs::write(&signal, "").unwrap();
    if let Some(user) = standby.user() {
        std::os::unix::fs::chown(&signal, Some(user.uid), Some(user.gid)).unwrap();
    }
    standby.start_again().await.unwrap();
    let theirs = Theirs::read(&standby.superuser_url("postgres")).unwrap();
    let refused = theirs.set_up(&passwords("a"), 1).await;
    let error = format!("{:#}", refused.unwrap_err());
    assert!(error.contains("it is in recovery"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_of_another_installation_keep_their_passwords() {
    let (servers, client) = server().await;
    let theirs = Theirs::read(&servers.postgres.superuser_url("first")).unwrap();
    theirs.set_up(&passwords("a"), 40).await.unwrap();
    // Again, as with every start.
    theirs.set_up(&passwords("a"), 40).await.unwrap();

    let other = theirs.clone().database("second");
    let refused = other.set_up(&passwords("b"), 40).await;
    let error = format!("{:#}", refused.unwrap_err());
    assert!(
        error.contains("the role weir_activity is there with another password"),
        "{error}"
    );
    assert!(error.contains("WEIR_ACTIVITY_DATABASE_PASSWORD"), "{error}");
    for (schema, password) in passwords("a") {
        connect(&theirs.service_url(&schema, &password))
            .await
            .unwrap();
    }
    // Who is given them may.
    other.set_up(&passwords("a"), 40).await.unwrap();

    client
        .batch_execute("CREATE DATABASE bystander")
        .await
        .unwrap();
    assert_eq!(theirs.clean_up("first").await.unwrap(), 1);
    assert_ne!(count(&client, ROLES).await, 0);
    assert_eq!(theirs.clean_up("sec").await.unwrap(), 1);
    assert_eq!(count(&client, ROLES).await, 0);
    let left = "SELECT count(*) FROM pg_database WHERE datname IN ('bystander', 'postgres')";
    assert_eq!(count(&client, left).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_needs_no_more_than_to_make_roles_and_a_database() {
    let (servers, client) = server().await;
    let admin = "CREATE ROLE boss LOGIN CREATEROLE CREATEDB PASSWORD 'secret'";
    client.batch_execute(admin).await.unwrap();
    let port = servers.postgres.superuser_url("");
    let port = port.rsplit(':').next().unwrap().replace('/', "");
    let theirs = Theirs::read(&format!("postgres://boss:secret@127.0.0.1:{port}/")).unwrap();
    for _ in 0..2 {
        theirs.set_up(&passwords("a"), 40).await.unwrap();
    }
    let service = connect(&theirs.service_url("contact", &passwords("a")["contact"])).await;
    let service = service.unwrap();
    let make = "SET ROLE weir_contact_owner; CREATE TABLE things (id int); RESET ROLE;
                INSERT INTO things VALUES (1)";
    service.batch_execute(make).await.unwrap();
    let owns = "SELECT count(*) FROM pg_tables WHERE schemaname = 'contact'
                AND tableowner = 'weir_contact_owner'";
    assert_eq!(count(&service, owns).await, 1);
    // What nothing is told of a connection, the role says.
    for (setting, value) in [("statement_timeout", "7s"), ("enable_seqscan", "off")] {
        let row = service.query_one(&format!("SHOW {setting}"), &[]).await;
        assert_eq!(row.unwrap().get::<_, String>(0), value);
    }
}

/// PostgreSQL logs statements where it is told to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_password_is_sent_as_a_statement() {
    let (servers, client) = server().await;
    let all = "ALTER SYSTEM SET log_statement = 'all'";
    client.batch_execute(all).await.unwrap();
    client
        .batch_execute("SELECT pg_reload_conf()")
        .await
        .unwrap();
    let theirs = Theirs::read(&servers.postgres.superuser_url("logged")).unwrap();
    theirs.set_up(&passwords("a-secret"), 40).await.unwrap();
    let log = &servers.postgres.program().log;
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("ALTER ROLE weir_contact PASSWORD"), "{log}");
    assert!(!log.contains("a-secret"));
}

/// What `weir roles` is told of an engine, before anything is made in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_are_made_where_they_can_be_and_else_it_is_said_why() {
    let (servers, client) = server().await;
    for statement in [
        "CREATE ROLE plain LOGIN PASSWORD 'secret-1'",
        "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1'",
        "CREATE DATABASE frozen",
        "ALTER DATABASE frozen SET default_transaction_read_only = on",
        "CREATE DATABASE sound",
    ] {
        client.batch_execute(statement).await.unwrap();
    }
    let url = |database| servers.postgres.superuser_url(database);
    let port = url("").rsplit(':').next().unwrap().replace('/', "");
    let nobody = free_port().unwrap();
    for (url, said) in [
        (
            format!("postgres://boss:secret-1@127.0.0.1:{nobody}/x"),
            "refused",
        ),
        (
            format!("postgres://weir:secret-1@127.0.0.1:{port}/sound"),
            "password authentication failed",
        ),
        (
            format!("postgres://plain:secret-1@127.0.0.1:{port}/sound"),
            "plain may not make roles: name an administrator",
        ),
        (url("absent"), "there is no database absent: make it"),
        (url("latin"), "its encoding is LATIN1"),
        (url("frozen"), "it takes no writes"),
    ] {
        let theirs = Theirs::read(&url).unwrap();
        let begun = std::time::Instant::now();
        let refused = theirs.bring_up(&passwords("a")).await;
        let error = format!("{:#}", refused.unwrap_err());
        assert!(begun.elapsed().as_secs() < 10, "{error}");
        assert!(error.contains(said), "{error}");
        assert!(
            !error.contains("secret") && !error.contains('\n'),
            "{error}"
        );
    }
    assert_eq!(count(&client, ROLES).await, 0);
    let theirs = Theirs::read(&url("sound")).unwrap();
    theirs.bring_up(&passwords("a")).await.unwrap();
    // What is not given stays; what is given is set.
    theirs.bring_up(&BTreeMap::new()).await.unwrap();
    let mut changed = passwords("a");
    changed.retain(|schema, _| schema == "contact");
    changed.insert("contact".into(), "another".into());
    theirs.bring_up(&changed).await.unwrap();
    for (schema, password) in [
        ("contact", "another"),
        ("mapping", &passwords("a")["mapping"]),
    ] {
        let url = theirs.service_url(schema, password);
        connect(&url).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_at_once_make_the_same_and_none_of_them_fails() {
    let (servers, client) = server().await;
    for database in ["one", "two"] {
        let create = format!("CREATE DATABASE {database}");
        client.batch_execute(&create).await.unwrap();
    }
    // Those who make a database of one name, and those who work in two others.
    let at_once: Vec<_> = ["new", "new", "new", "one", "two", "one", "two", "one"]
        .into_iter()
        .map(|database| {
            let theirs = Theirs::read(&servers.postgres.superuser_url(database)).unwrap();
            tokio::spawn(async move {
                match database {
                    "new" => theirs.set_up(&passwords("a"), 10).await,
                    _ => theirs.bring_up(&passwords("a")).await,
                }
            })
        })
        .collect();
    for done in at_once {
        done.await.unwrap().unwrap();
    }
    // As where nobody has a way into the database that the lock is in.
    let at_once: Vec<_> = ["one", "two", "new", "one", "two", "new"]
        .into_iter()
        .map(|database| {
            let url = servers.postgres.superuser_url(database);
            tokio::spawn(async move {
                let client = connect(&url).await.unwrap();
                make_roles(&client, &passwords("a")).await
            })
        })
        .collect();
    for done in at_once {
        done.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_administrator_may_connect_is_not_what_the_services_may() {
    let (servers, client) = server().await;
    let admin = "CREATE ROLE boss LOGIN CREATEROLE CREATEDB CONNECTION LIMIT 3 PASSWORD 'secret'";
    client.batch_execute(admin).await.unwrap();
    let port = servers.postgres.superuser_url("");
    let port = port.rsplit(':').next().unwrap().replace('/', "");
    let theirs = Theirs::read(&format!("postgres://boss:secret@127.0.0.1:{port}/")).unwrap();
    theirs.set_up(&passwords("a"), 40).await.unwrap();
}
