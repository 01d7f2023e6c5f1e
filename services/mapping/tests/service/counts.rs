//! Exact counts by hour: told once, bounded, summed up, and gone after 30 days (semantics 7.3a).

use tonic_types::StatusExt;
use uuid::Uuid;
use weir_proto::mapping::v1::log_service_client::LogServiceClient;
use weir_proto::mapping::v1::*;
use weir_testkit::eventually;

use crate::call;
use crate::harness::*;

const HOUR: i64 = 3_600;

pub type Logs = LogServiceClient<weir_rpc::Channel>;

pub async fn start() -> (Service, Client, Logs, Tenant) {
    let (service, client) = Service::start().await;
    let logs = service.logs();
    let tenant = tenant(&client, "Demo").await;
    (service, client, logs, tenant)
}

/// The hour that began so long ago.
pub fn hour(ago: i64) -> i64 {
    let now = chrono::Utc::now().timestamp();
    now - now.rem_euclid(HOUR) - ago * HOUR
}

pub fn count(hour: i64, (status, code): (u32, &str), subject: &str, count: i64) -> ReasonCount {
    ReasonCount {
        hour: Some(time(hour)),
        status,
        code: code.to_owned(),
        subject: subject.to_owned(),
        other: false,
        count,
        first_time: Some(time(hour + 1)),
        last_time: Some(time(hour + 9)),
    }
}

pub fn flush(
    tenant: &Tenant,
    process_id: Uuid,
    sequence: i64,
    counts: Vec<ReasonCount>,
) -> AddCountsRequest {
    AddCountsRequest {
        process_id: process_id.to_string(),
        sequence,
        sources: vec![SourceCounts {
            account_id: tenant.account_id.clone(),
            source_id: tenant.source_id.clone(),
            counts,
            units: Vec::new(),
        }],
    }
}

pub fn request(tenant: &Tenant) -> SummarizeLogRequest {
    SummarizeLogRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        page_size: 1_000,
        ..Default::default()
    }
}

/// Status, code, subject and count of each summary.
pub async fn summed(logs: &Logs, request: SummarizeLogRequest) -> Vec<(u32, String, String, i64)> {
    let answer = call!(logs, summarize_log, request).unwrap();
    let summaries = answer.summaries.into_iter();
    summaries
        .map(|one| (one.status, one.code, one.subject, one.count))
        .collect()
}

pub fn fields_of(status: &tonic::Status) -> Vec<String> {
    let details = status.get_details_bad_request().unwrap();
    let violations = details.field_violations.into_iter();
    violations.map(|violation| violation.field).collect()
}

pub const OK: (u32, &str) = (200, "OK");
pub const UNMAPPED: (u32, &str) = (422, "NO_MAPPING");
pub const NO_EMAIL: (u32, &str) = (0, "EMAIL_INVALID");

#[tokio::test]
async fn a_flush_that_comes_again_is_counted_once() {
    let (mut service, _client, logs, tenant) = start().await;
    let process = Uuid::from_u128(7);
    let first = flush(&tenant, process, 1, vec![count(hour(0), OK, "", 3)]);
    let second = flush(&tenant, process, 2, vec![count(hour(0), OK, "", 40)]);
    let of_another = flush(
        &tenant,
        Uuid::from_u128(8),
        1,
        first.sources[0].counts.clone(),
    );
    for request in [&first, &first, &second, &first, &second, &of_another] {
        call!(logs, add_counts, request.clone()).unwrap();
    }
    // Two tries of one flush at the same time, at two replicas.
    service.another().await;
    let third = flush(&tenant, process, 3, vec![count(hour(0), OK, "", 500)]);
    let (mut one, mut other) = (logs.clone(), service.logs());
    let (one, other) = tokio::join!(one.add_counts(third.clone()), other.add_counts(third));
    one.unwrap();
    other.unwrap();
    let found = summed(&logs, request(&tenant)).await;
    assert_eq!(found, [(200, "OK".to_owned(), String::new(), 546)]);
}

