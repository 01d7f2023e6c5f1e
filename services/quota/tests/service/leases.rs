//! Batches that were never settled.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use weir_ids::AccountId;
use weir_quota::store::Store;
use weir_redis::RedisOptions;
use weir_servers::TestServers;
use weir_testkit::eventually;

use crate::harness::{LONG, TODAY, World, counted, reserve, settle};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_ran_out_is_settled_by_what_the_ledgers_hold() {
    let world = World::alone().await;
    let mut client = world.replica_with(150, 20).await;
    let _other = world.replica_with(150, 20).await;
    let account = world.account(100, 100);
    // One that stored its contacts and died, one that died before, one that was settled.
    let half = reserve(&mut client, &account, 10, 10).await;
    assert_eq!(world.store(&account, &half, 7, 0), (true, true));
    let lost = reserve(&mut client, &account, 20, 20).await;
    let done = reserve(&mut client, &account, 3, 3).await;
    assert_eq!(world.store(&account, &done, 3, 2), (true, true));
    settle(&mut client, &account, &done, 3, 2).await;

    eventually("nothing is reserved", async || {
        counted(&mut client.clone(), &account).await == [(10, 0), (2, 0)]
    })
    .await;
    // Nothing had to be built anew for it.
    assert_eq!(world.others.contact.epoch(&account.id), half.grant.epoch);
    // Too late: both batches are closed.
    assert_eq!(world.store(&account, &half, 1, 1), (false, false));
    assert_eq!(world.store(&account, &lost, 1, 1), (false, false));
    settle(&mut client, &account, &lost, 20, 20).await;
    assert_eq!(counted(&mut client, &account).await, [(10, 0), (2, 0)]);
    assert_eq!(world.stored(&account, TODAY), (10, 2));

    let mut redis = world.redis().await;
    eventually("no lease is left", async || {
        let fields: Vec<String> = redis::cmd("HKEYS")
            .arg(format!("weir:{{{}}}:quota", account.id))
            .query_async(&mut redis)
            .await
            .unwrap();
        !fields.iter().any(|field| field.starts_with("lease:"))
    })
    .await;
}

/// Who is noted as the one that sweeps.
async fn sweeper(world: &World) -> Option<String> {
    let mut redis = world.redis().await;
    let mut get = redis::cmd("GET");
    let get = get.arg("weir:quota:sweeper").query_async(&mut redis);
    get.await.unwrap()
}

