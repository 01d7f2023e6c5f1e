//! Counts of audiences, per day and in all (semantics 5.6).

use tonic::Code;
use uuid::Uuid;
use weir_proto::audience::v1::{ListAudienceDaysRequest, ListAudiencesRequest};
use weir_reasons::Reason;
use weir_rpc::reason_of;

use crate::harness::{
    World, add, apply, audience, contacts, create, days, figures, members, remove,
};

#[tokio::test]
async fn each_day_tells_what_happened_and_how_many_there_were_in_the_end() {
    let (world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    create(&mut client, &account, "Empty").await;
    let [one, two, three] = contacts();
    let updates = vec![add(one, &vip, 1), add(two, &vip, 1)];
    apply(&mut client, &account, updates).await;
    world.clock.set("2026-11-26T12:00:00Z");
    let updates = vec![
        remove(one, &vip, 2),
        add(one, &vip, 3),
        add(three, &vip, 4),
        remove(two, &vip, 5),
    ];
    apply(&mut client, &account, updates).await;
    let told = days(&mut client, &account, &vip).await;
    let told: Vec<_> = told
        .iter()
        .map(|day| {
            let counts = [
                day.members,
                day.joined,
                day.left,
                day.moved,
                day.held_back,
                day.updates,
            ];
            (&*day.day, counts)
        })
        .collect();
    let expected = [
        ("2026-11-26", [1, 1, 2, 0, 1, 4]),
        ("2026-11-24", [2, 2, 0, 0, 0, 2]),
    ];
    assert_eq!(told, expected);
    assert_eq!(figures(&mut client, &account, &vip).await, (1, 6));
    let request = ListAudiencesRequest {
        account_id: account.clone(),
        ..Default::default()
    };
    let listed = client.list_audiences(request).await.unwrap().into_inner();
    let listed: Vec<_> = listed
        .audiences
        .iter()
        .map(|one| (&*one.name, one.figures.unwrap().members))
        .collect();
    assert_eq!(listed, [("Empty", 0), ("VIP", 1)]);
    let request = |audience_id: &str, days| ListAudienceDaysRequest {
        account_id: account.clone(),
        audience_id: audience_id.to_owned(),
        days,
    };
    let today = client.list_audience_days(request(&vip, 1)).await.unwrap();
    assert_eq!(today.into_inner().days.len(), 1);
    for bad in [-1, 401] {
        let refused = client.list_audience_days(request(&vip, bad)).await;
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    }
    let unknown = client.list_audience_days(request("none", 1)).await;
    assert_eq!(
        reason_of(&unknown.unwrap_err()),
        Some(Reason::AudienceNotFound)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_meet_in_one_audience_lose_no_count() {
    let world = World::new().await;
    let clients = [
        world.replica(86_400_000).await,
        world.replica(86_400_000).await,
    ];
    let mut client = clients[0].clone();
    let (account, vip) = audience(&mut client, "VIP").await;
    let other = create(&mut client, &account, "Other").await;
    let people: Vec<Uuid> = contacts::<30>().to_vec();
    let tasks: Vec<_> = (0..40_usize)
        .map(|round| {
            let (mut client, account) = (clients[round % 2].clone(), account.clone());
            let audiences = [vip.clone(), other.clone()];
            let people = people.clone();
            tokio::spawn(async move {
                let updates = people.iter().enumerate().map(|(n, one)| {
                    let time = i64::try_from(round).unwrap();
                    // In another order each time.
                    let audience = &audiences[(n + round) % 2];
                    match (n + round) % 3 {
                        0 => remove(*one, audience, time),
                        _ => add(*one, audience, time),
                    }
                });
                apply(&mut client, &account, updates.collect()).await;
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for audience in [&vip, &other] {
        let there = members(&mut client, &account, audience).await.len();
        let (counted, updates) = figures(&mut client, &account, audience).await;
        assert_eq!(counted, i64::try_from(there).unwrap());
        assert!(updates > 0);
    }
}
