//! Syncs that somebody asks for, and what became of each (semantics 5.3).

use uuid::Uuid;
use weir_proto::audience::v1::sync_service_client::SyncServiceClient;
use weir_proto::audience::v1::{
    GetSyncRequest, ListSyncedMembersRequest, ListSyncsRequest, StartSyncRequest, SyncRun,
    SyncedMember,
};
use weir_reasons::Reason;
use weir_rpc::{Channel, reason_of};
use weir_testkit::eventually;

use crate::harness::{World, add, apply, audience, contacts, days, members, remove};

async fn start(client: &mut SyncServiceClient<Channel>, account: &str) -> SyncRun {
    let request = StartSyncRequest {
        account_id: account.to_owned(),
        request_id: Uuid::now_v7().to_string(),
    };
    let started = client.start_sync(request).await.unwrap().into_inner();
    started.sync.unwrap()
}

async fn ended(client: &SyncServiceClient<Channel>, account: &str, id: &str) -> SyncRun {
    eventually("the sync has ended", async || {
        let request = GetSyncRequest {
            account_id: account.to_owned(),
            sync_id: id.to_owned(),
        };
        let found = client.clone().get_sync(request).await.unwrap();
        let run = found.into_inner().sync.unwrap();
        run.end_time.is_some().then_some(run)
    })
    .await
}

async fn synced(
    client: &mut SyncServiceClient<Channel>,
    account: &str,
    id: &str,
) -> Vec<SyncedMember> {
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let request = ListSyncedMembersRequest {
            account_id: account.to_owned(),
            sync_id: id.to_owned(),
            page_size: 2,
            page_token: token,
        };
        let page = client.list_synced_members(request).await.unwrap();
        let page = page.into_inner();
        all.extend(page.members);
        token = page.next_page_token;
        if token.is_empty() {
            return all;
        }
    }
}

#[tokio::test]
async fn a_sync_that_is_asked_for_applies_who_waits_and_says_whom() {
    // No replica looks by itself within the test's time.
    let (world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let people: [Uuid; 5] = contacts();
    for (make, time) in [(add as fn(Uuid, &str, i64) -> _, 1), (remove, 2), (add, 3)] {
        let updates = people.iter().map(|one| make(*one, &vip, time)).collect();
        apply(&mut client, &account, updates).await;
    }
    world.clock.advance(60_001);
    let mut syncs = world.syncs().await;
    let run = start(&mut syncs, &account).await;
    assert!(run.requested);
    let run = ended(&syncs, &account, &run.sync_id).await;
    assert_eq!(run.applied, 5);
    assert_eq!(members(&mut client, &account, &vip).await, people);
    let told = synced(&mut syncs, &account, &run.sync_id).await;
    let mut whom: Vec<Uuid> = told
        .iter()
        .map(|one| one.contact_id.parse().unwrap())
        .collect();
    whom.sort();
    assert_eq!(whom, people);
    for one in &told {
        assert_eq!((&*one.audience_id, &*one.message_id), (&*vip, "message 3"));
    }
    let today = &days(&mut client, &account, &vip).await[0];
    assert_eq!((today.joined, today.left, today.held_back), (10, 5, 5));

    // Where nobody waits it ends all the same.
    let second = start(&mut syncs, &account).await;
    assert_ne!(second.sync_id, run.sync_id);
    assert_eq!(ended(&syncs, &account, &second.sync_id).await.applied, 0);
    let listed = |page_size, page_token| ListSyncsRequest {
        account_id: account.clone(),
        page_size,
        page_token,
    };
    let first = syncs.list_syncs(listed(1, String::new())).await.unwrap();
    let first = first.into_inner();
    let rest = listed(1, first.next_page_token);
    let rest = syncs.list_syncs(rest).await.unwrap().into_inner();
    let all = [first.syncs, rest.syncs].concat();
    let all: Vec<&str> = all.iter().map(|one| &*one.sync_id).collect();
    assert_eq!(all, [second.sync_id, run.sync_id]);
    for id in [Uuid::now_v7().to_string(), "none".to_owned()] {
        let request = GetSyncRequest {
            account_id: account.clone(),
            sync_id: id,
        };
        let unknown = syncs.get_sync(request).await.unwrap_err();
        assert_eq!(reason_of(&unknown), Some(Reason::SyncUnknown));
    }
}

#[tokio::test]
async fn who_left_within_the_minute_is_waited_for_and_the_same_sync_is_answered_meanwhile() {
    let world = World::new().await;
    let mut client = world.replica(20).await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let [one] = contacts();
    let updates = vec![add(one, &vip, 1), remove(one, &vip, 2), add(one, &vip, 3)];
    apply(&mut client, &account, updates).await;
    world.clock.advance(10_000);
    let mut syncs = world.syncs().await;
    let run = start(&mut syncs, &account).await;
    let database = world.database().await;
    eventually("it has begun, and been given back", async || {
        let sql = "SELECT began_time IS NOT NULL AND lease_time IS NULL FROM audience.sync_work";
        database
            .query_one(sql, &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
    })
    .await;
    assert_eq!(start(&mut syncs, &account).await.sync_id, run.sync_id);
    assert!(members(&mut client, &account, &vip).await.is_empty());
    world.clock.advance(50_001);
    assert_eq!(ended(&syncs, &account, &run.sync_id).await.applied, 1);
    assert_eq!(members(&mut client, &account, &vip).await, [one]);
}

#[tokio::test]
async fn the_daily_sync_is_due_at_the_time_that_is_configured_and_is_a_run_as_well() {
    let world = World::new().await;
    let mut client = world.replica_with(20, &["--sync-at", "04:30"]).await;
    let _other = world.replica_with(20, &["--sync-at", "04:30"]).await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let [one] = contacts();
    let updates = vec![add(one, &vip, 1), remove(one, &vip, 2), add(one, &vip, 3)];
    apply(&mut client, &account, updates).await;
    world.clock.set("2026-11-25T04:29:59Z");
    // Another account's sync is through by then.
    let (other, others) = audience(&mut client, "Other").await;
    apply(&mut client, &other, vec![add(one, &others, 1)]).await;
    let mut syncs = world.syncs().await;
    let run = start(&mut syncs, &other).await;
    ended(&syncs, &other, &run.sync_id).await;
    assert!(members(&mut client, &account, &vip).await.is_empty());
    world.clock.set("2026-11-25T04:30:00Z");
    eventually("the contact is a member", async || {
        members(&mut client.clone(), &account, &vip).await == [one]
    })
    .await;
    let request = ListSyncsRequest {
        account_id: account.clone(),
        ..Default::default()
    };
    let listed = syncs.list_syncs(request).await.unwrap().into_inner().syncs;
    let [daily] = listed.as_slice() else {
        panic!("{listed:?}")
    };
    assert!(!daily.requested);
    let daily = ended(&syncs, &account, &daily.sync_id).await;
    assert_eq!(daily.applied, 1);
}
