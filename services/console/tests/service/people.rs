//! Who has access, and the end of all that somebody has (semantics 9.2, 9.4).

use weir_proto::access::v1 as access;

use crate::harness::{Answer, Console, unescaped};
use crate::stub::{ACCOUNT, READ};

const PEOPLE: &str = "/weir.access.v1.TokenService/ListPeople";
const TOKENS: &str = "/weir.access.v1.TokenService/ListTokens";
const END: &str = "/weir.access.v1.TokenService/RevokeTokensByName";

fn page() -> String {
    format!("/accounts/{ACCOUNT}/settings/tokens")
}

fn time(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

fn person(name: &str, role: access::Role, good: i32) -> access::Person {
    access::Person {
        name: name.to_owned(),
        role: role.into(),
        good_token_count: good,
        // The day before.
        last_create_time: time(1_795_687_200),
        ..Default::default()
    }
}

fn answers(console: &Console, people: Vec<access::Person>) {
    let next_page_token = String::new();
    let answer = access::ListPeopleResponse {
        people,
        next_page_token,
    };
    console.stub.answer(PEOPLE, &answer);
}

async fn send(console: &Console, cookie: &str, form: &[(&str, &str)]) -> Answer {
    let token = console.form_token(cookie).await;
    let mut all = vec![("form_token", &*token)];
    all.extend(form);
    console.stub.forget_calls();
    console.post(&page(), cookie, &all).await
}

#[tokio::test]
async fn people_are_told_with_what_they_may_and_the_good_tokens_behind_them() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let some = access::Person {
        account_ids: vec![ACCOUNT.to_string(), "b".into(), "c".into(), "d".into()],
        account_count: 70,
        ..person("lana@example.org", access::Role::Write, 3)
    };
    let all = access::Person {
        all_accounts: true,
        ..person("reports", access::Role::Admin, 1)
    };
    let gone = person("gone@example.org", access::Role::Unspecified, 0);
    answers(&console, vec![gone, some, all]);
    console.stub.forget_calls();
    let answer = console.get(&page(), &cookie).await;
    let text = unescaped(&answer.text);
    for part in [
        "<h1>People and tokens</h1>",
        "b, c and 67 more</bdi>",
        "all accounts</bdi>",
        "3 tokens</span>",
        "1 token</span>",
        "No access</span>",
        "End all access of lana@example.org? 3 tokens and the sessions that came by them end",
        "Show ended ones too",
        "Newest token",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let ends = "value=\"end-access\"";
    assert_eq!(text.matches(ends).count(), 2, "nothing of gone can end");
    assert!(!text.contains("sign-in service"), "there is no issuer");
    assert!(!text.contains("for your accounts alone"));
    let asked: Vec<access::ListTokensRequest> = console.stub.sent(TOKENS);
    assert!(asked[0].only_good);
}

#[tokio::test]
async fn both_lists_go_on_by_themselves_and_ended_tokens_are_a_link_away() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let people = access::ListPeopleResponse {
        people: vec![person("lana", access::Role::Read, 1)],
        next_page_token: "p2".to_owned(),
    };
    console.stub.answer(PEOPLE, &people);
    let tokens = access::ListTokensResponse {
        tokens: vec![access::Token {
            revoke_time: time(1_795_687_200),
            ..Default::default()
        }],
        next_page_token: "t2".to_owned(),
    };
    console.stub.answer(TOKENS, &tokens);
    console.stub.forget_calls();
    let more = [
        ("do", "people"),
        ("people", "p1"),
        ("page", "t1"),
        ("ended", "1"),
    ];
    let answer = send(&console, &cookie, &more).await;
    assert_eq!(answer.status, 200);
    for field in [("people", "p2"), ("page", "t1"), ("ended", "1")] {
        assert_eq!(answer.hidden(field.0), field.1);
    }
    let text = unescaped(&answer.text);
    for link in [
        "href=\"?page=t2&ended=1#tokens\"",
        "href=\"?#tokens\"",
        "Revoked</span>",
    ] {
        assert!(text.contains(link), "{link}: {text}");
    }
    // A name is in it.
    assert!(!text.contains("?people=") && !text.contains("&people="));
    let asked: Vec<access::ListTokensRequest> = console.stub.sent(TOKENS);
    assert_eq!((asked[0].only_good, &*asked[0].page_token), (false, "t1"));
    let asked: Vec<access::ListPeopleRequest> = console.stub.sent(PEOPLE);
    assert_eq!(asked[0].page_token, "p1");
    let reader = console.sign_in(&weir_access::token(READ)).await;
    let answer = send(&console, &reader, &more).await;
    assert_eq!(answer.status, 403, "{}", answer.text);
}

