//! The running system that journeys go through.

use std::error::Error;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;
use weir_proto::activity::v1::activity_service_client::ActivityServiceClient;
use weir_proto::audience::v1::audience_service_client::AudienceServiceClient;
use weir_proto::contact::v1::contact_service_client::ContactServiceClient;
use weir_proto::contact::v1::people_service_client::PeopleServiceClient;
use weir_proto::contact::v1::search_service_client::SearchServiceClient;
use weir_proto::mapping::v1::alert_service_client::AlertServiceClient;
use weir_proto::mapping::v1::configuration_service_client::ConfigurationServiceClient;
use weir_proto::mapping::v1::log_service_client::LogServiceClient;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_proto::mapping::v1::preview_service_client::PreviewServiceClient;
use weir_proto::mapping::v1::replay_service_client::ReplayServiceClient;
use weir_proto::quota::v1::quota_service_client::QuotaServiceClient;
use weir_stack::{Channel, Engines, Service, Shown, Stack, StackOptions};

use crate::answer::Answer;

/// How long an answer of the edge may take.
const ANSWER: Duration = Duration::from_secs(20);

const JSON: (&str, &str) = ("content-type", "application/json");

/// All tests share one runtime: the processes' supervisors live in it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static SHARED: OnceCell<Weir> = OnceCell::const_new();
/// Systems of tests that need one of their own run one after another: two cores.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Waits for what a journey needs beside the system, in the runtime of all.
pub fn block_on<T>(what: impl Future<Output = T>) -> T {
    RUNTIME.block_on(what)
}

