//! The record of changes (semantics 9.5): audiences that somebody made.

use tonic::{Code, Request};
use uuid::Uuid;
use weir_access::{Need, Role};
use weir_proto::access::v1::change_log_service_client::ChangeLogServiceClient;
use weir_proto::access::v1::{ActorKind, Change, ChangedThing, ReadChangesRequest};
use weir_proto::audience::v1::{
    CreateAudienceRequest, DeleteAudienceRequest, Origin, RenameAudienceRequest, StartSyncRequest,
};

use crate::harness::World;

const CREATE: &str = "weir.audience.v1.AudienceService/CreateAudience";

async fn changes(world: &World, account_id: &str) -> Vec<Change> {
    let channel = weir_rpc::connect(&world.url()).unwrap();
    let request = ReadChangesRequest {
        account_id: account_id.to_owned(),
        limit: 1_000,
        ..Default::default()
    };
    let mut client = ChangeLogServiceClient::new(channel);
    let read = client.read_changes(Request::new(request));
    read.await.unwrap().into_inner().changes
}

#[tokio::test]
async fn an_audience_that_is_made_leaves_its_mark_and_one_that_is_there_none() {
    let (world, mut client) = World::with_one().await;
    let request = CreateAudienceRequest {
        account_id: Uuid::now_v7().to_string(),
        name: "Newsletter".to_owned(),
        origin: Origin::SegmentActions.into(),
        request_id: Uuid::now_v7().to_string(),
    };
    let made = client
        .create_audience(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert!(made.created);
    let all = changes(&world, &request.account_id).await;
    let [one] = all.as_slice() else {
        panic!("{all:?}")
    };
    assert_eq!(
        (&*one.method, one.thing()),
        (CREATE, ChangedThing::Audience)
    );
    assert_eq!(one.thing_id, made.audience.as_ref().unwrap().audience_id);
    assert_eq!(one.actor.as_ref().unwrap().kind(), ActorKind::Service);
    for request_id in [request.request_id.clone(), String::new()] {
        let again = CreateAudienceRequest {
            request_id,
            ..request.clone()
        };
        let again = client.create_audience(again).await.unwrap().into_inner();
        assert_eq!(
            (again.created, again.audience),
            (false, made.audience.clone())
        );
    }
    assert_eq!(changes(&world, &request.account_id).await, all);
    let other = CreateAudienceRequest {
        name: "Other".to_owned(),
        ..request
    };
    let taken = client.create_audience(other).await.unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
}

#[tokio::test]
async fn there_is_no_other_call_that_may_change_something() {
    let changes = |need: &Need| matches!(need, Need::Caller { role, .. } if *role >= Role::Write);
    let all = weir_proto::NEEDS.iter();
    let all = all.filter(|(path, need)| path.starts_with("/weir.audience.v1.") && changes(need));
    let all: Vec<&str> = all.map(|(path, _)| &path[1..]).collect();
    let others = [
        "weir.audience.v1.CurationService/DeleteAudience",
        "weir.audience.v1.CurationService/RenameAudience",
        "weir.audience.v1.CurationService/RestoreAudience",
        "weir.audience.v1.SyncService/StartSync",
    ];
    let known = [&[CREATE][..], &others].concat();
    assert_eq!(sorted(all), sorted(known));
}

fn sorted(mut all: Vec<&str>) -> Vec<&str> {
    all.sort_unstable();
    all
}

#[tokio::test]
async fn what_is_done_by_hand_leaves_its_mark_once() {
    let (world, mut client) = World::with_one().await;
    let (account, vip) = crate::harness::audience(&mut client, "VIP").await;
    let mut curation = world.curation().await;
    for _ in 0..2 {
        let request = RenameAudienceRequest {
            account_id: account.clone(),
            audience_id: vip.clone(),
            name: "Very important".to_owned(),
        };
        curation.rename_audience(request).await.unwrap();
    }
    let delete = DeleteAudienceRequest {
        account_id: account.clone(),
        audience_id: vip.clone(),
        refuse_events: false,
        request_id: Uuid::now_v7().to_string(),
    };
    for _ in 0..2 {
        curation.delete_audience(delete.clone()).await.unwrap();
    }
    let sync = StartSyncRequest {
        account_id: account.clone(),
        request_id: Uuid::now_v7().to_string(),
    };
    let mut syncs = world.syncs().await;
    for _ in 0..2 {
        syncs.start_sync(sync.clone()).await.unwrap();
    }
    // The request of one is not that of another.
    let mixed = StartSyncRequest {
        request_id: delete.request_id.clone(),
        ..sync
    };
    let taken = syncs.start_sync(mixed).await.unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
    let all = changes(&world, &account).await;
    let told: Vec<_> = all
        .iter()
        .map(|one| (one.method.rsplit('/').next().unwrap(), one.thing()))
        .collect();
    let expected = [
        ("StartSync", ChangedThing::Sync),
        ("DeleteAudience", ChangedThing::Audience),
        ("RenameAudience", ChangedThing::Audience),
        ("CreateAudience", ChangedThing::Audience),
    ];
    assert_eq!(told, expected);
    assert_eq!(all[2].fields.len(), 1);
    assert_eq!(all[1].thing_id, vip);
}
