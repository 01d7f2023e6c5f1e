//! Another account's rows stay out of reach, whatever a statement forgets (semantics 9.6).

use uuid::Uuid;
use weir_proto::activity::v1::{
    ActivityEvent, CountActivitiesRequest, ExportActivitiesRequest, ExportFormat,
    ListAccountActivitiesRequest, ListBacklogRequest, ListOccurrencesRequest,
    ListWaitingIdentifiersRequest,
};
use weir_proto::ledger::v1::Grantor;
use weir_servers::TestServers;
use weir_testkit::{Recorder, SecondLock, check_rights, check_tables};

use crate::harness::*;
use crate::history::history;

#[tokio::test]
async fn tables_of_accounts_are_locked_and_the_services_role_can_not_help_it() {
    let weir = start().await;
    weir.record(vec![of_contact(Uuid::now_v7(), "m1")]).await;
    let database = &weir.database;
    check_tables(&database.behind("activity"), "activity", &["account_work"]).await;
    for table in ["activities", "accounts"] {
        check_rights(&database.url_for("activity"), "activity", table).await;
    }
    // Parts of a table are asked by their own policy.
    let parts = "SELECT p.relname::text FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhrelid
        WHERE i.inhparent = 'activity.activities'::regclass";
    let behind = weir.sql().await;
    let service = weir_servers::postgres::connect(&database.url_for("activity"))
        .await
        .unwrap();
    let parts = behind.query(parts, &[]).await.unwrap();
    let mut rows = 0;
    for part in &parts {
        let count = format!("SELECT count(*) FROM activity.{}", part.get::<_, &str>(0));
        rows += behind
            .query_one(&count, &[])
            .await
            .unwrap()
            .get::<_, i64>(0);
        let seen: i64 = service.query_one(&count, &[]).await.unwrap().get(0);
        assert_eq!(seen, 0, "{count}");
    }
    assert_eq!(rows, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_condition_on_the_account_no_row_of_another_comes_or_goes() {
    let database = TestServers::shared().await.fresh_database().await;
    let recorder = Recorder::to(&database.url_for("activity")).await;
    let (direct, behind) = (database.url_for("activity"), database.behind("activity"));
    let (owner, other) = (Uuid::now_v7(), Uuid::now_v7());
    let weir = instance(database.by_way("activity", &recorder.url), owner).await;
    let others = Weir {
        account: other,
        ..weir.clone()
    };
    others.record(vec![of_contact(Uuid::now_v7(), "m0")]).await;
    weir.record(vec![of_contact(Uuid::now_v7(), "m0")]).await;
    let mut lock = SecondLock::new(
        recorder,
        [&direct, &behind],
        [owner, other],
        &["account_work"],
    )
    .await;
    live(&weir, &mut lock).await;
    grant(&others, &weir, &mut lock).await;
    let looked_at = lock.finish(&HARMLESS);
    assert!(looked_at > 15, "{looked_at}");
}

/// Statements that without their condition find nothing else here: nothing is old enough to be
/// forgotten, locks do not outlast what they are taken for, and as no retention ever changed, no
/// activity has a copy of another life time. No two accounts here share an activity's id or the
/// owner of a backlog, and no day is over.
const HARMLESS: [&str; 12] = [
    "INSERT INTO usage_days",
    "FROM backlog b WHERE b.account_id = $1 AND b.kind = $2 AND b.value = $3 AND b.activity_key > $4",
    "SELECT activity_id, day, slot FROM activity_counts WHERE account_id = $1 AND day < $2",
    "SELECT c.day FROM activity_counts c WHERE c.account_id = $1 AND c.activity_id = $2",
    "WITH RECURSIVE named AS ( (SELECT c.activity_id, c.event_name FROM activity_counts c",
    "SELECT FROM activities c WHERE c.account_id = $1 AND c.activity_key = u.activity_key",
    "DELETE FROM usage",
    "SELECT window_day, batch_id FROM usage WHERE account_id = $1 AND window_day < $2",
    "DELETE FROM attach_locks",
    "AND day < $2 LIMIT $3 FOR UPDATE SKIP LOCKED",
    "AND forget_day < $2 LIMIT $3 FOR UPDATE SKIP LOCKED",
    "AND delete_time < $2::date LIMIT $3 FOR UPDATE SKIP LOCKED",
];

/// What an account does, looked at in between: some rows do not last.
async fn live(weir: &Weir, lock: &mut SecondLock) {
    let [one, two] = [Uuid::now_v7(), Uuid::now_v7()];
    weir.record(vec![
        of_contact(one, "m1"),
        of_user("u1", "m2"),
        of_user("u2", "m3"),
    ])
    .await;
    lock.look().await;
    // Its retention changed since.
    let under = |retention_days, earlier: &[u32]| ActivityEvent {
        retention_days,
        earlier_retention_days: earlier.to_vec(),
        ..of_contact(one, "m5")
    };
    weir.record(vec![under(90, &[])]).await;
    lock.look().await;
    weir.record(vec![under(30, &[90])]).await;
    lock.look().await;
    weir.link(vec![user_link("u1", one, 1)]).await;
    weir.record(vec![named(one, of_user("u1", "m4")), of_user("u1", "m2")])
        .await;
    lock.look().await;
    weir.change(vec![anonymous_link("a1", two, 1)], &[(two, one)])
        .await;
    // The backlog of one who was merged, and what comes once more.
    weir.link(vec![user_link("u2", two, 1)]).await;
    weir.record(vec![named(one, of_user("u1", "m4")), of_contact(one, "m1")])
        .await;
    weir.list(one).await;
    weir.backlog().await;
    weir.backlog_of("u2", "").await;
    read_history(weir, one).await;
    weir.usage().await;
    weir.close(&[new_batch_id()]).await;
    lock.look().await;
}

/// Both accounts' ledger grants, while Redis is away.
async fn grant(others: &Weir, weir: &Weir, lock: &mut SecondLock) {
    let (first, second) = (new_batch_id(), new_batch_id());
    for (account, batch) in [(others, new_batch_id()), (weir, first)] {
        account.turn(1, Grantor::Ledgers).await;
        let mut ask = account.asks(1, batch, 5, 100);
        ask.missing_replica = Uuid::now_v7().to_string();
        account.grant(ask).await;
        // Who holds on to the ledgers.
        account.fence(0).await;
        lock.look().await;
    }
    let mut ask = weir.asks(1, second, 5, 100);
    ask.settled_batch_ids = vec![first.to_string()];
    weir.grant(ask).await;
    lock.look().await;
    weir.turn(2, Grantor::Redis).await;
    lock.look().await;
}

/// Whatever can be read, once.
async fn read_history(weir: &Weir, contact: Uuid) {
    let mut history = history(weir);
    let account_id = weir.account.to_string();
    let list = ListAccountActivitiesRequest {
        account_id: account_id.clone(),
        event_name: "Sign-in button clicked".to_owned(),
        ..ListAccountActivitiesRequest::default()
    };
    history.list_account_activities(list).await.unwrap();
    let counts = CountActivitiesRequest {
        account_id: account_id.clone(),
        ..CountActivitiesRequest::default()
    };
    history.count_activities(counts).await.unwrap();
    let occurrences = ListOccurrencesRequest {
        account_id: account_id.clone(),
        contact_id: contact.to_string(),
        ..ListOccurrencesRequest::default()
    };
    history.list_occurrences(occurrences).await.unwrap();
    let backlog = ListBacklogRequest {
        account_id: account_id.clone(),
        user_id: "waits".to_owned(),
        ..ListBacklogRequest::default()
    };
    history.list_backlog(backlog).await.unwrap();
    let waiting = ListWaitingIdentifiersRequest {
        account_id: account_id.clone(),
        ..ListWaitingIdentifiersRequest::default()
    };
    history.list_waiting_identifiers(waiting).await.unwrap();
    let export = ExportActivitiesRequest {
        account_id,
        format: ExportFormat::Csv.into(),
        columns: vec!["message_id".to_owned()],
        ..ExportActivitiesRequest::default()
    };
    let mut pieces = history
        .export_activities(export)
        .await
        .unwrap()
        .into_inner();
    while pieces.message().await.unwrap().is_some() {}
}
