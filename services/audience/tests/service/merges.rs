//! Contacts that turned out to be one (semantics 5.5).

use uuid::Uuid;
use weir_proto::audience::v1::MembershipUpdateStatus::{Applied, HeldBack, Overtaken};
use weir_testkit::eventually;

use crate::harness::{World, add, apply, audience, contacts, create, members, merge, remove};

#[tokio::test]
async fn memberships_are_merged_and_the_newest_update_stands() {
    let (_world, mut client) = World::with_one().await;
    let (account, first) = audience(&mut client, "First").await;
    let second = create(&mut client, &account, "Second").await;
    let [old, young] = contacts();
    let updates = vec![
        add(old, &first, 1),
        add(young, &first, 2),
        remove(young, &first, 3),
        add(young, &second, 1),
    ];
    apply(&mut client, &account, updates).await;
    for _ in 0..2 {
        merge(&mut client, &account, &[(young, old)]).await;
        assert!(members(&mut client, &account, &first).await.is_empty());
        assert_eq!(members(&mut client, &account, &second).await, [old]);
    }
    // The pause goes with the contact that left.
    let statuses = apply(&mut client, &account, vec![add(old, &first, 4)]).await;
    assert_eq!(statuses, [HeldBack]);
}

#[tokio::test]
async fn membership_updates_of_a_merged_contact_go_to_the_survivor_whatever_arrives_first() {
    let (_world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let [a, b, c] = contacts();
    merge(&mut client, &account, &[(b, a)]).await;
    merge(&mut client, &account, &[(c, b)]).await;
    let statuses = apply(
        &mut client,
        &account,
        vec![add(c, &vip, 2), remove(b, &vip, 1)],
    )
    .await;
    assert_eq!(statuses, [Applied, Overtaken]);
    assert_eq!(members(&mut client, &account, &vip).await, [a]);

    let [d, e, f] = contacts();
    apply(&mut client, &account, vec![add(f, &vip, 1)]).await;
    merge(&mut client, &account, &[(f, e), (e, d), (f, d), (f, e)]).await;
    assert_eq!(members(&mut client, &account, &vip).await, [a, d]);
}

#[tokio::test]
async fn merges_and_membership_updates_at_the_same_time_strand_nobody() {
    let world = World::new().await;
    let clients = [
        world.replica(86_400_000).await,
        world.replica(86_400_000).await,
    ];
    let mut client = clients[0].clone();
    let (account, vip) = audience(&mut client, "VIP").await;
    let contacts: Vec<Uuid> = contacts::<40>().to_vec();
    let mut tasks = Vec::new();
    for round in 0..20_usize {
        let (mut client, account, vip) = (clients[round % 2].clone(), account.clone(), vip.clone());
        let contacts = contacts.clone();
        tasks.push(tokio::spawn(async move {
            if round % 2 == 0 {
                // Ten survivors in the end, by chains of merges.
                let merges: Vec<_> = (10..40)
                    .filter(|index| index % 10 == round / 2)
                    .map(|index| (contacts[index], contacts[index - 10]))
                    .collect();
                merge(&mut client, &account, &merges).await;
            } else {
                let updates = contacts.iter().map(|one| add(*one, &vip, round as i64));
                apply(&mut client, &account, updates.collect()).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(members(&mut client, &account, &vip).await, contacts[..10]);
}

#[tokio::test]
async fn a_remove_that_was_kept_finds_its_place_under_whoever_the_contact_is_by_then() {
    let (_world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let [old, young] = contacts();
    apply(&mut client, &account, vec![add(old, &vip, 5)]).await;
    merge(&mut client, &account, &[(young, old)]).await;
    // semantics 4.7: with their own times, in any order, perhaps again.
    for (updates, expected) in [
        (vec![remove(young, &vip, 4)], [Overtaken].as_slice()),
        (vec![remove(young, &vip, 6)], &[Applied]),
        (
            vec![remove(young, &vip, 6), add(young, &vip, 5)],
            &[Applied, Overtaken],
        ),
    ] {
        assert_eq!(apply(&mut client, &account, updates).await, expected);
    }
    assert!(members(&mut client, &account, &vip).await.is_empty());
}

#[tokio::test]
async fn who_waits_goes_on_waiting_under_the_survivor() {
    let world = World::new().await;
    let mut client = world.replica(20).await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let [old, young] = contacts();
    let updates = vec![
        add(young, &vip, 1),
        remove(young, &vip, 2),
        add(young, &vip, 3),
    ];
    let statuses = apply(&mut client, &account, updates).await;
    assert_eq!(statuses, [Applied, Applied, HeldBack]);
    merge(&mut client, &account, &[(young, old)]).await;
    assert!(members(&mut client, &account, &vip).await.is_empty());
    world.clock.set("2026-11-25T00:00:00Z");
    eventually("the survivor is a member", async || {
        members(&mut client.clone(), &account, &vip).await == [old]
    })
    .await;
    // Nothing is left to look at.
    let database = world.database().await;
    eventually("nobody waits", async || {
        let sql = "SELECT (SELECT count(*) FROM audience.waiting)
            + (SELECT count(*) FROM audience.sync_work)";
        database.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
}
