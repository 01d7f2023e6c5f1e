//! Lists are bounded, and what is left out of a page is a link away.

use weir_proto::audience::v1 as audience;
use weir_proto::contact::v1 as contact;
use weir_proto::mapping::v1 as wire;

use crate::harness::{Console, SOURCE};
use crate::stub::ACCOUNT;

const KEPT: &str = "/weir.mapping.v1.ReplayService/ListKeptEvents";
const SUMMARY: &str = "/weir.mapping.v1.LogService/SummarizeLog";

fn of_source(page: &str) -> String {
    format!("/accounts/{ACCOUNT}/sources/{SOURCE}/{page}")
}

#[tokio::test]
async fn fifty_kept_events_of_15_000_bytes_fit_on_a_page_and_each_is_whole_on_its_own() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    // It does not pack.
    let noise = |seed: u32| -> String {
        let numbers = (0..1_875_u32).map(|n| (n + seed * 1_875).wrapping_mul(2_654_435_761));
        numbers.map(|n| format!("{n:08x}")).collect()
    };
    let events: Vec<_> = (0..50)
        .map(|n| wire::KeptEvent {
            kept_event_id: format!("k{n}"),
            raw: format!("{{\"a\":\"{}\"}}", noise(n)),
            ..Default::default()
        })
        .collect();
    let end = events[0].raw[14_000..14_100].to_owned();
    let answer = wire::ListKeptEventsResponse {
        events: events.clone(),
        ..Default::default()
    };
    console.stub.answer(KEPT, &answer);
    let headers = [("cookie", &*cookie), ("accept-encoding", "gzip")];
    let packed = console.send("GET", &of_source("kept"), &headers, "").await;
    let length: usize = packed.headers["content-length"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(length < 60_000, "{length} bytes");
    let page = console.get(&of_source("kept"), &cookie).await.text;
    assert!(!page.contains(&end));
    assert!(page.contains("/kept?id=k0&amp;done_too=1"), "{page}");
    let one = console
        .get(&of_source("kept?id=k0&done_too=1"), &cookie)
        .await;
    assert!(one.text.contains(&end), "{}", one.text);
}

#[tokio::test]
async fn reasons_are_shown_fifty_at_a_time() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let summaries = (0..120).map(|n| wire::LogSummary {
        status: 422,
        code: "NO_MAPPING".to_owned(),
        subject: format!("name-{n:03}"),
        count: 1_000 - n,
        ..Default::default()
    });
    let answer = wire::SummarizeLogResponse {
        answered_events: 9,
        summaries: summaries.collect(),
        ..Default::default()
    };
    console.stub.answer(SUMMARY, &answer);
    for (page, first, last, next) in [
        ("logs", 0, 49, Some("reasons=50")),
        ("logs?reasons=50", 50, 99, Some("reasons=100")),
        ("logs?reasons=100", 100, 119, None),
    ] {
        let text = console.get(&of_source(page), &cookie).await.text;
        let shown = |n: i64| text.contains(&format!("<bdi>name-{n:03}</bdi>"));
        assert!(shown(first) && shown(last), "{page}");
        assert!(!shown(first - 1) && !shown(last + 1), "{page}");
        assert_eq!(next.is_some_and(|next| text.contains(next)), next.is_some());
        assert!(text.contains("<option value=\"NO_MAPPING\">"));
        assert_eq!(text.matches("<option value=\"NO_MAPPING\">").count(), 1);
    }
    let far = console
        .get(&of_source("logs?reasons=99999999"), &cookie)
        .await;
    assert_eq!(far.status, 200);
    // Of a source without any event nothing is said to be stored.
    console
        .stub
        .answer(SUMMARY, &wire::SummarizeLogResponse::default());
    let text = console.get(&of_source("logs"), &cookie).await.text;
    assert!(text.contains("No event came"), "{text}");
}

#[tokio::test]
async fn two_codes_of_a_filter_stay_two() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let page = of_source("kept?code=NO_MAPPING+ACTIVITY_LIMIT&event=a+b&event=c");
    let text = console.get(&page, &cookie).await.text;
    let replay = "/kept/replay?code=NO_MAPPING&#38;code=ACTIVITY_LIMIT&#38;event=a+b&#38;event=c";
    let as_written = replay.replace("&#38;", "&amp;");
    assert!(
        text.contains(replay) || text.contains(&as_written),
        "{text}"
    );
    assert!(text.contains("value=\"a b\"") && text.contains("value=\"c\""));
}

