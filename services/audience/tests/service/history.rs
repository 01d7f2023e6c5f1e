//! What happened to memberships: when, by which event, held back until when (semantics 5.6).

use uuid::Uuid;
use weir_proto::audience::v1::people_service_client::PeopleServiceClient;
use weir_proto::audience::v1::{
    ContactSplit, EraseContactsRequest, ListMembershipHistoryRequest, ListMembershipsRequest,
    Membership, MembershipChange, MembershipChangeCause as Cause, MembershipChangeKind as Kind,
    SplitContactsRequest,
};
use weir_reasons::Reason;
use weir_rpc::reason_of;

use crate::harness::{
    START, World, add, apply, audience, contacts, create, figures, members, merge, remove,
};

async fn history(
    world: &World,
    account: &str,
    contact: Uuid,
    audience: &str,
) -> Vec<MembershipChange> {
    let mut client = world.memberships().await;
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let request = ListMembershipHistoryRequest {
            account_id: account.to_owned(),
            contact_id: contact.to_string(),
            audience_id: audience.to_owned(),
            page_size: 2,
            page_token: token,
        };
        let page = client.list_membership_history(request).await.unwrap();
        let page = page.into_inner();
        assert!(page.changes.len() <= 2);
        all.extend(page.changes);
        token = page.next_page_token;
        if token.is_empty() {
            return all;
        }
    }
}

async fn memberships(world: &World, account: &str, contact: Uuid) -> Vec<Membership> {
    let request = ListMembershipsRequest {
        account_id: account.to_owned(),
        contact_id: contact.to_string(),
        ..Default::default()
    };
    let mut client = world.memberships().await;
    let listed = client.list_memberships(request).await.unwrap();
    listed.into_inner().memberships
}

fn told(all: &[MembershipChange]) -> Vec<(Kind, Cause, &str)> {
    all.iter()
        .map(|one| (one.kind(), one.cause(), &*one.message_id))
        .collect()
}

