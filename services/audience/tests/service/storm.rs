//! Everything at once on two replicas: no transaction waits for another in a circle.

use uuid::Uuid;
use weir_testkit::eventually;

use crate::harness::{World, add, apply, audience, create, merge, remove};

const ROUNDS: usize = 60;

/// A number that looks like chance and is the same in every run.
fn scattered(round: usize, index: usize) -> usize {
    (round * 7_919 + index * 104_729 + (round * index) % 97) % 65_537
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn membership_updates_merges_and_syncs_on_two_replicas_never_deadlock() {
    let world = World::new().await;
    let clients = [world.replica(10).await, world.replica(10).await];
    let mut client = clients[0].clone();
    let (account, first) = audience(&mut client, "First").await;
    let second = create(&mut client, &account, "Second").await;
    let mut contacts: Vec<Uuid> = (0..80).map(|_| Uuid::now_v7()).collect();
    contacts.sort();
    let mut tasks = Vec::new();
    for round in 0..ROUNDS {
        let mut client = clients[round % 2].clone();
        let (account, vips) = (account.clone(), [first.clone(), second.clone()]);
        let contacts = contacts.clone();
        tasks.push(tokio::spawn(async move {
            if round % 12 == 11 {
                let merged = 79 - round / 12;
                merge(
                    &mut client,
                    &account,
                    &[(contacts[merged], contacts[round / 12])],
                )
                .await;
                return;
            }
            // Some contacts twice, in any order, old and new ones.
            let updates = (0..60).map(|index| {
                let chance = scattered(round, index);
                let make = if chance.is_multiple_of(3) {
                    remove
                } else {
                    add
                };
                make(
                    contacts[chance % 80],
                    &vips[chance % 2],
                    (chance % 1_000) as i64,
                )
            });
            assert_eq!(
                apply(&mut client, &account, updates.collect()).await.len(),
                60
            );
        }));
        // A day goes by now and then: the sync is due among all that.
        if round % 20 == 19 {
            world.clock.advance(24 * 3_600_000);
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    let database = world.database().await;
    // A backend tells what it counted when it ends, at the latest.
    let of_service = "SELECT pid FROM pg_stat_activity WHERE usename = 'weir_audience'
        AND datname = current_database()";
    let pids = async || -> Vec<i32> {
        let rows = database.query(of_service, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    let served = pids().await;
    assert!(!served.is_empty());
    for pid in &served {
        let end = "SELECT pg_terminate_backend($1)";
        database.query_one(end, &[pid]).await.unwrap();
    }
    eventually("they have ended", async || {
        !pids().await.iter().any(|pid| served.contains(pid))
    })
    .await;
    let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let deadlocks: i64 = database.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(deadlocks, 0);
}
