//! Making and finding audiences (semantics 5.1).

use tonic::Code;
use uuid::Uuid;
use weir_proto::audience::v1::{
    AudienceCheck, CheckAudiencesRequest, CreateAudienceRequest, GetAudienceRequest,
    ListAudiencesRequest, ListMembersRequest, Origin,
};

use crate::service::{World, add, apply, audience, create};
use weir_proto::audience::v1::WishStatus;

#[tokio::test]
async fn the_same_name_is_the_same_audience_and_case_counts() {
    let (_world, mut client) = World::with_one().await;
    let (account, first) = audience(&mut client, "Newsletter").await;
    assert_eq!(create(&mut client, &account, "  Newsletter\t").await, first);
    assert_ne!(create(&mut client, &account, "newsletter").await, first);

    let request = GetAudienceRequest {
        account_id: account.clone(),
        audience_id: first.clone(),
    };
    let found = client.get_audience(request).await.unwrap().into_inner();
    assert_eq!(found.audience.unwrap().name, "Newsletter");
}

#[tokio::test]
async fn replicas_that_make_the_same_audience_at_once_make_one() {
    let world = World::new().await;
    let clients = [
        world.replica(86_400_000).await,
        world.replica(86_400_000).await,
    ];
    let account = Uuid::now_v7().to_string();
    let tasks: Vec<_> = (0..20)
        .map(|index| {
            let (mut client, account) = (clients[index % 2].clone(), account.clone());
            tokio::spawn(async move { create(&mut client, &account, "VIP").await })
        })
        .collect();
    let mut ids = std::collections::BTreeSet::new();
    for task in tasks {
        ids.insert(task.await.unwrap());
    }
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn blank_and_over_long_names_are_refused() {
    let (_world, mut client) = World::with_one().await;
    for name in [
        String::new(),
        " \u{a0}".to_owned(),
        "x".repeat(151),
        "a\0".to_owned(),
    ] {
        let request = CreateAudienceRequest {
            account_id: Uuid::now_v7().to_string(),
            name,
            origin: Origin::SegmentActions.into(),
        };
        let error = client.create_audience(request).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().starts_with("name: "), "{}", error.message());
    }
}

#[tokio::test]
async fn an_audience_made_by_hand_is_not_segments() {
    let (_world, mut client) = World::with_one().await;
    let account = Uuid::now_v7().to_string();
    let mut request = CreateAudienceRequest {
        account_id: account.clone(),
        name: "By hand".to_owned(),
        origin: Origin::Other.into(),
    };
    let made = client.create_audience(request.clone()).await.unwrap();
    let by_hand = made.into_inner().audience.unwrap().audience_id;
    request.origin = Origin::SegmentActions.into();
    let error = client.create_audience(request).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);

    let segments = create(&mut client, &account, "Segment's").await;
    let request = CheckAudiencesRequest {
        account_id: account.clone(),
        audience_ids: vec![
            "no id".to_owned(),
            by_hand.clone(),
            segments.clone(),
            Uuid::now_v7().to_string(),
            segments.clone(),
        ],
    };
    let checks = client.check_audiences(request).await.unwrap().into_inner();
    let checks: Vec<_> = checks.checks().collect();
    use AudienceCheck::{OtherOrigin, Unknown, Usable};
    assert_eq!(checks, [Unknown, OtherOrigin, Usable, Unknown, Usable]);

    let contact = Uuid::now_v7();
    let wishes = vec![
        add(contact, &by_hand, 0),
        add(contact, &segments, 0),
        add(contact, "no id", 0),
    ];
    let statuses = apply(&mut client, &account, wishes).await;
    assert_eq!(
        statuses,
        [
            WishStatus::UnknownAudience,
            WishStatus::Applied,
            WishStatus::UnknownAudience
        ]
    );
}

#[tokio::test]
async fn audiences_are_listed_by_name_in_pages() {
    let (_world, mut client) = World::with_one().await;
    let account = Uuid::now_v7().to_string();
    for name in ["b", "Ä", "B", "a", "C"] {
        create(&mut client, &account, name).await;
    }
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let request = ListAudiencesRequest {
            account_id: account.clone(),
            page_size: 2,
            page_token: token,
        };
        let page = client.list_audiences(request).await.unwrap().into_inner();
        names.extend(page.audiences.into_iter().map(|audience| audience.name));
        if page.next_page_token.is_empty() {
            break;
        }
        token = page.next_page_token;
    }
    assert_eq!(names, ["B", "C", "a", "b", "Ä"]);

    let request = ListAudiencesRequest {
        account_id: account,
        page_size: 0,
        page_token: "nonsense".to_owned(),
    };
    let error = client.list_audiences(request).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn another_account_sees_nothing() {
    let (_world, mut client) = World::with_one().await;
    let (account, mine) = audience(&mut client, "Mine").await;
    let contact = Uuid::now_v7();
    apply(&mut client, &account, vec![add(contact, &mine, 0)]).await;

    let stranger = Uuid::now_v7().to_string();
    let statuses = apply(&mut client, &stranger, vec![add(contact, &mine, 1)]).await;
    assert_eq!(statuses, [WishStatus::UnknownAudience]);
    let get = GetAudienceRequest {
        account_id: stranger.clone(),
        audience_id: mine.clone(),
    };
    let error = client.get_audience(get).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    let list = ListMembersRequest {
        account_id: stranger.clone(),
        audience_id: mine,
        page_size: 0,
        page_token: String::new(),
    };
    let error = client.list_members(list).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    let list = ListAudiencesRequest {
        account_id: stranger,
        page_size: 0,
        page_token: String::new(),
    };
    let found = client.list_audiences(list).await.unwrap().into_inner();
    assert!(found.audiences.is_empty());
}