#[tokio::test]
async fn audiences_are_listed_fifty_at_a_time() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let answer = audience::ListAudiencesResponse {
        next_page_token: "next".to_owned(),
        ..Default::default()
    };
    let list = "/weir.audience.v1.AudienceService/ListAudiences";
    console.stub.answer(list, &answer);
    let page = format!("/accounts/{ACCOUNT}/audiences");
    let _ = console.get(&page, &cookie).await;
    let asked: Vec<audience::ListAudiencesRequest> = console.stub.sent(list);
    assert_eq!(asked.last().unwrap().page_size, 50);
}

#[tokio::test]
async fn what_renews_itself_says_its_time_within_the_part_that_does() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let text = console.get(&of_source("events"), &cookie).await.text;
    let live = text.split("id=\"events\"").nth(1).unwrap();
    assert!(live.contains("data-calm"), "it rests while it is read");
    let live = live.split("</p>").next().unwrap();
    // The script says it in the reader's zone.
    assert!(
        live.contains("data-clock=\"1\">10:00:00 UTC</time>"),
        "{live}"
    );
}

/// Semantics 5.6: why is this contact in, or out.
#[tokio::test]
async fn whoever_is_asked_for_by_an_address_is_told_of_turn_by_turn() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let token = console.form_token(&cookie).await;
    let history = "/weir.audience.v1.MembershipService/ListMembershipHistory";
    let turn = |kind: audience::MembershipChangeKind, message: &str| audience::MembershipChange {
        kind: kind.into(),
        cause: audience::MembershipChangeCause::Event.into(),
        message_id: message.to_owned(),
        ..Default::default()
    };
    let answer = audience::ListMembershipHistoryResponse {
        changes: vec![
            turn(audience::MembershipChangeKind::HeldBack, "m-3"),
            turn(audience::MembershipChangeKind::Left, "m-2"),
            turn(audience::MembershipChangeKind::Joined, "m-1"),
        ],
        ..Default::default()
    };
    console.stub.answer(history, &answer);
    let found = |contact_id: &str, value: &str| contact::ContactMatch {
        contact: Some(contact::Contact {
            contact_id: contact_id.to_owned(),
            ..Default::default()
        }),
        value: value.to_owned(),
        ..Default::default()
    };
    let search = "/weir.contact.v1.SearchService/SearchContacts";
    let matches = vec![
        found("c-1", "lana@example.org"),
        found("c-2", "lana@example.org.uk"),
    ];
    let answer = contact::SearchContactsResponse {
        matches,
        ..Default::default()
    };
    console.stub.answer(search, &answer);
    let page = format!("/accounts/{ACCOUNT}/audiences/{SOURCE}");
    // Nobody has it as an identifier, so that it is looked for.
    let nobody = tonic::Status::not_found("no such contact");
    let get = "/weir.contact.v1.ContactService/GetContact";
    console.stub.refuse(get, nobody);
    let ask = async |who: &str| {
        let form = [("form_token", &*token), ("do", "ask"), ("contact", who)];
        console.post(&page, &cookie, &form).await.text
    };
    let told = ask("Lana@example.org").await;
    for says in ["m-1", "m-2", "m-3", "held back", "/contacts/c-1\""] {
        assert!(told.contains(says), "{says}: {told}");
    }
    let asked: Vec<audience::ListMembershipHistoryRequest> = console.stub.sent(history);
    assert_eq!(asked.last().unwrap().contact_id, "c-1");
    assert!(ask("lana").await.contains("2 contacts are found"));
}

#[tokio::test]
async fn what_ends_a_source_says_how_much_came_by_it() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let answer = wire::SummarizeLogResponse {
        answered_events: 1_204,
        ..Default::default()
    };
    console.stub.answer(SUMMARY, &answer);
    let page = console.get(&of_source("settings"), &cookie).await.text;
    let says = "1,204 events came in the last 24 hours.";
    assert!(page.matches(says).count() >= 2, "{page}");
}
