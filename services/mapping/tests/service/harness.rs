//! An instance of the service, or several over the same data, and short forms of its calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;
use prost_types::Timestamp;
use weir_mapping::Config;
use weir_proto::mapping::v1::alert_service_client::AlertServiceClient;
use weir_proto::mapping::v1::configuration_service_client::ConfigurationServiceClient;
use weir_proto::mapping::v1::log_service_client::LogServiceClient;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_proto::mapping::v1::people_service_client::PeopleServiceClient;
use weir_proto::mapping::v1::replay_service_client::ReplayServiceClient;
use weir_proto::mapping::v1::row_service_client::RowServiceClient;
use weir_proto::mapping::v1::story_service_client::StoryServiceClient;
use weir_proto::mapping::v1::*;
use weir_servers::{TestDatabase, TestServers};
use weir_service::Clock;
use weir_testkit::{Running, TOKENS, eventually};

use crate::contacts::Contacts;

pub type Configuration = ConfigurationServiceClient<weir_rpc::Channel>;
pub type Client = MappingServiceClient<weir_rpc::Channel>;
pub type Rows = RowServiceClient<weir_rpc::Channel>;

/// 2025-07-11T06:09:00Z, that of the sample events.
pub const NOW: i64 = 1_752_214_140;

/// What keys and tokens are hashed with.
pub const SECRET: &str = "a secret of the tests";

/// One database, and as many instances as are asked for.
pub struct Service {
    pub database: TestDatabase,
    redis_url: String,
    contact_url: String,
    pub contacts: Contacts,
    /// Of every instance that starts from now on, beside those that say where things are.
    pub arguments: Vec<String>,
    /// With what every instance that starts from now on hashes.
    pub key_secret: String,
    /// Where places are; empty: nowhere.
    geoip_database: String,
    /// Of every instance that starts from now on.
    pub clock: Clock,
    running: Vec<Running>,
    /// By so many milliseconds it is later than it is.
    ahead: Arc<AtomicI64>,
}

impl Service {
    /// The alerts of the instance that was started last.
    pub fn alerts(&self) -> AlertServiceClient<weir_rpc::Channel> {
        let newest = self.running.last().unwrap();
        AlertServiceClient::new(weir_rpc::connect(&newest.url()).unwrap())
    }

    /// The same of people.
    pub fn people(&self) -> PeopleServiceClient<weir_rpc::Channel> {
        let newest = self.running.last().unwrap();
        PeopleServiceClient::new(weir_rpc::connect(&newest.url()).unwrap())
    }

    pub async fn start() -> (Self, Client) {
        let redis_url = TestServers::shared().await.redis_url();
        Self::with_redis(&redis_url).await
    }

    /// With a Redis of one's own, or one that isn't there.
    pub async fn with_redis(redis_url: &str) -> (Self, Client) {
        Self::with(redis_url, String::new()).await
    }

    /// With a database of places in that file.
    pub async fn with_places(file: &std::path::Path) -> (Self, Client) {
        let redis_url = TestServers::shared().await.redis_url();
        Self::with(&redis_url, file.display().to_string()).await
    }

    async fn with(redis_url: &str, geoip_database: String) -> (Self, Client) {
        let contacts = Contacts::default();
        let mut service = Self {
            database: TestServers::shared().await.fresh_database().await,
            redis_url: redis_url.to_owned(),
            contact_url: contacts.serve().await,
            contacts,
            arguments: Vec::new(),
            key_secret: SECRET.to_owned(),
            geoip_database,
            running: Vec::new(),
            ahead: Arc::default(),
            clock: Clock::system(),
        };
        let client = service.another().await;
        (service, client)
    }

    /// Another client of the youngest instance.
    pub fn configuration(&self) -> Configuration {
        let youngest = self.running.last().unwrap();
        ConfigurationServiceClient::new(weir_rpc::connect(&youngest.url()).unwrap())
    }