/// Runs a journey through the shared system.
pub fn journey(steps: impl AsyncFnOnce(&'static Weir)) {
    RUNTIME.block_on(async {
        let weir = SHARED
            .get_or_init(|| Weir::start(StackOptions::temporary().on(engines())))
            .await;
        steps(weir).await;
    });
}

/// Those that `WEIR_TEST_POSTGRES` and `WEIR_TEST_REDIS` name, or our own.
fn engines() -> Engines {
    let (postgres, redis) = weir_servers::test_engines();
    let system = postgres.map(|url| weir_servers::test_system(&url).unwrap());
    let (postgres, role_passwords) = system.unzip();
    Engines {
        postgres,
        redis,
        role_passwords: role_passwords.unwrap_or_default(),
    }
}

/// Runs a journey through a system of its own, for what breaks or measures the system: on engines
/// of its own as well.
pub fn journey_alone(steps: impl AsyncFnOnce(&'static Weir)) {
    journey_alone_with(StackOptions::temporary(), steps);
}

/// As [`journey_alone`], through a system that is set up otherwise.
pub fn journey_alone_with(options: StackOptions, steps: impl AsyncFnOnce(&'static Weir)) {
    RUNTIME.block_on(async {
        let _turn = ALONE.lock().await;
        // Leaked so that tasks of the journey may hold it; its processes are stopped below,
        // or die with this one where the journey panics.
        let weir: &'static Weir = Box::leak(Box::new(Weir::start(options).await));
        steps(weir).await;
        weir.assert_sound().await;
        weir.stack.stop().await;
    });
}

/// How long a storm or a fuzzing lasts: as given, or under `./weir test long` at full length.
pub fn full_length(short: Duration, full: Duration) -> Duration {
    if std::env::var_os("WEIR_TEST_LONG").is_some() {
        full
    } else {
        short
    }
}

/// A running system.
pub struct Weir {
    pub stack: Stack,
    /// The stack's, or the one that its services were told.
    redis_url: String,
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    postgres: tokio_postgres::Client,
}

impl Weir {
    async fn start(options: StackOptions) -> Self {
        let told = options.environment.iter().rev();
        let mut told = told.filter(|(name, _)| name == "WEIR_REDIS_URL");
        let told = told.next().map(|(_, url)| url.clone());
        let stack = Stack::start(options).await.unwrap();
        let postgres = weir_servers::postgres::connect(stack.postgres_url())
            .await
            .unwrap();
        // Of an engine of our own alone: it is measured by it.
        if stack.names().contains(&"postgres") {
            let extension = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements";
            postgres.batch_execute(extension).await.unwrap();
        }
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(stack.reach().config())
            .https_or_http()
            .enable_http1()
            .build();
        Self {
            redis_url: told.unwrap_or_else(|| stack.redis_url().to_owned()),
            stack,
            // A connection per request, as Segment does it.
            http: Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build(connector),
            postgres,
        }
    }

    /// Runs a command of the front door against this system.
    pub async fn cli(&self, arguments: &[&str]) -> std::process::Output {
        let program = weir_stack::find_programs(None).unwrap().join("weir");
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).stdin(std::process::Stdio::null());
        command.env("WEIR_TOKEN", self.stack.token());
        for (service, url) in self.stack.file().grpc {
            command.arg(format!("--address={service}={url}"));
        }
        command.output().await.unwrap()
    }

    pub fn configuration(&self) -> ConfigurationServiceClient<Channel> {
        ConfigurationServiceClient::new(self.channel(Service::Mapping))
    }

    /// Sends one request to the edge as the client does.
    pub async fn send(&self, method: &str, path: &str, key: Option<&str>, body: Bytes) -> Answer {
        self.send_as(method, path, key, body, &[JSON]).await
    }

    /// As [`Weir::send`], with headers of one's own.
    pub async fn send_as(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: Bytes,
        headers: &[(&str, &str)],
    ) -> Answer {
        let url = format!("{}{path}", self.stack.edge_url());
        self.exchange(method, &url, key, body, headers)
            .await
            .unwrap()
    }

    /// As [`Weir::send`]; none where the edge can't be reached or breaks off.
    pub async fn try_send(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: Bytes,
    ) -> Option<Answer> {
        let url = format!("{}{path}", self.stack.edge_url());
        self.exchange(method, &url, key, body, &[JSON]).await.ok()
    }

    async fn exchange(
        &self,
        method: &str,
        url: &str,
        key: Option<&str>,
        body: Bytes,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Box<dyn Error + Send + Sync>> {
        let mut request = Request::builder().method(method).uri(url);
        if let Some(key) = key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body))?;
        tokio::time::timeout(ANSWER, async {
            let (head, body) = self.http.request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok(Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                json: serde_json::from_slice(&body).unwrap_or_default(),
            })
        })
        .await?
    }

    /// Posts events to a URL of one's own.
    pub async fn post_to(&self, url: &str, key: &str, body: Vec<u8>) -> Answer {
        let sent = self.exchange("POST", url, Some(key), body.into(), &[JSON]);
        sent.await.unwrap()
    }

    /// Posts a body to a URL, with headers of one's own alone.
    pub async fn post_with(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let sent = self.exchange("POST", url, None, body.into(), headers);
        sent.await.unwrap()
    }

    /// What a service tells whoever collects metrics.
    pub async fn metrics(&self, service: Service) -> String {
        self.metrics_at(&self.stack.metrics_url(service)).await
    }

    async fn metrics_at(&self, url: &str) -> String {
        let url = url.parse().unwrap();
        let body = self.http.get(url).await.unwrap().into_body();
        let body = body.collect().await.unwrap().to_bytes();
        String::from_utf8(body.into()).unwrap()
    }

    fn channel(&self, service: Service) -> Channel {
        self.stack.channel(service)
    }

    pub fn mapping(&self) -> MappingServiceClient<Channel> {
        MappingServiceClient::new(self.channel(Service::Mapping))
    }

    /// How often what happened to a source's events.
    pub fn logs(&self) -> LogServiceClient<Channel> {
        LogServiceClient::new(self.channel(Service::Mapping))
    }

    pub fn replays(&self) -> ReplayServiceClient<Channel> {
        ReplayServiceClient::new(self.channel(Service::Mapping))
    }

    /// Drafts and suggestions, before anything is saved.
    pub fn previews(&self) -> PreviewServiceClient<Channel> {
        PreviewServiceClient::new(self.channel(Service::Mapping))
    }

    /// Whom what was mailed, and what is out of the ordinary.
    pub fn alerts(&self) -> AlertServiceClient<Channel> {
        AlertServiceClient::new(self.channel(Service::Mapping))
    }

    pub fn contact(&self) -> ContactServiceClient<Channel> {
        ContactServiceClient::new(self.channel(Service::ContactUpsert))
    }

    pub fn search(&self) -> SearchServiceClient<Channel> {
        SearchServiceClient::new(self.channel(Service::ContactUpsert))
    }

    /// What a person does to contacts.
    pub fn people(&self) -> PeopleServiceClient<Channel> {
        PeopleServiceClient::new(self.channel(Service::ContactUpsert))
    }

    /// As well, of one replica: they are counted in a circle.
    pub fn people_at(&self, replica: usize) -> PeopleServiceClient<Channel> {
        let replicas = self.stack.instances(Service::ContactUpsert);
        let (_, listens) = &replicas[replica % replicas.len()];
        let channel = self.stack.reach().lazily(&listens.address).unwrap();
        let shown = Shown::token(self.stack.token()).unwrap();
        PeopleServiceClient::new(shown.by(channel))
    }

    pub fn activity(&self) -> ActivityServiceClient<Channel> {
        ActivityServiceClient::new(self.channel(Service::Activity))
    }

    pub fn audience(&self) -> AudienceServiceClient<Channel> {
        AudienceServiceClient::new(self.channel(Service::Audience))
    }

    pub fn quota(&self) -> QuotaServiceClient<Channel> {
        QuotaServiceClient::new(self.channel(Service::Quota))
    }

    /// `kill -9`; the supervisor starts it again.
    pub async fn kill(&self, process: &str) {
        self.stack.kill9(process).await.unwrap();
        self.stack.wait_ready(process).await.unwrap();
    }

    /// How many calls the services answered each other, and us, so far.
    pub async fn grpc_calls(&self) -> i64 {
        let mut calls = 0;
        for service in Service::ALL {
            calls += self.calls_of(service).await.iter().sum::<i64>();
        }
        calls
    }

    /// How many calls each replica of a service answered so far.
    pub async fn calls_of(&self, service: Service) -> Vec<i64> {
        let mut calls = Vec::new();
        for (_, listens) in self.stack.instances(service) {
            let text = self.metrics_at(&listens.metrics).await;
            let counts = text.lines().filter_map(|line| {
                let rest = line.strip_prefix("rpc_server_duration_seconds_count")?;
                rest.rsplit(' ').next()?.parse::<i64>().ok()
            });
            calls.push(counts.sum());
        }
        calls
    }

    /// How many statements on tenants' tables PostgreSQL ran so far.
    pub async fn statements(&self) -> i64 {
        let sql = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements
                   WHERE query LIKE '%account_id%' AND query NOT LIKE '%every account%'";
        self.postgres.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// The statements that PostgreSQL ran for the services so far.
    pub async fn statement_texts(&self) -> Vec<String> {
        let sql = "SELECT query FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
                   WHERE rolname LIKE 'weir\\_%'";
        let rows = self.postgres.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The tables of all services that have an account (partitions go by their parents).
    pub async fn tenant_tables(&self) -> Vec<String> {
        let sql = "SELECT DISTINCT c.relname::text FROM pg_class c
                   JOIN pg_namespace n ON n.oid = c.relnamespace
                   JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'account_id'
                   WHERE n.nspname IN ('mapping', 'contact', 'activity', 'audience')
                     AND c.relkind IN ('r', 'p') AND NOT c.relispartition";
        let rows = self.postgres.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The first column of what a query finds, as text. Over a connection of its own: the
    /// server may have been killed meanwhile.
    pub async fn query(&self, sql: &str) -> Vec<String> {
        let postgres = weir_servers::postgres::connect(self.stack.postgres_url());
        let rows = postgres.await.unwrap().query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Changes what is stored behind the services' back.
    pub async fn alter(&self, sql: &str) {
        self.postgres.batch_execute(sql).await.unwrap();
    }

    /// Links that were not yet relayed.
    pub async fn outbox_rows(&self) -> i64 {
        let sql = "SELECT count(*) FROM contact.outbox";
        self.postgres.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// As well, of one account.
    pub async fn outbox_rows_of(&self, account_id: &str) -> i64 {
        let sql = "SELECT count(*) FROM contact.outbox WHERE account_id = ($1::text)::uuid";
        let found = self.postgres.query_one(sql, &[&account_id]).await;
        found.unwrap().get(0)
    }

    /// Where the counters are.
    pub fn redis_url(&self) -> String {
        self.redis_url.clone()
    }

    /// How many commands Redis ran so far, those inside of scripts included.
    pub async fn redis_commands(&self) -> i64 {
        let client = redis::Client::open(self.stack.redis_url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let info: String = redis::cmd("INFO")
            .arg("stats")
            .query_async(&mut connection)
            .await
            .unwrap();
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("total_commands_processed:"));
        line.unwrap().trim().parse().unwrap()
    }
}
