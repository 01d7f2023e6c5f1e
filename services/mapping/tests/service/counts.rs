//! Exact counts by hour: told once, bounded, summed up, and gone after 30 days (semantics 7.3a).

use prost_types::Timestamp;
use tonic::Code;
use tonic_types::StatusExt;
use uuid::Uuid;
use weir_proto::mapping::v1::log_service_client::LogServiceClient;
use weir_proto::mapping::v1::*;
use weir_testkit::eventually;

use crate::call;
use crate::harness::*;

const HOUR: i64 = 3_600;

type Logs = LogServiceClient<weir_rpc::Channel>;

async fn start() -> (Service, Client, Logs, Tenant) {
    let (service, client) = Service::start().await;
    let logs = service.logs();
    let tenant = tenant(&client, "Demo").await;
    (service, client, logs, tenant)
}

/// The hour that began so long ago.
fn hour(ago: i64) -> i64 {
    let now = chrono::Utc::now().timestamp();
    now - now.rem_euclid(HOUR) - ago * HOUR
}

fn count(hour: i64, (status, code): (u32, &str), subject: &str, count: i64) -> ReasonCount {
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

fn flush(
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
        }],
    }
}

fn request(tenant: &Tenant) -> SummarizeLogRequest {
    SummarizeLogRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        page_size: 1_000,
        ..Default::default()
    }
}

/// Status, code, subject and count of each summary.
async fn summed(logs: &Logs, request: SummarizeLogRequest) -> Vec<(u32, String, String, i64)> {
    let answer = call!(logs, summarize_log, request).unwrap();
    let summaries = answer.summaries.into_iter();
    summaries
        .map(|one| (one.status, one.code, one.subject, one.count))
        .collect()
}

fn fields_of(status: &tonic::Status) -> Vec<String> {
    let details = status.get_details_bad_request().unwrap();
    let violations = details.field_violations.into_iter();
    violations.map(|violation| violation.field).collect()
}

