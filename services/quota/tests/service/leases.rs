//! Batches that were never settled.

use weir_testkit::eventually;

use crate::harness::{LONG, TODAY, World, counted, reserve, settle};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_ran_out_is_settled_by_what_the_ledgers_hold() {
    let world = World::new().await;
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

#[tokio::test]
async fn another_replica_sweeps_what_a_dead_one_left() {
    let world = World::new().await;
    let account = world.account(10, 10);
    let mut dead = world.replica_with(50, LONG).await;
    reserve(&mut dead, &account, 10, 10).await;
    let client = world.replica_with(LONG, 20).await;
    eventually("the units are back", async || {
        counted(&mut client.clone(), &account).await == [(0, 0), (0, 0)]
    })
    .await;
}

#[tokio::test]
async fn every_key_ends_by_itself() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let account = world.account(10, 10);
    reserve(&mut client, &account, 1, 1).await;
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
    for key in [of(&account.id), of("weir:quota:active:")].concat() {
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

#[tokio::test]
async fn an_account_that_can_not_be_swept_is_not_the_others_trouble() {
    let world = World::new().await;
    let mut client = world.replica_with(50, 20).await;
    let (broken, well) = (world.account(10, 10), world.account(10, 10));
    reserve(&mut client, &broken, 5, 5).await;
    let mut redis = world.redis().await;
    // Its state is no hash: each script fails on it.
    redis::pipe()
        .set(format!("weir:{{{}}}:quota", broken.id), "x")
        .query_async::<()>(&mut redis)
        .await
        .unwrap();
    reserve(&mut client, &well, 5, 5).await;
    eventually("the units are back", async || {
        counted(&mut client.clone(), &well).await == [(0, 0), (0, 0)]
    })
    .await;
}
