//! Redis away, emptied, started anew; ledgers away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tonic::Code;
use uuid::Uuid;
use weir_servers::TestServers;
use weir_testkit::eventually;

use crate::harness::{Account, Client, TODAY, World, counted, reserve, settle, try_reserve};

async fn flush(world: &World) {
    let mut redis = world.redis().await;
    redis::cmd("FLUSHALL")
        .query_async::<()>(&mut redis)
        .await
        .unwrap();
}

/// Sends batches until nothing is granted any more. What the ledgers refuse comes again.
async fn drain(world: &World, client: &mut Client, account: &Account, settles: bool) {
    loop {
        let batch = reserve(client, account, 3, 2).await;
        let (profile, activity) = batch.granted();
        if (profile, activity) == (0, 0) {
            return;
        }
        tokio::task::yield_now().await;
        let (contacts, activities) = world.store(account, &batch, profile, activity);
        // Some die before they settle.
        if settles || profile != 3 {
            let kept = |stored, units| if stored { units } else { 0 };
            let (profile, activity) = (kept(contacts, profile), kept(activities, activity));
            settle(client, account, &batch, profile, activity).await;
        }
    }
}

/// Semantics 6.5.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_limit_is_overrun_while_redis_is_emptied_again_and_again() {
    let servers = TestServers::start().await.unwrap();
    let world = Arc::new(World::on(servers.redis_url()).await);
    let clients = [world.replica().await, world.replica().await];
    let account = world.account(3_000, 2_000);
    let running = Arc::new(AtomicBool::new(true));
    let emptier = {
        let (world, running, account) = (Arc::clone(&world), Arc::clone(&running), account.clone());
        tokio::spawn(async move {
            let mut emptied = 0;
            let mut stored = 0;
            while running.load(Ordering::SeqCst) {
                // Whenever the ledgers have grown by a tenth, the counters are lost.
                let now = world.stored(&account, TODAY).0;
                if now >= stored + 300 {
                    stored = now;
                    emptied += 1;
                    flush(&world).await;
                }
                tokio::task::yield_now().await;
            }
            emptied
        })
    };
    let tasks: Vec<_> = (0..8)
        .map(|index| {
            let (world, account) = (Arc::clone(&world), account.clone());
            let mut client = clients[index % 2].clone();
            tokio::spawn(async move { drain(&world, &mut client, &account, index % 4 != 0).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    running.store(false, Ordering::SeqCst);
    let emptied = emptier.await.unwrap();
    assert!(emptied >= 5, "{emptied}");

    let (profile, activity) = world.stored(&account, TODAY);
    assert!(
        profile <= 3_000 && activity <= 2_000,
        "{profile} {activity}"
    );
    // What was lost on the way is free again once the counters are rebuilt.
    flush(&world).await;
    let mut client = clients[0].clone();
    assert_eq!(
        counted(&mut client, &account).await,
        [(profile, 0), (activity, 0)]
    );
    drain(&world, &mut client, &account, true).await;
    assert_eq!(world.stored(&account, TODAY), (3_000, 2_000));
}

#[tokio::test]
async fn a_reservation_of_before_the_loss_can_not_commit() {
    let servers = TestServers::start().await.unwrap();
    let world = World::on(servers.redis_url()).await;
    let mut client = world.replica().await;
    let account = world.account(10, 10);
    let first = reserve(&mut client, &account, 4, 4).await;
    assert_eq!(world.store(&account, &first, 4, 0), (true, true));
    flush(&world).await;
    let second = reserve(&mut client, &account, 10, 10).await;
    assert_eq!(second.granted(), (6, 10));
    assert!(second.grant.epoch > first.grant.epoch);
    assert_eq!(world.store(&account, &first, 0, 4), (false, false));
    settle(&mut client, &account, &first, 4, 4).await;
    assert_eq!(counted(&mut client, &account).await, [(4, 6), (0, 10)]);
}

#[tokio::test]
async fn redis_started_anew_counts_for_nothing_and_units_are_there_within_a_second() {
    let mut servers = TestServers::start().await.unwrap();
    let world = World::on(servers.redis_url()).await;
    let mut client = world.replica().await;
    let account = world.account(10, 10);
    let stored = reserve(&mut client, &account, 4, 4).await;
    assert_eq!(world.store(&account, &stored, 4, 4), (true, true));
    settle(&mut client, &account, &stored, 4, 4).await;
    let open = reserve(&mut client, &account, 5, 5).await;

    servers.redis.stop().await;
    // Its append-only file remembers everything, which must not be believed.
    servers.redis.start_again().await.unwrap();
    let began = Instant::now();
    let batch = Uuid::now_v7().to_string();
    eventually("units are granted", async || {
        try_reserve(&mut client.clone(), &account, &batch, 10, 10)
            .await
            .is_ok()
    })
    .await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    let again = try_reserve(&mut client, &account, &batch, 10, 10)
        .await
        .unwrap();
    assert_eq!(again.granted(), (6, 6));
    assert!(again.grant.epoch > stored.grant.epoch);
    assert_eq!(world.store(&account, &open, 5, 5), (false, false));
}

#[tokio::test]
async fn without_both_ledgers_nothing_is_granted_and_with_them_at_once() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let account = world.account(10, 10);
    let batch = Uuid::now_v7().to_string();
    for ledger in [&world.others.contact, &world.others.activity] {
        ledger.away.store(true, Ordering::SeqCst);
        let error = try_reserve(&mut client, &account, &batch, 1, 1)
            .await
            .err()
            .unwrap();
        assert_eq!(error.code(), Code::Unavailable);
        assert!(
            error.message().contains("service is away"),
            "{}",
            error.message()
        );
        ledger.away.store(false, Ordering::SeqCst);
    }
    let granted = try_reserve(&mut client, &account, &batch, 1, 1)
        .await
        .unwrap();
    assert_eq!(granted.granted(), (1, 1));
}

#[tokio::test]
async fn a_rebuild_whose_replica_died_is_taken_over() {
    let world = World::alone().await;
    let mut client = world.replica().await;
    let account = world.account(10, 10);
    let mut redis = world.redis().await;
    let info: String = redis::cmd("INFO")
        .arg("server")
        .query_async(&mut redis)
        .await
        .unwrap();
    let run = info
        .lines()
        .find_map(|line| line.strip_prefix("run_id:"))
        .unwrap();
    redis::cmd("SET")
        .arg(format!("weir:{{{}}}:quota:rebuild", account.id))
        .arg(format!("{}:{}", Uuid::new_v4().simple(), run.trim()))
        .arg("PX")
        .arg(300)
        .query_async::<()>(&mut redis)
        .await
        .unwrap();
    assert_eq!(reserve(&mut client, &account, 1, 1).await.granted(), (1, 1));
}