const OK: (u32, &str) = (200, "OK");
const UNMAPPED: (u32, &str) = (422, "NO_MAPPING");
const NO_EMAIL: (u32, &str) = (0, "EMAIL_INVALID");

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
async fn a_summary_has_its_hours_and_times_and_an_example_of_the_log() {
    let (_service, client, logs, tenant) = start().await;
    let counts = vec![
        count(hour(3), UNMAPPED, "Login", 5),
        count(hour(1), UNMAPPED, "Login", 2),
        count(hour(1), UNMAPPED, "Logout", 1),
        count(hour(1), OK, "Login", 90),
        count(hour(1), (206, "CONTACT_LIMIT"), "Login", 4),
        count(hour(1), NO_EMAIL, "str::email", 8),
        count(hour(200), OK, "Login", 1_000),
    ];
    call!(
        logs,
        add_counts,
        flush(&tenant, Uuid::from_u128(1), 1, counts)
    )
    .unwrap();
    let line = |seconds, code: &str, status, event_name: &str, field_id: &str| LogEntry {
        log_time: Some(time(seconds)),
        kind: EventKind::Track.into(),
        code: code.to_owned(),
        status,
        event_name: event_name.to_owned(),
        field_id: field_id.to_owned(),
        message_id: format!("{code} {event_name} {seconds}"),
        ..Default::default()
    };
    let lines = AppendLogRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        entries: vec![
            line(hour(1), "EMAIL_INVALID", 0, "Login", "str::email"),
            line(hour(1) + 5, "EMAIL_INVALID", 0, "Login", "str:cm:work"),
            line(hour(1) + 1, "NO_MAPPING", 422, "Login", ""),
            line(hour(1) + 2, "NO_MAPPING", 422, "Logout", ""),
        ],
    };
    call!(client, append_log, lines).unwrap();

    let answer = call!(logs, summarize_log, request(&tenant)).unwrap();
    assert_eq!((answer.answered_events, answer.taken_events), (102, 94));
    let seen: Vec<_> = answer
        .summaries
        .iter()
        .map(|one| (one.status, &*one.code, one.count))
        .collect();
    assert_eq!(
        seen,
        [
            (0, "EMAIL_INVALID", 8),
            (200, "OK", 90),
            (206, "CONTACT_LIMIT", 4),
            (422, "NO_MAPPING", 8),
        ]
    );
    let unmapped = &answer.summaries[3];
    let hours: Vec<_> = unmapped
        .hours
        .iter()
        .map(|one| (one.hour, one.count))
        .collect();
    assert_eq!(hours, [(Some(time(hour(3))), 5), (Some(time(hour(1))), 3)]);
    assert_eq!(unmapped.first_time, Some(time(hour(3) + 1)));
    assert_eq!(unmapped.last_time, Some(time(hour(1) + 9)));
    let example = |summary: &LogSummary| {
        let example = summary.example.as_ref();
        example.map_or_else(String::new, |line| line.message_id.clone())
    };
    assert_eq!(
        example(unmapped),
        format!("NO_MAPPING Logout {}", hour(1) + 2)
    );
    assert_eq!(example(&answer.summaries[1]), "");

    let by_subject = SummarizeLogRequest {
        by_subject: true,
        codes: vec!["NO_MAPPING".to_owned(), "EMAIL_INVALID".to_owned()],
        ..request(&tenant)
    };
    let answer = call!(logs, summarize_log, by_subject).unwrap();
    let seen = answer.summaries.iter();
    let seen: Vec<_> = seen
        .map(|one| (&*one.subject, one.count, example(one)))
        .collect();
    assert_eq!(
        seen,
        [
            ("str::email", 8, format!("EMAIL_INVALID Login {}", hour(1))),
            ("Login", 7, format!("NO_MAPPING Login {}", hour(1) + 1)),
            ("Logout", 1, format!("NO_MAPPING Logout {}", hour(1) + 2)),
        ]
    );
    let range = SummarizeLogRequest {
        start_time: Some(time(hour(250))),
        end_time: Some(time(hour(3) + 1)),
        ..request(&tenant)
    };
    let found = summed(&logs, range).await;
    assert_eq!(
        found,
        [
            (200, "OK".to_owned(), String::new(), 1_000),
            (422, "NO_MAPPING".to_owned(), String::new(), 5),
        ]
    );
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

