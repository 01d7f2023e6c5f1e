//! News of a limit that nothing comes behind: Redis away, a day that ends, a process that does.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use weir_proto::mapping::v1::AlertKind;
use weir_servers::TestServers;
use weir_testkit::eventually;

use crate::harness::{Account, World, reserve, settle};

/// What was told of an account: of which day, what, and how.
fn told(world: &World, account: &Account) -> Vec<(String, AlertKind, String)> {
    let alerts = world.others.alerts.lock().unwrap();
    let of = alerts.iter().filter(|(of, _)| *of == account.id);
    of.map(|(_, alert)| {
        let time = weir_rpc::wire::read_time(alert.raise_time.unwrap()).unwrap();
        let day = time.date_naive().to_string();
        (day, alert.kind(), alert.message.clone())
    })
    .collect()
}

fn kinds(world: &World, account: &Account) -> Vec<(String, AlertKind)> {
    let told = told(world, account).into_iter();
    told.map(|(day, kind, _)| (day, kind)).collect()
}

fn near(day: &str) -> Vec<(String, AlertKind)> {
    vec![(day.to_owned(), AlertKind::LimitNear)]
}

/// Semantics 6.8.
#[tokio::test]
async fn a_limit_is_told_while_redis_is_away_and_of_a_day_that_ended_meanwhile() {
    let servers = TestServers::start().await.unwrap();
    let world = World::on(servers.redis_url()).await;
    let mut reserving = world.replica().await;
    let accounts = [(); 4].map(|()| world.account(100, 100));
    let [at_once, unheard, late, early] = &accounts;
    for account in &accounts {
        let stored = reserve(&mut reserving, account, 79, 10).await;
        assert_eq!(world.store(account, &stored, 79, 10), (true, true));
        settle(&mut reserving, account, &stored, 79, 10).await;
    }
    // In Redis, and stored, and nobody settles it any more.
    let batch = reserve(&mut reserving, early, 1, 1).await;
    assert_eq!(world.store(early, &batch, 1, 1), (true, true));
    servers.redis.kill9().await;

    let batch = reserve(&mut reserving, at_once, 1, 1).await;
    assert_eq!(world.store(at_once, &batch, 1, 1), (true, true));
    settle(&mut reserving, at_once, &batch, 1, 1).await;
    // Settled by nobody, as where another replica is asked that does not know yet who grants.
    let batch = reserve(&mut reserving, unheard, 1, 1).await;
    assert_eq!(world.store(unheard, &batch, 1, 1), (true, true));
    let batch = reserve(&mut reserving, late, 1, 1).await;
    for account in [at_once, unheard, early] {
        eventually("80 % are told", async || {
            kinds(&world, account) == near("2026-11-24")
        })
        .await;
    }
    assert_eq!(kinds(&world, late), []);

    world.clock.set("2026-11-25T00:00:10Z");
    assert_eq!(world.store(late, &batch, 1, 1), (true, true));
    eventually("80 % of the day before are told", async || {
        kinds(&world, late) == near("2026-11-24")
    })
    .await;
    let (_, _, message) = told(&world, late).remove(0);
    assert!(message.contains("80 of 100"), "{message}");
}

/// Semantics 6.8.
#[tokio::test]
async fn what_the_last_batch_brought_is_told_before_a_replica_ends() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let [settled, open, far] = [(); 3].map(|()| world.account(100, 100));
    let batch = reserve(&mut client, &settled, 85, 1).await;
    assert_eq!(world.store(&settled, &batch, 85, 1), (true, true));
    settle(&mut client, &settled, &batch, 85, 1).await;
    // The edge ends as well, before it says so.
    let batch = reserve(&mut client, &open, 85, 1).await;
    assert_eq!(world.store(&open, &batch, 85, 1), (true, true));
    let batch = reserve(&mut client, &far, 85, 1).await;
    assert_eq!(world.store(&far, &batch, 79, 1), (true, true));
    world.stop_first().await;
    assert_eq!(kinds(&world, &settled), near("2026-11-24"));
    assert_eq!(kinds(&world, &open), near("2026-11-24"));
    assert_eq!(kinds(&world, &far), []);
}

#[tokio::test]
async fn a_replica_ends_in_time_also_where_nobody_can_be_told() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let account = world.account(100, 100);
    let batch = reserve(&mut client, &account, 85, 1).await;
    assert_eq!(world.store(&account, &batch, 85, 1), (true, true));
    world.others.mapping_is_away.store(true, Ordering::SeqCst);
    let began = Instant::now();
    world.stop_first().await;
    assert!(began.elapsed() < Duration::from_secs(4));
    assert_eq!(kinds(&world, &account), []);
}

/// Semantics 6.8.
#[tokio::test]
async fn what_a_replica_did_not_live_to_tell_another_one_finds_in_redis() {
    let world = World::alone().await;
    let mut client = world.replica().await;
    let [near_one, far, gone] = [(); 3].map(|()| world.account(100, 100));
    for account in [&near_one, &far, &gone] {
        reserve(&mut client, account, 0, 1).await;
    }
    // As one that is killed: it tells nobody any more.
    world.others.mapping_is_away.store(true, Ordering::SeqCst);
    for (account, used) in [(&near_one, 85), (&far, 79), (&gone, 85)] {
        let batch = reserve(&mut client, account, 85, 1).await;
        assert_eq!(world.store(account, &batch, used, 1), (true, true));
        settle(&mut client, account, &batch, used, 1).await;
    }
    world.stop_first().await;
    world.others.mapping_is_away.store(false, Ordering::SeqCst);
    world.others.plans.lock().unwrap().remove(&gone.id);
    let _next = world.replica().await;
    eventually("80 % are told", async || {
        kinds(&world, &near_one) == near("2026-11-24")
    })
    .await;
    assert_eq!(kinds(&world, &far), []);
    assert_eq!(kinds(&world, &gone), []);
}
