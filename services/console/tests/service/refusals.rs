//! What is refused, and as what: by the page's words, and by a status that says so.

use tonic::Code;
use weir_proto::audience::v1 as audience;
use weir_proto::mapping::v1 as wire;
use weir_reasons::Reason;
use weir_rpc::refused;

use crate::harness::{Answer, Console, SOURCE, pages, unescaped};
use crate::stub::{ACCOUNT, OF_OTHER, OTHER, READ};

const PUT_SOURCE: &str = "/weir.mapping.v1.MappingService/PutSource";
const PUT_ACCOUNT: &str = "/weir.mapping.v1.MappingService/PutAccount";
const CREATE: &str = "/weir.audience.v1.AudienceService/CreateAudience";

/// Sends a form below the account, as it would stand in an address.
async fn send(console: &Console, cookie: &str, path: &str, says: &str) -> Answer {
    let token = console.form_token(cookie).await;
    let pairs = form_urlencoded::parse(says.as_bytes()).into_owned();
    let mut form: Vec<(String, String)> = pairs.collect();
    form.push(("form_token".to_owned(), token));
    let path = format!("/accounts/{ACCOUNT}/{path}");
    console.post(&path, cookie, &form).await
}

fn in_address(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn classic(stub: &crate::stub::Stub, strategy: i32, origins: &[&str]) {
    let source = wire::Source {
        source_id: SOURCE.to_owned(),
        name: "Shop".to_owned(),
        kind: wire::SourceKind::SegmentClassic.into(),
        merge_strategy: strategy,
        allowed_origins: origins.iter().map(ToString::to_string).collect(),
        ..Default::default()
    };
    let one = wire::GetSourceResponse {
        source: Some(source),
    };
    stub.answer("/weir.mapping.v1.MappingService/GetSource", &one);
}

#[tokio::test]
async fn merge_settings_of_a_source_are_saved_only_as_long_as_they_stand_as_the_page_had_them() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let path = format!("sources/{SOURCE}/settings");
    // Overwrite, when the page was shown.
    classic(&console.stub, 1, &[]);
    let page = format!("/accounts/{ACCOUNT}/{path}");
    let shown = console.get(&page, &cookie).await;
    let seen = in_address(&unescaped(&shown.hidden("seen")));
    let mine = format!("do=merge&merging=overwrite&existing_only=1&origins=&wish=w&seen={seen}");
    // Somebody else saves meanwhile.
    classic(&console.stub, 2, &["https://shop.example.com"]);
    console.stub.forget_calls();
    let stale = send(&console, &cookie, &path, &mine).await;
    assert_eq!(stale.status, 422, "{}", stale.text);
    for says in [
        "This was changed since the page was shown",
        "“Fill what is empty”; browsers may send from https://shop.example.com",
        "name=\"existing_only\" value=\"1\" checked",
        "value=\"overwrite\" checked",
    ] {
        assert!(stale.text.contains(says), "{says}: {}", stale.text);
    }
    assert!(
        console
            .stub
            .sent::<wire::PutSourceRequest>(PUT_SOURCE)
            .is_empty()
    );
    // Whoever has seen it says so by what the page brings now.
    let seen = in_address(&unescaped(&stale.hidden("seen")));
    let again = format!("do=merge&merging=overwrite&existing_only=1&origins=&wish=w&seen={seen}");
    let saved = send(&console, &cookie, &path, &again).await;
    assert!(saved.location().ends_with("done=saved"), "{saved:?}");
    let put: Vec<wire::PutSourceRequest> = console.stub.sent(PUT_SOURCE);
    assert_eq!(put.len(), 1);
    // What stands already is not said to be saved.
    let same = "do=merge&merging=append&origins=https%3A%2F%2Fshop.example.com&seen=x";
    let same = send(&console, &cookie, &path, same).await;
    assert!(same.location().ends_with("done=same"), "{same:?}");
    assert_eq!(
        console
            .stub
            .sent::<wire::PutSourceRequest>(PUT_SOURCE)
            .len(),
        1
    );
    // And of a request that was taken for another one nothing is said to be saved either.
    let taken = refused(
        Code::AlreadyExists,
        Reason::RequestIdTaken,
        "something else was asked for under this request_id",
    );
    console.stub.refuse(PUT_SOURCE, taken);
    let refused = send(&console, &cookie, &path, &again).await;
    assert_eq!(refused.status, 422);
    let says = "This page was used before to send something else";
    assert!(refused.text.contains(says), "{}", refused.text);
}

