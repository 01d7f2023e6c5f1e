//! Contacts that turned out to be one (semantics 5.5).

use uuid::Uuid;
use weir_proto::audience::v1::WishStatus::{Applied, HeldBack, Overtaken};
use weir_proto::audience::v1::{ContactJoin, JoinContactsRequest};

use crate::service::{Client, World, add, apply, audience, create, members, remove};

async fn join(client: &mut Client, account: &str, joins: &[(Uuid, Uuid)]) {
    let request = JoinContactsRequest {
        account_id: account.to_owned(),
        joins: joins
            .iter()
            .map(|(contact, survivor)| ContactJoin {
                contact_id: contact.to_string(),
                survivor_id: survivor.to_string(),
            })
            .collect(),
    };
    client.join_contacts(request).await.unwrap();
}

/// Older ids first.
fn contacts<const N: usize>() -> [Uuid; N] {
    let mut ids = std::array::from_fn(|_| Uuid::now_v7());
    ids.sort();
    ids
}

#[tokio::test]
async fn memberships_are_joined_and_the_newest_wish_stands() {
    let (_world, mut client) = World::with_one().await;
    let (account, first) = audience(&mut client, "First").await;
    let second = create(&mut client, &account, "Second").await;
    let [old, young] = contacts();
    let wishes = vec![
        add(old, &first, 1),
        add(young, &first, 2),
        remove(young, &first, 3),
        add(young, &second, 1),
    ];
    apply(&mut client, &account, wishes).await;
    for _ in 0..2 {
        join(&mut client, &account, &[(young, old)]).await;
        assert!(members(&mut client, &account, &first).await.is_empty());
        assert_eq!(members(&mut client, &account, &second).await, [old]);
    }
    // The pause goes with the contact that left.
    let statuses = apply(&mut client, &account, vec![add(old, &first, 4)]).await;
    assert_eq!(statuses, [HeldBack]);
}

#[tokio::test]
async fn wishes_of_a_joined_contact_go_to_the_survivor_whatever_arrives_first() {
    let (_world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let [a, b, c] = contacts();
    join(&mut client, &account, &[(b, a)]).await;
    join(&mut client, &account, &[(c, b)]).await;
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
    join(&mut client, &account, &[(f, e), (e, d), (f, d), (f, e)]).await;
    assert_eq!(members(&mut client, &account, &vip).await, [a, d]);
}

#[tokio::test]
async fn joins_and_wishes_at_the_same_time_strand_nobody() {
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
                // Ten survivors in the end, by chains of joins.
                let joins: Vec<_> = (10..40)
                    .filter(|index| index % 10 == round / 2)
                    .map(|index| (contacts[index], contacts[index - 10]))
                    .collect();
                join(&mut client, &account, &joins).await;
            } else {
                let wishes = contacts.iter().map(|one| add(*one, &vip, round as i64));
                apply(&mut client, &account, wishes.collect()).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(members(&mut client, &account, &vip).await, contacts[..10]);
}
