//! Kept events and short forms of what is done with them; the edge is played here.

use std::sync::LazyLock;

use prost_types::Timestamp;
use weir_proto::mapping::v1::replay_service_client::ReplayServiceClient;
use weir_proto::mapping::v1::*;

use crate::call;
use crate::harness::{Service, Tenant};

pub type Replays = ReplayServiceClient<weir_rpc::Channel>;

/// The same for all of a test: what is received in one second is so however long it takes.
pub fn now() -> i64 {
    static NOW: LazyLock<i64> = LazyLock::new(|| chrono::Utc::now().timestamp());
    *NOW
}

pub fn key(number: usize) -> Vec<u8> {
    let mut key = vec![0; 16];
    key[8..].copy_from_slice(&(number as u64).to_be_bytes());
    key
}

pub fn kept_id(number: usize) -> String {
    uuid::Uuid::from_slice(&key(number)).unwrap().to_string()
}

/// A track that was received so many seconds ago.
pub fn track(number: usize, ago: i64, status: u32, code: &str) -> EventToKeep {
    let raw = format!(r#"{{"user_id":"u{number}","event":"Login","properties":{{"count":"x"}}}}"#);
    EventToKeep {
        event: Some(WholeEvent {
            kind: EventKind::Track.into(),
            event_key: key(number).into(),
            raw: raw.into(),
            message_id: format!("m{number}"),
            nameless: false,
            receive_time: Some(Timestamp {
                seconds: now() - ago,
                nanos: 0,
            }),
            index: 0,
        }),
        user_id: format!("u{number}"),
        event_name: "Login".to_owned(),
        status,
        code: code.to_owned(),
        message: "why".to_owned(),
        ..EventToKeep::default()
    }
}

pub async fn keep(
    client: &Replays,
    tenant: &Tenant,
    events: Vec<EventToKeep>,
) -> KeepEventsResponse {
    keep_and_done(client, tenant, events, vec![]).await
}

pub async fn keep_and_done(
    client: &Replays,
    tenant: &Tenant,
    events: Vec<EventToKeep>,
    done: Vec<usize>,
) -> KeepEventsResponse {
    let request = KeepEventsRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        events,
        done_event_keys: done.into_iter().map(|number| key(number).into()).collect(),
    };
    call!(client, keep_events, request).unwrap()
}

pub async fn defer(client: &Replays, tenant: &Tenant, events: Vec<EventToKeep>) -> Vec<bool> {
    let request = DeferContactsRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        events,
    };
    call!(client, defer_contacts, request).unwrap().kept
}

pub async fn list(client: &Replays, tenant: &Tenant, filter: KeptEventFilter) -> Vec<KeptEvent> {
    let mut request = ListKeptEventsRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        filter: Some(filter),
        page_size: 700,
        ..Default::default()
    };
    let mut events = Vec::new();
    loop {
        let page = call!(client, list_kept_events, request.clone()).unwrap();
        events.extend(page.events);
        if page.next_page_token.is_empty() {
            return events;
        }
        request.page_token = page.next_page_token;
    }
}

pub async fn message_ids(
    client: &Replays,
    tenant: &Tenant,
    filter: KeptEventFilter,
) -> Vec<String> {
    let events = list(client, tenant, filter).await;
    events.into_iter().map(|event| event.message_id).collect()
}

pub fn start(tenant: &Tenant, filter: KeptEventFilter, request_id: &str) -> StartReplayRequest {
    StartReplayRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        all: KeptEventFilter {
            include_done: false,
            ..filter.clone()
        } == KeptEventFilter::default(),
        filter: Some(filter),
        request_id: request_id.to_owned(),
    }
}

pub async fn get(client: &Replays, tenant: &Tenant, replay_id: &str) -> Replay {
    let request = GetReplayRequest {
        account_id: tenant.account_id.clone(),
        replay_id: replay_id.to_owned(),
    };
    call!(client, get_replay, request).unwrap().replay.unwrap()
}

pub async fn claim(client: &Replays) -> Option<ReplayWork> {
    call!(client, claim_work, ClaimWorkRequest {}).unwrap().work
}

/// As the edge reports: the same of all events of a portion.
pub fn report(work: &ReplayWork, status: u32, code: &str) -> ReportWorkRequest {
    let outcome = |event: &EventToReplay| ReplayOutcome {
        event_key: event.event.as_ref().unwrap().event_key.clone(),
        status,
        code: code.to_owned(),
        message: String::new(),
        ignored_code: String::new(),
    };
    ReportWorkRequest {
        account_id: work.account_id.clone(),
        source_id: work.source_id.clone(),
        work_id: work.work_id.clone(),
        lease_token: work.lease_token.clone(),
        repair: work.repair,
        outcomes: work.events.iter().map(outcome).collect(),
    }
}

pub fn counts(replay: &Replay) -> Vec<(u32, &str, i64)> {
    let counts = replay.counts.iter();
    counts
        .map(|one| (one.status, one.code.as_str(), one.count))
        .collect()
}

/// Whatever waits for its time is due.
pub async fn due(service: &Service) {
    service
        .sql(
            "UPDATE mapping.kept_events SET next_time = '2020-01-01' WHERE deferred;
             UPDATE mapping.replay_work SET next_time = '2020-01-01'",
        )
        .await;
}

/// The fields that a refusal names.
pub fn violations(status: &tonic::Status) -> Vec<String> {
    use tonic_types::StatusExt;
    let request = status.get_details_bad_request().unwrap();
    let fields = request.field_violations.into_iter();
    fields.map(|violation| violation.field).collect()
}
