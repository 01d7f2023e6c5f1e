//! Another account's rows stay out of reach, whatever a statement forgets (semantics 9.6).

use uuid::Uuid;
use weir_proto::contact::v1::get_contact_request::Key;
use weir_proto::contact::v1::{
    ExportFormat, ListContactsRequest, UpsertContactsRequest, delete_contact_request,
};
use weir_servers::TestServers;
use weir_testkit::{Recorder, SecondLock, check_rights, check_tables};

use crate::harness::*;

#[tokio::test]
async fn tables_of_accounts_are_locked_and_the_services_role_can_not_help_it() {
    let service = Service::start().await;
    service
        .upsert(vec![track(0, ("u1", "a1"), r#"{"str::first":"Lana"}"#)])
        .await;
    let database = &service.database;
    check_tables(&database.behind("contact"), "contact", &["account_work"]).await;
    check_rights(&database.url_for("contact"), "contact", "contacts").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_condition_on_the_account_no_row_of_another_comes_or_goes() {
    let database = TestServers::shared().await.fresh_database().await;
    let recorder = Recorder::to(&database.url_for("contact")).await;
    let (direct, behind) = (database.url_for("contact"), database.behind("contact"));
    let recorded = database.clone().by_way("contact", &recorder.url);
    let mut service = Service::start_in(recorded, NOBODY, NOBODY).await;
    let owner = service.account;
    let other = Uuid::now_v7();
    // Whose rows are not those.
    service.account = other;
    service
        .upsert(vec![identify(
            0,
            ("x1", "y1"),
            r#"{"str::email":"x@x.org"}"#,
        )])
        .await;
    service.account = owner;
    let mut lock = SecondLock::new(
        recorder,
        [&direct, &behind],
        [owner, other],
        &["account_work"],
    )
    .await;
    live(&service, &mut lock).await;
    let looked_at = lock.finish(&HARMLESS);
    assert!(looked_at > 40, "{looked_at}");
}

/// Statements that without their condition find nothing else here.
const HARMLESS: [&str; 20] = [
    // Nothing is old enough to be dropped, and no day is over, where that is looked at meanwhile.
    "DELETE FROM absorptions WHERE account_id = $1 AND day < $2",
    "DELETE FROM changes WHERE account_id = $1 AND change_time < $2",
    "DELETE FROM deletions WHERE account_id = $1 AND delete_time < $2",
    "DELETE FROM erasures WHERE account_id = $1 AND request_time < $2",
    "DELETE FROM receipts WHERE account_id = $1 AND receive_time < $2",
    "DELETE FROM usage_days WHERE account_id = $1 AND window_day < $2",
    "FROM usage WHERE account_id = $1 AND window_day < $2",
    "INSERT INTO usage_days",
    "FROM kept_removes WHERE account_id = $1 AND keep_until < $2",
    "UPDATE merges SET identifiers = NULL, before = NULL WHERE account_id = $1 AND merge_time < $2",
    // Removes are not kept under what the deleted one was known by.
    "DELETE FROM identifiers WHERE account_id = $1 AND kind = $2 AND value = $3 AND (contact_id = \
     '00000000-0000-0000-0000-000000000000') IS TRUE",
    "DELETE FROM kept_removes WHERE account_id = $1 AND kind = $2 AND value = $3",
    // Nobody took over anybody while contacts were reindexed.
    "reindex_again",
    // No merge is behind the one that is undone.
    "SELECT merge_id FROM merges WHERE account_id = $1 AND merged_id = $2",
    "SELECT merge_id FROM merges WHERE account_id = $1 AND survivor_id = $2 AND turn > $3",
    // Theirs is the older one, and their kinds are the same.
    "SELECT outbox_id FROM outbox WHERE account_id = $1 ORDER BY outbox_id LIMIT 1",
    "WITH RECURSIVE kinds",
    // Nobody was searched for before somebody was deleted.
    "DELETE FROM contact_texts",
    // Redis grants: there is nothing of the ledger's own.
    "FROM usage_grants",
    "FROM usage_leases",
];

/// What an account does, looked at in between: some rows do not last.
async fn live(service: &Service, lock: &mut SecondLock) {
    let mail = |mail: &str| {
        format!(
            r#"{{"str::first":"Lana","str::last":"Smith","str::name":"Lana S.","str::ei":"e1","str::email":"{mail}"}}"#
        )
    };
    service.set_up();
    service
        .upsert(vec![
            identify(1, ("u1", "a1"), &mail("a@x.org")),
            identify(2, ("u2", "a2"), &mail("b@x.org")),
            identify(3, ("u3", "-"), &mail("g@x.org")),
            find(4, ("u9", "-")),
            track(5, ("-", "a3"), "{}"),
        ])
        .await;
    lock.look().await;
    // News of each kind, merges, and somebody for whom a remove was kept.
    service
        .upsert(vec![
            identify(11, ("u1", "a4"), &mail("c@x.org")),
            undated(12, ("u2", "a2"), &mail("d@x.org")),
            identify(13, ("u9", "-"), "{}"),
            identify(14, ("-", "a3"), &mail("g@x.org")),
            find(15, ("u10", "-")),
        ])
        .await;
    lock.look().await;
    people(service, lock).await;
    for query in ["lana", "smith", "c@x", "u1", "e1"] {
        assert!(!service.all(query).await.is_empty(), "{query}");
    }
    lock.look().await;
    let of_another_source = UpsertContactsRequest {
        source_id: Uuid::from_u128(5).to_string(),
        ..service.batch(vec![identify(19, ("u4", "a6"), &mail("i@x.org"))])
    };
    service.send(of_another_source).await.unwrap();
    service
        .upsert(vec![identify(20, ("u5", "a5"), &mail("h@x.org"))])
        .await;
    lock.look().await;
    service.exported(ExportFormat::Csv, &["str::email"]).await;
    service.list().await;
    service.values_of("str::email").await.unwrap();
    service.stands().await.unwrap();
    service.close().await.unwrap();
    service.fence(1).await.unwrap();
    lock.look().await;
    service
        .preview(&["str::email", "phn::phone"])
        .await
        .unwrap();
    service
        .reindex(&["str::email", "phn::phone"])
        .await
        .unwrap();
    lock.look().await;
    service.done().await;
    lock.look().await;
}

/// What people do to contacts.
async fn people(service: &Service, lock: &mut SecondLock) {
    let user = |id: &str| Key::UserId(id.to_owned());
    let (one, two) = (service.id(user("u1")).await, service.id(user("u2")).await);
    let merge = service.join(&one, &two, true).await.unwrap();
    assert!(!service.merges(&one).await.is_empty());
    lock.look().await;
    service.split(&merge).await.unwrap();
    lock.look().await;
    let deletion = Uuid::now_v7();
    let gone = delete_contact_request::Key::UserId("u3".to_owned());
    service.delete(deletion, gone).await.unwrap();
    service.deletion(deletion).await;
    // One that comes late.
    service.upsert(vec![identify(1, ("u3", "-"), "{}")]).await;
    lock.look().await;
}

impl Service {
    async fn list(&self) {
        let request = ListContactsRequest {
            account_id: self.account.to_string(),
            ..ListContactsRequest::default()
        };
        self.client.clone().list_contacts(request).await.unwrap();
    }
}
