//! Batches that were never settled.

use crate::service::{LONG, TODAY, World, counted, eventually, reserve, settle};

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