#[tokio::test]
async fn each_turn_is_told_with_its_event_and_until_when_it_was_held_back() {
    let (world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let other = create(&mut client, &account, "Other").await;
    let [one, stranger] = contacts();
    // Several in one batch, as if they came one by one.
    let updates = vec![
        add(one, &vip, 1),
        remove(one, &vip, 2),
        add(one, &vip, 3),
        add(one, &other, 1),
        add(stranger, &vip, 1),
    ];
    apply(&mut client, &account, updates.clone()).await;
    apply(&mut client, &account, updates).await;
    world.clock.advance(30_000);
    apply(&mut client, &account, vec![remove(one, &vip, 4)]).await;
    apply(&mut client, &account, vec![add(one, &vip, 5)]).await;
    let listed = memberships(&world, &account, one).await;
    let waiting = listed.iter().find(|one| one.audience_id == vip).unwrap();
    let until = prost_types::Timestamp {
        seconds: START / 1_000 + 60,
        nanos: 0,
    };
    assert_eq!(
        (
            waiting.held_back,
            waiting.held_until_time,
            &*waiting.message_id
        ),
        (true, Some(until), "message 5")
    );
    world.clock.advance(30_001);
    // Any update brings it in, also a late one.
    apply(&mut client, &account, vec![remove(one, &vip, 0)]).await;

    let all = history(&world, &account, one, &vip).await;
    let expected = [
        (Kind::Joined, Cause::Event, "message 5"),
        (Kind::HeldBack, Cause::Event, "message 5"),
        (Kind::Withdrawn, Cause::Event, "message 4"),
        (Kind::HeldBack, Cause::Event, "message 3"),
        (Kind::Left, Cause::Event, "message 2"),
        (Kind::Joined, Cause::Event, "message 1"),
    ];
    assert_eq!(told(&all), expected);
    assert_eq!(all[1].held_until_time, Some(until));
    assert_eq!(all[0].change_time.unwrap().seconds, START / 1_000 + 60);
    assert_eq!(all[5].change_time.unwrap().seconds, START / 1_000);
    assert_eq!(history(&world, &account, one, "").await.len(), 7);
    assert_eq!(history(&world, &account, Uuid::now_v7(), "").await, []);

    let nobody = Uuid::now_v7();
    world.others.set_account(nobody, false);
    let request = ListMembershipHistoryRequest {
        account_id: nobody.to_string(),
        contact_id: one.to_string(),
        ..Default::default()
    };
    let mut client = world.memberships().await;
    let unknown = client.list_membership_history(request).await;
    assert_eq!(
        reason_of(&unknown.unwrap_err()),
        Some(Reason::AccountUnknown)
    );
}

#[tokio::test]
async fn a_history_follows_the_survivor_and_comes_back_with_a_split() {
    let (world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let other = create(&mut client, &account, "Other").await;
    let [old, young] = contacts();
    let updates = vec![
        add(young, &vip, 1),
        add(old, &other, 1),
        add(young, &other, 2),
    ];
    apply(&mut client, &account, updates).await;
    assert_eq!(figures(&mut client, &account, &other).await.0, 2);
    merge(&mut client, &account, &[(young, old)]).await;
    let whose = |all: &[MembershipChange]| -> Vec<(Uuid, Kind, Cause)> {
        all.iter()
            .map(|one| (one.contact_id.parse().unwrap(), one.kind(), one.cause()))
            .collect()
    };
    let mut merged = whose(&history(&world, &account, old, &vip).await);
    merged.sort_by_key(|one| (one.2 as i32, one.0));
    let expected = [
        (young, Kind::Joined, Cause::Event),
        (old, Kind::Joined, Cause::Merge),
        (young, Kind::Left, Cause::Merge),
    ];
    assert_eq!(merged, expected);
    // Whoever asks for the one that is no more is told of the survivor.
    let of_young = history(&world, &account, young, "").await;
    assert_eq!(of_young, history(&world, &account, old, "").await);
    let of_young = memberships(&world, &account, young).await;
    assert_eq!(of_young.len(), 2);
    assert_eq!(of_young, memberships(&world, &account, old).await);
    // Two members of the one audience are one now.
    assert_eq!(figures(&mut client, &account, &other).await.0, 1);
    assert_eq!(figures(&mut client, &account, &vip).await.0, 1);
    // What comes for either is the survivor's.
    apply(&mut client, &account, vec![remove(young, &vip, 9)]).await;

    let mut people = PeopleServiceClient::new(weir_rpc::connect(&world.url()).unwrap());
    let split = SplitContactsRequest {
        account_id: account.clone(),
        splits: vec![ContactSplit {
            contact_id: young.to_string(),
            version: 2,
            family_contact_ids: Vec::new(),
        }],
    };
    people.split_contacts(split).await.unwrap();
    let of_young = whose(&history(&world, &account, young, &vip).await);
    let expected = [
        (young, Kind::Joined, Cause::Split),
        (young, Kind::Left, Cause::Merge),
        (young, Kind::Joined, Cause::Event),
    ];
    assert_eq!(of_young, expected);
    let of_old = whose(&history(&world, &account, old, &vip).await);
    let expected = [
        (old, Kind::Left, Cause::Event),
        (old, Kind::Joined, Cause::Merge),
    ];
    assert_eq!(of_old, expected);
    for audience in [&vip, &other] {
        let there = members(&mut client, &account, audience).await.len();
        let counted = figures(&mut client, &account, audience).await.0;
        assert_eq!(counted, i64::try_from(there).unwrap());
    }
}

#[tokio::test]
async fn of_a_deleted_person_nothing_is_told_and_nobody_is_counted() {
    let (world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let [one, two] = contacts();
    apply(
        &mut client,
        &account,
        vec![add(one, &vip, 1), add(two, &vip, 1)],
    )
    .await;
    let mut people = PeopleServiceClient::new(weir_rpc::connect(&world.url()).unwrap());
    let request = EraseContactsRequest {
        account_id: account.clone(),
        deletion_id: Uuid::now_v7().to_string(),
        contact_ids: vec![one.to_string()],
    };
    for _ in 0..2 {
        let erased = people.erase_contacts(request.clone()).await.unwrap();
        assert_eq!(erased.into_inner().rows[0].count, 1);
    }
    assert_eq!(history(&world, &account, one, "").await, []);
    assert_eq!(history(&world, &account, two, "").await.len(), 1);
    assert_eq!(figures(&mut client, &account, &vip).await.0, 1);
}
