//! Updates (semantics 5.2-5.4).

use std::collections::BTreeMap;

use tonic::Code;
use uuid::Uuid;
use weir_proto::audience::v1::ApplyMembershipUpdatesRequest;
use weir_proto::audience::v1::MembershipUpdateStatus::{
    Applied, HeldBack, Overtaken, UnknownAudience, Unstorable,
};

use crate::harness::{World, add, apply, audience, create, members, remove};

#[tokio::test]
async fn who_comes_back_within_a_minute_is_held_back_until_the_minute_is_over() {
    let (world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let (early, late) = (Uuid::now_v7(), Uuid::now_v7());
    let both = |make: fn(Uuid, &str, i64) -> _, time| {
        vec![make(early, &vip, time), make(late, &vip, time)]
    };
    assert_eq!(
        apply(&mut client, &account, both(add, 1)).await,
        [Applied; 2]
    );
    assert_eq!(
        apply(&mut client, &account, both(remove, 2)).await,
        [Applied; 2]
    );

    world.clock.advance(60_000);
    let again = vec![add(early, &vip, 3)];
    assert_eq!(
        apply(&mut client, &account, again.clone()).await,
        [HeldBack]
    );
    assert!(members(&mut client, &account, &vip).await.is_empty());
    world.clock.advance(1);
    let statuses = apply(&mut client, &account, vec![add(late, &vip, 3)]).await;
    assert_eq!(statuses, [Applied]);
    assert_eq!(members(&mut client, &account, &vip).await, [late]);

    // The retry of the one that was held back.
    assert_eq!(apply(&mut client, &account, again).await, [Applied]);
    assert_eq!(members(&mut client, &account, &vip).await, [early, late]);
}

#[tokio::test]
async fn within_a_batch_membership_updates_are_applied_in_order() {
    let (_world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
    let updates = vec![
        add(one, &vip, 5),
        remove(one, &vip, 4),
        remove(two, &vip, 5),
        add(two, &vip, 5),
        remove(one, &vip, 6),
        add(one, &vip, 7),
    ];
    assert_eq!(
        apply(&mut client, &account, updates).await,
        [Applied, Overtaken, Applied, Overtaken, Applied, HeldBack]
    );
    assert!(members(&mut client, &account, &vip).await.is_empty());
}

#[tokio::test]
async fn a_repeated_batch_changes_nothing() {
    let (world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let mut contacts: Vec<Uuid> = (0..500).map(|_| Uuid::now_v7()).collect();
    contacts.sort();
    let updates: Vec<_> = contacts.iter().map(|one| add(*one, &vip, 1)).collect();
    assert_eq!(
        apply(&mut client, &account, updates.clone()).await,
        vec![Applied; 500]
    );
    let database = world.database().await;
    let versions =
        "SELECT string_agg(xmin::text, ',' ORDER BY contact_id) FROM audience.memberships";
    let before: String = database.query_one(versions, &[]).await.unwrap().get(0);
    assert_eq!(
        apply(&mut client, &account, updates).await,
        vec![Applied; 500]
    );
    let after: String = database.query_one(versions, &[]).await.unwrap().get(0);
    assert_eq!(before, after);
    assert_eq!(members(&mut client, &account, &vip).await, contacts);
}

#[tokio::test]
async fn two_replicas_agree_on_the_newest_update() {
    let world = World::new().await;
    let clients = [
        world.replica(86_400_000).await,
        world.replica(86_400_000).await,
    ];
    let mut client = clients[0].clone();
    let (account, first) = audience(&mut client, "First").await;
    let second = create(&mut client, &account, "Second").await;
    let contacts: Vec<Uuid> = (0..30).map(|_| Uuid::now_v7()).collect();

    // Each time comes once for each pair, so the greatest time says what must stand.
    let mut newest = BTreeMap::new();
    let mut tasks = Vec::new();
    for round in 0..24_usize {
        let mut updates = Vec::new();
        for (index, contact) in contacts.iter().enumerate() {
            for vip in [&first, &second] {
                let time = ((round * 7 + index * 5) % 24) as i64;
                let make = if (time + index as i64) % 2 == 0 {
                    add
                } else {
                    remove
                };
                updates.push(make(*contact, vip, time));
                newest.insert((vip.clone(), *contact), (23 + index) % 2 == 0);
            }
        }
        // Different orders invite deadlocks.
        if round % 2 == 0 {
            updates.reverse();
        }
        let (mut client, account) = (clients[round % 2].clone(), account.clone());
        tasks.push(tokio::spawn(async move {
            apply(&mut client, &account, updates).await
        }));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap().len(), 60);
    }
    // After the minute any update applies what was held back.
    world.clock.advance(60_001);
    let mut old = Vec::new();
    for contact in &contacts {
        old.extend([remove(*contact, &first, -1), remove(*contact, &second, -1)]);
    }
    assert_eq!(apply(&mut client, &account, old).await, vec![Overtaken; 60]);
    for vip in [first, second] {
        let mut expected: Vec<Uuid> = contacts
            .iter()
            .filter(|contact| newest[&(vip.clone(), **contact)])
            .copied()
            .collect();
        expected.sort();
        assert_eq!(members(&mut client, &account, &vip).await, expected);
    }
}

#[tokio::test]
async fn requests_that_cannot_be_read_say_where() {
    let (_world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let good = add(Uuid::now_v7(), &vip, 0);
    let mut no_time = good.clone();
    no_time.update_time = None;
    let mut no_contact = good.clone();
    no_contact.contact_id = "lana".into();
    let mut no_mode = good.clone();
    no_mode.mode = 0;
    for (wrong, field) in [
        (no_time, "updates[1].update_time"),
        (no_contact, "updates[1].contact_id"),
        (no_mode, "updates[1].mode"),
    ] {
        let request = ApplyMembershipUpdatesRequest {
            account_id: account.clone(),
            updates: vec![good.clone(), wrong],
        };
        let error = client.apply_membership_updates(request).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().starts_with(field), "{}", error.message());
    }
    let request = ApplyMembershipUpdatesRequest {
        account_id: account.clone(),
        updates: vec![good; 1_001],
    };
    let error = client.apply_membership_updates(request).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(members(&mut client, &account, &vip).await.is_empty());
}

#[tokio::test]
async fn a_membership_update_whose_value_the_database_does_not_take_costs_itself_alone() {
    let (world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let mut contacts: Vec<Uuid> = (0..300).map(|_| Uuid::now_v7()).collect();
    contacts.sort();
    // No value is known that does this, so a trigger stands in for one.
    let faulty = [3, 4, 150, 299];
    let list: Vec<String> = faulty
        .iter()
        .map(|at| format!("'{}'", contacts[*at]))
        .collect();
    let trigger = format!(
        "CREATE FUNCTION audience.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'out of range' USING ERRCODE = '22003'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON audience.memberships FOR EACH ROW
         WHEN (NEW.contact_id IN ({})) EXECUTE FUNCTION audience.refuse();",
        list.join(", ")
    );
    world
        .database()
        .await
        .batch_execute(&trigger)
        .await
        .unwrap();
    for _again in 0..2 {
        let mut updates: Vec<_> = contacts.iter().map(|one| add(*one, &vip, 1)).collect();
        updates.push(add(contacts[0], "none", 1));
        let statuses = apply(&mut client, &account, updates).await;
        for (at, status) in statuses.into_iter().enumerate() {
            let expected = match at {
                300 => UnknownAudience,
                at if faulty.contains(&at) => Unstorable,
                _ => Applied,
            };
            assert_eq!(status, expected, "{at}");
        }
    }
    let alone = apply(&mut client, &account, vec![add(contacts[3], &vip, 2)]).await;
    assert_eq!(alone, [Unstorable]);
    let expected: Vec<Uuid> = (0..300)
        .filter(|at| !faulty.contains(at))
        .map(|at| contacts[at])
        .collect();
    assert_eq!(members(&mut client, &account, &vip).await, expected);
}

#[tokio::test]
async fn membership_updates_for_an_account_without_audiences_leave_nothing_behind() {
    let (world, mut client) = World::with_one().await;
    let account = Uuid::now_v7().to_string();
    let updates = vec![add(Uuid::now_v7(), &Uuid::now_v7().to_string(), 1)];
    let statuses = apply(&mut client, &account, updates).await;
    assert_eq!(statuses, [UnknownAudience]);
    let sql = "SELECT count(*) FROM audience.accounts";
    let database = world.database().await;
    let rows: i64 = database.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(rows, 0);
}
