//! Keys of quota's in Redis that hold what quota never puts there.

use weir_servers::TestServers;
use weir_testkit::eventually;

use crate::harness::{Account, Client, TODAY, World, counted, reserve, settle, settlement};
use weir_proto::quota::v1::SettleRequest;

fn state_of(account: &Account) -> String {
    format!("weir:{{{}}}:quota", account.id)
}

async fn run(world: &World, command: &[&str]) {
    let mut redis = world.redis().await;
    let mut cmd = redis::cmd(command[0]);
    for arg in &command[1..] {
        cmd.arg(*arg);
    }
    let _: redis::Value = cmd.query_async(&mut redis).await.unwrap();
}

/// An account of which three and two units are stored, and nothing is under way.
async fn used(world: &World, client: &mut Client) -> Account {
    let account = world.account(10, 10);
    let batch = reserve(client, &account, 3, 2).await;
    assert_eq!(world.store(&account, &batch, 3, 2), (true, true));
    settle(client, &account, &batch, 3, 2).await;
    account
}

/// Puts something else at the place of a key, at once: quota may make it anew at any time.
async fn replace(world: &World, key: &str, kind: &str) {
    const REPLACE: &str = "redis.call('DEL', KEYS[1])
        return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))";
    let put: &[&str] = match kind {
        "string" => &["SET", "mine"],
        "list" => &["RPUSH", "mine"],
        "set" => &["SADD", "mine"],
        "zset" => &["ZADD", "1", "mine"],
        _ => &["HSET", "mine", "1"],
    };
    run(world, &[&["EVAL", REPLACE, "1", key], put].concat()).await;
}

#[tokio::test]
async fn a_key_that_is_something_else_is_built_anew() {
    let servers = TestServers::start().await.unwrap();
    let world = World::on(servers.redis_url()).await;
    let mut client = world.replica().await;
    for kind in ["string", "list", "set", "zset", "hash"] {
        let account = used(&world, &mut client).await;
        replace(&world, &state_of(&account), kind).await;
        assert_eq!(counted(&mut client, &account).await, [(3, 0), (2, 0)]);
        replace(&world, &state_of(&account), kind).await;
        let rest = reserve(&mut client, &account, 10, 10).await;
        assert_eq!(rest.granted(), (7, 8), "{kind}");
        // A settlement finds nothing to settle, and does not fail.
        replace(&world, &state_of(&account), kind).await;
        settle(&mut client, &account, &rest, 0, 0).await;
        assert_eq!(counted(&mut client, &account).await, [(3, 0), (2, 0)]);

        // Nor does what stands in the way of a rebuild.
        replace(&world, &state_of(&account), kind).await;
        replace(&world, &format!("{}:rebuild", state_of(&account)), kind).await;
        let rest = reserve(&mut client, &account, 10, 10).await;
        assert_eq!(rest.granted(), (7, 8), "{kind}");
    }
}

#[tokio::test]
async fn a_registry_or_sweeper_that_is_something_else_is_begun_anew_and_leases_are_swept() {
    let servers = TestServers::start().await.unwrap();
    for kind in ["string", "list", "set", "hash"] {
        let world = World::on(servers.redis_url()).await;
        replace(&world, "weir:quota:sweeper", kind).await;
        for shard in 0..16 {
            replace(&world, &format!("weir:quota:active:{shard}"), kind).await;
        }
        let mut client = world.replica_with(50, 20).await;
        let account = world.account(10, 10);
        reserve(&mut client, &account, 10, 10).await;
        eventually("the units are back", async || {
            counted(&mut client.clone(), &account).await == [(0, 0), (0, 0)]
        })
        .await;
    }
}

