//! Another account's rows stay out of reach, whatever a statement forgets (semantics 9.6).

use uuid::Uuid;
use weir_proto::mapping::v1::*;
use weir_testkit::{Recorder, SecondLock, check_rights, check_tables};

use crate::call;
use crate::counts::{OK, count, flush, request};
use crate::harness::{Client, Service, Tenant, tenant};
use crate::keeping;

/// Read before an account is known, or looked through for work; nothing that was received is in
/// them.
const OPEN: [&str; 5] = [
    "account_work",
    "account_names",
    "source_keys",
    "account_deletions",
    "replay_work",
];

#[tokio::test]
async fn tables_of_accounts_are_locked_and_the_services_role_can_not_help_it() {
    let (service, client) = Service::start().await;
    tenant(&client, "Demo").await;
    check_tables(&service.database.behind("mapping"), "mapping", &OPEN).await;
    for table in ["accounts", "sources", "deliveries", "kept_events"] {
        check_rights(&service.database.url_for("mapping"), "mapping", table).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_condition_on_the_account_no_row_of_another_comes_or_goes() {
    let (mut service, _) = Service::start().await;
    let (direct, behind) = (
        service.database.url_for("mapping"),
        service.database.behind("mapping"),
    );
    let recorder = Recorder::to(&direct).await;
    service.database = service.database.clone().by_way("mapping", &recorder.url);
    let client = service.another().await;
    let theirs = tenant(&client, "Theirs").await;
    let ours = tenant(&client, "Ours").await;
    let ids = [&ours, &theirs].map(|one| one.account_id.parse::<Uuid>().unwrap());
    let mut lock = SecondLock::new(recorder, [&direct, &behind], ids, &OPEN).await;
    configure(&client, &ours).await;
    lock.look().await;
    receive(&service, &ours).await;
    lock.look().await;
    replay(&service, &ours, &mut lock).await;
    // Once more, with what was there before.
    configure(&client, &ours).await;
    lock.look().await;
    let looked_at = lock.finish(&HARMLESS);
    assert!(looked_at > 30, "{looked_at}");
}

/// Statements that without their condition find nothing else here: nothing is old enough to be
/// forgotten, no mapping has a hundred versions, no mail is due, and keys of events are of one
/// account alone.
const HARMLESS: [&str; 4] = [
    "DELETE FROM kept_events WHERE account_id = $1 AND source_id = $2 AND NOT deferred",
    "DELETE FROM mapping_versions",
    "FROM deliveries d",
    "UPDATE kept_events k SET done_time",
];

async fn configure(client: &Client, tenant: &Tenant) {
    let field = CreateFieldRequest {
        account_id: tenant.account_id.clone(),
        name: "Active".to_owned(),
        r#type: ValueType::Boolean.into(),
        request_id: String::new(),
    };
    // The second time it is there.
    let _ = call!(client, create_field, field);
    let mapping = tenant.contact_mapping(&[("email", "str::email", "")]);
    call!(client, put_contact_mapping, mapping).unwrap();
    call!(client, put_activity_mapping, tenant.activity("Login")).unwrap();
    call!(client, get_source, tenant.source_request()).unwrap();
    let list = ListSourcesRequest {
        account_id: tenant.account_id.clone(),
        ..Default::default()
    };
    call!(client, list_sources, list).unwrap();
    let list = ListFieldsRequest {
        account_id: tenant.account_id.clone(),
        ..Default::default()
    };
    call!(client, list_fields, list).unwrap();
    let list = ListActivityMappingsRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        ..Default::default()
    };
    call!(client, list_activity_mappings, list).unwrap();
}

/// Counts, alerts, and events that are kept.
async fn receive(service: &Service, tenant: &Tenant) {
    let hour = service.now().timestamp() / 3_600 * 3_600;
    let counts = vec![count(hour, OK, "Login", 3)];
    let told = flush(tenant, Uuid::now_v7(), 1, counts);
    call!(service.logs(), add_counts, told).unwrap();
    call!(service.logs(), summarize_log, request(tenant)).unwrap();
    let alert = |subject: &str| NewAlert {
        kind: AlertKind::ContactAbsorbs.into(),
        subject: subject.to_owned(),
        message: "A contact took over 21 others today.".to_owned(),
        ..Default::default()
    };
    let raise = RaiseAlertsRequest {
        account_id: tenant.account_id.clone(),
        alerts: vec![alert("a"), alert("b"), alert("a")],
    };
    let mut alerts = service.alerts();
    alerts.raise_alerts(raise).await.unwrap();
    let list = ListAlertsRequest {
        account_id: tenant.account_id.clone(),
        ..Default::default()
    };
    alerts.list_alerts(list).await.unwrap();
    let list = ListDeliveriesRequest {
        account_id: tenant.account_id.clone(),
        ..Default::default()
    };
    alerts.list_deliveries(list).await.unwrap();
    alerts
        .get_mail_status(GetMailStatusRequest {})
        .await
        .unwrap();
}

async fn replay(service: &Service, tenant: &Tenant, lock: &mut SecondLock) {
    let client = service.replays();
    let events = (0..3).map(|n| keeping::track(n, 10, 422, "NO_MAPPING"));
    keeping::keep(&client, tenant, events.collect()).await;
    keeping::keep_and_done(&client, tenant, vec![], vec![2]).await;
    let filter = KeptEventFilter::default();
    keeping::list(&client, tenant, filter.clone()).await;
    lock.look().await;
    let begun = call!(client, start_replay, keeping::start(tenant, filter, "one")).unwrap();
    lock.look().await;
    let work = keeping::claim(&client).await.unwrap();
    call!(client, report_work, keeping::report(&work, 200, "")).unwrap();
    keeping::get(&client, tenant, &begun.replay.unwrap().replay_id).await;
    lock.look().await;
}
