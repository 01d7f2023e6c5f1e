//! Redis away: the ledgers grant, and Redis again once it is there for good (semantics 6.6a).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tonic::Code;
use uuid::Uuid;
use weir_proto::ledger::v1::Grantor;
use weir_proto::quota::v1::SettleRequest;
use weir_servers::TestServers;
use weir_servers::child::signal;
use weir_testkit::{Proxy, eventually};

use crate::harness::{
    Account, Batch, Client, TODAY, World, counted, reserve, reserve_above, settle, settlement,
    try_reserve,
};

/// What is promised to whoever waits for Redis's return.
const BACK_WITHIN: Duration = Duration::from_secs(10);

fn granted_by(world: &World, account: &Account) -> [Grantor; 2] {
    [&world.others.contact, &world.others.activity].map(|one| one.granted_by(&account.id).0)
}

async fn until_redis_grants(world: &World, account: &Account) {
    let began = Instant::now();
    while granted_by(world, account) != [Grantor::Redis; 2] {
        assert!(began.elapsed() < BACK_WITHIN, "Redis does not grant again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_ledgers_grant_what_is_free_and_redis_grants_the_rest_when_it_is_back() {
    let mut servers = TestServers::start().await.unwrap();
    let world = World::on(servers.redis_url()).await;
    let mut client = world.replica().await;
    let account = world.account(20, 20);
    let stored = reserve(&mut client, &account, 4, 4).await;
    assert_eq!(world.store(&account, &stored, 4, 3), (true, true));
    let open = reserve(&mut client, &account, 5, 5).await;

    servers.redis.kill9().await;
    let began = Instant::now();
    let first = reserve(&mut client, &account, 6, 6).await;
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(first.granted(), (6, 6));
    assert_eq!(granted_by(&world, &account), [Grantor::Ledgers; 2]);
    // What Redis granted can't be stored any more, so its units are free.
    assert_eq!(world.store(&account, &open, 5, 5), (false, false));
    assert_eq!(counted(&mut client, &account).await, [(4, 6), (3, 6)]);
    let same = try_reserve(&mut client, &account, &first.id, 9, 9).await;
    assert_eq!(same.unwrap().granted(), (6, 6));
    let rest = reserve(&mut client, &account, 20, 20).await;
    assert_eq!(rest.granted(), (10, 11));
    assert_eq!(reserve(&mut client, &account, 1, 1).await.granted(), (0, 0));

    // What was not stored is free again, and a batch that is settled is over.
    assert_eq!(world.store(&account, &first, 2, 6), (true, true));
    settle(&mut client, &account, &first, 2, 6).await;
    settle(&mut client, &account, &first, 2, 6).await;
    assert_eq!(counted(&mut client, &account).await, [(6, 10), (9, 11)]);
    let late = try_reserve(&mut client, &account, &first.id, 1, 1).await;
    assert_eq!(late.unwrap().granted(), (0, 0));

    servers.redis.start_again().await.unwrap();
    until_redis_grants(&world, &account).await;
    // Under an epoch of its own.
    assert_eq!(world.store(&account, &rest, 10, 11), (false, false));
    let last = reserve(&mut client, &account, 20, 20).await;
    assert_eq!(last.granted(), (14, 11));
    assert_eq!(world.store(&account, &last, 14, 11), (true, true));
    settle(&mut client, &account, &last, 14, 11).await;
    assert_eq!(counted(&mut client, &account).await, [(20, 0), (20, 0)]);
    assert_eq!(world.stored(&account, TODAY), (20, 20));
}

#[tokio::test]
async fn without_redis_and_a_ledger_nothing_is_granted_and_nobody_is_known_who_is_not() {
    let servers = TestServers::start().await.unwrap();
    let world = World::on(servers.redis_url()).await;
    let mut client = world.replica().await;
    let account = world.account(10, 10);
    servers.redis.kill9().await;
    let batch = Uuid::now_v7().to_string();
    for ledger in [&world.others.contact, &world.others.activity] {
        ledger.away.store(true, Ordering::SeqCst);
        let refused = try_reserve(&mut client, &account, &batch, 1, 1).await;
        assert_eq!(refused.err().unwrap().code(), Code::Unavailable);
        ledger.away.store(false, Ordering::SeqCst);
    }
    // One ledger was raised and the other was not: what was begun is brought to its end.
    let granted = try_reserve(&mut client, &account, &batch, 1, 1).await;
    assert_eq!(granted.unwrap().granted(), (1, 1));
    assert_eq!(granted_by(&world, &account), [Grantor::Ledgers; 2]);

    let nobody = Account {
        id: Uuid::now_v7().to_string(),
        ..account
    };
    for ledger in [&world.others.contact, &world.others.activity] {
        ledger.unknown.lock().unwrap().insert(nobody.id.clone());
    }
    let refused = try_reserve(&mut client, &nobody, &batch, 1, 1).await;
    assert_eq!(refused.err().unwrap().code(), Code::NotFound);
}

#[tokio::test]
async fn a_user_who_may_not_run_a_script_to_its_end_any_more_is_as_away_as_redis() {
    let servers = TestServers::start().await.unwrap();
    let world = World::on(servers.redis_url()).await;
    let mut redis = world.redis().await;
    let mut rules = async |rules: &str| {
        let mut acl = redis::cmd("ACL");
        acl.arg(&["SETUSER", "mine"]);
        for rule in rules.split(' ') {
            acl.arg(rule);
        }
        acl.query_async::<()>(&mut redis).await.unwrap();
    };
    let enough = "on >a-password ~weir:* +@all -@dangerous +info";
    rules(enough).await;
    let url = servers.redis_url();
    let (_, place) = url.rsplit_once('@').unwrap();
    let url = format!("redis://mine:a-password@{place}");
    let mut client = world.replica_by_way_of(&url).await;
    for (index, taken) in ["-info", "-@hash", "-@sortedset", "-@scripting", "-hget"]
        .into_iter()
        .enumerate()
    {
        let account = world.account(20, 20);
        let stored = reserve(&mut client, &account, 4, 4).await;
        assert_eq!(granted_by(&world, &account), [Grantor::Redis; 2], "{index}");
        assert_eq!(world.store(&account, &stored, 4, 4), (true, true));
        rules(taken).await;
        // One that starts meanwhile goes on by the ledgers as well.
        let mut begun = world.replica_by_way_of(&url).await;
        let other = world.account(20, 20);
        let batch = reserve(&mut begun, &other, 6, 6).await;
        assert_eq!(batch.granted(), (6, 6), "{taken}");
        assert_eq!(granted_by(&world, &other), [Grantor::Ledgers; 2]);
        let fresh = world.account(20, 20);
        for account in [&account, &fresh] {
            let batch = reserve(&mut client, account, 6, 6).await;
            assert_eq!(batch.granted(), (6, 6), "{taken}");
            assert_eq!(granted_by(&world, account), [Grantor::Ledgers; 2]);
            assert_eq!(world.store(account, &batch, 6, 6), (true, true));
        }
        assert_eq!(counted(&mut client, &account).await, [(4, 6), (4, 6)]);
        rules(enough).await;
        until_redis_grants(&world, &account).await;
        until_redis_grants(&world, &fresh).await;
        until_redis_grants(&world, &other).await;
        let batch = reserve(&mut begun, &other, 20, 20).await;
        assert_eq!(batch.granted(), (20, 20), "{taken}");
        world.stop_last().await;
    }
}

/// As an edge does: where nobody takes it, the ledgers know.
async fn settle_if_heard(
    client: &mut Client,
    account: &Account,
    batch: &Batch,
    (profile, activity): (i64, i64),
) {
    let request = SettleRequest {
        account_id: account.id.clone(),
        settlements: vec![settlement(batch, profile, activity)],
    };
    if let Err(error) = client.settle(request).await {
        assert_eq!(error.code(), Code::Unavailable, "{error}");
    }
}

/// Sends batches as an edge does, until nothing is granted any more: what a ledger refuses for
/// its epoch comes again with that.
async fn drain(world: &World, client: &mut Client, account: &Account, pause: Duration) {
    let (mut ledger_epoch, mut failures) = (0, 0);
    loop {
        tokio::time::sleep(pause).await;
        let id = Uuid::now_v7().to_string();
        let asked = reserve_above(client, account, &id, (3, 2), ledger_epoch).await;
        let batch = match asked {
            Ok(batch) => batch,
            Err(error) => {
                assert_eq!(error.code(), Code::Unavailable, "{error}");
                failures += 1;
                assert!(failures < 20, "{error}");
                continue;
            }
        };
        let (profile, activity) = batch.granted();
        let [profile_meter, activity_meter] =
            [batch.grant.profile, batch.grant.activity].map(Option::unwrap);
        if profile_meter.used == profile_meter.limit && activity_meter.used == activity_meter.limit
        {
            return;
        }
        let (contacts, activities) = world.store(account, &batch, profile, activity);
        let kept = |stored, units| if stored { units } else { 0 };
        let stored = (kept(contacts, profile), kept(activities, activity));
        settle_if_heard(client, account, &batch, stored).await;
        ledger_epoch = world.others.contact.epoch(&account.id);
        let stored = world.stored(account, TODAY);
        assert!(stored.0 <= account.profile && stored.1 <= account.activity);
    }
}

#[derive(Clone, Copy)]
enum Fate {
    Killed,
    Stopped,
}

/// Semantics 6.5: to the limit, while Redis goes and comes.
async fn redis_goes_and_comes_under_load(fate: Fate) {
    let mut servers = TestServers::start().await.unwrap();
    let world = Arc::new(World::on(servers.redis_url()).await);
    let clients = [world.replica().await, world.replica().await];
    let account = world.account(6_000, 4_000);
    let tasks: Vec<_> = (0..6)
        .map(|index| {
            let (world, account) = (Arc::clone(&world), account.clone());
            let mut client = clients[index % 2].clone();
            let pause = Duration::from_millis(20);
            tokio::spawn(async move { drain(&world, &mut client, &account, pause).await })
        })
        .collect();
    let until_stored = async |units| {
        eventually("batches are stored", async || {
            world.stored(&account, TODAY).0 >= units
        })
        .await;
    };
    until_stored(300).await;
    match fate {
        Fate::Killed => servers.redis.kill9().await,
        Fate::Stopped => signal("STOP", servers.redis.child().pid()),
    }
    let begun = world.stored(&account, TODAY).0;
    until_stored(begun + 900).await;
    assert_eq!(granted_by(&world, &account), [Grantor::Ledgers; 2]);
    match fate {
        Fate::Killed => servers.redis.start_again().await.unwrap(),
        Fate::Stopped => signal("CONT", servers.redis.child().pid()),
    }
    until_redis_grants(&world, &account).await;
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(world.stored(&account, TODAY), (6_000, 4_000));
    assert_eq!(granted_by(&world, &account), [Grantor::Redis; 2]);
    // There and back, once.
    let raises = world.others.contact.raises.load(Ordering::SeqCst);
    assert!(raises <= 4, "{raises}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_under_load_costs_no_unit_and_overruns_none() {
    redis_goes_and_comes_under_load(Fate::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_stopped_under_load_costs_no_unit_and_overruns_none() {
    redis_goes_and_comes_under_load(Fate::Stopped).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_misses_and_another_sees_sends_no_account_to_and_fro() {
    let servers = TestServers::start().await.unwrap();
    let world = Arc::new(World::on(servers.redis_url()).await);
    let proxy = Proxy::to(&servers.redis_url()).await;
    let clients = [
        world.replica_by_way_of(&proxy.url).await,
        world.replica().await,
    ];
    let account = world.account(1_000_000, 1_000_000);
    let is_over = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|client| {
            let (world, account) = (Arc::clone(&world), account.clone());
            let is_over = Arc::clone(&is_over);
            tokio::spawn(async move {
                let (mut client, mut ledger_epoch) = (client, 0);
                let mut refused = 0;
                while !is_over.load(Ordering::SeqCst) {
                    let id = Uuid::now_v7().to_string();
                    let asked =
                        reserve_above(&mut client, &account, &id, (3, 2), ledger_epoch).await;
                    let batch = asked.unwrap();
                    let stored = world.store(&account, &batch, 3, 2);
                    refused += i32::from(stored != (true, true));
                    settle_if_heard(&mut client, &account, &batch, (3, 2)).await;
                    ledger_epoch = world.others.contact.epoch(&account.id);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                refused
            })
        })
        .collect();
    let raises = || world.others.contact.raises.load(Ordering::SeqCst);
    let stored = || world.stored(&account, TODAY).0;
    eventually("batches are stored", async || stored() > 100).await;
    let before = raises();
    proxy.down();
    eventually("the ledgers grant", async || {
        granted_by(&world, &account) == [Grantor::Ledgers; 2]
    })
    .await;
    // Longer than Redis takes to be steady for the one that sees it.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(8) {
        assert_eq!(granted_by(&world, &account), [Grantor::Ledgers; 2]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(raises(), before + 1);
    proxy.up();
    until_redis_grants(&world, &account).await;
    let at_return = stored();
    eventually("batches are stored", async || stored() > at_return + 100).await;
    is_over.store(true, Ordering::SeqCst);
    for task in tasks {
        // Each meets an epoch that is past a few times, and no more.
        let refused = task.await.unwrap();
        assert!(refused <= 4, "{refused}");
    }
    assert_eq!(granted_by(&world, &account), [Grantor::Redis; 2]);
    assert_eq!(raises(), before + 2);
}
