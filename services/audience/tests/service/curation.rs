//! What people do with audiences by hand (semantics 5.1).

use tonic::Code;
use uuid::Uuid;
use weir_proto::audience::v1::MembershipUpdateStatus::{Applied, UnknownAudience};
use weir_proto::audience::v1::{
    AudienceDeletion, CheckAudiencesRequest, CreateAudienceRequest, DeleteAudienceRequest,
    GetAudienceDeletionRequest, Origin, RenameAudienceRequest, RestoreAudienceRequest,
};
use weir_reasons::Reason;
use weir_rpc::{reason_of, told};
use weir_testkit::eventually;

use crate::harness::{
    World, add, apply, audience, contacts, create, figures, members, merge, remove,
};

fn deleting(account: &str, audience: &str, refuse_events: bool) -> DeleteAudienceRequest {
    DeleteAudienceRequest {
        account_id: account.to_owned(),
        audience_id: audience.to_owned(),
        refuse_events,
        request_id: Uuid::now_v7().to_string(),
    }
}

async fn deletion(world: &World, account: &str, audience: &str) -> AudienceDeletion {
    let request = GetAudienceDeletionRequest {
        account_id: account.to_owned(),
        audience_id: audience.to_owned(),
    };
    let mut curation = world.curation().await;
    let found = curation.get_audience_deletion(request).await.unwrap();
    found.into_inner().deletion.unwrap()
}

async fn is_done(world: &World, account: &str, audience: &str) -> AudienceDeletion {
    eventually("the deletion is done", async || {
        let deletion = deletion(world, account, audience).await;
        deletion.done_time.is_some().then_some(deletion)
    })
    .await
}

#[tokio::test]
async fn an_audience_gets_another_name_and_keeps_its_members() {
    let (world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    create(&mut client, &account, "Taken").await;
    let [one] = contacts();
    apply(&mut client, &account, vec![add(one, &vip, 1)]).await;
    let mut curation = world.curation().await;
    let mut rename = async |audience_id: &str, name: &str| {
        let request = RenameAudienceRequest {
            account_id: account.clone(),
            audience_id: audience_id.to_owned(),
            name: name.to_owned(),
        };
        let renamed = curation.rename_audience(request).await;
        renamed.map(|answer| answer.into_inner().audience.unwrap())
    };
    for _ in 0..2 {
        let renamed = rename(&vip, " Big spenders ").await.unwrap();
        assert_eq!(
            (&*renamed.name, &*renamed.audience_id),
            ("Big spenders", &*vip)
        );
    }
    let taken = rename(&vip, "Taken").await.unwrap_err();
    assert_eq!(
        (taken.code(), reason_of(&taken)),
        (Code::AlreadyExists, Some(Reason::NameTaken))
    );
    let blank = rename(&vip, " ").await.unwrap_err();
    assert_eq!(blank.code(), Code::InvalidArgument);
    for id in [Uuid::now_v7().to_string(), "none".to_owned()] {
        let unknown = rename(&id, "x").await.unwrap_err();
        assert_eq!(reason_of(&unknown), Some(Reason::AudienceNotFound));
    }
    assert_eq!(members(&mut client, &account, &vip).await, [one]);
    // Its old name is free, its new one leads to it.
    assert_ne!(create(&mut client, &account, "VIP").await, vip);
    assert_eq!(create(&mut client, &account, "Big spenders").await, vip);
}

#[tokio::test]
async fn one_that_is_made_by_hand_is_nothing_that_segment_may_touch() {
    let (_world, mut client) = World::with_one().await;
    let request = CreateAudienceRequest {
        account_id: Uuid::now_v7().to_string(),
        name: "By hand".to_owned(),
        origin: Origin::Manual.into(),
        request_id: String::new(),
    };
    let made = client.create_audience(request.clone()).await.unwrap();
    let made = made.into_inner().audience.unwrap();
    assert_eq!(made.origin(), Origin::Manual);
    let segments = CreateAudienceRequest {
        origin: Origin::SegmentActions.into(),
        ..request.clone()
    };
    let refused = client.create_audience(segments).await.unwrap_err();
    assert_eq!(reason_of(&refused), Some(Reason::AudienceNameTaken));
    let [one] = contacts();
    let updates = vec![add(one, &made.audience_id, 1)];
    let statuses = apply(&mut client, &request.account_id, updates).await;
    assert_eq!(statuses, [UnknownAudience]);
}

#[tokio::test]
async fn an_audience_in_use_says_how_many_events_a_day_would_be_refused() {
    let (world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let people: [Uuid; 10] = contacts();
    let updates = people.iter().map(|one| add(*one, &vip, 1)).collect();
    apply(&mut client, &account, updates).await;
    // The same again is no event more.
    let updates = people.iter().map(|one| add(*one, &vip, 1)).collect();
    apply(&mut client, &account, updates).await;
    assert_eq!(figures(&mut client, &account, &vip).await, (10, 10));
    let mut curation = world.curation().await;
    let request = deleting(&account, &vip, false);
    let refused = curation.delete_audience(request).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason_of(&refused)),
        (Code::FailedPrecondition, Some(Reason::AudienceInUse))
    );
    // It is of today: they are those of one day.
    assert_eq!(told(&refused, "events_a_day").as_deref(), Some("10"));
    assert!(refused.message().contains("10 events a day"), "{refused:?}");
    assert_eq!(members(&mut client, &account, &vip).await.len(), 10);
    // A week later nobody misses it.
    world.clock.advance(7 * 86_400_000);
    assert_eq!(figures(&mut client, &account, &vip).await, (10, 0));
    curation
        .delete_audience(deleting(&account, &vip, false))
        .await
        .unwrap();
    is_done(&world, &account, &vip).await;
}

