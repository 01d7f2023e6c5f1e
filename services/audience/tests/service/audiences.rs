//! Making and finding audiences (semantics 5.1).

use tonic::Code;
use uuid::Uuid;
use weir_proto::audience::v1::{
    AudienceCheck, CheckAudiencesRequest, CreateAudienceRequest, GetAudienceRequest,
    ListAudiencesRequest, ListMembersRequest, MergeContactsRequest, Origin,
};
use weir_proto::settings::v1::ContactMerge;

use crate::harness::{Client, World, add, apply, audience, contacts, create, members};
use weir_proto::audience::v1::MembershipUpdateStatus;
use weir_reasons::Reason;
use weir_rpc::reason_of;

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
async fn a_name_that_is_none_is_told_why() {
    let (_world, mut client) = World::with_one().await;
    for (name, wrong) in [
        (String::new(), "blank"),
        (" \u{a0}".to_owned(), "blank"),
        ("\u{feff}".to_owned(), "blank"),
        ("x".repeat(151), "150 characters"),
        ("a\0".to_owned(), "control characters"),
        ("a\nb".to_owned(), "control characters"),
        ("a\tb".to_owned(), "control characters"),
    ] {
        let request = CreateAudienceRequest {
            account_id: Uuid::now_v7().to_string(),
            name,
            origin: Origin::SegmentActions.into(),
            request_id: String::new(),
        };
        let error = client.create_audience(request).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert_eq!(reason_of(&error), Some(Reason::FieldInvalid));
        let message = error.message();
        assert!(
            message.starts_with("name: ") && message.contains(wrong),
            "{message}"
        );
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
        request_id: String::new(),
    };
    let made = client.create_audience(request.clone()).await.unwrap();
    let by_hand = made.into_inner().audience.unwrap().audience_id;
    request.origin = Origin::SegmentActions.into();
    let error = client.create_audience(request).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert_eq!(reason_of(&error), Some(Reason::AudienceNameTaken));

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
    let updates = vec![
        add(contact, &by_hand, 0),
        add(contact, &segments, 0),
        add(contact, "no id", 0),
    ];
    let statuses = apply(&mut client, &account, updates).await;
    assert_eq!(
        statuses,
        [
            MembershipUpdateStatus::UnknownAudience,
            MembershipUpdateStatus::Applied,
            MembershipUpdateStatus::UnknownAudience
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
    assert_eq!(statuses, [MembershipUpdateStatus::UnknownAudience]);
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

/// Every RPC that names an account, for one that mapping does not know: what each answers.
async fn refusals(client: &mut Client, account: &str, id: &str) -> Vec<tonic::Status> {
    let account_id = account.to_owned();
    let audience_id = id.to_owned();
    let create = CreateAudienceRequest {
        account_id: account_id.clone(),
        name: "VIP".to_owned(),
        origin: Origin::SegmentActions.into(),
        request_id: String::new(),
    };
    let get = GetAudienceRequest {
        account_id: account_id.clone(),
        audience_id: audience_id.clone(),
    };
    let list = ListAudiencesRequest {
        account_id: account_id.clone(),
        page_size: 0,
        page_token: String::new(),
    };
    let members = ListMembersRequest {
        account_id: account_id.clone(),
        audience_id: audience_id.clone(),
        page_size: 0,
        page_token: String::new(),
    };
    let check = |audience_ids| CheckAudiencesRequest {
        account_id: account_id.clone(),
        audience_ids,
    };
    let merge = |merges| MergeContactsRequest {
        account_id: account_id.clone(),
        merges,
    };
    let one = ContactMerge {
        contact_id: Uuid::now_v7().to_string(),
        survivor_id: Uuid::now_v7().to_string(),
        version: 1,
    };
    let (check_none, check_one) = (check(Vec::new()), check(vec![audience_id]));
    let (merge_none, merge_one) = (merge(Vec::new()), merge(vec![one]));
    vec![
        client.check_audiences(check_none).await.unwrap_err(),
        client.check_audiences(check_one).await.unwrap_err(),
        client.merge_contacts(merge_none).await.unwrap_err(),
        client.merge_contacts(merge_one).await.unwrap_err(),
        client.create_audience(create).await.unwrap_err(),
        client.get_audience(get).await.unwrap_err(),
        client.list_audiences(list).await.unwrap_err(),
        client.list_members(members).await.unwrap_err(),
    ]
}

#[tokio::test]
async fn an_account_that_nobody_knows_is_told_so_and_leaves_nothing_behind() {
    let (world, mut client) = World::with_one().await;
    let (_, mine) = audience(&mut client, "Mine").await;
    let stranger = Uuid::now_v7();
    world.others.set_account(stranger, false);
    let stranger = stranger.to_string();
    for id in [mine.as_str(), "no id"] {
        for error in refusals(&mut client, &stranger, id).await {
            assert_eq!(error.code(), Code::NotFound);
            assert_eq!(reason_of(&error), Some(Reason::AccountUnknown));
        }
    }
    let updates = vec![add(Uuid::now_v7(), &mine, 1)];
    let statuses = apply(&mut client, &stranger, updates).await;
    assert_eq!(statuses, [MembershipUpdateStatus::UnknownAudience]);
    let sql = "SELECT (SELECT count(*) FROM audience.accounts)
        + (SELECT count(*) FROM audience.audiences)";
    let database = world.database().await;
    let rows: i64 = database.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(rows, 2);
}

#[tokio::test]
async fn while_mapping_is_away_accounts_that_have_audiences_are_served_and_others_not_refused() {
    let (world, mut client) = World::with_one().await;
    let (account, first) = audience(&mut client, "First").await;
    world.others.set_away(true);
    assert_eq!(create(&mut client, &account, "First").await, first);
    create(&mut client, &account, "Second").await;
    // Nor does a replica that was just started need mapping for it.
    let mut fresh = world.replica(86_400_000).await;
    create(&mut fresh, &account, "Third").await;
    let other = Uuid::now_v7().to_string();
    for error in refusals(&mut client, &other, &first).await {
        assert_eq!(error.code(), Code::Unavailable);
        assert_eq!(reason_of(&error), Some(Reason::ServiceAway));
    }
    world.others.set_away(false);
    create(&mut client, &other, "First").await;
}

#[tokio::test]
async fn a_row_that_can_not_be_read_costs_no_page() {
    let (world, mut client) = World::with_one().await;
    let (account, first) = audience(&mut client, "First").await;
    create(&mut client, &account, "Second").await;
    let contacts: [Uuid; 3] = contacts();
    let updates = contacts.iter().map(|one| add(*one, &first, 1)).collect();
    apply(&mut client, &account, updates).await;
    let database = world.database().await;
    let broken = format!(
        "UPDATE audience.audiences SET create_time = 'infinity' WHERE name = 'Second';
         UPDATE audience.memberships SET member_since_time = NULL WHERE contact_id = '{}'",
        contacts[1]
    );
    database.batch_execute(&broken).await.unwrap();
    let found = members(&mut client, &account, &first).await;
    assert_eq!(found, [contacts[0], contacts[2]]);
    for page_size in [0, 1] {
        let list = ListAudiencesRequest {
            account_id: account.clone(),
            page_size,
            page_token: String::new(),
        };
        let page = client.list_audiences(list).await.unwrap().into_inner();
        let names: Vec<_> = page.audiences.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["First"]);
    }
}

#[tokio::test]
async fn a_page_of_the_longest_names_is_one_that_any_client_takes() {
    let (_world, mut client) = World::with_one().await;
    let account = Uuid::now_v7().to_string();
    for index in 0..1_000_u32 {
        let name = format!("{index:04}{}", "\u{1f468}".repeat(146));
        create(&mut client, &account, &name).await;
    }
    let list = ListAudiencesRequest {
        account_id: account,
        page_size: 1_000,
        page_token: String::new(),
    };
    let page = client.list_audiences(list).await.unwrap().into_inner();
    assert_eq!(page.audiences.len(), 1_000);
    assert!(prost::Message::encoded_len(&page) < 3 * 1024 * 1024);
}
