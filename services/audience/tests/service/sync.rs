//! The daily sync (semantics 5.3).

use uuid::Uuid;
use weir_proto::audience::v1::MembershipUpdateStatus::HeldBack;
use weir_testkit::eventually;

use crate::harness::{Client, World, add, apply, audience, members, remove};

async fn hold_back(client: &mut Client, account: &str, vip: &str, contacts: &[Uuid]) {
    for (make, time) in [(add as fn(Uuid, &str, i64) -> _, 1), (remove, 2), (add, 3)] {
        let updates = contacts.iter().map(|one| make(*one, vip, time)).collect();
        let statuses = apply(client, account, updates).await;
        if time == 3 {
            assert_eq!(statuses, vec![HeldBack; contacts.len()]);
        }
    }
}

#[tokio::test]
async fn the_next_day_brings_everyone_to_their_last_update() {
    let world = World::new().await;
    let mut client = world.replica(20).await;
    let _other = world.replica(20).await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let mut contacts: Vec<Uuid> = (0..700).map(|_| Uuid::now_v7()).collect();
    contacts.sort();
    hold_back(&mut client, &account, &vip, &contacts).await;
    // Of the same day no sync is due.
    world.clock.advance(3_600_000);
    assert!(members(&mut client, &account, &vip).await.is_empty());

    world.clock.set("2026-11-25T00:00:00Z");
    eventually("all are members", async || {
        members(&mut client.clone(), &account, &vip).await == contacts
    })
    .await;
    let database = world.database().await;
    eventually("nothing is left to do", async || {
        let sql = "SELECT (SELECT count(*) FROM audience.waiting)
            + (SELECT count(*) FROM audience.sync_work)";
        database.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
}

#[tokio::test]
async fn who_left_just_before_midnight_still_waits_a_minute() {
    let world = World::new().await;
    let mut client = world.replica(20).await;
    let (account, vip) = audience(&mut client, "VIP").await;
    world.clock.set("2026-11-24T23:59:50Z");
    let contact = Uuid::now_v7();
    hold_back(&mut client, &account, &vip, &[contact]).await;
    world.clock.set("2026-11-25T00:00:01Z");
    let database = world.database().await;
    eventually("the sync has begun", async || {
        let sql = "SELECT began_time IS NOT NULL FROM audience.sync_work";
        database
            .query_one(sql, &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
    })
    .await;
    assert!(members(&mut client, &account, &vip).await.is_empty());
    world.clock.set("2026-11-25T00:00:50Z");
    // The minute is over with the next second alone.
    world.clock.advance(1);
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
            "UPDATE audience.sync_work SET lease_time = '2026-11-25T00:01:00Z',
                 began_time = '2026-11-25T00:00:00Z'",
            &[],
        )
        .await
        .unwrap();
    world.clock.set("2026-11-25T00:00:59Z");
    assert!(members(&mut client, &account, &vip).await.is_empty());
    world.clock.set("2026-11-25T00:01:00Z");
    eventually("the contact is a member", async || {
        members(&mut client.clone(), &account, &vip).await == [contact]
    })
    .await;
}

#[tokio::test]
async fn who_is_held_back_after_the_days_sync_comes_in_with_the_next_one() {
    let world = World::new().await;
    let mut client = world.replica(20).await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let contact = Uuid::now_v7();
    world.clock.set("2026-11-25T00:00:01Z");
    hold_back(&mut client, &account, &vip, &[contact]).await;
    let database = world.database().await;
    let due = "SELECT due_day::text FROM audience.sync_work";
    let row = database.query_one(due, &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "2026-11-26");
    // Accounts where nobody waits are not looked at.
    let other = audience(&mut client, "Other").await.0;
    apply(&mut client, &other, Vec::new()).await;
    let rows = database.query(due, &[]).await.unwrap();
    assert_eq!(rows.len(), 1);

    world.clock.set("2026-11-26T00:00:00Z");
    eventually("the contact is a member", async || {
        members(&mut client.clone(), &account, &vip).await == [contact]
    })
    .await;
}

#[tokio::test]
async fn who_comes_leaves_and_comes_back_in_one_batch_is_not_forgotten() {
    let world = World::new().await;
    let mut client = world.replica(20).await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let contact = Uuid::now_v7();
    let updates = vec![
        add(contact, &vip, 1),
        remove(contact, &vip, 2),
        add(contact, &vip, 3),
    ];
    let statuses = apply(&mut client, &account, updates).await;
    assert_eq!(statuses[2], HeldBack);
    world.clock.set("2026-11-25T00:00:00Z");
    eventually("the contact is a member", async || {
        members(&mut client.clone(), &account, &vip).await == [contact]
    })
    .await;
}
