//! Recent events, and the story of one (semantics 7.8).

use tonic::Code;
use tonic_types::StatusExt;
use weir_proto::mapping::v1::story_service_client::StoryServiceClient;
use weir_proto::mapping::v1::*;
use weir_servers::TestServers;
use weir_testkit::{Proxy, eventually};

use crate::call;
use crate::harness::*;
use crate::keeping;

type Stories = StoryServiceClient<weir_rpc::Channel>;

const CONTACT: &str = "018f3e6a-7c1b-7d2a-9a3e-5b6c7d8e9f00";

/// An event that was answered in this second.
fn recent(second: i64, number: u32, status: u32, code: &str) -> RecentEvent {
    let verdict = |stage: Stage, said: &str, code: &str| StageVerdict {
        stage: stage.into(),
        said: said.to_owned(),
        code: code.to_owned(),
    };
    RecentEvent {
        answer_time: Some(time(second)),
        receive_time: Some(time(second - 1)),
        batch_id: format!("batch {second}"),
        index: number,
        kind: EventKind::Track.into(),
        message_id: format!("m{number}"),
        event_name: format!("Name {}", number % 2),
        event_time: Some(time(second - 100)),
        status,
        code: code.to_owned(),
        stages: vec![
            verdict(Stage::Accepted, "accepted", ""),
            verdict(Stage::Mapped, "mapped", code),
        ],
        contact_id: CONTACT.to_owned(),
        fields: 3,
        attributes: 2,
        ignored: 1,
        replayed: false,
    }
}

async fn note(client: &Stories, tenant: &Tenant, events: Vec<RecentEvent>, left_out: i64) {
    let request = NoteEventsRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        left_out_time: (left_out > 0).then(|| events.last().unwrap().answer_time.unwrap()),
        events,
        left_out,
    };
    call!(client, note_events, request).unwrap();
}

fn list_request(tenant: &Tenant) -> ListRecentEventsRequest {
    ListRecentEventsRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        ..Default::default()
    }
}

fn story_request(tenant: &Tenant, message_id: &str) -> GetEventStoryRequest {
    GetEventStoryRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        message_id: message_id.to_owned(),
    }
}

#[tokio::test]
async fn events_are_listed_newest_first_as_they_were_noted_and_paged() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let client = service.stories();
    let older: Vec<_> = (0..3).map(|n| recent(NOW, n, 200, "")).collect();
    let newer: Vec<_> = (3..6)
        .map(|n| recent(NOW + 1, n, 422, "NO_MAPPING"))
        .collect();
    note(&client, &tenant, older.clone(), 0).await;
    note(&client, &tenant, newer.clone(), 0).await;
    // Where Redis is slow what was noted waits for it, and nobody else does.
    eventually("all are written", async || {
        let page = call!(client, list_recent_events, list_request(&tenant)).unwrap();
        page.events.len() == 6
    })
    .await;
    let mut expected = [older, newer.clone()].concat();
    expected.reverse();
    let mut request = ListRecentEventsRequest {
        page_size: 4,
        ..list_request(&tenant)
    };
    let mut seen = Vec::new();
    loop {
        let page = call!(client, list_recent_events, request.clone()).unwrap();
        assert_eq!((page.left_out, page.since_time), (0, Some(time(NOW))));
        assert!(page.events.len() <= 4);
        seen.extend(page.events);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(seen, expected);
    let filter = ListRecentEventsRequest {
        statuses: vec![422],
        codes: vec!["NO_MAPPING".to_owned()],
        event_name: "name 1".to_owned(),
        ..list_request(&tenant)
    };
    let found = call!(client, list_recent_events, filter).unwrap().events;
    assert_eq!(found, [newer[2].clone(), newer[0].clone()]);
}

#[tokio::test]
async fn a_source_keeps_its_last_500_and_says_how_many_were_left_out_beside_them() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let client = service.stories();
    for second in 0..15_i64 {
        let events = (0..50).map(|n| recent(NOW + second, n, 200, ""));
        note(&client, &tenant, events.collect(), 1_000).await;
    }
    // One call came again.
    let events = (0..50).map(|n| recent(NOW + 14, n, 200, ""));
    note(&client, &tenant, events.collect(), 1_000).await;
    let request = ListRecentEventsRequest {
        page_size: 1_000,
        ..list_request(&tenant)
    };
    let page = call!(client, list_recent_events, request).unwrap();
    // The last 500 that were written; of those that came twice one is shown.
    assert_eq!(page.events.len(), 450);
    assert_eq!(page.since_time, Some(time(NOW + 6)));
    assert_eq!(page.left_out, 9_000);
}

