//! What waits, and until when (semantics 4.8).

use chrono::TimeDelta;
use uuid::Uuid;
use weir_proto::activity::v1::*;

use crate::harness::*;
use crate::history::{event, history};

/// Semantics 4.8.
#[tokio::test]
async fn what_waits_is_listed_by_its_identifier_and_until_when() {
    let weir = start().await;
    let mut request = weir.request(vec![
        event("Later", noon(), of_user("eve", "m2")),
        event("Sooner", noon() - TimeDelta::days(2), of_user("eve", "m1")),
        ActivityEvent {
            retention_days: 30,
            anonymous_id: "visit".into(),
            contact_deferred: true,
            ..track("m3")
        },
    ]);
    request.source_id = Uuid::from_u128(5).to_string();
    weir.send(request).await.unwrap();
    let of_eve = ListBacklogRequest {
        account_id: weir.account.to_string(),
        user_id: "eve".to_owned(),
        page_size: 1,
        ..ListBacklogRequest::default()
    };
    let page = history(&weir)
        .list_backlog(of_eve.clone())
        .await
        .unwrap()
        .into_inner();
    let last_day = (noon() + TimeDelta::days(90)).date_naive().to_string();
    assert_eq!(
        (page.waiting, page.last_day.as_str()),
        (2, last_day.as_str())
    );
    let one = page.activities[0].activity.clone().unwrap();
    assert_eq!(
        (one.message_id.as_str(), one.event_name.as_str()),
        ("m1", "Sooner")
    );
    assert_eq!(
        one.expire_day,
        (noon() + TimeDelta::days(88)).date_naive().to_string()
    );
    assert_eq!(page.activities[0].source_id, Uuid::from_u128(5).to_string());
    let rest = ListBacklogRequest {
        page_token: page.next_page_token,
        ..of_eve
    };
    let rest = history(&weir)
        .list_backlog(rest)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        rest.activities[0].activity.clone().unwrap().message_id,
        "m2"
    );
    assert!(rest.next_page_token.is_empty());
    let of_visit = ListBacklogRequest {
        account_id: weir.account.to_string(),
        anonymous_id: "visit".to_owned(),
        ..ListBacklogRequest::default()
    };
    let page = history(&weir)
        .list_backlog(of_visit)
        .await
        .unwrap()
        .into_inner();
    assert!(page.activities[0].contact_deferred);

    waiting_identifiers(&weir, last_day).await;
    weir.link(vec![user_link("eve", Uuid::now_v7(), 1)]).await;
    let asked = ListBacklogRequest {
        account_id: weir.account.to_string(),
        user_id: "eve".to_owned(),
        ..ListBacklogRequest::default()
    };
    let gone = history(&weir).list_backlog(asked).await;
    let gone = gone.unwrap().into_inner();
    assert_eq!((gone.waiting, gone.last_day.as_str()), (0, ""));
    assert!(gone.activities.is_empty());
}

/// Each is listed once, whatever a page holds.
async fn waiting_identifiers(weir: &Weir, last_day: String) {
    let mut all = ListWaitingIdentifiersRequest {
        account_id: weir.account.to_string(),
        page_size: 1,
        ..ListWaitingIdentifiersRequest::default()
    };
    let mut found = Vec::new();
    loop {
        let page = history(weir).list_waiting_identifiers(all.clone()).await;
        let page = page.unwrap().into_inner();
        found.extend(page.identifiers);
        all.page_token = page.next_page_token;
        if all.page_token.is_empty() {
            break;
        }
    }
    let found: Vec<_> = found
        .iter()
        .map(|one| {
            (
                one.kind(),
                one.value.as_str(),
                one.waiting,
                one.last_day.clone(),
            )
        })
        .collect();
    let in_thirty = (noon() + TimeDelta::days(30)).date_naive().to_string();
    assert_eq!(
        found,
        [
            (IdentifierKind::AnonymousId, "visit", 1, in_thirty),
            (IdentifierKind::UserId, "eve", 2, last_day),
        ]
    );
}
