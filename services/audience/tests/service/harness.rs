//! The service in this process, with a clock that the test sets.

use std::sync::{Arc, Mutex};

use clap::Parser;
use uuid::Uuid;
use weir_audience::Config;
use weir_proto::audience::v1::audience_service_client::AudienceServiceClient;
use weir_proto::audience::v1::curation_service_client::CurationServiceClient;
use weir_proto::audience::v1::membership_service_client::MembershipServiceClient;
use weir_proto::audience::v1::sync_service_client::SyncServiceClient;
use weir_proto::audience::v1::{
    ApplyMembershipUpdatesRequest, AudienceDay, AudienceFigures, CreateAudienceRequest,
    GetAudienceRequest, ListAudienceDaysRequest, ListMembersRequest, MembershipUpdate,
    MembershipUpdateMode, MembershipUpdateStatus, MergeContactsRequest, Origin,
};
use weir_proto::settings::v1::ContactMerge;
use weir_rpc::Channel;
use weir_servers::{TestDatabase, TestServers};
use weir_testkit::{Others, Running, TOKENS, TestClock};

pub type Client = AudienceServiceClient<Channel>;

/// 2026-11-24T10:00:00Z, in milliseconds.
pub const START: i64 = 1_795_514_400_000;

/// A database, a clock, and any number of replicas.
pub struct World {
    pub database: TestDatabase,
    pub others: Arc<Others>,
    pub clock: TestClock,
    replicas: Mutex<Vec<Running>>,
}

impl World {
    pub async fn new() -> Self {
        Self {
            others: Others::start().await,
            database: TestServers::shared().await.fresh_database().await,
            clock: TestClock::at("2026-11-24T10:00:00Z"),
            replicas: Mutex::default(),
        }
    }

    /// A world with one replica that does not sync by itself within a test's time.
    pub async fn with_one() -> (Self, Client) {
        let world = Self::new().await;
        let client = world.replica(86_400_000).await;
        (world, client)
    }

    /// Starts one more, which looks for syncs that are due every `sync_ms`.
    pub async fn replica(&self, sync_ms: u64) -> Client {
        self.replica_with(sync_ms, &[]).await
    }

    /// With further arguments.
    pub async fn replica_with(&self, sync_ms: u64, more: &[&str]) -> Client {
        let sync_ms = sync_ms.to_string();
        let arguments = [
            "weir-audience",
            "--database-url",
            &*self.database.url_for("audience"),
            "--mapping-url",
            &self.others.url,
            "--sync-ms",
            &sync_ms,
        ];
        let arguments = arguments.into_iter().chain(more.iter().copied());
        let config = Config::parse_from(arguments.chain(TOKENS));
        let clock = self.clock.clock();
        let serve = |listener, shutdown| weir_audience::serve(config, clock, listener, shutdown);
        let running = Running::serving(serve).await;
        let channel = weir_rpc::connect(&running.url()).unwrap();
        self.replicas.lock().unwrap().push(running);
        AudienceServiceClient::new(channel)
    }

    /// The last replica, asked for memberships.
    pub async fn memberships(&self) -> MembershipServiceClient<Channel> {
        MembershipServiceClient::new(weir_rpc::connect(&self.url()).unwrap())
    }

    /// What people do by hand, at the last replica.
    pub async fn curation(&self) -> CurationServiceClient<Channel> {
        CurationServiceClient::new(weir_rpc::connect(&self.url()).unwrap())
    }

    pub async fn syncs(&self) -> SyncServiceClient<Channel> {
        SyncServiceClient::new(weir_rpc::connect(&self.url()).unwrap())
    }

    /// How many rows there are of an account.
    pub async fn rows(&self, table: &str, account: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM audience.{table} WHERE account_id = $1");
        let account: Uuid = account.parse().unwrap();
        let database = self.database().await;
        database.query_one(&sql, &[&account]).await.unwrap().get(0)
    }

    /// Of the last replica.
    pub fn url(&self) -> String {
        self.replicas.lock().unwrap().last().unwrap().url()
    }

    pub async fn database(&self) -> tokio_postgres::Client {
        weir_servers::postgres::connect(&self.database.superuser_url)
            .await
            .unwrap()
    }
}