#[tokio::test]
async fn the_same_page_asks_for_another_name_by_another_wish() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    for name in ["VIPs", "VIPs", "Buyers"] {
        let says = format!("name={name}&origin=manual&wish=w");
        let made = send(&console, &cookie, "audiences", &says).await;
        assert_eq!(made.status, 303, "{}", made.text);
    }
    let asked: Vec<audience::CreateAudienceRequest> = console.stub.sent(CREATE);
    let wishes: Vec<_> = asked.iter().map(|one| &*one.request_id).collect();
    assert_eq!(wishes[0], wishes[1], "the same press twice is one");
    assert_ne!(wishes[0], wishes[2]);
    assert!(wishes.iter().all(|wish| !wish.is_empty()));
}

#[tokio::test]
async fn what_is_wrong_is_said_by_the_names_of_the_page() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let page = format!("/accounts/{ACCOUNT}/settings");
    let shown = console.get(&page, &cookie).await;
    let news = in_address(&shown.seen("news"));
    let identity = in_address(&shown.seen("identity"));
    let wrong = weir_rpc::invalid_all([
        (
            "notification_address",
            "must be an e-mail address, or empty",
        ),
        (
            "blocked_values.blocked[1].pattern",
            "would block everything",
        ),
    ]);
    console.stub.refuse(PUT_ACCOUNT, wrong);
    let says = format!("do=news&address=x&webhook=https%3A%2F%2Fe.example&wish=w&seen={news}");
    let answer = send(&console, &cookie, "settings", &says).await;
    assert_eq!(answer.status, 422);
    for says in [
        "Notification address: must be an e-mail address, or empty.",
        "Values that mean nobody, line 2: would block everything.",
    ] {
        assert!(answer.text.contains(says), "{says}: {}", answer.text);
    }
    assert!(!answer.text.contains("otification_address"));
    console.stub.forget_calls();
    for (says, fault) in [
        (
            format!("do=news&address=&webhook=&secret=whsec_1&seen={news}"),
            "Its secret: is that of a webhook",
        ),
        (
            format!("do=identity&blocked=a%0Auser_id%3D&allowed=&seen={identity}"),
            "Values that mean nobody, line 2: behind “=”",
        ),
        (
            format!("do=identity&blocked=%3D+x&allowed=&seen={identity}"),
            "Values that mean nobody, line 1: in front of “=”",
        ),
    ] {
        let answer = send(&console, &cookie, "settings", &says).await;
        assert_eq!(answer.status, 422, "{says}");
        assert!(answer.text.contains(fault), "{says}: {}", answer.text);
    }
    assert!(
        console
            .stub
            .sent::<wire::PutAccountRequest>(PUT_ACCOUNT)
            .is_empty()
    );
}

#[tokio::test]
async fn a_merge_of_two_people_with_user_ids_is_told_where_to_tick_that() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let both = refused(
        Code::FailedPrecondition,
        Reason::BothHaveUserIds,
        "both contacts have user ids; say allow_two_user_ids where they are one person",
    );
    let merge = "/weir.contact.v1.PeopleService/MergeContacts";
    console.stub.refuse(merge, both);
    let says = format!("with={SOURCE}&typed=merge&wish=w");
    let answer = send(
        &console,
        &cookie,
        &format!("contacts/{SOURCE}/merge"),
        &says,
    )
    .await;
    assert_eq!(answer.status, 422);
    assert!(answer.text.contains("tick that below"), "{}", answer.text);
    assert!(!answer.text.contains("allow_two_user_ids"));
}

