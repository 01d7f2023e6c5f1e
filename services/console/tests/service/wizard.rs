//! A new source, and its key.

use crate::harness::{Console, SOURCE};
use crate::stub::{ACCOUNT, Stub, WRITE};
use tonic::Code;
use weir_proto::mapping::v1 as wire;
use weir_reasons::Reason;

const PUT: &str = "/weir.mapping.v1.MappingService/PutSource";
const REVOKE: &str = "/weir.mapping.v1.MappingService/RevokeKey";
const KEY: &str = "/weir.mapping.v1.MappingService/CreateKey";

fn set_up(stub: &Stub) {
    let source = wire::Source {
        source_id: SOURCE.to_owned(),
        account_id: ACCOUNT.to_string(),
        name: "Website".to_owned(),
        kind: wire::SourceKind::SegmentClassic.into(),
        ..Default::default()
    };
    let put = wire::PutSourceResponse {
        source: Some(source),
        ..Default::default()
    };
    stub.answer("/weir.mapping.v1.MappingService/PutSource", &put);
}

#[tokio::test]
async fn pressing_twice_makes_one_source_and_shows_the_same_key() {
    let console = Console::start().await;
    set_up(&console.stub);
    let cookie = console.administrator().await;
    let path = format!("/accounts/{ACCOUNT}/sources/new");
    let page = console
        .get(&format!("{path}?kind=segment_classic"), &cookie)
        .await;
    let (token, wish) = (page.hidden("form_token"), page.hidden("wish"));
    let form = [
        ("form_token", &*token),
        ("wish", &wish),
        ("kind", "segment_classic"),
        ("name", "Website"),
        ("merging", "append"),
    ];
    let mut keys = Vec::new();
    for _ in 0..2 {
        let answer = console.post(&path, &cookie, &form).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let key = answer.text.split("id=\"key\">").nth(1).unwrap();
        keys.push(key.split('<').next().unwrap().to_owned());
        // A line that works as it stands, with the present time.
        assert!(answer.text.contains("2026-11-27T10:00:00Z"));
        assert!(answer.text.contains("no-store") || answer.headers["cache-control"] == "no-store");
    }
    assert!(
        keys[0].starts_with("pau-") && keys[0].len() > 40,
        "{keys:?}"
    );
    assert_eq!(keys[0], keys[1]);
    let calls = console.stub.calls();
    assert_eq!(calls.iter().filter(|(path, _)| path == KEY).count(), 2);
    let other = console
        .get(&format!("{path}?kind=segment_classic"), &cookie)
        .await;
    assert_ne!(other.hidden("wish"), wish, "another page is another wish");
}

#[tokio::test]
async fn a_classic_source_is_told_an_sdks_address_answers_and_words() {
    let console = Console::start().await;
    set_up(&console.stub);
    let cookie = console.administrator().await;
    let path = format!("/accounts/{ACCOUNT}/sources/new");
    let token = console.form_token(&cookie).await;
    let form = [
        ("form_token", &*token),
        ("wish", "w"),
        ("kind", "segment_classic"),
        ("name", "Website"),
        ("merging", "append"),
    ];
    let page = console.post(&path, &cookie, &form).await.text;
    for words in [
        "In the SDK",
        "endpoint) to http://127.0.0.1:8090: it adds",
        "curl http://127.0.0.1:8090/v1/identify ",
        "200 {\"success\": true}",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    for words in [":8080", "No mappings configured", "In Segment"] {
        assert!(!page.contains(words), "{words}: {page}");
    }
    let source = wire::GetSourceResponse {
        source: Some(wire::Source {
            source_id: SOURCE.to_owned(),
            kind: wire::SourceKind::SegmentClassic.into(),
            ..Default::default()
        }),
    };
    let get = "/weir.mapping.v1.MappingService/GetSource";
    console.stub.answer(get, &source);
    let log = wire::ListLogResponse::default();
    console
        .stub
        .answer("/weir.mapping.v1.MappingService/ListLog", &log);
    let waiting = format!("/accounts/{ACCOUNT}/sources/{SOURCE}/waiting");
    let page = console.get(&waiting, &cookie).await.text;
    assert!(page.contains("Waiting for an SDK"), "{page}");
    assert!(!page.contains("Segment's Settings tab"), "{page}");
}

#[tokio::test]
async fn what_is_missing_is_said_and_what_was_written_stays() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let token = console.form_token(&cookie).await;
    let path = format!("/accounts/{ACCOUNT}/sources/new");
    let form = [
        ("form_token", &*token),
        ("wish", "w"),
        ("kind", "segment_actions"),
        ("name", "  "),
        ("merging", "ignore"),
    ];
    let answer = console.post(&path, &cookie, &form).await;
    assert_eq!(answer.status, 422);
    assert!(answer.text.contains("Give the source a name"));
    assert!(answer.text.contains("value=\"ignore\" checked"));
}

