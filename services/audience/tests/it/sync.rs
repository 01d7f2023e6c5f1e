//! The daily sync (semantics 5.3).

use std::time::{Duration, Instant};

use uuid::Uuid;
use weir_proto::audience::v1::WishStatus::HeldBack;

use crate::service::{Client, World, add, apply, audience, members, remove};

/// Looks until it is so; a sync runs in the background.
async fn eventually(what: &str, mut probe: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !probe().await {
        assert!(began.elapsed() < Duration::from_secs(20), "never: {what}");
        tokio::task::yield_now().await;
    }
}

async fn hold_back(client: &mut Client, account: &str, vip: &str, contacts: &[Uuid]) {
    for (make, time) in [(add as fn(Uuid, &str, i64) -> _, 1), (remove, 2), (add, 3)] {
        let wishes = contacts.iter().map(|one| make(*one, vip, time)).collect();
        let statuses = apply(client, account, wishes).await;
        if time == 3 {
            assert_eq!(statuses, vec![HeldBack; contacts.len()]);
        }
    }
}

#[tokio::test]
async fn the_next_day_brings_everyone_to_their_last_wish() {
    let world = World::new().await;
    let mut client = world.replica(20).await;
    let _other = world.replica(20).await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let mut contacts: Vec<Uuid> = (0..700).map(|_| Uuid::now_v7()).collect();
    contacts.sort();
    hold_back(&mut client, &account, &vip, &contacts).await;
    // Of the same day no sync is due.
    world.advance(3_600_000);
    assert!(members(&mut client, &account, &vip).await.is_empty());

    world.set_time("2026-11-25T00:00:00Z");
    eventually("all are members", async || {
        members(&mut client.clone(), &account, &vip).await == contacts
    })
    .await;
    let database = world.database().await;
    eventually("the day is written down", async || {
        let sql = "SELECT synced_day::text FROM audience.accounts";
        let row = database.query_one(sql, &[]).await.unwrap();
        row.get::<_, String>(0) == "2026-11-25"
    })
    .await;
}

#[tokio::test]
async fn who_left_just_before_midnight_still_waits_a_minute() {
    let world = World::new().await;
    let mut client = world.replica(20).await;
    let (account, vip) = audience(&mut client, "VIP").await;
    world.set_time("2026-11-24T23:59:50Z");
    let contact = Uuid::now_v7();
    hold_back(&mut client, &account, &vip, &[contact]).await;
    world.set_time("2026-11-25T00:00:01Z");
    let database = world.database().await;
    eventually("the sync has begun", async || {
        let sql = "SELECT sync_began_time IS NOT NULL FROM audience.accounts";
        database.query_one(sql, &[]).await.unwrap().get(0)
    })
    .await;
    assert!(members(&mut client, &account, &vip).await.is_empty());
    world.set_time("2026-11-25T00:00:50Z");
    eventually("the contact is a member", async || {
        members(&mut client.clone(), &account, &vip).await == [contact]
    })
    .await;
}

#[tokio::test]
async fn a_sync_that_died_is_gone_on_with_when_its_lease_is_over() {
    let world = World::new().await;
    let mut client = world.replica(20).await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let contact = Uuid::now_v7();
    hold_back(&mut client, &account, &vip, &[contact]).await;
    let database = world.database().await;
    database
        .execute(
            "UPDATE audience.accounts SET sync_lease_time = '2026-11-25T00:01:00Z',
                 sync_began_time = '2026-11-25T00:00:00Z'",
            &[],
        )
        .await
        .unwrap();
    world.set_time("2026-11-25T00:00:59Z");
    assert!(members(&mut client, &account, &vip).await.is_empty());
    world.set_time("2026-11-25T00:01:00Z");
    eventually("the contact is a member", async || {
        members(&mut client.clone(), &account, &vip).await == [contact]
    })
    .await;
}
