//! TLS with a real PostgreSQL.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use weir_certs::{Authority, Holder, Lifetime, files};
use weir_postgres::connect_once;
use weir_servers::{ServerTls, TestServers};

/// A PostgreSQL and a Redis that speak TLS alone.
async fn servers(folder: &Path) -> TestServers {
    let (authority, _) = Authority::open(folder).unwrap();
    authority
        .renew(&Holder::new("server", &["localhost", "127.0.0.1"]))
        .unwrap();
    let (certificate, key) = files(folder, "server");
    let tls = ServerTls {
        certificate,
        key,
        authority: folder.join("ca.pem"),
    };
    TestServers::start_with(Some(&tls)).await.unwrap()
}

/// The version of TLS that PostgreSQL sees, none without; or why there is no connection.
async fn version(url: &str) -> Result<Option<String>, String> {
    let client = connect_once(url).await.map_err(|error| error.to_string())?;
    let ask = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    Ok(client.query_one(ask, &[]).await.unwrap().get(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_words_of_libpq_mean_what_they_mean_there() {
    let folder = tempfile::tempdir().unwrap();
    let servers = servers(folder.path()).await;
    let other = tempfile::tempdir().unwrap();
    let (strangers, _) = Authority::open(other.path()).unwrap();
    let base = servers.postgres.superuser_url("postgres");
    let (base, _) = base.split_once('?').unwrap();
    let by_name = base.replace("127.0.0.1", "localhost");
    let ca = folder.path().join("ca.pem");
    let ca = ca.display();
    let stranger = strangers.file();
    let stranger = stranger.display();
    let encrypted = Ok(Some("TLSv1.3".to_owned()));
    for (url, query) in [
        (base, String::new()),
        (base, "sslmode=prefer".to_owned()),
        (base, "sslmode=require".to_owned()),
        (base, format!("sslmode=require&sslrootcert={ca}")),
        (base, format!("sslmode=verify-ca&sslrootcert={ca}")),
        (base, format!("sslmode=verify-full&sslrootcert={ca}")),
        (&by_name, format!("sslmode=verify-full&sslrootcert={ca}")),
        // A password's proof is bound to the connection.
        (base, "sslmode=require&channel_binding=require".to_owned()),
    ] {
        assert_eq!(
            version(&format!("{url}?{query}")).await,
            encrypted,
            "{query}"
        );
    }
    let words = format!(
        "host=localhost port={} user=weir dbname=postgres sslmode=verify-full sslrootcert='{ca}' \
         password={}",
        base.rsplit(':').next().unwrap().split('/').next().unwrap(),
        base.split(':').nth(2).unwrap().split('@').next().unwrap(),
    );
    assert_eq!(version(&words).await, encrypted);
    let authority = "of an authority that is not trusted here";
    for (url, query, said) in [
        (base, "sslmode=disable".to_owned(), "db error"),
        (
            base,
            format!("sslmode=require&sslrootcert={stranger}"),
            authority,
        ),
        (
            base,
            format!("sslmode=verify-ca&sslrootcert={stranger}"),
            authority,
        ),
        (base, "sslrootcert=system".to_owned(), authority),
    ] {
        let refused = version(&format!("{url}?{query}")).await.unwrap_err();
        assert!(refused.contains(said), "{query}: {refused}");
    }
    // PostgreSQL listens at 127.0.0.1 alone: another name of it, by its address.
    let elsewhere = format!(
        "{}?hostaddr=127.0.0.1&sslrootcert={ca}&sslmode=",
        base.replace("127.0.0.1", "elsewhere")
    );
    assert_eq!(version(&format!("{elsewhere}verify-ca")).await, encrypted);
    let refused = version(&format!("{elsewhere}verify-full"))
        .await
        .unwrap_err();
    assert!(
        refused.contains("is not for elsewhere, but for"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tls_only_who_asks_for_it_is_refused() {
    let servers = TestServers::shared().await;
    let url = servers.superuser_url("postgres");
    for mode in ["", "?sslmode=disable", "?sslmode=prefer"] {
        assert_eq!(version(&format!("{url}{mode}")).await, Ok(None), "{mode}");
    }
    let refused = version(&format!("{url}?sslmode=require"))
        .await
        .unwrap_err();
    assert!(refused.contains("it has none (ssl = off)"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_speaks_tls_and_takes_a_new_authority() {
    let folder = tempfile::tempdir().unwrap();
    let servers = servers(folder.path()).await;
    let database = servers.fresh_database().await;
    // What is trusted at first is another authority.
    let trusted = tempfile::tempdir().unwrap();
    let (_stranger, _) = Authority::open(trusted.path()).unwrap();
    let file = trusted.path().join("ca.pem");
    let url = database.url_for("audience");
    let (url, _) = url.split_once('?').unwrap();
    let url = format!("{url}?sslmode=verify-full&sslrootcert={}", file.display());
    let pool = weir_postgres::connect(&url, 2, &[]).unwrap();
    assert!(pool.get().await.is_err());
    std::fs::copy(folder.path().join("ca.pem"), &file).unwrap();
    let client = loop {
        match pool.get().await {
            Ok(client) => break client,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
        }
    };
    let ask = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let row = client.unscoped().query_one(ask, &[]).await.unwrap();
    assert!(row.get::<_, bool>(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_has_expired_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let servers = servers(folder.path()).await;
    let (authority, _) = Authority::open(folder.path()).unwrap();
    let past = Lifetime {
        from: -9,
        until: -1,
    };
    authority
        .make(&Holder::new("client", &["client"]), past)
        .unwrap();
    let url = servers.postgres.superuser_url("postgres");
    let (certificate, key) = files(folder.path(), "client");
    let (certificate, key) = (certificate.display(), key.display());
    let refused = version(&format!("{url}&sslcert={certificate}&sslkey={key}")).await;
    let refused = refused.unwrap_err();
    assert!(
        refused.starts_with("sslcert: the certificate in "),
        "{refused}"
    );
    assert!(refused.contains("has expired"), "{refused}");
}