#[tokio::test]
async fn replicas_that_add_at_once_lose_nothing_and_take_in_a_thousand_subjects() {
    let (mut service, _client, logs, tenant) = start().await;
    service.another().await;
    let other = service.logs();
    let mut adding = tokio::task::JoinSet::new();
    for process in 0..8_u128 {
        let mut client = if process % 2 == 0 {
            logs.clone()
        } else {
            other.clone()
        };
        let names = (0..400).map(|n| format!("name {}", n + process * 150));
        let counts = names.map(|name| count(hour(0), UNMAPPED, &name, 1));
        let request = flush(&tenant, Uuid::from_u128(process), 1, counts.collect());
        adding.spawn(async move { client.add_counts(request).await.unwrap() });
    }
    adding.join_all().await;
    let by_subject = SummarizeLogRequest {
        by_subject: true,
        page_size: 300,
        ..request(&tenant)
    };
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let page = SummarizeLogRequest {
            page_token: token,
            ..by_subject.clone()
        };
        let page = call!(logs, summarize_log, page).unwrap();
        all.extend(page.summaries);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let (others, named): (Vec<_>, Vec<_>) = all.iter().partition(|one| one.other);
    assert_eq!((others.len(), named.len()), (1, 1_000));
    assert_eq!(others[0].subject, "other");
    assert_eq!(all.iter().map(|one| one.count).sum::<i64>(), 8 * 400);
    let mut names: Vec<_> = named.iter().map(|one| &one.subject).collect();
    names.dedup();
    assert_eq!(names.len(), 1_000, "each stands once, over all pages");
    // Another hour has room of its own, and an event may be called "other".
    let more = vec![
        count(hour(1), UNMAPPED, "other", 2),
        count(hour(0), OK, "name 1", 5),
    ];
    call!(
        logs,
        add_counts,
        flush(&tenant, Uuid::from_u128(1), 2, more)
    )
    .unwrap();
    let found = SummarizeLogRequest {
        subject: Some("other".to_owned()),
        ..by_subject.clone()
    };
    let found = call!(logs, summarize_log, found).unwrap().summaries;
    assert_eq!((found.len(), found[0].count, found[0].other), (1, 2, false));
}

#[tokio::test]
async fn counts_without_a_source_are_passed_over_and_others_are_kept() {
    let (_service, _client, logs, tenant) = start().await;
    let unknown = Uuid::from_u128(9).to_string();
    let mut sent = flush(
        &tenant,
        Uuid::from_u128(1),
        1,
        vec![count(hour(0), OK, "a\0b", 3)],
    );
    for (account_id, source_id) in [
        (&tenant.account_id, &unknown),
        (&unknown, &tenant.source_id),
    ] {
        sent.sources.push(SourceCounts {
            account_id: account_id.clone(),
            source_id: source_id.clone(),
            counts: vec![count(hour(0), OK, "", 5)],
            units: Vec::new(),
        });
    }
    call!(logs, add_counts, sent).unwrap();
    let by_subject = SummarizeLogRequest {
        by_subject: true,
        ..request(&tenant)
    };
    let found = summed(&logs, by_subject).await;
    assert_eq!(found, [(200, "OK".to_owned(), "a\u{fffd}b".to_owned(), 3)]);
}

#[tokio::test]
async fn what_is_older_than_thirty_days_goes() {
    let (mut service, client, logs, tenant) = start().await;
    let counts = vec![
        count(hour(29 * 24), OK, "", 2),
        count(hour(31 * 24), OK, "", 5),
    ];
    call!(
        logs,
        add_counts,
        flush(&tenant, Uuid::from_u128(1), 1, counts)
    )
    .unwrap();
    let everything = SummarizeLogRequest {
        start_time: Some(time(hour(100 * 24))),
        ..request(&tenant)
    };
    let found = summed(&logs, everything).await;
    assert_eq!(found, [(200, "OK".to_owned(), String::new(), 2)]);
    // The first round of the process that keeps house.
    drop((client, logs));
    service.stop().await;
    service.another().await;
    eventually("the row is gone", async || {
        service
            .number("SELECT count(*) FROM mapping.reason_counts")
            .await
            == 1
    })
    .await;
}