    /// What its clock says.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock().now()
    }

    /// From now on it is so much later.
    pub fn forward(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap();
        self.ahead.fetch_add(by, Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let (base, ahead) = (self.clock.clone(), Arc::clone(&self.ahead));
        Clock::of(move || base.now() + TimeDelta::milliseconds(ahead.load(Ordering::SeqCst)))
    }

    /// The one number that a query finds.
    pub async fn count(&self, query: &str) -> i64 {
        let url = &self.database.superuser_url;
        let connecting = tokio_postgres::connect(url, tokio_postgres::NoTls);
        let (client, connection) = connecting.await.unwrap();
        let running = tokio::spawn(connection);
        let count = client.query_one(query, &[]).await.unwrap().get(0);
        drop(client);
        running.await.unwrap().unwrap();
        count
    }

    /// Behind the service's back.
    pub async fn sql(&self, statements: &str) {
        let url = &self.database.superuser_url;
        let connecting = tokio_postgres::connect(url, tokio_postgres::NoTls);
        let (client, connection) = connecting.await.unwrap();
        let running = tokio::spawn(connection);
        client.batch_execute(statements).await.unwrap();
        drop(client);
        running.await.unwrap().unwrap();
    }

    /// Of the first instance.
    pub fn url(&self) -> String {
        self.running[0].url()
    }

    /// To the first instance.
    pub fn channel(&self) -> weir_rpc::Channel {
        weir_rpc::connect(&self.running[0].url()).unwrap()
    }

    /// What a statement that is asked behind the service's back says.
    pub async fn number(&self, query: &str) -> i64 {
        let url = &self.database.superuser_url;
        let connecting = tokio_postgres::connect(url, tokio_postgres::NoTls);
        let (client, connection) = connecting.await.unwrap();
        let running = tokio::spawn(connection);
        let number = client.query_one(query, &[]).await.unwrap().get(0);
        drop(client);
        running.await.unwrap().unwrap();
        number
    }

    /// The counts and summaries of the newest instance.
    pub fn logs(&self) -> LogServiceClient<weir_rpc::Channel> {
        let newest = self.running.last().unwrap();
        let channel = weir_rpc::connect(&newest.url()).unwrap();
        LogServiceClient::new(channel).max_decoding_message_size(weir_rpc::MAX_MESSAGE)
    }

    /// Ends every instance, as a signal would.
    pub async fn stop(&mut self) {
        for running in self.running.drain(..) {
            running.stop().await;
        }
    }

    /// The other service of the instance that was started last.
    pub fn replays(&self) -> ReplayServiceClient<weir_rpc::Channel> {
        let channel = weir_rpc::connect(&self.running.last().unwrap().url()).unwrap();
        ReplayServiceClient::new(channel).max_decoding_message_size(weir_rpc::MAX_MESSAGE)
    }

    /// The last instance, asked what became of events.
    pub fn stories(&self) -> StoryServiceClient<weir_rpc::Channel> {
        let running = self.running.last().unwrap();
        StoryServiceClient::new(weir_rpc::connect(&running.url()).unwrap())
    }

    /// The last instance, asked for rows.
    pub fn rows(&self) -> Rows {
        let running = self.running.last().unwrap();
        RowServiceClient::new(weir_rpc::connect(&running.url()).unwrap())
    }

    /// Another instance over the same data.
    pub async fn another(&mut self) -> Client {
        let database_url = self.database.url_for("mapping");
        let arguments = [
            "weir-mapping",
            "--database-url",
            &database_url,
            "--redis-url",
            &self.redis_url,
            "--contact-url",
            &self.contact_url,
            "--activity-url",
            &self.contact_url,
            "--audience-url",
            &self.contact_url,
            "--quota-url",
            &self.contact_url,
            "--key-secret",
            &self.key_secret,
            "--geoip-database",
            &self.geoip_database,
        ];
        let further = self.arguments.iter().map(String::as_str);
        let arguments = arguments.into_iter().chain(TOKENS);
        let config = Config::parse_from(arguments.chain(further));
        let clock = self.clock();
        let serve = |listener, shutdown| weir_mapping::serve(config, clock, listener, shutdown);
        let running = Running::serving(serve).await;
        let channel = weir_rpc::connect(&running.url()).unwrap();
        self.running.push(running);
        MappingServiceClient::new(channel).max_decoding_message_size(weir_rpc::MAX_MESSAGE)
    }
}

/// Calls a method with a message; fails the test where it fails.
#[macro_export]
macro_rules! call {
    ($client:expr, $method:ident, $message:expr) => {
        $client
            .clone()
            .$method($message)
            .await
            .map(tonic::Response::into_inner)
    };
}

/// An account with a plan of five activities, and its Segment (Actions) source.
#[derive(Debug, Clone)]
pub struct Tenant {
    pub account_id: String,
    pub source_id: String,
}

pub fn account(name: &str) -> PutAccountRequest {
    PutAccountRequest {
        name: name.to_owned(),
        plan: Some(Plan {
            included_contacts: Some(5_000),
            activity_slots: Some(2),
            ..Default::default()
        }),
        notification_address: Some("owner@example.org".to_owned()),
        ..Default::default()
    }
}

pub async fn tenant(client: &Client, name: &str) -> Tenant {
    let account = call!(client, put_account, account(name)).unwrap();
    let account_id = account.account.unwrap().account_id;
    let request = PutSourceRequest {
        account_id: account_id.clone(),
        kind: SourceKind::SegmentActions.into(),
        name: "Website".to_owned(),
        ..Default::default()
    };
    let source = call!(client, put_source, request).unwrap().source.unwrap();
    Tenant {
        account_id,
        source_id: source.source_id,
    }
}