/// Its place is taken by something else, it is emptied, or another state's.
#[tokio::test]
async fn an_index_of_leases_that_was_lost_is_made_anew_from_the_state() {
    let world = World::alone().await;
    let mut client = world.replica_with(300, 20).await;
    for kind in ["gone", "string", "list", "zset", "hash"] {
        let account = world.account(10, 10);
        let stored = reserve(&mut client, &account, 4, 4).await;
        assert_eq!(world.store(&account, &stored, 3, 2), (true, true));
        let lost = reserve(&mut client, &account, 5, 5).await;
        let leases = format!("{}:leases", state_of(&account));
        match kind {
            "gone" => run(&world, &["DEL", &leases]).await,
            kind => replace(&world, &leases, kind).await,
        }
        eventually("the units are back", async || {
            counted(&mut client.clone(), &account).await == [(3, 0), (2, 0)]
        })
        .await;
        assert_eq!(world.store(&account, &lost, 5, 5), (false, false), "{kind}");
        let rest = reserve(&mut client, &account, 10, 10).await;
        assert_eq!(rest.granted(), (7, 8), "{kind}");
        // Nothing had to be built anew for it.
        assert_eq!(rest.grant.epoch, stored.grant.epoch, "{kind}");
    }
}

#[tokio::test]
async fn a_state_that_no_script_can_work_with_is_built_anew() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let used_profile = format!("{TODAY}:profile.used");
    let used_activity = format!("{TODAY}:activity.used");
    let broken: [&[&str]; 10] = [
        &["HSET", "epoch", "many"],
        &["HSET", "grants", "many"],
        &["HSET", &used_profile, "many"],
        &["HSET", &used_profile, "1.5"],
        &["HSET", &used_profile, ""],
        &["HSET", &used_profile, "-1"],
        &["HSET", &used_activity, "99999999999999999999"],
        &["HDEL", "epoch"],
        &["HDEL", "floor"],
        &["HDEL", "run"],
    ];
    for broken in broken {
        let account = used(&world, &mut client).await;
        let state = state_of(&account);
        let command: Vec<&str> = [broken[0], &state]
            .into_iter()
            .chain(broken[1..].iter().copied())
            .collect();
        run(&world, &command).await;
        let found = counted(&mut client, &account).await;
        assert_eq!(found, [(3, 0), (2, 0)], "{broken:?}");
        run(&world, &command).await;
        let rest = reserve(&mut client, &account, 10, 10).await;
        assert_eq!(rest.granted(), (7, 8), "{broken:?}");
        run(&world, &command).await;
        let request = SettleRequest {
            account_id: account.id.clone(),
            settlements: vec![settlement(&rest, 1, 1)],
        };
        client.settle(request).await.unwrap();
        let rest = reserve(&mut client, &account, 10, 10).await;
        assert_eq!(
            world.store(&account, &rest, 7, 8),
            (true, true),
            "{broken:?}"
        );
        assert_eq!(world.stored(&account, TODAY), (10, 10));
    }
}

#[tokio::test]
async fn a_lease_that_can_not_be_read_holds_no_units_for_ever() {
    let world = World::alone().await;
    let mut client = world.replica_with(500, 20).await;
    let account = world.account(10, 10);
    let open = reserve(&mut client, &account, 10, 10).await;
    let lease = format!("lease:{}", open.id);
    run(&world, &["HSET", &state_of(&account), &lease, "mine"]).await;
    eventually("the units are back", async || {
        counted(&mut client.clone(), &account).await == [(0, 0), (0, 0)]
    })
    .await;
    assert_eq!(world.store(&account, &open, 10, 10), (false, false));
}

#[tokio::test]
async fn many_batches_that_find_a_broken_state_build_it_anew_a_few_times_at_most() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let account = used(&world, &mut client).await;
    let used_profile = format!("{TODAY}:profile.used");
    run(
        &world,
        &["HSET", &state_of(&account), &used_profile, "many"],
    )
    .await;
    let before = world.others.contact.epoch(&account.id);
    let batches: Vec<_> = (0..20)
        .map(|_| {
            let (mut client, account) = (client.clone(), account.clone());
            tokio::spawn(async move { reserve(&mut client, &account, 0, 0).await })
        })
        .collect();
    for batch in batches {
        batch.await.unwrap();
    }
    let raised = world.others.contact.epoch(&account.id) - before;
    assert!((1..=5).contains(&raised), "{raised}");
    assert_eq!(counted(&mut client, &account).await, [(3, 0), (2, 0)]);
}
