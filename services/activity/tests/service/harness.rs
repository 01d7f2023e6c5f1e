//! The service in this process, and short words for what tests say to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use clap::Parser;
use prost_types::Timestamp;
use uuid::Uuid;
use weir_activity::Config;
use weir_proto::activity::v1::activity_service_client::ActivityServiceClient;
use weir_proto::activity::v1::*;
use weir_proto::ledger::v1::ledger_service_client::LedgerServiceClient;
use weir_proto::ledger::v1::{
    BatchKey, CloseBatchesRequest, FenceUsageRequest, FenceUsageResponse,
};
use weir_proto::settings::v1::ContactMerge;
use weir_servers::{TestDatabase, TestServers};
use weir_service::Clock;
use weir_testkit::{Others, Running, TOKENS};

pub use weir_proto::activity::v1::RecordStatus::{
    Backlogged, NotFunded, Repeated, Stored, Unstorable,
};

/// Every test's definition of an activity.
pub const ACTIVITY: Uuid = Uuid::from_u128(0xac71);

/// One instance, and the account of one test.
#[derive(Clone)]
pub struct Weir {
    pub client: ActivityServiceClient<weir_rpc::Channel>,
    pub ledger: LedgerServiceClient<weir_rpc::Channel>,
    pub url: String,
    pub account: Uuid,
    pub database: TestDatabase,
    /// Mapping and contact-upsert, as far as they are asked.
    pub others: Arc<Others>,
    pub running: Arc<Running>,
}

impl Weir {
    /// Ends it, so that another one keeps house; there must be no clone of it.
    pub async fn stop(self) {
        Arc::into_inner(self.running).unwrap().stop().await;
    }
}

/// A fresh database with one instance on it.
pub async fn start() -> Weir {
    let database = TestServers::shared().await.fresh_database().await;
    instance(database, Uuid::now_v7()).await
}

/// Another instance on a database.
pub async fn instance(database: TestDatabase, account: Uuid) -> Weir {
    instance_at(database, account, Clock::system()).await
}

/// One by another clock.
pub async fn instance_at(database: TestDatabase, account: Uuid, clock: Clock) -> Weir {
    let others = Others::start().await;
    let arguments = [
        "weir-activity",
        "--database-url",
        &*database.url_for("activity"),
        "--mapping-url",
        &others.url,
        "--contact-url",
        &others.url,
        "--link-cache-entries",
        "1000",
    ];
    let config = Config::parse_from(arguments.into_iter().chain(TOKENS));
    let serve = |listener, shutdown| weir_activity::serve(config, clock, listener, shutdown);
    let running = Running::serving(serve).await;
    let channel = weir_rpc::connect(&running.url()).unwrap();
    Weir {
        ledger: LedgerServiceClient::new(channel.clone()),
        client: ActivityServiceClient::new(channel)
            .max_decoding_message_size(weir_rpc::MAX_MESSAGE),
        url: running.url(),
        account,
        database,
        others,
        running: Arc::new(running),
    }
}

/// Noon, today.
pub fn noon() -> DateTime<Utc> {
    Utc::now()
        .date_naive()
        .and_hms_opt(12, 0, 0)
        .unwrap()
        .and_utc()
}

pub fn stamp(time: DateTime<Utc>) -> Option<Timestamp> {
    Some(Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap(),
    })
}

/// A funded track of nobody yet.
pub fn track(message_id: &str) -> ActivityEvent {
    ActivityEvent {
        activity_id: ACTIVITY.to_string().into(),
        event_name: "Sign-in button clicked".into(),
        attributes_json: r#"{"count": 3}"#.into(),
        retention_days: 90,
        event_time: stamp(noon()),
        message_id: message_id.to_owned().into(),
        funded: true,
        ..ActivityEvent::default()
    }
}

/// Of a user id.
pub fn of_user(user_id: &str, message_id: &str) -> ActivityEvent {
    ActivityEvent {
        user_id: user_id.to_owned().into(),
        ..track(message_id)
    }
}

/// Of a contact that contact-upsert named.
pub fn of_contact(contact: Uuid, message_id: &str) -> ActivityEvent {
    ActivityEvent {
        contact_id: contact.to_string().into(),
        ..track(message_id)
    }
}

/// Of a contact that contact-upsert named for the event's identifier.
pub fn named(contact: Uuid, event: ActivityEvent) -> ActivityEvent {
    ActivityEvent {
        contact_id: contact.to_string().into(),
        ..event
    }
}

pub fn unfunded(event: ActivityEvent) -> ActivityEvent {
    ActivityEvent {
        funded: false,
        ..event
    }
}

pub fn user_link(user_id: &str, contact: Uuid, version: i64) -> IdentifierLink {
    IdentifierLink {
        kind: IdentifierKind::UserId.into(),
        value: user_id.to_owned().into(),
        contact_id: contact.to_string().into(),
        version,
        link_time: stamp(noon() + chrono::TimeDelta::hours(1)),
    }
}

pub fn anonymous_link(anonymous_id: &str, contact: Uuid, version: i64) -> IdentifierLink {
    IdentifierLink {
        kind: IdentifierKind::AnonymousId.into(),
        ..user_link(anonymous_id, contact, version)
    }
}

