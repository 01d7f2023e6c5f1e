//! Memberships as one contact has them.

use tonic::Code;
use uuid::Uuid;
use weir_proto::audience::v1::{ListMembershipsRequest, Membership};
use weir_reasons::Reason;
use weir_rpc::reason_of;

use crate::harness::{World, add, apply, audience, create, remove};

#[tokio::test]
async fn a_contact_has_the_audiences_it_is_in_and_those_it_left() {
    let (world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let left = create(&mut client, &account, "Left").await;
    create(&mut client, &account, "Never").await;
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    let updates = vec![add(one, &vip, 1), add(one, &left, 1), add(other, &vip, 1)];
    apply(&mut client, &account, updates).await;
    world.clock.advance(1_000);
    apply(&mut client, &account, vec![remove(one, &left, 2)]).await;

    let mut memberships = world.memberships().await;
    let mut list = async |contact: Uuid, page_size, page_token: &str| {
        let request = ListMembershipsRequest {
            account_id: account.clone(),
            contact_id: contact.to_string(),
            page_size,
            page_token: page_token.to_owned(),
        };
        memberships
            .list_memberships(request)
            .await
            .unwrap()
            .into_inner()
    };
    let all = list(one, 0, "").await.memberships;
    let said = |one: &Membership| {
        let is_since = one.member_since_time.is_some();
        (
            one.audience_id.clone(),
            one.member,
            is_since,
            one.left_time.is_some(),
        )
    };
    let mut expected = [(vip.clone(), true, true, false), (left, false, false, true)];
    expected.sort();
    assert_eq!(all.iter().map(said).collect::<Vec<_>>(), expected);
    let first = list(one, 1, "").await;
    let second = list(one, 1, &first.next_page_token).await;
    assert_eq!(second.next_page_token, "");
    assert_eq!([first.memberships, second.memberships].concat(), all);
    assert_eq!(list(other, 0, "").await.memberships[0].audience_id, vip);
    assert_eq!(list(Uuid::now_v7(), 0, "").await.memberships, []);

    let nobody = Uuid::now_v7();
    world.others.set_account(nobody, false);
    let request = |account_id: String| ListMembershipsRequest {
        account_id,
        contact_id: one.to_string(),
        ..Default::default()
    };
    let unknown = memberships
        .list_memberships(request(nobody.to_string()))
        .await;
    assert_eq!(
        reason_of(&unknown.unwrap_err()),
        Some(Reason::AccountUnknown)
    );
    let bad = memberships.list_memberships(request(String::new())).await;
    assert_eq!(bad.unwrap_err().code(), Code::InvalidArgument);
}