#[tokio::test]
async fn what_can_not_be_counted_or_asked_for_is_named() {
    let (_service, client, logs, tenant) = start().await;
    let good = flush(
        &tenant,
        Uuid::from_u128(1),
        1,
        vec![count(hour(0), OK, "", 1)],
    );
    let wrong = |change: fn(&mut AddCountsRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    for (request, field) in [
        (wrong(|one| one.process_id = "p".to_owned()), "process_id"),
        (wrong(|one| one.sequence = 0), "sequence"),
        (
            wrong(|one| one.sources[0].source_id = String::new()),
            "sources.source_id",
        ),
        (
            wrong(|one| one.sources[0].counts[0].hour = Some(time(1))),
            "sources.counts.hour",
        ),
        (
            wrong(|one| one.sources[0].counts[0].status = 70_000),
            "sources.counts.status",
        ),
        (
            wrong(|one| one.sources[0].counts[0].code = String::new()),
            "sources.counts.code",
        ),
        (
            wrong(|one| one.sources[0].counts[0].count = -1),
            "sources.counts.count",
        ),
        (
            wrong(|one| one.sources[0].counts[0].last_time = None),
            "sources.counts.last_time",
        ),
        (
            wrong(|one| {
                let count = one.sources[0].counts[0].clone();
                one.sources[0].counts = vec![count; 5_001];
            }),
            "sources.counts",
        ),
    ] {
        let status = call!(logs, add_counts, request).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(fields_of(&status), [field]);
    }
    assert_eq!(summed(&logs, request(&tenant)).await, []);

    let asked = SummarizeLogRequest {
        account_id: "none".to_owned(),
        codes: vec![
            "OK".to_owned(),
            "NO_SUCH".to_owned(),
            "KEY_UNKNOWN".to_owned(),
        ],
        start_time: Some(time(hour(0))),
        end_time: Some(time(hour(2))),
        page_size: -1,
        page_token: "nonsense".to_owned(),
        ..request(&tenant)
    };
    let status = call!(logs, summarize_log, asked).unwrap_err();
    let all = [
        "account_id",
        "end_time",
        "codes[1]",
        "codes[2]",
        "page_size",
        "page_token",
    ];
    assert_eq!(fields_of(&status), all);
    let no_time = Some(Timestamp {
        seconds: i64::MAX,
        nanos: 0,
    });
    let asked = ListLogRequest {
        codes: vec!["OK".to_owned()],
        start_time: no_time,
        page_token: "nonsense".to_owned(),
        ..tenant.log_request()
    };
    let status = call!(client, list_log, asked).unwrap_err();
    assert_eq!(fields_of(&status), ["start_time", "codes[0]", "page_token"]);
    let unknown = SummarizeLogRequest {
        source_id: Uuid::from_u128(5).to_string(),
        ..request(&tenant)
    };
    let status = call!(logs, summarize_log, unknown).unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

/// Semantics 7.3.
#[tokio::test]
async fn the_log_is_filtered_and_the_filtered_is_paged() {
    let (_service, client, _logs, tenant) = start().await;
    let entries: Vec<LogEntry> = (0..400)
        .map(|n: i64| LogEntry {
            log_time: Some(time(NOW + n)),
            kind: EventKind::Track.into(),
            code: ["EMAIL_INVALID", "STALE"][usize::try_from(n % 2).unwrap()].to_owned(),
            event_name: format!("Event {}", n % 4),
            field_id: format!("str:cm:f-{}", n % 8),
            path: format!("traits.f{}.x", n % 8),
            message_id: n.to_string(),
            ..Default::default()
        })
        .collect();
    let append = AppendLogRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        entries,
    };
    call!(client, append_log, append).unwrap();
    let list = async |request: ListLogRequest| -> Vec<i64> {
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let page = ListLogRequest {
                page_size: 30,
                page_token: token,
                ..request.clone()
            };
            let page = call!(client, list_log, page).unwrap();
            all.extend(
                page.entries
                    .iter()
                    .map(|line| line.message_id.parse::<i64>().unwrap()),
            );
            token = page.next_page_token;
            if token.is_empty() {
                return all;
            }
        }
    };
    let all = || tenant.log_request();
    let newest_first =
        |keep: fn(&i64) -> bool| -> Vec<i64> { (0..400).rev().filter(keep).collect() };
    let stale = ListLogRequest {
        codes: vec!["STALE".to_owned()],
        ..all()
    };
    assert_eq!(list(stale.clone()).await, newest_first(|n| n % 2 == 1));
    let named = ListLogRequest {
        event_name: "vENT 3".to_owned(),
        start_time: Some(time(NOW + 100)),
        end_time: Some(time(NOW + 300)),
        ..stale
    };
    assert_eq!(
        list(named).await,
        newest_first(|n| n % 4 == 3 && (100..300).contains(n))
    );
    for field in ["str:cm:f-5", "traits.f5", "traits.f5.x"] {
        let at = ListLogRequest {
            field: field.to_owned(),
            ..all()
        };
        assert_eq!(list(at).await, newest_first(|n| n % 8 == 5), "{field}");
    }
    let one = ListLogRequest {
        message_id: "77".to_owned(),
        ..all()
    };
    assert_eq!(list(one).await, [77]);
}