pub fn window() -> String {
    noon().date_naive().to_string()
}

static BATCHES: AtomicU64 = AtomicU64::new(1);

pub fn new_batch_id() -> Uuid {
    Uuid::from_u128(BATCHES.fetch_add(1, Ordering::Relaxed).into())
}

impl Weir {
    /// The same service, and another account.
    pub fn other_account(&self) -> Self {
        Self {
            account: Uuid::now_v7(),
            ..self.clone()
        }
    }

    /// Behind the scenes, as the superuser.
    pub async fn sql(&self) -> tokio_postgres::Client {
        weir_servers::postgres::connect(&self.database.superuser_url)
            .await
            .unwrap()
    }

    pub fn request(&self, events: Vec<ActivityEvent>) -> RecordActivitiesRequest {
        RecordActivitiesRequest {
            account_id: self.account.to_string(),
            batch_id: new_batch_id().to_string(),
            window: window(),
            epoch: 0,
            receive_time: stamp(noon()),
            events,
            probe_only: false,
            source_id: String::new(),
        }
    }

    pub async fn send(
        &self,
        request: RecordActivitiesRequest,
    ) -> Result<(Vec<RecordStatus>, i64), tonic::Status> {
        let response = self.client.clone().record_activities(request).await?;
        let response = response.into_inner();
        let statuses = response.results.iter().map(RecordResult::status).collect();
        Ok((statuses, response.units))
    }

    /// A batch of its own.
    pub async fn record(&self, events: Vec<ActivityEvent>) -> Vec<RecordStatus> {
        let (statuses, units) = self.send(self.request(events)).await.unwrap();
        let charged = statuses
            .iter()
            .filter(|status| matches!(status, Stored | Backlogged))
            .count();
        assert_eq!(units, i64::try_from(charged).unwrap());
        statuses
    }

    /// (attached, discarded)
    pub async fn link(&self, links: Vec<IdentifierLink>) -> (i64, i64) {
        self.change(links, &[]).await
    }

    pub async fn change(&self, links: Vec<IdentifierLink>, merges: &[(Uuid, Uuid)]) -> (i64, i64) {
        let request = LinkIdentifiersRequest {
            account_id: self.account.to_string(),
            links,
            merges: merges
                .iter()
                .map(|(merged, survivor)| ContactMerge {
                    contact_id: merged.to_string(),
                    survivor_id: survivor.to_string(),
                    version: 1,
                })
                .collect(),
        };
        let response = self.client.clone().link_identifiers(request).await;
        let response = response.unwrap().into_inner();
        (response.attached, response.discarded)
    }

    pub async fn page(&self, contact: Uuid, size: i32, token: &str) -> ListActivitiesResponse {
        let request = ListActivitiesRequest {
            account_id: self.account.to_string(),
            contact_id: contact.to_string(),
            page_size: size,
            page_token: token.to_owned(),
        };
        let response = self.client.clone().list_activities(request).await;
        response.unwrap().into_inner()
    }

    /// All of a contact's activities, newest first.
    pub async fn list(&self, contact: Uuid) -> Vec<Activity> {
        let mut activities = Vec::new();
        let mut token = String::new();
        loop {
            let page = self.page(contact, 1_000, &token).await;
            activities.extend(page.activities);
            token = page.next_page_token;
            if token.is_empty() {
                return activities;
            }
        }
    }

    /// Their message ids, sorted.
    pub async fn messages(&self, contact: Uuid) -> Vec<String> {
        let activities = self.list(contact).await;
        let mut messages: Vec<_> = activities.into_iter().map(|one| one.message_id).collect();
        messages.sort();
        messages
    }

    /// What waits in all of the account.
    pub async fn backlog(&self) -> i64 {
        self.backlog_of("", "").await
    }

    pub async fn backlog_of(&self, user_id: &str, anonymous_id: &str) -> i64 {
        let request = GetBacklogRequest {
            account_id: self.account.to_string(),
            user_id: user_id.to_owned(),
            anonymous_id: anonymous_id.to_owned(),
        };
        let response = self.client.clone().get_backlog(request).await;
        response.unwrap().into_inner().waiting
    }

    pub async fn fence(&self, epoch: i64) -> FenceUsageResponse {
        let request = FenceUsageRequest {
            account_id: self.account.to_string(),
            epoch,
            from_window: window(),
            ..FenceUsageRequest::default()
        };
        let response = self.ledger.clone().fence_usage(request).await;
        response.unwrap().into_inner()
    }

    /// What the account was charged today.
    pub async fn usage(&self) -> i64 {
        self.fence(0).await.sums.iter().map(|sum| sum.units).sum()
    }

    pub async fn close(&self, batches: &[Uuid]) -> Vec<i64> {
        let request = CloseBatchesRequest {
            account_id: self.account.to_string(),
            batches: batches
                .iter()
                .map(|batch| BatchKey {
                    batch_id: batch.to_string(),
                    window: window(),
                })
                .collect(),
        };
        let response = self.ledger.clone().close_batches(request).await;
        response.unwrap().into_inner().units
    }
}
