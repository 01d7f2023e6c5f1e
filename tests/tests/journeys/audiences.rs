//! Audiences through the edge.

use std::slice;

use serde_json::json;
use weir_tests::events::{ago, identify, track, with};
use weir_tests::{Account, Plan, journey};

async fn audience(account: &Account, name: &str) -> String {
    let body = json!({"name": name}).to_string();
    let answer = account.post("/v1/audiences/create", body).await;
    assert_eq!(
        (answer.status, answer.json["name"].as_str()),
        (200, Some(name))
    );
    answer.json["id"].as_str().unwrap().to_owned()
}

#[test]
fn an_audience_is_made_once_and_found_again() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let id = audience(&account, "Newsletter").await;
        assert_eq!(audience(&account, "Newsletter").await, id);
        assert_ne!(
            audience(&account, "newsletter").await,
            id,
            "names are case-sensitive"
        );
        let get = |id: &str| json!({"id": id}).to_string();
        let found = account.post("/v1/audiences/get", get(&id)).await;
        assert_eq!(
            (found.status, &found.json),
            (200, &json!({"id": id, "name": "Newsletter"}))
        );
        let unknown = uuid::Uuid::new_v4().to_string();
        for id in [unknown.as_str(), "no-such"] {
            assert_eq!(account.post("/v1/audiences/get", get(id)).await.status, 404);
        }
        for name in [" ", &"x".repeat(151)] {
            let body = json!({"name": name}).to_string();
            assert_eq!(account.post("/v1/audiences/create", body).await.status, 400);
        }
    });
}

#[test]
fn members_come_and_go_and_do_not_come_back_at_once() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let id = audience(&account, "Newsletter").await;
        let update = |mode: &str| json!({"audience": {"mode": mode, "id": id}});

        let add = with(identify("m", json!({"firstName": "M"})), update("add"));
        let add = with(add, json!({"timestamp": ago(30)}));
        assert_eq!(
            account.identify(slice::from_ref(&add)).await.statuses(),
            [200]
        );
        let contact = account.contact("m").await.unwrap();
        assert_eq!(
            account.members(&id).await,
            slice::from_ref(&contact.contact_id)
        );

        let remove = with(track("m"), update("remove"));
        let remove = with(remove, json!({"timestamp": ago(20)}));
        assert_eq!(account.track(&[remove]).await.statuses(), [200]);
        assert!(account.members(&id).await.is_empty());

        // A late `add` does not beat the newer `remove`; a newer one is held back for a minute.
        let late = with(
            add.clone(),
            json!({"timestamp": ago(25), "message_id": "late"}),
        );
        assert_eq!(account.identify(&[late]).await.statuses(), [200]);
        let early = with(add, json!({"timestamp": ago(10), "message_id": "early"}));
        assert_eq!(account.identify(&[early]).await.statuses(), [200]);
        assert!(account.members(&id).await.is_empty());
    });
}

#[test]
fn member_entries_are_identifies_with_a_membership_update() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let id = audience(&account, "Imported").await;
        let entry = |user: &str, mode: &str| json!({"user_id": user, "traits": {"firstName": user}, "audience": {"mode": mode, "id": id}});
        let batch = json!([entry("p", "add"), entry("q", "add"), entry("r", "sideways")]);
        let answer = weir
            .send(
                "PUT",
                "/v1/audiences/members",
                Some(&account.key),
                batch.to_string().into(),
            )
            .await;
        assert_eq!(answer.statuses(), [200, 200, 400]);
        assert_eq!(account.members(&id).await.len(), 2);
        assert_eq!(account.usage().await, (2, 0));
    });
}

#[test]
fn a_membership_update_for_an_unknown_audience_is_400_and_stores_nothing() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let update = json!({"audience": {"mode": "add", "id": uuid::Uuid::new_v4().to_string()}});
        let batch = [with(track("a"), update.clone()), track("a")];
        assert_eq!(account.track(&batch).await.statuses(), [400, 200]);
        let identify = with(identify("a", json!({"firstName": "A"})), update);
        assert_eq!(account.identify(&[identify]).await.statuses(), [400]);
        assert_eq!(account.contact("a").await, None);
        assert_eq!(account.usage().await, (0, 1));
    });
}

#[test]
fn a_remove_membership_update_never_makes_a_contact() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let id = audience(&account, "Leavers").await;
        let event = with(
            track("nobody"),
            json!({"audience": {"mode": "remove", "id": id}}),
        );
        assert_eq!(account.track(&[event]).await.statuses(), [200]);
        assert_eq!(account.contact("nobody").await, None);
        assert_eq!(account.backlog().await, 1);
        assert_eq!(account.usage().await, (0, 1));
    });
}