#[tokio::test]
async fn a_deleted_audience_is_unknown_at_once_and_empty_soon() {
    let (world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let other = create(&mut client, &account, "Other").await;
    let [one, two, three, four] = contacts();
    let updates = vec![
        add(one, &vip, 1),
        add(two, &vip, 1),
        remove(two, &vip, 2),
        add(three, &vip, 1),
        add(four, &vip, 1),
        remove(four, &vip, 2),
        add(four, &vip, 3),
        add(one, &other, 1),
    ];
    apply(&mut client, &account, updates).await;
    merge(&mut client, &account, &[(three, one)]).await;
    let mut curation = world.curation().await;
    let request = deleting(&account, &vip, true);
    let answered = curation.delete_audience(request.clone()).await.unwrap();
    let answered = answered.into_inner().deletion.unwrap();
    assert_eq!(&*answered.name, "VIP");
    let statuses = apply(&mut client, &account, vec![add(one, &vip, 9)]).await;
    assert_eq!(statuses, [UnknownAudience]);
    let request_of = |id: &str| CheckAudiencesRequest {
        account_id: account.clone(),
        audience_ids: vec![id.to_owned()],
    };
    let checked = client.check_audiences(request_of(&vip)).await.unwrap();
    assert_eq!(checked.into_inner().checks, [2]);
    let done = is_done(&world, &account, &vip).await;
    // Those of one, two and four; three's had gone to one.
    assert_eq!(done.deleted_memberships, 3);
    // Again it is the same.
    let again = curation.delete_audience(request).await.unwrap();
    assert_eq!(again.into_inner().deletion.unwrap(), done);
    assert_eq!(world.rows("memberships", &account).await, 1);
    assert_eq!(world.rows("waiting", &account).await, 0);
    assert_eq!(world.rows("merged_memberships", &account).await, 0);
    assert_eq!(world.rows("account_work", &account).await, 0);
    assert_eq!(members(&mut client, &account, &other).await, [one]);
    // Who was deleted here never existed elsewhere.
    let never = deleting(&account, &Uuid::now_v7().to_string(), true);
    let never = curation.delete_audience(never).await.unwrap_err();
    assert_eq!(reason_of(&never), Some(Reason::AudienceNotFound));
}

#[tokio::test]
async fn a_large_one_goes_in_steps_and_is_gone_on_with_by_another_replica() {
    let (world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let database = world.database().await;
    let ids: [Uuid; 2] = [&account, &vip].map(|id| id.parse().unwrap());
    let many = "INSERT INTO audience.memberships (account_id, audience_id, contact_id, member,
            asked_member, member_since_time, update_time, update_message_id)
        SELECT $1, $2, gen_random_uuid(), n % 3 > 0, n % 3 > 0, now(), now(), 'm'
        FROM generate_series(1, 12000) n";
    database.execute(many, &[&ids[0], &ids[1]]).await.unwrap();
    // As a replica leaves it that died in the middle.
    let half = "UPDATE audience.audience_deletions SET memberships = memberships + 5";
    let mut curation = world.curation().await;
    curation
        .delete_audience(deleting(&account, &vip, false))
        .await
        .unwrap();
    database.execute(half, &[]).await.unwrap();
    let _other = world.replica(86_400_000).await;
    let done = is_done(&world, &account, &vip).await;
    assert_eq!(done.deleted_memberships, 12_005);
    assert_eq!(world.rows("memberships", &account).await, 0);
}

#[tokio::test]
async fn a_deleted_audience_can_be_had_again_by_its_id() {
    let (world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let [one] = contacts();
    apply(&mut client, &account, vec![add(one, &vip, 1)]).await;
    let mut curation = world.curation().await;
    let delete = deleting(&account, &vip, true);
    curation.delete_audience(delete.clone()).await.unwrap();
    is_done(&world, &account, &vip).await;
    let restore = RestoreAudienceRequest {
        account_id: account.clone(),
        audience_id: vip.clone(),
        request_id: Uuid::now_v7().to_string(),
    };
    for _ in 0..2 {
        let restored = curation.restore_audience(restore.clone()).await.unwrap();
        let restored = restored.into_inner().audience.unwrap();
        assert_eq!(
            (&*restored.name, restored.origin()),
            ("VIP", Origin::SegmentActions)
        );
    }
    assert!(members(&mut client, &account, &vip).await.is_empty());
    assert_eq!(figures(&mut client, &account, &vip).await, (0, 0));
    // What was refused meanwhile is taken when it is replayed.
    let statuses = apply(&mut client, &account, vec![add(one, &vip, 1)]).await;
    assert_eq!(statuses, [Applied]);
    // A late try of the deletion deletes nothing once more.
    let late = curation.delete_audience(delete).await.unwrap();
    assert!(late.into_inner().deletion.unwrap().restore_time.is_some());
    assert_eq!(members(&mut client, &account, &vip).await, [one]);
    let never = RestoreAudienceRequest {
        audience_id: Uuid::now_v7().to_string(),
        ..restore
    };
    let never = RestoreAudienceRequest {
        request_id: String::new(),
        ..never
    };
    let never = curation.restore_audience(never).await.unwrap_err();
    assert_eq!(reason_of(&never), Some(Reason::DeletionUnknown));
}
