//! Members as a file (semantics 5.6).

use tonic::{Code, Status};
use uuid::Uuid;
use weir_proto::audience::v1::transfer_service_client::TransferServiceClient;
use weir_proto::audience::v1::{ExportFormat, ExportMembersRequest};
use weir_reasons::Reason;
use weir_rpc::reason_of;

use crate::harness::{World, add, apply, audience, contacts, create, remove};

async fn export(world: &World, request: ExportMembersRequest) -> Result<(String, i64), Status> {
    let mut client = TransferServiceClient::new(weir_rpc::connect(&world.url()).unwrap());
    let mut pieces = client.export_members(request).await?.into_inner();
    let (mut data, mut members) = (Vec::new(), 0);
    while let Some(piece) = pieces.message().await? {
        data.extend_from_slice(&piece.data);
        assert!(piece.members >= members);
        members = piece.members;
    }
    Ok((String::from_utf8(data).unwrap(), members))
}

fn of(account: &str, format: ExportFormat, audiences: &[&String]) -> ExportMembersRequest {
    ExportMembersRequest {
        account_id: account.to_owned(),
        format: format.into(),
        audience_ids: audiences.iter().map(ToString::to_string).collect(),
    }
}

#[tokio::test]
async fn members_are_written_with_their_audience_and_the_event_that_added_them() {
    let (world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let other = create(&mut client, &account, "Other, and \"more\"").await;
    let [one, two, three] = contacts();
    let updates = vec![
        add(one, &vip, 1),
        add(two, &vip, 2),
        add(three, &vip, 3),
        remove(three, &vip, 4),
        add(one, &other, 5),
    ];
    apply(&mut client, &account, updates).await;
    let (csv, members) = export(&world, of(&account, ExportFormat::Csv, &[&vip]))
        .await
        .unwrap();
    let line = |contact: Uuid, n: i64| {
        let since = "2026-11-24T10:00:00Z";
        format!("{vip},VIP,{contact},{since},2026-11-24T10:00:00.00{n}Z,message {n}\n")
    };
    let header = "audience_id,audience,contact_id,join_time,update_time,message_id\n";
    assert_eq!(csv, format!("{header}{}{}", line(one, 1), line(two, 2)));
    assert_eq!(members, 2);
    let (lines, members) = export(&world, of(&account, ExportFormat::JsonLines, &[]))
        .await
        .unwrap();
    assert_eq!((lines.lines().count(), members), (3, 3));
    for line in lines.lines() {
        let read: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = read["audience"].as_str().unwrap();
        assert!(["VIP", "Other, and \"more\""].contains(&name), "{line}");
    }
    let twice = of(&account, ExportFormat::Csv, &[&vip, &vip]);
    let twice = export(&world, twice).await.unwrap_err();
    assert_eq!(twice.code(), Code::InvalidArgument);
    let unknown = of(&account, ExportFormat::Csv, &[&Uuid::now_v7().to_string()]);
    let unknown = export(&world, unknown).await.unwrap_err();
    assert_eq!(reason_of(&unknown), Some(Reason::AudienceNotFound));
}

#[tokio::test]
async fn a_file_is_of_one_moment_and_there_is_room_for_two() {
    let (world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let database = world.database().await;
    let ids: [Uuid; 2] = [&account, &vip].map(|id| id.parse().unwrap());
    let many = "INSERT INTO audience.memberships (account_id, audience_id, contact_id, member,
            asked_member, member_since_time, update_time, update_message_id)
        SELECT $1, $2, gen_random_uuid(), true, true, now(), now(), repeat('m', 400)
        FROM generate_series(1, 40000)";
    database.execute(many, &[&ids[0], &ids[1]]).await.unwrap();
    let request = of(&account, ExportFormat::Csv, &[&vip]);
    let connect = || TransferServiceClient::new(weir_rpc::connect(&world.url()).unwrap());
    let (mut first, mut second, mut third) = (connect(), connect(), connect());
    let first = first.export_members(request.clone()).await.unwrap();
    let _second = second.export_members(request.clone()).await.unwrap();
    let refused = third.export_members(request).await.unwrap_err();
    assert_eq!(reason_of(&refused), Some(Reason::Overloaded));
    let mut pieces = first.into_inner();
    let begun = pieces.message().await.unwrap().unwrap();
    assert!(begun.data.len() <= 1024 * 1024);
    // What changes meanwhile is not in it.
    let gone = "DELETE FROM audience.memberships WHERE account_id = $1";
    database.execute(gone, &[&ids[0]]).await.unwrap();
    let mut members = begun.members;
    while let Some(piece) = pieces.message().await.unwrap() {
        members = piece.members;
    }
    assert_eq!(members, 40_000);
}
