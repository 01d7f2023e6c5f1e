//! What all contacts did (semantics 4.13).

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;
use weir_proto::activity::v1::history_service_client::HistoryServiceClient;
use weir_proto::activity::v1::*;

use crate::harness::*;

pub type History = HistoryServiceClient<weir_rpc::Channel>;

pub fn history(weir: &Weir) -> History {
    let client = HistoryServiceClient::new(weir_rpc::connect(&weir.url).unwrap());
    client.max_decoding_message_size(weir_rpc::MAX_MESSAGE)
}

fn activity_of(name: &str) -> Uuid {
    Uuid::from_u128(0xac00 + name.len() as u128)
}

/// Of this name (whose length tells it), at this time.
pub fn event(name: &str, time: DateTime<Utc>, event: ActivityEvent) -> ActivityEvent {
    ActivityEvent {
        activity_id: activity_of(name).to_string().into(),
        event_name: name.to_owned().into(),
        event_time: stamp(time),
        ..event
    }
}

fn asked(weir: &Weir, name: &str) -> ListAccountActivitiesRequest {
    ListAccountActivitiesRequest {
        account_id: weir.account.to_string(),
        event_name: name.to_owned(),
        ..ListAccountActivitiesRequest::default()
    }
}

/// All pages.
async fn listed(weir: &Weir, mut request: ListAccountActivitiesRequest) -> Vec<Activity> {
    let mut found = Vec::new();
    loop {
        let page = history(weir).list_account_activities(request.clone()).await;
        let page = page.unwrap().into_inner();
        found.extend(page.activities);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return found;
        }
    }
}

fn messages(found: &[Activity]) -> Vec<&str> {
    found.iter().map(|one| one.message_id.as_str()).collect()
}

/// Semantics 4.13.
#[tokio::test]
async fn an_account_lists_what_all_did_newest_first_by_name_and_time() {
    let weir = start().await;
    let [ann, bob] = [Uuid::now_v7(), Uuid::now_v7()];
    let hour = |n: i64| noon() - TimeDelta::hours(n);
    let mut events = Vec::new();
    for n in 0..60 {
        let who = if n % 2 == 0 { ann } else { bob };
        let name = if n % 3 == 0 { "Login" } else { "Bought" };
        let mut one = event(name, hour(n), of_contact(who, &format!("m{n:02}")));
        one.retention_days = [30, 90, 365, 730][usize::try_from(n % 4).unwrap()];
        events.push(one);
    }
    // It has expired, and its month is there still.
    let gone = event(
        "Login",
        noon() - TimeDelta::days(31),
        of_contact(ann, "gone"),
    );
    events.push(ActivityEvent {
        retention_days: 30,
        ..gone
    });
    weir.record(events).await;
    let other = weir.other_account();
    other.record(vec![of_contact(ann, "other")]).await;

    let all = listed(&weir, asked(&weir, "")).await;
    let expected: Vec<_> = (0..60).map(|n| format!("m{n:02}")).collect();
    assert_eq!(messages(&all), expected);
    assert_eq!(all[1].contact_id, bob.to_string());
    let small = ListAccountActivitiesRequest {
        page_size: 7,
        ..asked(&weir, "Login")
    };
    let logins = listed(&weir, small).await;
    let expected: Vec<_> = (0..60).step_by(3).map(|n| format!("m{n:02}")).collect();
    assert_eq!(messages(&logins), expected);
    // The first moment is in, the last is not.
    let within = ListAccountActivitiesRequest {
        from_time: stamp(hour(20)),
        to_time: stamp(hour(10)),
        ..asked(&weir, "Bought")
    };
    let expected = ["m11", "m13", "m14", "m16", "m17", "m19", "m20"];
    assert_eq!(messages(&listed(&weir, within).await), expected);
    assert_eq!(listed(&weir, asked(&weir, "Log")).await, []);

    // Of those who were merged it is who is left.
    weir.change(Vec::new(), &[(bob, ann)]).await;
    let all = listed(&weir, asked(&weir, "")).await;
    assert!(all.iter().all(|one| one.contact_id == ann.to_string()));
}