#[tokio::test]
async fn one_replica_sweeps_and_another_goes_on_within_seconds_where_it_dies() {
    let world = World::alone().await;
    let account = world.account(10, 10);
    // It is the one, and does not come to it.
    let _busy = world.replica_with(LONG, LONG).await;
    let first = eventually("somebody sweeps", async || sweeper(&world).await).await;
    let mut client = world.replica_with(50, 20).await;
    reserve(&mut client, &account, 10, 10).await;
    let looked = Instant::now();
    while looked.elapsed() < Duration::from_millis(500) {
        // The other looks every 20 ms, and leaves it alone.
        let units = counted(&mut client, &account).await;
        assert_eq!(units, [(0, 10), (0, 10)]);
        assert_eq!(sweeper(&world).await.as_ref(), Some(&first));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.stop_first().await;
    let died = Instant::now();
    eventually("the units are back", async || {
        counted(&mut client.clone(), &account).await == [(0, 0), (0, 0)]
    })
    .await;
    let took = died.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(sweeper(&world).await.is_some_and(|now| now != first));
}

#[tokio::test]
async fn a_replica_that_can_not_sweep_lets_another_do_it() {
    let world = World::alone().await;
    let account = world.account(10, 10);
    let mut client = world.replica_with(50, 1_000).await;
    reserve(&mut client, &account, 10, 10).await;
    world.others.contact.away.store(true, Ordering::SeqCst);
    let first = eventually("somebody sweeps", async || sweeper(&world).await).await;
    let other = world.replica_with(LONG, 1_000).await;
    eventually("another tries", async || {
        sweeper(&world).await.is_some_and(|now| now != first)
    })
    .await;
    world.others.contact.away.store(false, Ordering::SeqCst);
    eventually("the units are back", async || {
        counted(&mut other.clone(), &account).await == [(0, 0), (0, 0)]
    })
    .await;
}

/// How often Redis did what, since it was asked last.
async fn commands(redis: &mut weir_redis::Connection, name: &str) -> u64 {
    let stats: String = redis::cmd("INFO")
        .arg("commandstats")
        .query_async(redis)
        .await
        .unwrap();
    let calls = stats.lines().filter_map(|line| {
        let (command, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let is_meant = match name {
            // But for those by which replicas see that Redis is there, and by which they connect.
            "all" => !["ping", "client|setinfo"].contains(&command),
            _ => name == command,
        };
        is_meant.then(|| rest.split(',').next().unwrap().parse::<u64>().unwrap())
    });
    calls.sum()
}

#[tokio::test]
async fn a_look_for_leases_that_ran_out_costs_the_same_however_many_live() {
    let servers = TestServers::start().await.unwrap();
    let world = World::on(servers.redis_url()).await;
    let client = world.replica().await;
    let store = Store::connect(&servers.redis_url(), &RedisOptions::default()).unwrap();
    let mut redis = world.redis().await;
    let account = world.account(100_000, 100_000);
    let id: AccountId = account.id.parse().unwrap();
    let mut costs = Vec::new();
    for live in [3, 3_000] {
        futures_util::stream::iter(0..live)
            .for_each_concurrent(32, async |_| {
                reserve(&mut client.clone(), &account, 1, 1).await;
            })
            .await;
        // Its script is loaded.
        store.expired(id, 500).await.unwrap();
        let mut cheapest = u64::MAX;
        // What the replica itself does meanwhile, from time to time, is counted with a look.
        for _ in 0..50 {
            redis::cmd("CONFIG")
                .arg("RESETSTAT")
                .query_async::<()>(&mut redis)
                .await
                .unwrap();
            let expired = store.expired(id, 500).await.unwrap();
            assert!(expired.standing >= live && expired.batches.is_empty() && !expired.more);
            assert_eq!(commands(&mut redis, "hgetall").await, 0);
            cheapest = cheapest.min(commands(&mut redis, "all").await);
        }
        costs.push(cheapest);
    }
    assert_eq!(costs[0], costs[1]);
    assert!(costs[1] <= 12, "{costs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_leases_that_ran_out_are_settled_in_one_round() {
    let world = World::alone().await;
    let mut dying = world.replica_with(1, LONG).await;
    let account = world.account(10_000, 10_000);
    futures_util::stream::iter(0..2_000)
        .for_each_concurrent(32, async |_| {
            reserve(&mut dying.clone(), &account, 1, 1).await;
        })
        .await;
    assert_eq!(counted(&mut dying, &account).await, [(0, 2_000); 2]);
    let raised = world.others.contact.raises.load(Ordering::SeqCst);
    world.stop_first().await;
    let sweeper = world.replica_with(LONG, LONG).await;
    eventually("the units are back", async || {
        counted(&mut sweeper.clone(), &account).await == [(0, 0), (0, 0)]
    })
    .await;
    assert_eq!(world.others.contact.raises.load(Ordering::SeqCst), raised);
}

#[tokio::test]
async fn every_key_ends_by_itself() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let account = world.account(10, 10);
    reserve(&mut client, &account, 1, 1).await;
    eventually("somebody sweeps", async || sweeper(&world).await).await;
    let mut redis = world.redis().await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("weir:*")
        .query_async(&mut redis)
        .await
        .unwrap();
    // Other tests, on the same Redis, put theirs there by hand.
    let of = |text: &str| {
        let found: Vec<&String> = keys.iter().filter(|key| key.contains(text)).collect();
        assert!(!found.is_empty(), "{text}");
        found
    };
    assert_eq!(of(&account.id).len(), 2, "the state, and its leases");
    let all = ["weir:quota:active:", "weir:quota:sweeper", &account.id].map(of);
    for key in all.concat() {
        let left: i64 = redis::cmd("TTL")
            .arg(key)
            .query_async(&mut redis)
            .await
            .unwrap();
        // One that ended meanwhile has none either.
        let ends = left == -2 || (0..=3 * 24 * 3_600).contains(&left);
        assert!(ends, "{key}: {left}");
    }
}

/// The ledger refuses it in every round; its neighbours in all shards are swept in each.
#[tokio::test]
async fn an_account_that_can_not_be_swept_is_not_the_others_trouble() {
    let world = World::alone().await;
    let mut client = world.replica_with(50, 20).await;
    let broken = world.account(10, 10);
    reserve(&mut client, &broken, 5, 5).await;
    let refuses = &world.others.activity.unknown;
    refuses.lock().unwrap().insert(broken.id.clone());
    for _round in 0..3 {
        let well: Vec<_> = (0..20).map(|_| world.account(10, 10)).collect();
        for account in &well {
            reserve(&mut client, account, 5, 5).await;
        }
        for account in &well {
            eventually("the units are back", async || {
                counted(&mut client.clone(), account).await == [(0, 0), (0, 0)]
            })
            .await;
        }
    }
    refuses.lock().unwrap().clear();
    assert_eq!(counted(&mut client, &broken).await, [(0, 5), (0, 5)]);
    eventually("it is swept as well", async || {
        counted(&mut client.clone(), &broken).await == [(0, 0), (0, 0)]
    })
    .await;
}
