//! A service in this process, and short ways to speak to it.

use std::sync::Arc;

use bytes::Bytes;
use clap::Parser;
use prost_types::Timestamp;
use uuid::Uuid;
use weir_contact_upsert::Config;
use weir_ids::TimedKey;
use weir_proto::contact::v1::contact_service_client::ContactServiceClient;
use weir_proto::contact::v1::identity_service_client::IdentityServiceClient;
use weir_proto::contact::v1::people_service_client::PeopleServiceClient;
use weir_proto::contact::v1::search_service_client::SearchServiceClient;
use weir_proto::contact::v1::transfer_service_client::TransferServiceClient;
use weir_proto::contact::v1::{
    Contact, ContactEvent, GetContactRequest, UpsertContactsRequest, UpsertContactsResponse,
    UpsertMode, UpsertStatus, get_contact_request, value,
};
use weir_proto::ledger::v1::ledger_service_client::LedgerServiceClient;
use weir_proto::settings::v1::{KeyStrategy, MergeStrategy};
use weir_servers::{TestDatabase, TestServers};
use weir_service::Clock;
use weir_testkit::{Others, Running, TOKENS};

pub use UpsertStatus::{Kept, NotFunded, NothingNew, Refused, Repeated, Stored, Unstorable};

/// None that is over: what was charged in those is dropped some day, and may be at any moment.
pub const WINDOW: &str = "2999-07-10";

/// Of the day in whose seconds events happen.
pub const FIRST_SECOND: i64 = 1_752_127_200;

/// Where events come from.
pub const SOURCE: &str = "018f3e6a-7c1b-7d2a-9a3e-000000000001";

pub const AUDIENCE: &str = "018f3e6a-7c1b-7d2a-9a3e-5b6c7d8e9f00";

/// Nobody listens there: a service must get along without its peers.
pub const NOBODY: &str = "http://127.0.0.1:1";

pub struct Service {
    pub client: ContactServiceClient<weir_rpc::Channel>,
    pub ledger: LedgerServiceClient<weir_rpc::Channel>,
    pub people: PeopleServiceClient<weir_rpc::Channel>,
    pub searches: SearchServiceClient<weir_rpc::Channel>,
    pub transfers: TransferServiceClient<weir_rpc::Channel>,
    pub identity: IdentityServiceClient<weir_rpc::Channel>,
    pub database: TestDatabase,
    pub account: Uuid,
    pub others: Arc<Others>,
    running: Running,
}

impl Service {
    /// In a database of its own.
    pub async fn start() -> Self {
        let database = TestServers::shared().await.fresh_database().await;
        Self::start_in(database, NOBODY, NOBODY).await
    }

    /// Another replica over the same tables.
    pub async fn replica(&self) -> Self {
        let mut replica = Self::start_in(self.database.clone(), NOBODY, NOBODY).await;
        replica.account = self.account;
        replica
    }

    pub async fn start_in(database: TestDatabase, activity: &str, audience: &str) -> Self {
        let others = Others::start().await;
        let arguments = [
            "weir-contact-upsert",
            "--database-url",
            &*database.url_for("contact"),
            "--activity-url",
            activity,
            "--mapping-url",
            &others.url,
            "--audience-url",
            audience,
            "--quota-url",
            NOBODY,
        ];
        let config = Config::try_parse_from(arguments.into_iter().chain(TOKENS)).unwrap();
        let serve = |listener, shutdown| {
            weir_contact_upsert::serve(config, Clock::system(), listener, shutdown)
        };
        let running = Running::serving(serve).await;
        let channel = weir_rpc::connect(&running.url()).unwrap();
        Self {
            client: ContactServiceClient::new(channel.clone()),
            people: PeopleServiceClient::new(channel.clone()),
            ledger: LedgerServiceClient::new(channel.clone()),
            searches: SearchServiceClient::new(channel.clone()),
            transfers: TransferServiceClient::new(channel.clone()),
            identity: IdentityServiceClient::new(channel),
            database,
            account: Uuid::now_v7(),
            others,
            running,
        }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        self.running.url()
    }

    /// `host:port`.
    pub fn address(&self) -> std::net::SocketAddr {
        self.running.address
    }

    /// Tells it to end, so that another does what one at a time does.
    pub fn begin_stop(&mut self) {
        self.running.begin_stop();
    }

    /// A batch of the default settings.
    pub fn batch(&self, events: Vec<ContactEvent>) -> UpsertContactsRequest {
        UpsertContactsRequest {
            identifiers_version: 0,
            caseless_identifiers: Vec::new(),
            kept_removes_limit: None,
            account_id: self.account.to_string(),
            batch_id: Uuid::now_v7().to_string(),
            window: WINDOW.to_owned(),
            epoch: 0,
            source_id: SOURCE.to_owned(),
            unique_identifiers: vec!["str::email".to_owned()],
            key_strategy: KeyStrategy::Any.into(),
            merge_strategy: MergeStrategy::Overwrite.into(),
            existing_only: false,
            keep_user_ids_apart: false,
            events,
        }
    }