#[tokio::test]
async fn an_empty_list_and_one_that_is_away_are_said_once() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    answers(&console, Vec::new());
    let none = access::ListTokensResponse::default();
    console.stub.answer(TOKENS, &none);
    let text = console.get(&page(), &cookie).await.text;
    assert!(text.contains("Nobody has a token yet"), "{text}");
    assert!(text.contains("No token is good now."), "{text}");
    for method in [PEOPLE, TOKENS] {
        console.stub.refuse(method, weir_rpc::unavailable("it"));
    }
    let answer = console.get(&page(), &cookie).await;
    assert_eq!(answer.status, 200);
    let text = answer.text;
    assert_eq!(text.matches("mapping service").count(), 1, "{text}");
    assert!(text.contains("Make the token"), "{text}");
}

#[tokio::test]
async fn who_ends_all_access_is_asked_in_numbers_first_and_told_them_afterwards() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let lana = "lana & co";
    answers(&console, vec![person(lana, access::Role::Write, 3)]);
    let form = [("do", "end-access"), ("person", lana)];
    let asked = send(&console, &cookie, &form).await;
    let text = unescaped(&asked.text);
    assert!(
        text.contains("End all access of <bdi>lana & co</bdi>?"),
        "{text}"
    );
    let numbers = "3 tokens and the sessions that came by them end within seconds.";
    assert!(text.contains(numbers), "{text}");
    // Back to the page, and not to anything of that name.
    assert!(text.contains(&format!("href=\"{}\"", page())), "{text}");
    assert!(
        console
            .stub
            .sent::<access::RevokeTokensByNameRequest>(END)
            .is_empty()
    );
    let of: Vec<access::ListPeopleRequest> = console.stub.sent(PEOPLE);
    assert_eq!(of[0].name, lana);

    let sure = [("do", "end-access"), ("person", lana), ("sure", "1")];
    for (revoked_count, done) in [(3, "done=access-ended&n=3"), (0, "done=access-none")] {
        let answer = access::RevokeTokensByNameResponse { revoked_count };
        console.stub.answer(END, &answer);
        let ended = send(&console, &cookie, &sure).await;
        assert_eq!(ended.location(), format!("{}?{done}", page()));
        let sent: Vec<access::RevokeTokensByNameRequest> = console.stub.sent(END);
        assert_eq!(sent[0].name, lana);
    }
}

#[tokio::test]
async fn where_nobody_can_say_how_many_end_it_is_asked_without_a_number() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    console.stub.refuse(PEOPLE, weir_rpc::unavailable("it"));
    for name in ["lana", ""] {
        let form = [("do", "end-access"), ("person", name)];
        let asked = send(&console, &cookie, &form).await;
        let says = match name {
            "" => "End all access of whom you chose?",
            _ => "All tokens of this name and the sessions",
        };
        assert!(asked.text.contains(says), "{}", asked.text);
    }
}

#[tokio::test]
async fn of_somebody_who_has_nothing_nothing_is_said_to_end() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    answers(&console, Vec::new());
    let form = [("do", "end-access"), ("person", "nobody")];
    let asked = send(&console, &cookie, &form).await;
    assert!(asked.text.contains("They have no token"), "{}", asked.text);
}

#[tokio::test]
async fn where_people_come_from_an_issuer_it_is_said_how_they_come_back() {
    let console = Console::start_with(&[
        "--url",
        "http://weir.example.org",
        "--oidc-issuer",
        "http://127.0.0.1:1",
        "--oidc-client-id",
        "weir",
        "--oidc-roles",
        "*=read",
    ])
    .await;
    let cookie = console.administrator().await;
    let me = person("administrator", access::Role::Admin, 2);
    answers(&console, vec![me]);
    let text = console.get(&page(), &cookie).await.text;
    for part in [
        "Signed in last",
        "take them out of their groups there first",
        "2 tokens and the sessions",
        "can sign in again, as long as they are in a group there that may.",
        "you may be signed out",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
