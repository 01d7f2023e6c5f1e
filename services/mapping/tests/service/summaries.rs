//! What the log and its counts tell, and what they can't be asked (semantics 7.3, 7.3a).

use prost_types::Timestamp;
use tonic::Code;
use uuid::Uuid;
use weir_proto::mapping::v1::*;

use crate::call;
use crate::counts::*;
use crate::harness::*;

/// Counts of several hours, and lines that are examples of some of them.
async fn count_and_log(client: &Client, logs: &Logs, tenant: &Tenant) {
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
        flush(tenant, Uuid::from_u128(1), 1, counts)
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
}

#[tokio::test]
async fn a_summary_has_its_hours_and_times_and_an_example_of_the_log() {
    let (_service, client, logs, tenant) = start().await;
    count_and_log(&client, &logs, &tenant).await;
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
}

#[tokio::test]
async fn a_range_is_of_whole_hours() {
    let (_service, client, logs, tenant) = start().await;
    count_and_log(&client, &logs, &tenant).await;
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
async fn what_can_not_be_counted_is_named() {
    let (_service, _client, logs, tenant) = start().await;
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
}

#[tokio::test]
async fn all_that_is_wrong_with_a_question_is_named_at_once() {
    let (_service, client, logs, tenant) = start().await;
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