#[tokio::test]
async fn a_story_is_what_was_noted_kept_and_logged_under_one_id() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let (stories, replays) = (service.stories(), service.replays());
    let kept = vec![
        keeping::track(1, 10, 422, "NO_MAPPING"),
        keeping::track(2, 5, 429, "ACTIVITY_LIMIT"),
    ];
    keeping::keep(&replays, &tenant, kept).await;
    let line = |message_id: &str, seconds: i64| LogEntry {
        log_time: Some(time(NOW + seconds)),
        kind: EventKind::Track.into(),
        event_name: "Login".to_owned(),
        message_id: message_id.to_owned(),
        code: "EMAIL_INVALID".to_owned(),
        ..LogEntry::default()
    };
    let request = AppendLogRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        entries: vec![line("m1", 0), line("m2", 1), line("m1", 2)],
    };
    call!(client, append_log, request).unwrap();
    let again = RecentEvent {
        contact_id: String::new(),
        ..recent(NOW + 1, 1, 422, "NO_MAPPING")
    };
    let events = vec![
        recent(NOW, 1, 206, "CONTACT_LIMIT"),
        recent(NOW, 2, 200, ""),
        again,
    ];
    note(&stories, &tenant, events, 0).await;

    let story = call!(stories, get_event_story, story_request(&tenant, "m1")).unwrap();
    let statuses: Vec<u32> = story.recent.iter().map(|event| event.status).collect();
    assert_eq!(statuses, [422, 206], "newest first");
    let ids: Vec<&str> = story.kept.iter().map(|kept| &*kept.kept_event_id).collect();
    assert_eq!(ids, [keeping::kept_id(1)]);
    assert!(story.kept[0].raw.contains("Login"));
    let times: Vec<_> = story
        .log
        .iter()
        .map(|line| line.log_time.unwrap().seconds)
        .collect();
    assert_eq!(times, [NOW + 2, NOW]);
    assert_eq!((&*story.contact_id, story.partial), (CONTACT, false));

    let nothing = call!(stories, get_event_story, story_request(&tenant, "m")).unwrap();
    assert_eq!(nothing, GetEventStoryResponse::default());
}

#[tokio::test]
async fn without_redis_a_story_tells_what_is_kept_and_says_so() {
    let proxy = Proxy::to(&TestServers::shared().await.own_redis_url().await).await;
    let (service, client) = Service::with_redis(&proxy.url).await;
    let tenant = tenant(&client, "Demo").await;
    let (stories, replays) = (service.stories(), service.replays());
    let kept = vec![keeping::track(1, 10, 422, "NO_MAPPING")];
    keeping::keep(&replays, &tenant, kept).await;
    proxy.down();
    // It is kept until Redis is back, and nobody waits for that.
    note(
        &stories,
        &tenant,
        vec![recent(NOW, 1, 422, "NO_MAPPING")],
        0,
    )
    .await;
    let story = call!(stories, get_event_story, story_request(&tenant, "m1")).unwrap();
    assert!(story.partial && story.recent.is_empty());
    assert_eq!(story.kept.len(), 1);
    proxy.up();
    eventually("the whole story is told", async || {
        let story = call!(stories, get_event_story, story_request(&tenant, "m1")).unwrap();
        !story.partial && story.recent.len() == 1
    })
    .await;
}

#[tokio::test]
async fn all_that_is_wrong_is_said_at_once_and_nobody_elses_source_is_shown() {
    let (service, client) = Service::start().await;
    let (mine, theirs) = (
        tenant(&client, "Demo").await,
        tenant(&client, "Other").await,
    );
    let client = service.stories();
    let request = ListRecentEventsRequest {
        account_id: "x".to_owned(),
        statuses: vec![200, 7],
        codes: vec!["NO_SUCH_CODE".to_owned()],
        page_size: -1,
        ..list_request(&mine)
    };
    let refused = call!(client, list_recent_events, request).unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let details = refused.get_details_bad_request().unwrap();
    let wrong: Vec<_> = details
        .field_violations
        .into_iter()
        .map(|one| one.field)
        .collect();
    assert_eq!(
        wrong,
        ["account_id", "statuses[1]", "codes[0]", "page_size"]
    );
    let refused = call!(client, get_event_story, story_request(&mine, "")).unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);

    let foreign = ListRecentEventsRequest {
        source_id: theirs.source_id.clone(),
        ..list_request(&mine)
    };
    let refused = call!(client, list_recent_events, foreign).unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let request = NoteEventsRequest {
        account_id: mine.account_id.clone(),
        source_id: theirs.source_id.clone(),
        events: vec![recent(NOW, 1, 200, "")],
        ..Default::default()
    };
    let refused = call!(client, note_events, request).unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let bad = [
        RecentEvent {
            status: 0,
            ..recent(NOW, 1, 200, "")
        },
        RecentEvent {
            contact_id: "x".to_owned(),
            ..recent(NOW, 1, 200, "")
        },
        RecentEvent {
            answer_time: None,
            ..recent(NOW, 1, 200, "")
        },
        RecentEvent {
            kind: 0,
            ..recent(NOW, 1, 200, "")
        },
    ];
    for event in bad {
        let request = NoteEventsRequest {
            account_id: mine.account_id.clone(),
            source_id: mine.source_id.clone(),
            events: vec![event.clone()],
            ..Default::default()
        };
        let refused = call!(client, note_events, request).unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{event:?}");
    }
}
