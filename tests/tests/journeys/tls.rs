//! TLS everywhere (semantics 9.3), through the processes that run; and what is said where its
//! files are wrong.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::json;
use weir_certs::{Authority, Holder, Lifetime, files, holders};
use weir_stack::{Reach, Service, StackOptions};
use weir_tests::events::{identify, track};
use weir_tests::{Account, Plan, Weir, journey_alone_with};

fn binary(name: &str) -> PathBuf {
    weir_stack::find_programs(None).unwrap().join(name)
}

fn said(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    format!("{out}{}", String::from_utf8_lossy(&output.stderr))
}

/// `./weir`, of nobody: with what is given here alone.
async fn weir(words: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
    let mut command = tokio::process::Command::new(binary("weir"));
    command.args(words).env_clear().stdin(Stdio::null());
    command.envs(environment.iter().copied());
    let output = command.output().await.unwrap();
    (output.status.code().unwrap(), said(&output))
}

/// What is answered to a request that is not of TLS.
fn plainly(url: &str, request: &str) -> String {
    let address = url.trim_start_matches("https://");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

// Semantics 9.3.
#[test]
fn where_everything_speaks_tls_events_go_through_and_nobody_else_does() {
    journey_alone_with(StackOptions::temporary().secure(), async |running| {
        let stack = &running.stack;
        assert!(stack.edge_url().starts_with("https://"));
        assert!(stack.redis_url().starts_with("rediss://"));
        let account = Account::create(running, Plan::default()).await;
        let events = [identify("ada", json!({"firstName": "Ada"}))];
        assert_eq!(account.identify(&events).await.statuses(), [200]);
        assert_eq!(account.track(&[track("ada")]).await.statuses(), [200]);
        assert_eq!(account.usage().await, (1, 1));
        // Killed and restarted, everybody finds everybody again.
        for process in ["postgres", "redis", "mapping", "edge"] {
            running.kill(process).await;
        }
        running.stack.wait_ready("edge").await.unwrap();
        weir_tests::eventually("events go through again", async || {
            let answer = account.track(&[track("ada")]).await;
            answer.status == 207 && answer.statuses() == [200]
        })
        .await;
        nobody_gets_in_plainly(running).await;
        the_front_door_finds_its_way(running).await;
        certificates_are_looked_at(running).await;
    });
}

async fn nobody_gets_in_plainly(running: &Weir) {
    let stack = &running.stack;
    for url in [
        stack.edge_url(),
        stack.classic_url(),
        stack.url(Service::Quota),
    ] {
        let answer = plainly(&url, "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.ends_with("call it by https://\n"), "{answer}");
    }
    let (url, _) = stack.postgres_url().split_once('?').unwrap();
    let plain = format!("{url}?sslmode=disable");
    let plain = weir_servers::postgres::connect(&plain).await;
    assert!(plain.is_err());
    let plain = stack.redis_url().replace("rediss://", "redis://");
    let client = redis::Client::open(plain).unwrap();
    assert!(client.get_multiplexed_async_connection().await.is_err());
}

async fn the_front_door_finds_its_way(running: &Weir) {
    let stack = &running.stack;
    stack.file().write(stack.folder()).unwrap();
    let folder = stack.folder().to_str().unwrap();
    let (code, said) = weir(&["status", "--data", folder], &[]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("https://127.0.0.1:"), "{said}");
    for service in ["mapping", "edge", "console"] {
        let (code, said) = weir(&["health", service, "--data", folder], &[]).await;
        assert!(code == 0 && said.starts_with(service), "{said}");
    }
    let (code, said) = weir(&["call", "quota/GetUsage", "{}", "--data", folder], &[]).await;
    assert!(code == 2 && said.contains("account_id"), "{said}");
    let (code, said) = weir(&["token", "list", "--data", folder], &[]).await;
    assert_eq!(code, 0, "{said}");
}

/// What `./weir` and a service say to each other, by one's address and what the other shows.
async fn certificates_are_looked_at(running: &Weir) {
    let stack = &running.stack;
    let tls = stack.folder().join("tls");
    let path = |name: &str| tls.join(name).to_str().unwrap().to_owned();
    let other = tempfile::tempdir().unwrap();
    let (stranger, _) = Authority::open(other.path()).unwrap();
    stranger.renew(&Holder::new("edge", &["edge"])).unwrap();
    let strange = |name: &str| other.path().join(name).to_str().unwrap().to_owned();
    let address = format!("--address={}", stack.url(Service::Mapping));
    let (ca, token) = (path("ca.pem"), stack.token().to_owned());
    let list = async |environment: &[(&str, &str)]| {
        let words = [
            "call",
            "mapping/ListAccounts",
            "{}",
            &address,
            "--data=/nowhere",
        ];
        weir(&words, environment).await
    };
    let known = ("WEIR_TLS_CA", ca.as_str());
    let shown = ("WEIR_TOKEN", token.as_str());
    // A team: a token, and no certificate.
    let (code, said) = list(&[known, shown]).await;
    assert_eq!(code, 0, "{said}");
    // Nobody.
    let (code, said) = list(&[known]).await;
    assert!(code == 1 && said.contains("shows no token"), "{said}");
    // Of whom nothing is known.
    let (code, said) = list(&[shown]).await;
    assert_eq!(code, 1);
    assert!(
        said.contains("an authority that is not trusted here"),
        "{said}"
    );
    // A service by its certificate, which may call what is for services alone.
    let by = |name: &str| (path(&format!("{name}.pem")), path(&format!("{name}.key")));
    let (certificate, key) = by("edge");
    let edge = [
        known,
        ("WEIR_TLS_CLIENT_CERT", certificate.as_str()),
        ("WEIR_TLS_CLIENT_KEY", key.as_str()),
    ];
    let (code, said) = list(&edge).await;
    assert_eq!(code, 0, "{said}");
    // Somebody by a certificate who is none.
    let (certificate, key) = by("client");
    let client = [
        known,
        ("WEIR_TLS_CLIENT_CERT", certificate.as_str()),
        ("WEIR_TLS_CLIENT_KEY", key.as_str()),
    ];
    let (code, said) = list(&client).await;
    assert!(code == 1 && said.contains("WEIR_TLS_SERVICES"), "{said}");
    // A certificate of another authority.
    let (certificate, key) = (strange("edge.pem"), strange("edge.key"));
    let foreign = [
        known,
        shown,
        ("WEIR_TLS_CLIENT_CERT", certificate.as_str()),
        ("WEIR_TLS_CLIENT_KEY", key.as_str()),
    ];
    let (code, _) = list(&foreign).await;
    assert_eq!(code, 1);
    let log = std::fs::read_to_string(stack.log("mapping")).unwrap();
    assert!(
        log.contains("no TLS with a caller: its certificate is of an authority"),
        "{log}"
    );
    plainly_is_refused(stack.url(Service::Mapping), shown).await;
}

async fn plainly_is_refused(url: String, shown: (&str, &str)) {
    let plain = format!("--address={}", url.replace("https", "http"));
    let words = [
        "call",
        "mapping/ListAccounts",
        "{}",
        &plain,
        "--data=/nowhere",
    ];
    // The connection may be gone before its last words were read; who asks again is told.
    weir_tests::eventually("it is said that TLS is spoken", async || {
        let (code, said) = weir(&words, &[shown]).await;
        assert_eq!(code, 1, "{said}");
        said.contains("speaks TLS")
    })
    .await;
}

/// A service that starts in this environment, or says why not.
fn start(name: &str, environment: &[(&str, &str)]) -> Child {
    let mut command = Command::new(binary(name));
    command
        .env_clear()
        .env("WEIR_LISTEN", "127.0.0.1:0")
        .env("WEIR_CLASSIC_LISTEN", "off")
        .env("WEIR_REDIS_URL", "redis://127.0.0.1:1")
        .env(
            "WEIR_SERVICE_TOKEN",
            "what-services-of-tests-show-each-other",
        )
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn what_is_wrong_with_the_files_is_a_sentence_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, _) = Authority::open(folder.path()).unwrap();
    authority
        .renew(&Holder::new("good", &["localhost"]))
        .unwrap();
    authority
        .renew(&Holder::new("other", &["localhost"]))
        .unwrap();
    let past = Lifetime {
        from: -9,
        until: -1,
    };
    authority
        .make(&Holder::new("past", &["localhost"]), past)
        .unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (good, good_key) = (path("good.pem"), path("good.key"));
    let (past, past_key) = (path("past.pem"), path("past.key"));
    let (other_key, gone) = (path("other.key"), path("gone.pem"));
    let cert = |value| ("WEIR_TLS_CERT", value);
    let key = |value| ("WEIR_TLS_KEY", value);
    let ca = path("ca.pem");
    for name in ["weir-quota", "weir-edge"] {
        for (environment, sentence) in [
            (
                vec![cert(&*good)],
                "WEIR_TLS_KEY is missing: WEIR_TLS_CERT is set",
            ),
            (
                vec![key(&*good_key)],
                "WEIR_TLS_CERT is missing: WEIR_TLS_KEY is set",
            ),
            (
                vec![cert(&*gone), key(&*good_key)],
                "WEIR_TLS_CERT: can't read",
            ),
            (
                vec![cert(&*past), key(&*past_key)],
                "has expired: it was good until",
            ),
            (
                vec![cert(&*good), key(&*other_key)],
                "does not belong to the certificate",
            ),
            (
                vec![("WEIR_TLS_CA", &*good_key)],
                "WEIR_TLS_CA: there is no certificate",
            ),
        ] {
            let ended = start(name, &environment).wait_with_output().unwrap();
            let text = said(&ended);
            assert_eq!(ended.status.code(), Some(1), "{environment:?}: {text}");
            assert!(text.contains(sentence), "{environment:?}: {text}");
        }
    }
    for (environment, sentence) in [
        (
            vec![cert(&*good), key(&*good_key), ("WEIR_TLS_CLIENT_CA", &*ca)],
            "WEIR_TLS_SERVICES is missing",
        ),
        (
            vec![("WEIR_TLS_SERVICES", "edge")],
            "WEIR_TLS_CLIENT_CA is missing",
        ),
        (
            vec![("WEIR_REDIS_CA", &*ca)],
            "a WEIR_REDIS_URL of rediss:// is missing",
        ),
    ] {
        let ended = start("weir-quota", &environment)
            .wait_with_output()
            .unwrap();
        let text = said(&ended);
        assert_eq!(ended.status.code(), Some(1), "{environment:?}: {text}");
        assert!(text.contains(sentence), "{environment:?}: {text}");
    }
}

/// Stops it where the test ends, however it does.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn metrics(address: &str) -> String {
    let request = "GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let address = address.to_owned();
    let asked = move || {
        let mut stream = TcpStream::connect(address).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    };
    let answered = tokio::task::spawn_blocking(asked).await.unwrap();
    answered.unwrap_or_default()
}