#[tokio::test]
async fn what_somebody_may_not_do_is_403_and_their_form_is_not_what_they_get() {
    let console = Console::start().await;
    let cookie = console.sign_in(&weir_access::token(READ)).await;
    let none = refused(
        Code::PermissionDenied,
        Reason::RoleTooLow,
        "it takes the role write",
    );
    for method in [
        "/weir.audience.v1.CurationService/RenameAudience",
        "/weir.audience.v1.AudienceService/CreateAudience",
        "/weir.contact.v1.PeopleService/DeleteContact",
        "/weir.mapping.v1.AlertService/ResolveAlert",
        "/weir.mapping.v1.ReplayService/StartReplay",
        "/weir.mapping.v1.ConfigurationService/RenameSource",
    ] {
        console.stub.refuse(method, none.clone());
    }
    for (path, says) in [
        ("audiences/a".to_owned(), "do=rename&name=n"),
        ("audiences".to_owned(), "name=n&origin=manual"),
        (format!("contacts/{SOURCE}/delete"), "typed=delete&wish=w"),
        ("usage".to_owned(), "alert=a"),
        (format!("sources/{SOURCE}/kept/replay"), "wish=w"),
        (format!("sources/{SOURCE}/settings"), "do=rename&name=n"),
    ] {
        let answer = send(&console, &cookie, &path, says).await;
        assert_eq!(answer.status, 403, "{path}: {}", answer.text);
        assert!(answer.text.contains("You may not do this"), "{path}");
    }
}

#[tokio::test]
async fn nothing_of_another_account_is_shown_and_no_address_that_is_none() {
    let console = Console::start().await;
    let cookie = console.sign_in(&weir_access::token(OF_OTHER)).await;
    for page in pages().iter().filter(|page| page.starts_with("/accounts/")) {
        let answer = console.get(page, &cookie).await;
        assert_eq!(answer.status, 403, "{page}");
        let says = "You may not see this";
        assert!(answer.text.contains(says), "{page}: {}", answer.text);
        assert!(!answer.text.contains("You may not do this:"), "{page}");
    }
    let own = format!("/accounts/{OTHER}/sources/new?kind=segment_classic");
    assert_eq!(console.get(&own, &cookie).await.status, 200);
    let cookie = console.administrator().await;
    for page in [
        "sources",
        "contacts",
        "usage",
        "logs",
        "settings",
        "sources/new",
    ] {
        let answer = console.get(&format!("/accounts/x/{page}"), &cookie).await;
        assert_eq!(answer.status, 404, "{page}");
        assert!(answer.text.contains("There is nothing here"), "{page}");
        assert!(!answer.text.contains("UUID"), "{page}: {}", answer.text);
    }
    let id = weir_rpc::invalid("source_id", "must be a UUID");
    let get = "/weir.mapping.v1.MappingService/GetSource";
    console.stub.refuse(get, id);
    let page = format!("/accounts/{ACCOUNT}/sources/x/settings");
    let answer = console.get(&page, &cookie).await;
    assert_eq!(answer.status, 404);
    assert!(answer.text.contains("No such source."), "{}", answer.text);
}

#[tokio::test]
async fn a_link_from_elsewhere_tells_nobody_that_something_was_done() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let page = format!("/accounts/{ACCOUNT}/sources?done=deleted");
    for (site, is_said) in [
        ("same-origin", true),
        ("cross-site", false),
        ("none", false),
    ] {
        let headers = [("cookie", &*cookie), ("sec-fetch-site", site)];
        let answer = console.send("GET", &page, &headers, "").await;
        assert_eq!(answer.text.contains("It was deleted."), is_said, "{site}");
    }
}