impl Tenant {
    /// The mapping of Segment's own sample of an identify.
    pub async fn map_contact(&self, client: &Client) -> PutContactMappingResponse {
        let field = CreateFieldRequest {
            account_id: self.account_id.clone(),
            name: "Active".to_owned(),
            r#type: ValueType::Boolean.into(),
            request_id: String::new(),
        };
        call!(client, create_field, field).unwrap();
        let pairs = [
            ("firstName", "str::first", ""),
            ("lastName", "str::last", ""),
            ("email", "str::email", ""),
            ("birthday", "dtz::b", "DD-MM-YYYY"),
            ("active", "bol:cm:active", ""),
        ];
        call!(client, put_contact_mapping, self.contact_mapping(&pairs)).unwrap()
    }

    pub fn contact_mapping(&self, pairs: &[(&str, &str, &str)]) -> PutContactMappingRequest {
        PutContactMappingRequest {
            account_id: self.account_id.clone(),
            source_id: self.source_id.clone(),
            mappings: pairs
                .iter()
                .map(|(path, field, format)| FieldMapping {
                    trait_path: (*path).to_owned(),
                    field_id: (*field).to_owned(),
                    date_format: (*format).to_owned(),
                    ..Default::default()
                })
                .collect(),
            clear: false,
            expected_version: None,
        }
    }

    /// An activity with the attributes of Segment's own sample of a track.
    pub fn activity(&self, name: &str) -> PutActivityMappingRequest {
        let attribute = |name: &str, value_type: ValueType| AttributeMapping {
            property_path: name.to_owned(),
            attribute: name.to_owned(),
            r#type: value_type.into(),
            ..Default::default()
        };
        PutActivityMappingRequest {
            account_id: self.account_id.clone(),
            source_id: self.source_id.clone(),
            event_name: name.to_owned(),
            retention_days: None,
            attributes: vec![
                attribute("action", ValueType::Text),
                attribute("count", ValueType::Integer),
            ],
            clear_attributes: false,
            expected_version: None,
        }
    }

    pub fn batch(&self, events: Vec<Event>) -> MapEventsRequest {
        MapEventsRequest {
            account_id: self.account_id.clone(),
            source_id: self.source_id.clone(),
            requests: vec![EventsRequest {
                batch_id: "batch".to_owned(),
                receive_time: Some(time(NOW)),
                event_count: u32::try_from(events.len()).unwrap(),
            }],
            events,
            ..Default::default()
        }
    }

    pub async fn map(&self, client: &Client, events: Vec<Event>) -> MapEventsResponse {
        call!(client, map_events, self.batch(events)).unwrap()
    }

    pub fn log_request(&self) -> ListLogRequest {
        ListLogRequest {
            account_id: self.account_id.clone(),
            source_id: self.source_id.clone(),
            page_size: 1_000,
            ..ListLogRequest::default()
        }
    }

    pub fn samples_request(&self, event_name: &str) -> ListSamplesRequest {
        ListSamplesRequest {
            account_id: self.account_id.clone(),
            source_id: self.source_id.clone(),
            event_name: event_name.to_owned(),
        }
    }

    pub fn source_request(&self) -> GetSourceRequest {
        GetSourceRequest {
            account_id: self.account_id.clone(),
            source_id: self.source_id.clone(),
        }
    }

    /// The log, once it has `count` entries.
    pub async fn log(&self, client: &Client, count: usize) -> Vec<LogEntry> {
        eventually("the log has its lines", async || {
            let entries = call!(client, list_log, self.log_request()).unwrap().entries;
            (entries.len() >= count).then_some(entries)
        })
        .await
    }
}

pub fn time(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

/// An event as the edge sends it: spans of its parts within the whole.
pub fn event(kind: EventKind, raw: &str) -> Event {
    let span = |name: &str| {
        let start = raw.find(&format!("\"{name}\":{{"))? + name.len() + 3;
        let length = object_length(&raw[start..]);
        Some(Span {
            start: start.try_into().unwrap(),
            length: length.try_into().unwrap(),
        })
    };
    Event {
        kind: kind.into(),
        traits: span("traits"),
        properties: span("properties"),
        location: span("location"),
        event_time: Some(time(NOW)),
        message_id: "a5cbd0b6".into(),
        raw: raw.to_owned().into(),
        ..Default::default()
    }
}

pub fn track(name: &str, raw: &str) -> Event {
    Event {
        event_name: name.to_owned().into(),
        ..event(EventKind::Track, raw)
    }
}

fn object_length(text: &str) -> usize {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    stream.next().unwrap().unwrap();
    stream.byte_offset()
}

pub fn mapped(event: &MappedEvent) -> &Mapped {
    match event.outcome.as_ref().unwrap() {
        mapped_event::Outcome::Mapped(mapped) => mapped,
        mapped_event::Outcome::Rejection(rejection) => panic!("{rejection:?}"),
    }
}

pub fn rejected(event: &MappedEvent) -> &Rejection {
    match event.outcome.as_ref().unwrap() {
        mapped_event::Outcome::Rejection(rejection) => rejection,
        mapped_event::Outcome::Mapped(mapped) => panic!("{mapped:?}"),
    }
}