/// An account of its own, and an audience in it.
pub async fn audience(client: &mut Client, name: &str) -> (String, String) {
    let account = Uuid::now_v7().to_string();
    let audience = create(client, &account, name).await;
    (account, audience)
}

pub async fn create(client: &mut Client, account: &str, name: &str) -> String {
    let request = CreateAudienceRequest {
        account_id: account.to_owned(),
        name: name.to_owned(),
        origin: Origin::SegmentActions.into(),
        request_id: String::new(),
    };
    let created = client.create_audience(request).await.unwrap().into_inner();
    created.audience.unwrap().audience_id
}

/// `time` is in milliseconds after the start of the test's clock.
pub fn update(
    contact: Uuid,
    audience: &str,
    mode: MembershipUpdateMode,
    time: i64,
) -> MembershipUpdate {
    MembershipUpdate {
        contact_id: contact.to_string().into(),
        audience_id: audience.to_owned().into(),
        mode: mode.into(),
        update_time: Some(prost_types::Timestamp {
            seconds: (START + time).div_euclid(1_000),
            nanos: i32::try_from((START + time).rem_euclid(1_000) * 1_000_000).unwrap(),
        }),
        message_id: format!("message {time}").into(),
    }
}

pub fn add(contact: Uuid, audience: &str, time: i64) -> MembershipUpdate {
    update(contact, audience, MembershipUpdateMode::Add, time)
}

pub fn remove(contact: Uuid, audience: &str, time: i64) -> MembershipUpdate {
    update(contact, audience, MembershipUpdateMode::Remove, time)
}

pub async fn merge(client: &mut Client, account: &str, merges: &[(Uuid, Uuid)]) {
    let request = MergeContactsRequest {
        account_id: account.to_owned(),
        merges: merges
            .iter()
            .map(|(contact, survivor)| ContactMerge {
                contact_id: contact.to_string(),
                survivor_id: survivor.to_string(),
                version: 1,
            })
            .collect(),
    };
    client.merge_contacts(request).await.unwrap();
}

/// Older ids first.
pub fn contacts<const N: usize>() -> [Uuid; N] {
    let mut ids = std::array::from_fn(|_| Uuid::now_v7());
    ids.sort();
    ids
}

pub async fn apply(
    client: &mut Client,
    account: &str,
    updates: Vec<MembershipUpdate>,
) -> Vec<MembershipUpdateStatus> {
    let request = ApplyMembershipUpdatesRequest {
        account_id: account.to_owned(),
        updates,
    };
    let answer = client
        .apply_membership_updates(request)
        .await
        .unwrap()
        .into_inner();
    answer
        .results
        .iter()
        .map(|result| result.status())
        .collect()
}

/// All of them, over as many pages as it takes.
pub async fn members(client: &mut Client, account: &str, audience: &str) -> Vec<Uuid> {
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let request = ListMembersRequest {
            account_id: account.to_owned(),
            audience_id: audience.to_owned(),
            page_size: 7,
            page_token: token,
        };
        let page = client.list_members(request).await.unwrap().into_inner();
        assert!(page.members.len() <= 7);
        found.extend(
            page.members
                .iter()
                .map(|member| member.contact_id.parse::<Uuid>().unwrap()),
        );
        if page.next_page_token.is_empty() {
            return found;
        }
        token = page.next_page_token;
    }
}

/// Members, and updates of the last seven days.
pub async fn figures(client: &mut Client, account: &str, audience: &str) -> (i64, i64) {
    let request = GetAudienceRequest {
        account_id: account.to_owned(),
        audience_id: audience.to_owned(),
    };
    let found = client.get_audience(request).await.unwrap().into_inner();
    let AudienceFigures {
        members,
        updates_last_7_days,
    } = found.audience.unwrap().figures.unwrap();
    (members, updates_last_7_days)
}

/// The newest first.
pub async fn days(client: &mut Client, account: &str, audience: &str) -> Vec<AudienceDay> {
    let request = ListAudienceDaysRequest {
        account_id: account.to_owned(),
        audience_id: audience.to_owned(),
        days: 0,
    };
    let found = client.list_audience_days(request).await.unwrap();
    found.into_inner().days
}
