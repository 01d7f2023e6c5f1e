//! A real cluster of three masters and three replicas, of which nodes die and fall silent.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use uuid::Uuid;
use weir_proto::ledger::v1::Grantor;
use weir_servers::RedisCluster;
use weir_servers::child::signal;
use weir_testkit::eventually;

use crate::harness::{Account, Client, TODAY, World, counted, reserve, settle, try_reserve};

/// So many that each master has some.
const ACCOUNTS: usize = 9;
const LIMITS: (i64, i64) = (600, 400);
/// Longer than a failover takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Sends batches until the limits are reached, again where there is no answer, as the edge and
/// Segment would.
async fn drain(world: &World, client: &mut Client, account: &Account) {
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < PATIENCE, "units are not granted");
        let id = Uuid::now_v7().to_string();
        let batch = match try_reserve(client, account, &id, 3, 2).await {
            Ok(batch) => batch,
            Err(error) => {
                assert_eq!(error.code(), Code::Unavailable, "{error}");
                continue;
            }
        };
        let (profile, activity) = batch.granted();
        if (profile, activity) == (0, 0) {
            let [(profile, _), (activity, _)] = counted_once_there(client, account).await;
            if (profile, activity) == LIMITS {
                return;
            }
            continue;
        }
        let (contacts, activities) = world.store(account, &batch, profile, activity);
        let kept = |stored, units| if stored { units } else { 0 };
        let stored = (kept(contacts, profile), kept(activities, activity));
        // A settlement that is lost on the way is the ledgers' to make.
        let request = weir_proto::quota::v1::SettleRequest {
            account_id: account.id.clone(),
            settlements: vec![crate::harness::settlement(&batch, stored.0, stored.1)],
        };
        let _ = client.settle(request).await;
    }
}

async fn counted_once_there(client: &Client, account: &Account) -> [(i64, i64); 2] {
    let began = Instant::now();
    loop {
        let request = weir_proto::quota::v1::GetUsageRequest {
            account_id: account.id.clone(),
            entitlement: Some(account.entitlement()),
        };
        if let Ok(usage) = client.clone().get_usage(request).await {
            let usage = usage.into_inner();
            return [usage.profile, usage.activity].map(|one| {
                let one = one.unwrap();
                (one.used, one.reserved)
            });
        }
        assert!(began.elapsed() < PATIENCE, "usage is not told");
    }
}

/// Where it is noted that the account has leases: it is swept where that can be read.
fn registry(account: &Account) -> String {
    let id: Uuid = account.id.parse().unwrap();
    format!("weir:quota:active:{}", id.as_bytes()[15] % 16)
}

fn tag(account: &Account) -> String {
    format!("{{{}}}", account.id)
}

/// Six more servers at a time are enough for two cores.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// What is done to a node.
#[derive(Clone, Copy)]
enum Fate {
    Killed,
    Stopped,
}