/// Semantics 1.6: every reason for which a value can be ignored is reached here, or given by a
/// later stage, whose own tests reach it; and what is ignored is told to the edge as it is logged.
#[tokio::test]
async fn every_reason_that_a_value_can_be_ignored_for_is_reached_and_told_to_who_counts() {
    use weir_reasons::{About, Reason, Reason::*};
    let (_service, client, _logs, tenant) = start().await;
    let mut pairs = vec![
        ("email".to_owned(), "str::email".to_owned(), ""),
        ("city".to_owned(), "geo::city".to_owned(), ""),
    ];
    for (name, value_type, format) in [
        ("text", ValueType::Text, ""),
        ("phone", ValueType::Phone, ""),
        ("link", ValueType::Link, ""),
        ("integer", ValueType::Integer, ""),
        ("decimal", ValueType::Decimal, ""),
        ("boolean", ValueType::Boolean, ""),
        ("date", ValueType::Date, "Unix seconds"),
        ("time", ValueType::Time, ""),
        ("list", ValueType::MultiSelect, ""),
        ("object", ValueType::Object, ""),
    ] {
        let field = CreateFieldRequest {
            account_id: tenant.account_id.clone(),
            name: name.to_owned(),
            r#type: value_type.into(),
        };
        let field = call!(client, create_field, field).unwrap().field.unwrap();
        pairs.push((name.to_owned(), field.field_id, format));
    }
    let mapping: Vec<_> = pairs
        .iter()
        .map(|(path, field, format)| (path.as_str(), field.as_str(), *format))
        .collect();
    call!(
        client,
        put_contact_mapping,
        tenant.contact_mapping(&mapping)
    )
    .unwrap();

    let long = format!("\"{}\"", "x".repeat(501));
    let cases = [
        (TextInvalid, "text", "[1]"),
        (TooLong, "text", long.as_str()),
        (NotStorable, "text", r#""a\u0000b""#),
        (EmailInvalid, "email", r#""none""#),
        (InvisibleCharacters, "email", r#""a\u200bb@c.example""#),
        (ValueBlocked, "email", r#""N/A""#),
        (PhoneInvalid, "phone", r#""12""#),
        (LinkInvalid, "link", r#""c.example""#),
        (IntegerInvalid, "integer", "3.5"),
        (DecimalInvalid, "decimal", "3.1415"),
        (BooleanInvalid, "boolean", r#""yes""#),
        (DateFormatMismatch, "date", r#""28-07-1980""#),
        (DateOutOfRange, "date", "999999999999999"),
        (TimeFormatMismatch, "time", r#""noon""#),
        (ListInvalid, "list", "[null]"),
        (ObjectInvalid, "object", "5"),
        (PlaceInvalid, "city", "[1]"),
    ];
    let events = cases.iter().map(|(_, name, value)| {
        let raw = format!(r#"{{"traits":{{"{name}":{value}}}}}"#);
        event(EventKind::Identify, &raw)
    });
    let answer = tenant.map(&client, events.collect()).await;
    let log = tenant.log(&client, cases.len()).await;
    for ((reason, name, value), result) in cases.iter().zip(&answer.results) {
        let [ignored] = &result.ignored[..] else {
            panic!("{name} {value}: {result:?}");
        };
        let kind = &answer.ignored_kinds[ignored.kind as usize];
        let field = pairs.iter().find(|(path, ..)| path == name).unwrap();
        let seen = (&*kind.code, &kind.subject, ignored.count);
        assert_eq!(seen, (reason.code(), &field.1, 1), "{name} {value}");
        assert!(
            log.iter()
                .any(|line| line.code == kind.code && line.field_id == kind.subject),
            "{reason} is not in the log"
        );
    }
    let elsewhere = [AnonymousIdUnusable, IdentifierTaken, Stale, BacklogDayCap];
    let of_values = Reason::ALL
        .iter()
        .filter(|reason| reason.about() == About::Value);
    let missing: Vec<_> = of_values
        .filter(|reason| !elsewhere.contains(reason))
        .filter(|reason| !cases.iter().any(|(reached, ..)| reached == *reason))
        .collect();
    assert!(missing.is_empty(), "no way is known to {missing:?}");
}

#[tokio::test]
async fn all_ignored_values_are_told_however_few_lines_the_log_keeps() {
    let (_service, client, _logs, tenant) = start().await;
    tenant.map_contact(&client).await;
    let raw = r#"{"traits":{"email":"none","birthday":"soon","firstName":"L"}}"#;
    let events = (0..900).map(|_| event(EventKind::Identify, raw));
    let answer = tenant.map(&client, events.collect()).await;
    let sum: u32 = answer
        .results
        .iter()
        .flat_map(|result| &result.ignored)
        .map(|ignored| ignored.count)
        .sum();
    assert_eq!((sum, answer.ignored_kinds.len()), (1_800, 2));
}