/// A source of this name that is there, with one key that looks like this.
fn stands(stub: &Stub, status: wire::SourceStatus, hint: &str, is_used: bool) {
    let source = wire::Source {
        source_id: SOURCE.to_owned(),
        account_id: ACCOUNT.to_string(),
        name: "Website".to_owned(),
        kind: wire::SourceKind::SegmentClassic.into(),
        status: status.into(),
        ..Default::default()
    };
    let key = wire::Key {
        key_id: "k-1".to_owned(),
        hint: hint.to_owned(),
        last_use_time: is_used.then(prost_types::Timestamp::default),
        ..Default::default()
    };
    let all = wire::ListSourcesResponse {
        sources: vec![source.clone()],
        ..Default::default()
    };
    stub.answer("/weir.mapping.v1.MappingService/ListSources", &all);
    let one = wire::GetSourceResponse {
        source: Some(source),
    };
    stub.answer("/weir.mapping.v1.MappingService/GetSource", &one);
    let keys = wire::ListKeysResponse {
        keys: vec![key],
        ..Default::default()
    };
    stub.answer("/weir.mapping.v1.MappingService/ListKeys", &keys);
}

#[tokio::test]
async fn a_name_that_is_taken_changes_nothing_of_the_source_that_has_it() {
    let console = Console::start().await;
    let there = "there is a source named Website already";
    let taken = weir_rpc::refused(Code::AlreadyExists, Reason::NameTaken, there);
    console.stub.refuse(PUT, taken);
    let cookie = console.sign_in(&weir_access::token(WRITE)).await;
    let token = console.form_token(&cookie).await;
    let path = format!("/accounts/{ACCOUNT}/sources/new");
    for kind in ["segment_classic", "segment_actions"] {
        let form = [
            ("form_token", &*token),
            ("wish", "w"),
            ("kind", kind),
            ("name", "Website"),
            ("merging", "append"),
        ];
        let answer = console.post(&path, &cookie, &form).await;
        assert_eq!(answer.status, 422, "{}", answer.text);
        let says = "There is a data source of this name already";
        assert!(answer.text.contains(says), "{}", answer.text);
        // What was written is there still, and so is the wish.
        assert!(answer.text.contains("value=\"Website\""));
        assert!(answer.text.contains("value=\"append\" checked"));
        assert_eq!(answer.hidden("wish"), "w");
        let put: Vec<wire::PutSourceRequest> = console.stub.sent(PUT);
        assert!(put.iter().all(|put| put.create_only), "{put:?}");
        assert!(console.stub.sent::<wire::CreateKeyRequest>(KEY).is_empty());
    }
}

/// So many events came within the hour, as the counts, the log and the recent events have it.
fn came(stub: &Stub, counted: i64, logged: usize, recent: usize) {
    let now: chrono::DateTime<chrono::Utc> = "2026-11-27T09:59:00Z".parse().unwrap();
    let now = Some(prost_types::Timestamp {
        seconds: now.timestamp(),
        nanos: 0,
    });
    let counts = wire::SummarizeLogResponse {
        answered_events: counted,
        ..Default::default()
    };
    stub.answer("/weir.mapping.v1.LogService/SummarizeLog", &counts);
    let line = wire::LogEntry {
        log_time: now,
        status: 422,
        ..Default::default()
    };
    let log = wire::ListLogResponse {
        entries: vec![line; logged],
        ..Default::default()
    };
    stub.answer("/weir.mapping.v1.MappingService/ListLog", &log);
    let event = wire::RecentEvent {
        receive_time: now,
        ..Default::default()
    };
    let events = wire::ListRecentEventsResponse {
        events: vec![event; recent],
        ..Default::default()
    };
    stub.answer("/weir.mapping.v1.StoryService/ListRecentEvents", &events);
}

#[tokio::test]
async fn a_new_key_from_a_stale_waiting_page_is_asked_about_where_others_would_end() {
    use wire::SourceStatus::{Active, WaitingForEvents};
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let token = console.form_token(&cookie).await;
    let path = format!("/accounts/{ACCOUNT}/sources/{SOURCE}/new-key");
    let form = [("form_token", &*token), ("wish", "w")];
    let sure = [form[0], form[1], ("sure", "1")];
    for (status, is_used) in [(Active, true), (Active, false), (WaitingForEvents, true)] {
        stands(&console.stub, status, "pau-____…___8", is_used);
        console.stub.forget_calls();
        let asked = console.post(&path, &cookie, &form).await;
        for says in [
            "End all keys now",
            "<bdi>Website</bdi>",
            "1 key would end",
            "events came",
        ] {
            assert!(asked.text.contains(says), "{says}: {}", asked.text);
        }
        assert!(console.stub.sent::<wire::CreateKeyRequest>(KEY).is_empty());
        assert!(
            console
                .stub
                .sent::<wire::RevokeKeyRequest>(REVOKE)
                .is_empty()
        );
        let done = console.post(&path, &cookie, &sure).await;
        assert!(done.text.contains("id=\"key\""), "{}", done.text);
        assert_eq!(console.stub.sent::<wire::RevokeKeyRequest>(REVOKE).len(), 1);
    }
    stands(&console.stub, WaitingForEvents, "pau-____…___8", false);
    // That a key was used is known a minute later; what came by it is known before.
    for (counted, logged, recent) in [(1, 0, 0), (0, 1, 0), (0, 0, 1)] {
        came(&console.stub, counted, logged, recent);
        console.stub.forget_calls();
        let asked = console.post(&path, &cookie, &form).await;
        let says = "1 event came in the last 24 hours";
        assert!(asked.text.contains(says), "{}", asked.text);
        assert!(console.stub.sent::<wire::CreateKeyRequest>(KEY).is_empty());
    }
    // While nobody ever sent by a key it is as it was: one press.
    came(&console.stub, 0, 0, 0);
    let done = console.post(&path, &cookie, &form).await;
    assert!(done.text.contains("id=\"key\""), "{}", done.text);
}
