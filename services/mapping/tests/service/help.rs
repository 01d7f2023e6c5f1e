//! Samples, event names, the log: bounded rings, whose absence hurts nobody.

use tonic::Code;
use weir_proto::mapping::v1::*;

use crate::call;
use weir_testkit::eventually;

use crate::harness::*;

fn entry(number: usize) -> LogEntry {
    LogEntry {
        log_time: Some(time(NOW)),
        kind: EventKind::Identify.into(),
        message_id: format!("message {number}"),
        path: "traits.email".to_owned(),
        reason: "belongs to another contact".to_owned(),
        value: "é".repeat(300),
        ..LogEntry::default()
    }
}

async fn append(client: &Client, tenant: &Tenant, numbers: std::ops::Range<usize>) {
    let request = AppendLogRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        entries: numbers.map(entry).collect(),
    };
    call!(client, append_log, request).unwrap();
}

#[tokio::test]
async fn the_log_keeps_the_last_500_and_is_paged_newest_first() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    append(&client, &tenant, 0..400).await;
    append(&client, &tenant, 400..650).await;
    let mut request = tenant.log_request();
    request.page_size = 200;
    let mut entries = Vec::new();
    loop {
        let page = call!(client, list_log, request.clone()).unwrap();
        entries.extend(page.entries);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
        // New lines do not shift the pages.
        if entries.len() == 200 {
            append(&client, &tenant, 1_000..1_010).await;
        }
    }
    let numbers: Vec<String> = entries
        .iter()
        .map(|entry| entry.message_id.clone())
        .collect();
    let expected: Vec<String> = (160..650)
        .rev()
        .map(|number| format!("message {number}"))
        .collect();
    assert_eq!(numbers, expected);
    assert_eq!(entries[0].value.chars().count(), 120);
}

