//! No level shows what the libraries carry: not in the lines, not in exported spans.

#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::pin::Pin;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::net::TcpListener;
use tonic::Status;
use tonic::body::Body;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use weir_servers::TestServers;
use weir_telemetry::{LogFormat, Options};

const CANARY: &str = "canary-7f3a";
/// Set in the process that is looked at: telemetry is started once per process.
const LEVEL: &str = "WEIR_TEST_LEVEL";

/// Takes what is exported.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<u8>>>);

impl tonic::server::NamedService for Collector {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl tower::Service<Request<Body>> for Collector {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let collected = Arc::clone(&self.0);
        Box::pin(async move {
            let body = request.into_body().collect().await.unwrap();
            collected.lock().unwrap().extend(body.to_bytes());
            Ok(Status::ok("").into_http())
        })
    }
}

/// Values go through every library that carries them.
async fn carry(address: &str) {
    let servers = TestServers::shared().await;
    let database = servers.fresh_database().await;
    let url = database.url_for("mapping");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let echo = client.query_one("SELECT $1::text", &[&CANARY]).await;
    assert_eq!(echo.unwrap().get::<_, &str>(0), CANARY);
    let notice = format!("DO $$ BEGIN RAISE NOTICE '{CANARY}'; END $$");
    client.batch_execute(&notice).await.unwrap();
    let refused = client.query_one("SELECT $1::text::int", &[&CANARY]).await;
    assert!(refused.is_err());

    let redis = redis::Client::open(servers.own_redis_url().await).unwrap();
    let mut redis = redis.get_connection_manager().await.unwrap();
    let set = redis::cmd("SET").arg(CANARY).arg(CANARY).to_owned();
    set.query_async::<()>(&mut redis).await.unwrap();

    let channel = weir_rpc::connect(address).unwrap();
    let mut request = tonic::Request::new(HealthCheckRequest {
        service: CANARY.to_owned(),
    });
    request
        .metadata_mut()
        .insert("authorization", CANARY.parse().unwrap());
    HealthClient::new(channel).check(request).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn inner() {
    let Ok(level) = std::env::var(LEVEL) else {
        return;
    };
    let collector = Collector::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = weir_rpc::Server::new("weir.quota.v1.QuotaService")
        .access(weir_rpc::Access::open())
        .service(collector.clone());
    tokio::spawn(server.serve(listener, std::future::pending()));
    let options = Options {
        log: level,
        log_format: LogFormat::Text,
        metrics_listen: None,
        otlp_endpoint: Some(address.clone()),
    };
    let telemetry = weir_telemetry::start("weir-test", &options).await.unwrap();
    let span = tracing::info_span!(target: "weir_test", "carried");
    tracing::Instrument::instrument(carry(&address), span).await;
    let panicked = tokio::spawn(async {
        panic!("a panic whose message has a value: {CANARY}");
    });
    panicked.await.unwrap_err();
    tracing::trace!(target: "weir_test", "this is ours");
    tokio::time::timeout(Duration::from_secs(20), telemetry.shutdown())
        .await
        .unwrap();
    let exported = collector.0.lock().unwrap().clone();
    assert!(contains(&exported, "carried"), "nothing was exported");
    assert!(!contains(&exported, CANARY), "a value was exported");
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[test]
fn no_level_shows_values() {
    let program = std::env::current_exe().unwrap();
    for level in [
        "trace",
        "trace,tokio_postgres=trace,h2=trace,redis=trace,log=trace",
    ] {
        let output = Command::new(&program)
            .args(["--exact", "inner", "--nocapture"])
            .env(LEVEL, level)
            .env("RUST_BACKTRACE", "0")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("this is ours"), "{said}");
        assert!(said.contains("a panic"), "{said}");
        let line = said.lines().find(|line| line.contains(CANARY));
        assert_eq!(line, None, "at {level}");
    }
}