/// Semantics 6.5.
async fn a_master_is_lost_under_load(fate: Fate) {
    let _turn = TURN.lock().await;
    let mut cluster = RedisCluster::start().await.unwrap();
    let world = Arc::new(World::on(cluster.url()).await);
    // Leases are short enough that what was lost on the way comes back.
    let clients = [
        world.replica_with(3_000, 200).await,
        world.replica_with(3_000, 200).await,
    ];
    let accounts: Vec<Account> = (0..ACCOUNTS)
        .map(|_| world.account(LIMITS.0, LIMITS.1))
        .collect();
    let senders = accounts.iter().enumerate().flat_map(|(index, account)| {
        [0, 1].map(|sender| {
            let (world, account) = (Arc::clone(&world), account.clone());
            let mut client = clients[(index + sender) % 2].clone();
            tokio::spawn(async move { drain(&world, &mut client, &account).await })
        })
    });
    let senders: Vec<_> = senders.collect();
    eventually("some is stored", async || {
        world.stored(&accounts[0], TODAY).0 > 60
    })
    .await;
    let lost = cluster.master_of(&tag(&accounts[0])).await.unwrap();
    match fate {
        Fate::Killed => cluster.node(lost).kill9().await,
        Fate::Stopped => signal("STOP", cluster.node(lost).child().pid()),
    }
    eventually("another has taken its place", async || {
        match fate {
            // One that is stopped would not answer.
            Fate::Stopped => true,
            Fate::Killed => {
                let now = cluster.master_of(&tag(&accounts[0])).await;
                now.is_ok_and(|now| now != lost)
            }
        }
    })
    .await;
    for sender in senders {
        sender.await.unwrap();
    }
    for account in &accounts {
        assert_eq!(world.stored(account, TODAY), LIMITS);
        let all = [(LIMITS.0, 0), (LIMITS.1, 0)];
        eventually(
            "what was not settled is, once its lease ran out",
            async || counted_once_there(&clients[0], account).await == all,
        )
        .await;
    }
    // The one that was lost comes back, and believes nothing that it remembers.
    match fate {
        Fate::Killed => cluster.start_again(lost).await.unwrap(),
        Fate::Stopped => signal("CONT", cluster.node(lost).child().pid()),
    }
    let fresh = world.account(10, 10);
    for account in accounts.iter().chain([&fresh]) {
        let mut client = clients[1].clone();
        let batch = eventually("units are asked for", async || {
            let id = Uuid::now_v7().to_string();
            try_reserve(&mut client.clone(), account, &id, 1, 1)
                .await
                .ok()
        })
        .await;
        let expected = if account.id == fresh.id {
            (1, 1)
        } else {
            (0, 0)
        };
        assert_eq!(batch.granted(), expected);
        settle(&mut client, account, &batch, 0, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_killed_under_load_costs_no_unit_and_overruns_none() {
    a_master_is_lost_under_load(Fate::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_stopped_under_load_costs_no_unit_and_overruns_none() {
    a_master_is_lost_under_load(Fate::Stopped).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_one_part_of_a_cluster_the_others_are_served_and_swept_and_health_says_so() {
    let _turn = TURN.lock().await;
    let mut cluster = RedisCluster::start().await.unwrap();
    for node in 0..6 {
        let words = ["CONFIG", "SET", "cluster-require-full-coverage", "no"];
        let _: String = cluster.ask(node, &words).await.unwrap();
    }
    let world = World::on(cluster.url()).await;
    let url = world.replica_at_with(2_000, 200).await;
    let mut client = crate::harness::client(&url);
    let mut health = HealthClient::new(weir_rpc::connect(&url).unwrap());
    let mut is_served = async move || {
        let request = HealthCheckRequest {
            service: "weir.quota.v1.QuotaService".into(),
        };
        let answer = health.check(request).await.unwrap().into_inner();
        answer.status() == ServingStatus::Serving
    };
    eventually("it is healthy", async || is_served().await).await;

    // The part that is lost is the one that knows who sweeps, and has some of the accounts.
    let lost = cluster.master_of("weir:quota:sweeper").await.unwrap();
    let (mut here, mut there) = (Vec::new(), Vec::new());
    while here.len() < 3 || there.is_empty() {
        let account = world.account(10, 10);
        reserve(&mut client, &account, 4, 4).await;
        if cluster.master_of(&tag(&account)).await.unwrap() == lost {
            there.push(account);
        } else if cluster.master_of(&registry(&account)).await.unwrap() != lost {
            here.push(account);
        }
    }
    let replica = eventually("it has a replica", async || {
        cluster.replica_of(lost).await.ok()
    })
    .await;
    cluster.node(replica).kill9().await;
    cluster.node(lost).kill9().await;
    // Where the ledgers can't stand in.
    let is_away = &world.others.contact.away;
    is_away.store(true, Ordering::SeqCst);
    eventually("health says that a part is away", async || {
        !is_served().await
    })
    .await;
    is_away.store(false, Ordering::SeqCst);
    for account in &here {
        eventually("leases that ran out are settled", async || {
            let units = counted_once_there(&client, account).await;
            units == [(0, 0), (0, 0)]
        })
        .await;
    }
    // Nothing of the first batch was stored, and it can't be any more.
    let batch = reserve(&mut client, &there[0], 10, 10).await;
    assert_eq!(batch.granted(), (10, 10));
    settle(&mut client, &there[0], &batch, 0, 0).await;
    let granted_by = |account: &Account| world.others.contact.granted_by(&account.id).0;
    assert_eq!(granted_by(&there[0]), Grantor::Ledgers);
    assert_eq!(granted_by(&here[0]), Grantor::Redis);

    cluster.start_again(lost).await.unwrap();
    cluster.start_again(replica).await.unwrap();
    eventually("it is healthy", async || is_served().await).await;
    for account in &there {
        let batch = reserve(&mut client, account, 10, 10).await;
        assert_eq!(batch.granted(), (10, 10));
        assert_eq!(counted(&mut client, account).await, [(0, 10), (0, 10)]);
    }
}