/// Semantics 7.1.
#[tokio::test]
async fn the_last_five_samples_of_each_list_are_kept_whole() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    for batch in 0..3 {
        let events = (0..4)
            .flat_map(|number| {
                let raw = format!(r#"{{"number":{},"é":"\u00e9"}}"#, batch * 4 + number);
                [
                    event(EventKind::Identify, &raw),
                    track("Login", &raw),
                    track("Logout", &raw),
                ]
            })
            .collect();
        tenant.map(&client, events).await;
    }
    let expected: Vec<String> = (7..12)
        .rev()
        .map(|number| format!(r#"{{"number":{number},"é":"\u00e9"}}"#))
        .collect();
    for list in ["", "Login", "Logout"] {
        eventually("all samples are there", async || {
            let request = tenant.samples_request(list);
            let found = call!(client, list_samples, request).unwrap().samples;
            let raws: Vec<&str> = found.iter().map(|sample| sample.raw.as_str()).collect();
            raws == expected
        })
        .await;
    }
    let request = tenant.samples_request("Never seen");
    assert!(
        call!(client, list_samples, request)
            .unwrap()
            .samples
            .is_empty()
    );
}

/// Semantics 4.1, 7.9.
#[tokio::test]
async fn the_last_500_names_are_kept_searched_and_paged() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    call!(client, put_activity_mapping, tenant.activity("Name 599")).unwrap();
    for batch in 0..3_i64 {
        let events = (batch * 200..batch * 200 + 200)
            .map(|number| track(&format!("Name {number:03}"), "{}"))
            .collect();
        let mut request = tenant.batch(events);
        request.requests[0].receive_time = Some(time(NOW + batch));
        call!(client, map_events, request).unwrap();
    }
    let list = |contains: &str, page_token: String| {
        let request = ListEventNamesRequest {
            account_id: tenant.account_id.clone(),
            source_id: tenant.source_id.clone(),
            contains: contains.to_owned(),
            page_size: 300,
            page_token,
        };
        let client = client.clone();
        async move { call!(client, list_event_names, request).unwrap() }
    };
    eventually("the names are there", async || {
        let found = list("name 599", String::new()).await.names;
        found.len() == 1 && found[0].mapped
    })
    .await;
    let first = list("", String::new()).await;
    let second = list("", first.next_page_token).await;
    assert_eq!(first.names.len() + second.names.len(), 500);
    assert_eq!(first.names[0].last_receive_time, Some(time(NOW + 2)));
    assert_eq!(second.next_page_token, "");
    // Of the oldest ones a hundred fell out, and took their samples with them.
    let kept: std::collections::HashSet<String> = [first.names, second.names]
        .concat()
        .into_iter()
        .map(|name| name.name)
        .collect();
    let mut gone = 0;
    for number in 0..600 {
        let name = format!("Name {number:03}");
        let found = call!(client, list_samples, tenant.samples_request(&name)).unwrap();
        assert_eq!(found.samples.is_empty(), !kept.contains(&name), "{name}");
        gone += usize::from(found.samples.is_empty());
        assert!(number < 200 || kept.contains(&name), "{name}");
    }
    assert_eq!(gone, 100);
}

#[tokio::test]
async fn without_redis_events_are_mapped_all_the_same() {
    let (_service, client) = Service::with_redis("redis://127.0.0.1:1").await;
    let tenant = tenant(&client, "Demo").await;
    tenant.map_contact(&client).await;
    for _ in 0..200 {
        let lana = event(EventKind::Identify, r#"{"traits":{"firstName":"Lana"}}"#);
        let answer = tenant.map(&client, vec![lana]).await;
        mapped(&answer.results[0]);
    }
    let error = call!(client, list_log, tenant.log_request()).unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_service_that_ends_writes_what_waits() {
    let (mut service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    tenant
        .map(&client, vec![event(EventKind::Identify, "{}")])
        .await;
    drop(client);
    service.stop().await;
    let client = service.another().await;
    let found = call!(client, list_samples, tenant.samples_request("")).unwrap();
    assert_eq!(found.samples.len(), 1);
}

#[tokio::test]
async fn what_is_unmapped_or_over_a_limit_is_counted_and_pushes_nothing_out() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    append(&client, &tenant, 0..500).await;
    let line = |number: i64, event_name: &str| LogEntry {
        log_time: Some(time(NOW + number)),
        kind: EventKind::Track.into(),
        message_id: number.to_string(),
        event_name: event_name.to_owned(),
        ..LogEntry::default()
    };
    for round in 0..3 {
        let unmapped = (0..300).map(|number| LogEntry {
            code: "NO_MAPPING".to_owned(),
            status: 422,
            ..line(round * 300 + number, "Unmapped")
        });
        let limited = (0..300).map(|number| LogEntry {
            code: "ACTIVITY_LIMIT".to_owned(),
            status: 429,
            count: 2,
            ..line(round * 300 + number, "Login")
        });
        let request = AppendLogRequest {
            account_id: tenant.account_id.clone(),
            source_id: tenant.source_id.clone(),
            entries: unmapped.chain(limited).collect(),
        };
        call!(client, append_log, request).unwrap();
    }
    let log = tenant.log(&client, 502).await;
    assert_eq!(log.len(), 502);
    let folded = |name: &str| log.iter().find(|entry| entry.event_name == name).unwrap();
    // 06:09:00 and what follows in the same hour: one line, its example the latest.
    let unmapped = folded("Unmapped");
    assert_eq!((unmapped.count, unmapped.message_id.as_str()), (900, "899"));
    assert_eq!(
        (unmapped.status, unmapped.code.as_str()),
        (422, "NO_MAPPING")
    );
    let limited = folded("Login");
    assert_eq!((limited.count, limited.status), (1_800, 429));
    // Newest first, both kinds together.
    assert!(log[..2].iter().all(|entry| entry.count > 1));
    assert_eq!(
        (log[2].count, log[2].message_id.as_str()),
        (1, "message 499")
    );
}

#[tokio::test]
async fn folded_lines_are_bounded_by_the_newest_500() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    append(&client, &tenant, 0..1).await;
    for batch in 0..3_i64 {
        let entries = (0..400).map(|number| LogEntry {
            log_time: Some(time(NOW + batch)),
            kind: EventKind::Track.into(),
            event_name: format!("Name {batch} {number}"),
            code: "NO_MAPPING".to_owned(),
            status: 422,
            ..LogEntry::default()
        });
        let request = AppendLogRequest {
            account_id: tenant.account_id.clone(),
            source_id: tenant.source_id.clone(),
            entries: entries.collect(),
        };
        call!(client, append_log, request).unwrap();
    }
    let log = tenant.log(&client, 501).await;
    assert_eq!(log.len(), 501);
    let of = |batch: i64| {
        let name = format!("Name {batch} ");
        let entries = log
            .iter()
            .filter(|entry| entry.event_name.starts_with(&name));
        entries.count()
    };
    assert_eq!((of(0), of(1), of(2)), (0, 100, 400));
}

#[tokio::test]
async fn a_line_is_kept_in_full_and_its_path_is_that_of_the_present_mapping() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let pairs = [("contact.mail", "str::email", "")];
    call!(client, put_contact_mapping, tenant.contact_mapping(&pairs)).unwrap();
    let whole = LogEntry {
        log_time: Some(time(NOW)),
        kind: EventKind::Identify.into(),
        message_id: "m1".to_owned(),
        path: "anonymous_id".to_owned(),
        reason: "is longer than 255 characters".to_owned(),
        value: "xxx".to_owned(),
        code: "ANONYMOUS_ID_UNUSABLE".to_owned(),
        status: 200,
        event_name: String::new(),
        batch_id: "0197f6a0-0000-7000-8000-000000000001".to_owned(),
        index: 7,
        field_id: String::new(),
        count: 0,
    };
    let about = |field_id: &str, kind: EventKind| LogEntry {
        path: String::new(),
        field_id: field_id.to_owned(),
        code: "IDENTIFIER_TAKEN".to_owned(),
        kind: kind.into(),
        ..whole.clone()
    };
    let request = AppendLogRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        entries: vec![
            whole.clone(),
            about("str::email", EventKind::Identify),
            about("geo::city", EventKind::Identify),
            about("geo::city", EventKind::Track),
            about("phn::phone", EventKind::Identify),
        ],
    };
    // The mapping takes effect within a second.
    let version = call!(client, get_source, tenant.source_request()).unwrap();
    let version = version.source.unwrap().mapping_version;
    eventually("the mapping takes effect", async || {
        let answer = tenant.map(&client, vec![]).await;
        answer.mapping_version == version
    })
    .await;
    call!(client, append_log, request).unwrap();
    let log = tenant.log(&client, 5).await;
    let paths: Vec<&str> = log.iter().rev().map(|entry| entry.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "anonymous_id",
            "traits.contact.mail",
            "location.city",
            "",
            ""
        ]
    );
    assert_eq!(log[4], LogEntry { count: 1, ..whole });
}

