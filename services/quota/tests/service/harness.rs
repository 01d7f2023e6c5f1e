//! The service in this process, and batches that go through it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::Parser;
use tonic::Status;
use uuid::Uuid;
use weir_proto::mapping::v1 as mapping;
use weir_proto::quota::v1::quota_service_client::QuotaServiceClient;
use weir_proto::quota::v1::{
    GetUsageRequest, GetUsageResponse, ReserveRequest, ReserveResponse, SettleRequest, Settlement,
};
use weir_proto::settings::v1::Entitlement;
use weir_quota::Config;
use weir_redis::{Patience, Redis};
use weir_rpc::Channel;
use weir_servers::TestServers;
use weir_testkit::{Running, TOKENS, TestClock};

use crate::ledgers::{Others, Urls};

pub type Client = QuotaServiceClient<Channel>;

const PATIENCE: Duration = Duration::from_secs(20);

pub const TODAY: &str = "2026-11-24";
const START: &str = "2026-11-24T10:00:00Z";
/// Longer than any test: for those that are not about leases.
pub const LONG: u64 = 600_000;

/// A Redis, the other services, a clock, and any number of replicas.
pub struct World {
    pub redis_url: String,
    pub others: Others,
    urls: Urls,
    pub clock: TestClock,
    replicas: Mutex<Vec<Running>>,
}

impl World {
    /// On the Redis that all tests share.
    pub async fn new() -> Self {
        Self::on(TestServers::shared().await.redis_url()).await
    }

    /// For a test of sweeping, which one replica does of all on a Redis: the others' are not
    /// on this one's.
    pub async fn alone() -> Self {
        static USED: AtomicUsize = AtomicUsize::new(0);
        let number = USED.fetch_add(1, Ordering::Relaxed) + 1;
        let shared = TestServers::shared().await.own_redis_url().await;
        let (server, _) = shared.rsplit_once('/').unwrap();
        Self::on(format!("{server}/{number}")).await
    }

    /// On a Redis of the test's own.
    pub async fn on(redis_url: String) -> Self {
        let others = Others::default();
        Self {
            redis_url,
            urls: others.serve().await,
            others,
            clock: TestClock::at(START),
            replicas: Mutex::default(),
        }
    }

    pub async fn replica(&self) -> Client {
        self.replica_with(LONG, LONG).await
    }

    pub async fn replica_with(&self, lease_ms: u64, sweep_ms: u64) -> Client {
        let url = self.serve(lease_ms, sweep_ms).await;
        client(&url)
    }

    /// Ends the replica that was started first.
    pub async fn stop_first(&self) {
        let first = self.replicas.lock().unwrap().remove(0);
        first.stop().await;
    }

    /// The same of the last one.
    pub async fn stop_last(&self) {
        let last = self.replicas.lock().unwrap().pop();
        last.unwrap().stop().await;
    }

    /// The URL of one more replica.
    pub async fn replica_at(&self) -> String {
        self.serve(LONG, LONG).await
    }

    /// As well, with times of its own.
    pub async fn replica_at_with(&self, lease_ms: u64, sweep_ms: u64) -> String {
        self.serve(lease_ms, sweep_ms).await
    }

    /// One whose clock is another one's.
    pub async fn replica_by(&self, clock: &TestClock) -> Client {
        client(&self.serve_by(clock, &self.redis_url, LONG, LONG).await)
    }

    /// One that has a way to Redis of its own.
    pub async fn replica_by_way_of(&self, redis_url: &str) -> Client {
        client(&self.serve_by(&self.clock, redis_url, LONG, LONG).await)
    }

    async fn serve(&self, lease_ms: u64, sweep_ms: u64) -> String {
        self.serve_by(&self.clock, &self.redis_url, lease_ms, sweep_ms)
            .await
    }

    async fn serve_by(
        &self,
        clock: &TestClock,
        redis_url: &str,
        lease_ms: u64,
        sweep_ms: u64,
    ) -> String {
        let (lease_ms, sweep_ms) = (lease_ms.to_string(), sweep_ms.to_string());
        let arguments = [
            "weir-quota",
            "--redis-url",
            redis_url,
            "--mapping-url",
            &self.urls.mapping,
            "--contact-url",
            &self.urls.contact,
            "--activity-url",
            &self.urls.activity,
            "--lease-ms",
            &lease_ms,
            "--sweep-ms",
            &sweep_ms,
        ];
        let config = Config::parse_from(arguments.into_iter().chain(TOKENS));
        let clock = clock.clock();
        let serve = |listener, shutdown| weir_quota::serve(config, clock, listener, shutdown);
        let running = Running::serving(serve).await;
        let url = running.url();
        self.replicas.lock().unwrap().push(running);
        url
    }