#[tokio::test]
async fn a_token_is_of_its_question_alone() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    weir.record(vec![of_contact(lana, "m1"), of_contact(lana, "m2")])
        .await;
    let mut request = ListAccountActivitiesRequest {
        page_size: 1,
        ..asked(&weir, "")
    };
    let page = history(&weir)
        .list_account_activities(request.clone())
        .await;
    request.page_token = page.unwrap().into_inner().next_page_token;
    assert!(!request.page_token.is_empty());
    let named = ListAccountActivitiesRequest {
        event_name: "Sign-in button clicked".to_owned(),
        ..request.clone()
    };
    let timed = ListAccountActivitiesRequest {
        from_time: stamp(noon()),
        ..request.clone()
    };
    for other in [named, timed] {
        let refused = history(&weir).list_account_activities(other).await;
        assert_eq!(refused.unwrap_err().code(), tonic::Code::InvalidArgument);
    }
    let token = weir.page(lana, 1, "").await.next_page_token;
    assert_eq!(weir.page(lana, 1, &token).await.activities.len(), 1);
    let of_another = ListActivitiesRequest {
        account_id: weir.account.to_string(),
        contact_id: Uuid::now_v7().to_string(),
        page_size: 1,
        page_token: token,
    };
    let refused = weir.client.clone().list_activities(of_another).await;
    assert_eq!(refused.unwrap_err().code(), tonic::Code::InvalidArgument);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_by_its_field() {
    let weir = start().await;
    weir.record(vec![of_contact(Uuid::now_v7(), "m1")]).await;
    let mut history = history(&weir);
    let reversed = ListAccountActivitiesRequest {
        from_time: stamp(noon()),
        to_time: stamp(noon() - TimeDelta::hours(1)),
        ..asked(&weir, "")
    };
    let refused = history.list_account_activities(reversed).await.unwrap_err();
    assert!(refused.message().contains("to_time"), "{refused}");
    let no_day = CountActivitiesRequest {
        account_id: weir.account.to_string(),
        first_day: "24.11.2026".to_owned(),
        ..CountActivitiesRequest::default()
    };
    let refused = history.count_activities(no_day).await.unwrap_err();
    assert!(refused.message().contains("first_day"), "{refused}");
    let reversed = CountActivitiesRequest {
        account_id: weir.account.to_string(),
        first_day: "2026-11-24".to_owned(),
        last_day: "2026-11-23".to_owned(),
        ..CountActivitiesRequest::default()
    };
    let refused = history.count_activities(reversed).await.unwrap_err();
    assert!(refused.message().contains("last_day"), "{refused}");
    let nobody = ListBacklogRequest {
        account_id: weir.account.to_string(),
        ..ListBacklogRequest::default()
    };
    let refused = history.list_backlog(nobody).await.unwrap_err();
    assert!(refused.message().contains("user_id"), "{refused}");
}

/// A page reads a bounded number of rows, whatever it is asked for.
#[tokio::test]
async fn what_is_far_between_is_found_over_pages_and_days_without_it_are_passed_over() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    let old = noon() - TimeDelta::days(9);
    weir.record(vec![event("Rare", old, of_contact(lana, "rare"))])
        .await;
    for batch in 0..30 {
        let frequent = (0..1_000).map(|n| {
            let time = old + TimeDelta::milliseconds(batch * 1_000 + n);
            event("Usual", time, of_contact(lana, &format!("{batch}-{n}")))
        });
        weir.record(frequent.collect()).await;
    }
    // More of its day than a page reads lies in front of it.
    let first = history(&weir)
        .list_account_activities(asked(&weir, "Rare"))
        .await;
    let first = first.unwrap().into_inner();
    assert!(first.activities.is_empty() && !first.next_page_token.is_empty());
    assert_eq!(
        messages(&listed(&weir, asked(&weir, "Rare")).await),
        ["rare"]
    );
    // A newer one is found at once: its day says where.
    let newer = event("Rare", noon(), of_contact(lana, "newer"));
    weir.record(vec![newer]).await;
    let first = history(&weir)
        .list_account_activities(asked(&weir, "Rare"))
        .await;
    assert_eq!(messages(&first.unwrap().into_inner().activities), ["newer"]);
}