#[tokio::test]
async fn pages_of_the_log_end_before_a_client_refuses_them() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let long = |length: usize| "\u{10348}".repeat(length);
    // Half of them are folded.
    let entries = (0..1_000).map(|number| LogEntry {
        message_id: number.to_string(),
        code: ["NOT_AN_OBJECT", "NO_MAPPING"][number % 2].to_owned(),
        path: long(1_000),
        reason: long(1_000),
        value: long(1_000),
        event_name: format!("{number}{}", long(1_000)),
        field_id: long(1_000),
        ..entry(number)
    });
    let entries: Vec<LogEntry> = entries.collect();
    for part in entries.chunks(100) {
        let request = AppendLogRequest {
            account_id: tenant.account_id.clone(),
            source_id: tenant.source_id.clone(),
            entries: part.to_vec(),
        };
        // A request may be larger than what a client takes by default.
        call!(client, append_log, request).unwrap();
    }
    let mut request = tenant.log_request();
    let mut lengths = Vec::new();
    loop {
        let page = call!(client, list_log, request.clone()).unwrap();
        lengths.push(page.entries.len());
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert!(lengths.len() > 1, "{lengths:?}");
    assert_eq!(lengths.iter().sum::<usize>(), 1_000);
}

#[tokio::test]
async fn what_can_not_be_read_costs_itself_alone() {
    let (_service, client) = crate::rings::on_own_redis().await;
    let tenant = tenant(&client, "Demo").await;
    append(&client, &tenant, 0..3).await;
    let url = weir_servers::TestServers::shared()
        .await
        .own_redis_url()
        .await;
    let redis = redis::Client::open(url).unwrap();
    let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
    let key = format!("weir:{{{}}}:{}:log", tenant.account_id, tenant.source_id);
    for broken in [&b"{}"[..], b"\xff", b""] {
        let _: i64 = redis::AsyncCommands::lpush(&mut redis, &key, broken)
            .await
            .unwrap();
    }
    let log = call!(client, list_log, tenant.log_request()).unwrap();
    assert_eq!(log.entries.len(), 3);
}