    pub async fn send(
        &self,
        batch: UpsertContactsRequest,
    ) -> Result<UpsertContactsResponse, tonic::Status> {
        let answer = self.client.clone().upsert_contacts(batch).await?;
        Ok(answer.into_inner())
    }

    pub async fn upsert(&self, events: Vec<ContactEvent>) -> UpsertContactsResponse {
        self.send(self.batch(events)).await.unwrap()
    }

    pub async fn find(&self, key: get_contact_request::Key) -> Result<Contact, tonic::Status> {
        let request = GetContactRequest {
            account_id: self.account.to_string(),
            key: Some(key),
            show_provenance: false,
        };
        let answer = self.client.clone().get_contact(request).await?;
        Ok(answer.into_inner().contact.unwrap())
    }

    pub async fn user(&self, id: &str) -> Contact {
        let key = get_contact_request::Key::UserId(id.to_owned());
        self.find(key).await.unwrap()
    }

    /// A look behind the scenes.
    pub async fn sql(&self) -> tokio_postgres::Client {
        let url = self.database.behind("contact");
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client
    }

    /// A count, by a query of its account as `$1`.
    pub async fn count(&self, query: &str) -> i64 {
        let client = self.sql().await;
        client
            .query_one(query, &[&self.account])
            .await
            .unwrap()
            .get(0)
    }

    pub async fn units(&self) -> i64 {
        self.count("SELECT COALESCE(sum(units), 0)::bigint FROM usage WHERE account_id = $1")
            .await
    }
}

/// An identify at a second of the day; `ids` are user and anonymous id, `-` for none.
pub fn identify(second: i64, ids: (&str, &str), fields: &str) -> ContactEvent {
    let or_none = |id: &str| {
        if id == "-" {
            Bytes::new()
        } else {
            id.to_owned().into()
        }
    };
    keyed(ContactEvent {
        mode: UpsertMode::Identify.into(),
        user_id: or_none(ids.0),
        anonymous_id: or_none(ids.1),
        fields_json: fields.to_owned().into(),
        event_time: Some(Timestamp {
            seconds: FIRST_SECOND + second,
            nanos: 0,
        }),
        message_id: format!("m{second}").into(),
        membership_update: None,
        undated: false,
        no_values: false,
        never_creates: false,
        funded: true,
        event_key: Vec::new().into(),
        correction: false,
    })
}

/// The same, arrived at that second without a time of its own.
pub fn undated(second: i64, ids: (&str, &str), fields: &str) -> ContactEvent {
    keyed(ContactEvent {
        message_id: "m".into(),
        undated: true,
        ..identify(second, ids, fields)
    })
}

/// The same, as a track.
pub fn track(second: i64, ids: (&str, &str), fields: &str) -> ContactEvent {
    keyed(ContactEvent {
        mode: UpsertMode::Track.into(),
        ..identify(second, ids, fields)
    })
}

/// A track with a `remove` membership update and no traits.
pub fn find(second: i64, ids: (&str, &str)) -> ContactEvent {
    keyed(ContactEvent {
        mode: UpsertMode::Find.into(),
        membership_update: Some(weir_proto::contact::v1::MembershipUpdate {
            mode: weir_proto::contact::v1::MembershipMode::Remove.into(),
            audience_id: AUDIENCE.into(),
        }),
        ..identify(second, ids, "")
    })
}

pub fn unfunded(event: ContactEvent) -> ContactEvent {
    ContactEvent {
        funded: false,
        ..event
    }
}

/// With the key that its content makes.
pub fn keyed(mut event: ContactEvent) -> ContactEvent {
    let content = format!(
        "{}|{:?}|{:?}|{:?}|{:?}",
        event.mode, event.user_id, event.anonymous_id, event.fields_json, event.message_id
    );
    let micros = match event.event_time {
        Some(time) if !event.undated => time.seconds * 1_000_000,
        _ => 0,
    };
    let key = TimedKey::new(micros, &[content.as_bytes()]);
    event.event_key = key.0.as_bytes().to_vec().into();
    event
}

pub fn statuses(response: &UpsertContactsResponse) -> Vec<UpsertStatus> {
    let results = response.results.iter();
    results.map(|result| result.status()).collect()
}

/// The contact of an answer's event.
pub fn contact_id(response: &UpsertContactsResponse, event: usize) -> String {
    text(&response.results[event].contact_id)
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A contact's fields as texts, for comparing.
pub fn fields(contact: &Contact) -> Vec<(String, String)> {
    let fields = contact.fields.iter();
    fields
        .map(|field| {
            let value = field.value.as_ref().and_then(|value| value.kind.as_ref());
            let text = match value {
                Some(value::Kind::Text(text) | value::Kind::Date(text)) => text.clone(),
                other => format!("{other:?}"),
            };
            (field.field_id.clone(), text)
        })
        .collect()
}
