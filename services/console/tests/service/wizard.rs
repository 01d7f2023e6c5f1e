//! A new source, and its key.

use crate::harness::{Console, SOURCE};
use crate::stub::{ACCOUNT, Stub};
use weir_proto::mapping::v1 as wire;

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
