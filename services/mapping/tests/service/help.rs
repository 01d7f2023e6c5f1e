//! Samples, event names, the log: bounded rings, whose absence hurts nobody.

use tonic::Code;
use weir_proto::mapping::v1::*;

use crate::call;
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
        until(|| async {
            let request = tenant.samples_request(list);
            let found = call!(client, list_samples, request).unwrap().samples;
            let raws: Vec<&str> = found.iter().map(|sample| sample.raw.as_str()).collect();
            (raws == expected).then_some(())
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
        request.receive_time = Some(time(NOW + batch));
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
    until(|| async {
        let found = list("name 599", String::new()).await.names;
        (found.len() == 1 && found[0].mapped).then_some(())
    })
    .await;
    let first = list("", String::new()).await;
    let second = list("", first.next_page_token).await;
    assert_eq!(first.names.len() + second.names.len(), 500);
    assert_eq!(first.names[0].last_receive_time, Some(time(NOW + 2)));
    assert_eq!(second.next_page_token, "");
    assert!(list("Name 000", String::new()).await.names.is_empty());
    // Names that fell out took their samples with them.
    let request = tenant.samples_request("Name 000");
    assert!(
        call!(client, list_samples, request)
            .unwrap()
            .samples
            .is_empty()
    );
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