fn days_left(metrics: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| {
        line.starts_with("tls_certificate_days_left{") && line.contains("\"WEIR_TLS_CERT\"")
    })?;
    line.rsplit(' ').next()?.parse().ok()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    assert!(waited.is_ok(), "not in a minute: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_takes_new_certificates_and_no_broken_ones() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, _) = Authority::open(folder.path()).unwrap();
    let quota = holders(&[])
        .into_iter()
        .find(|holder| holder.name == "quota");
    let quota = quota.unwrap();
    let soon = Lifetime { from: 0, until: 9 };
    authority.make(&quota, soon).unwrap();
    let (certificate, key) = files(folder.path(), "quota");
    let free = || weir_servers::free_port().unwrap();
    let (listen, measured) = (
        format!("127.0.0.1:{}", free()),
        format!("127.0.0.1:{}", free()),
    );
    let mut running = Running(start(
        "weir-quota",
        &[
            ("WEIR_LISTEN", &*listen),
            ("WEIR_METRICS_LISTEN", &*measured),
            ("WEIR_TLS_CERT", certificate.to_str().unwrap()),
            ("WEIR_TLS_KEY", key.to_str().unwrap()),
        ],
    ));
    let reach = Reach::by(&authority.file()).unwrap();
    let url = format!("https://{listen}");
    let answers = async || reach.connect(&url, Duration::from_secs(5)).await.is_ok();
    until("it listens", answers).await;
    let left = days_left(&metrics(&measured).await).unwrap();
    assert!((8.0..9.1).contains(&left), "{left}");
    // Broken ones stay where they are, and are counted.
    let before = std::fs::read(&certificate).unwrap();
    std::fs::write(&certificate, "nonsense").unwrap();
    until("they are refused", async || {
        metrics(&measured)
            .await
            .contains("tls_reload_failures_total{")
    })
    .await;
    assert!(answers().await);
    std::fs::write(&certificate, before).unwrap();
    authority.renew(&quota).unwrap();
    until("they are taken", async || {
        days_left(&metrics(&measured).await).is_some_and(|left| left > 390.0)
    })
    .await;
    assert!(answers().await);
    running.0.kill().unwrap();
    let mut log = String::new();
    let errors = running.0.stderr.take().unwrap();
    std::io::BufReader::new(errors)
        .read_to_string(&mut log)
        .unwrap();
    assert!(log.contains("those of before stay in use"), "{log}");
    assert!(log.contains("the certificate ends soon"), "{log}");
}