    /// An account whose limits are `profile` and `activity`.
    pub fn account(&self, profile: i64, activity: i64) -> Account {
        let account = Account {
            id: Uuid::now_v7().to_string(),
            profile,
            activity,
        };
        // Factors that make these limits of one contact and one mapped activity.
        let plan = mapping::Account {
            account_id: account.id.clone(),
            plan: Some(mapping::Plan {
                included_contacts: Some(1),
                profile_factor: Some(profile),
                activity_factor: Some(activity),
                ..mapping::Plan::default()
            }),
            mapped_activities: 1,
            ..mapping::Account::default()
        };
        self.others
            .plans
            .lock()
            .unwrap()
            .insert(account.id.clone(), plan);
        account
    }

    /// Stores a granted batch in both ledgers: whether each took it.
    pub fn store(
        &self,
        account: &Account,
        batch: &Batch,
        profile: i64,
        activity: i64,
    ) -> (bool, bool) {
        let grant = &batch.grant;
        let commit = |ledger: &crate::ledgers::Ledger, units| {
            ledger.commit(&account.id, &grant.window, &batch.id, grant.epoch, units)
        };
        (
            commit(&self.others.contact, profile),
            commit(&self.others.activity, activity),
        )
    }

    /// What both ledgers hold of a day.
    pub fn stored(&self, account: &Account, window: &str) -> (i64, i64) {
        (
            self.others.contact.sum(&account.id, window),
            self.others.activity.sum(&account.id, window),
        )
    }

    pub async fn redis(&self) -> weir_redis::Connection {
        let patience = Patience {
            connect: PATIENCE,
            answer: PATIENCE,
        };
        let redis = Redis::at(&self.redis_url, patience).unwrap();
        redis.connect().await.unwrap()
    }
}

/// Of one replica.
pub fn client(url: &str) -> Client {
    QuotaServiceClient::new(weir_rpc::connect(url).unwrap())
}

#[derive(Clone)]
pub struct Account {
    pub id: String,
    pub profile: i64,
    pub activity: i64,
}

impl Account {
    pub fn entitlement(&self) -> Entitlement {
        Entitlement {
            contacts: 1,
            mapped_activities: 1,
            profile_factor: self.profile,
            activity_factor: self.activity,
        }
    }
}

/// A batch that was admitted.
#[derive(Clone)]
pub struct Batch {
    pub id: String,
    pub grant: ReserveResponse,
}

impl Batch {
    /// Of both kinds.
    pub fn granted(&self) -> (i64, i64) {
        let of = |meter: Option<weir_proto::quota::v1::Meter>| meter.unwrap().granted;
        (of(self.grant.profile), of(self.grant.activity))
    }
}

pub async fn try_reserve(
    client: &mut Client,
    account: &Account,
    batch: &str,
    profile: i64,
    activity: i64,
) -> Result<Batch, Status> {
    reserve_above(client, account, batch, (profile, activity), 0).await
}

/// [`try_reserve`], after a ledger has said that an epoch stands.
pub async fn reserve_above(
    client: &mut Client,
    account: &Account,
    batch: &str,
    (profile, activity): (i64, i64),
    ledger_epoch: i64,
) -> Result<Batch, Status> {
    let request = ReserveRequest {
        ledger_epoch,
        account_id: account.id.clone(),
        batch_id: batch.to_owned(),
        profile_units: profile,
        activity_units: activity,
        entitlement: Some(account.entitlement()),
        settlements: Vec::new(),
    };
    let grant = client.reserve(request).await?.into_inner();
    Ok(Batch {
        id: batch.to_owned(),
        grant,
    })
}

pub async fn reserve(client: &mut Client, account: &Account, profile: i64, activity: i64) -> Batch {
    let batch = Uuid::now_v7().to_string();
    try_reserve(client, account, &batch, profile, activity)
        .await
        .unwrap()
}

pub async fn settle(
    client: &mut Client,
    account: &Account,
    batch: &Batch,
    profile: i64,
    activity: i64,
) {
    let request = SettleRequest {
        account_id: account.id.clone(),
        settlements: vec![settlement(batch, profile, activity)],
    };
    client.settle(request).await.unwrap();
}

/// What the batch stored.
pub fn settlement(batch: &Batch, profile: i64, activity: i64) -> Settlement {
    Settlement {
        batch_id: batch.id.clone(),
        window: batch.grant.window.clone(),
        epoch: batch.grant.epoch,
        profile_units: profile,
        activity_units: activity,
    }
}

pub async fn usage(client: &mut Client, account: &Account) -> GetUsageResponse {
    let request = GetUsageRequest {
        account_id: account.id.clone(),
        entitlement: None,
    };
    client.get_usage(request).await.unwrap().into_inner()
}

/// (used, reserved) of profile units, then of activity units.
pub async fn counted(client: &mut Client, account: &Account) -> [(i64, i64); 2] {
    let usage = usage(client, account).await;
    [usage.profile, usage.activity].map(|one| {
        let one = one.unwrap();
        (one.used, one.reserved)
    })
}
