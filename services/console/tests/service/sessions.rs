//! Coming in, staying, and going out (semantics 9.4).

use weir_testkit::{ADMIN_TOKEN, SERVICE_TOKEN, eventually};

use crate::harness::{Console, encoded};
use crate::stub::{ACCOUNT, READ, WRITE};

/// A form that says nothing.
const NOTHING: &[(&str, &str)] = &[];

#[tokio::test]
async fn nobody_sees_a_page_without_signing_in() {
    let console = Console::start().await;
    for page in crate::harness::pages() {
        let answer = console.get(&page, "").await;
        assert_eq!(answer.status, 303, "{page}");
        assert!(answer.location().starts_with("/sign-in?next="), "{page}");
        for cookie in ["weir-session=x", "weir-session="] {
            assert_eq!(console.get(&page, cookie).await.status, 303, "{page}");
        }
    }
    assert!(
        console.stub.calls().is_empty(),
        "nothing was asked for them"
    );
    for open in ["/sign-in", "/healthz", "/readyz", "/assets/console.css"] {
        assert_eq!(console.get(open, "").await.status, 200, "{open}");
    }
}

// Semantics 9.2, 9.4.
#[tokio::test]
async fn a_token_signs_in_and_every_call_shows_it() {
    let console = Console::start().await;
    let token = weir_access::token(READ);
    let cookie = console.sign_in(&token).await;
    assert!(!cookie.contains("weir_"), "it is sealed: {cookie}");
    let answer = console.get("/accounts", &cookie).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.contains("Role: read"));
    let calls = console.stub.calls();
    assert!(!calls.is_empty());
    for (path, shown) in calls {
        assert_eq!(shown, format!("Bearer {token}"), "{path}");
    }
}

#[tokio::test]
async fn what_is_no_token_of_a_person_signs_nobody_in() {
    let console = Console::start().await;
    let _ = console.sign_in(&weir_access::token(WRITE)).await;
    let unknown = weir_access::token([9; 32]);
    for token in [
        "",
        "weir_",
        "nonsense",
        &unknown,
        SERVICE_TOKEN,
        &"x".repeat(100_000),
    ] {
        let answer = console.post("/sign-in", "", &[("token", token)]).await;
        assert_eq!(answer.status, 422);
        assert!(answer.headers.get("set-cookie").is_none());
        assert!(!answer.text.contains(SERVICE_TOKEN));
    }
}

#[tokio::test]
async fn a_session_ends_after_twelve_hours_and_by_signing_out() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    assert_eq!(console.get("/accounts", &cookie).await.status, 200);
    let token = console.form_token(&cookie).await;
    let out = console
        .post("/sign-out", &cookie, &[("form_token", &token)])
        .await;
    let set = out.headers["set-cookie"].to_str().unwrap();
    assert!(
        set.starts_with("weir-session=;") && set.contains("Max-Age=0"),
        "{set}"
    );
    // Copies of the cookie end with it, and no other session does.
    assert_eq!(console.get("/accounts", &cookie).await.status, 303);
    let cookie = console.administrator().await;
    assert_eq!(console.get("/accounts", &cookie).await.status, 200);
    console.clock.advance(12 * 3_600_000 + 1_000);
    assert_eq!(console.get("/accounts", &cookie).await.status, 303);
}

#[tokio::test]
async fn cookies_are_for_this_console_alone() {
    let console = Console::start().await;
    let answer = console
        .post("/sign-in", "", &[("token", ADMIN_TOKEN)])
        .await;
    let set = answer.headers["set-cookie"].to_str().unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(
        !set.contains("Secure"),
        "by plain HTTP it would not be kept"
    );
    let secure = Console::start_with(&["--url", "https://weir.example.org"]).await;
    let answer = secure.post("/sign-in", "", &[("token", ADMIN_TOKEN)]).await;
    let set = answer.headers["set-cookie"].to_str().unwrap();
    assert!(
        set.starts_with("__Host-weir-session=") && set.contains("; Secure"),
        "{set}"
    );
}

#[tokio::test]
async fn a_link_signs_in_once_and_for_a_quarter_of_an_hour() {
    let console = Console::start().await;
    let shown = format!("Bearer {ADMIN_TOKEN}");
    let make = async || {
        let headers = [("authorization", &*shown)];
        console.send("POST", "/sign-in-links", &headers, "").await
    };
    let link = make().await;
    assert_eq!(link.status, 200);
    let page = console.get(&link.text, "").await;
    assert!(
        page.text.contains("Sign in"),
        "to look at it uses nothing up"
    );
    let used = console.post(&link.text, "", NOTHING).await;
    assert_eq!(used.status, 303);
    let cookie = used.cookie();
    assert_eq!(console.get("/accounts", &cookie).await.status, 200);
    let again = console.post(&link.text, "", NOTHING).await;
    assert_eq!(again.status, 422);
    assert!(again.text.contains("used before"));
    let late = make().await.text;
    console.clock.advance(15 * 60_000 + 1_000);
    assert_eq!(console.post(&late, "", NOTHING).await.status, 422);
    let broken = format!("{}x", &late[..late.len() - 4]);
    assert_eq!(console.post(&broken, "", NOTHING).await.status, 422);
    for headers in [&[][..], &[("authorization", "Bearer nonsense")]] {
        let refused = console.send("POST", "/sign-in-links", headers, "").await;
        assert_eq!(refused.status, 401);
    }
}

#[tokio::test]
async fn a_form_of_a_session_that_ended_comes_back_filled() {
    let console = Console::start().await;
    let path = format!("/accounts/{ACCOUNT}/settings");
    let looked_at = console.administrator().await;
    let seen = console.get(&path, &looked_at).await.seen("news");
    let form = [
        ("form_token", "old"),
        ("do", "news"),
        ("address", "maps@example.org"),
        ("seen", &*seen),
    ];
    let ended = console.post(&path, "", &form).await;
    assert_eq!(ended.status, 401);
    assert!(ended.text.contains("Nothing of what you wrote is lost"));
    let body = encoded(&form[1..]);
    let again = [("token", ADMIN_TOKEN), ("next", &*path), ("body", &*body)];
    let back = console.post("/sign-in", "", &again).await;
    assert_eq!(back.status, 200, "{}", back.text);
    assert!(back.text.contains("maps@example.org"));
    let cookie = back.cookie();
    let token = back.hidden("form_token");
    assert_eq!(token, console.form_token(&cookie).await);
    // Nothing was changed by that; it is sent by a press of a button.
    let changed = |(path, _): &(String, String)| path.ends_with("/PutAccount");
    assert!(!console.stub.calls().iter().any(changed));
    let form = [("form_token", &*token), form[1], form[2], form[3]];
    assert_eq!(console.post(&path, &cookie, &form).await.status, 303);
    assert!(console.stub.calls().iter().any(changed));
}

#[tokio::test]
async fn a_form_goes_on_with_a_link_as_well() {
    let console = Console::start().await;
    let path = format!("/accounts/{ACCOUNT}/settings");
    let form = [("form_token", "old"), ("address", "maps@example.org")];
    let ended = console.post(&path, "", &form).await;
    let carried = ended.cookie();
    assert!(!carried.contains("maps"), "it is sealed: {carried}");
    let headers = [("authorization", &*format!("Bearer {ADMIN_TOKEN}"))];
    let link = console
        .send("POST", "/sign-in-links", &headers, "")
        .await
        .text;
    let entered = console.post(&link, &carried, NOTHING).await;
    assert_eq!(entered.location(), "/sign-in/go-on");
    let cookies = format!("{}; {carried}", entered.cookie());
    let back = console.get("/sign-in/go-on", &cookies).await;
    assert!(back.text.contains("maps@example.org"), "{}", back.text);
    assert!(back.text.contains(&format!("action=\"{path}\"")));
    assert!(back.cookie().ends_with('='), "it is carried once");
    // And no longer than a quarter of an hour.
    console.clock.advance(16 * 60_000);
    assert_eq!(
        console.get("/sign-in/go-on", &cookies).await.location(),
        "/"
    );
}

#[tokio::test]
async fn what_is_too_long_to_be_carried_is_said_before_somebody_leaves() {
    let console = Console::start().await;
    let path = format!("/accounts/{ACCOUNT}/settings");
    let noise: String = (0..4_000_u32)
        .map(|n| format!("{:08x}", n.wrapping_mul(2_654_435_761)))
        .collect();
    let form = [("form_token", "old"), ("blocked", &*noise)];
    let ended = console.post(&path, "", &form).await;
    assert!(ended.text.contains("it is too long"), "{}", ended.text);
    assert!(ended.cookie().ends_with('='), "nothing is carried");
    // On this page it is not lost.
    let body = encoded(&form[1..]);
    let again = [("token", ADMIN_TOKEN), ("next", &*path), ("body", &*body)];
    let back = console.post("/sign-in", "", &again).await;
    assert!(back.text.contains(&noise));
}

#[tokio::test]
async fn nobody_is_sent_to_another_site_after_signing_in() {
    let console = Console::start().await;
    for next in ["//evil.example", "https://evil.example", "/\\evil.example"] {
        let form = [("token", ADMIN_TOKEN), ("next", next)];
        let answer = console.post("/sign-in", "", &form).await;
        assert_eq!(answer.location(), "/", "{next}");
    }
}

#[tokio::test]
async fn what_no_page_takes_is_said_in_words() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let path = format!("/accounts/{ACCOUNT}/sources/s/new-key");
    let answer = console.get(&path, &cookie).await;
    assert_eq!(answer.status, 405);
    assert!(answer.text.contains("by its form alone"), "{}", answer.text);
    assert!(answer.headers.contains_key("allow"));
    let large = "x".repeat(2 * 1024 * 1024 + 1);
    let answer = console.post(&path, &cookie, &[("name", &large)]).await;
    assert_eq!(answer.status, 413);
    assert!(answer.text.contains("a form takes 2 MB"), "{}", answer.text);
    let origin = format!("http://{}", console.address);
    for kind in ["application/json", "multipart/form-data; boundary=x"] {
        let headers = [
            ("cookie", &*cookie),
            ("origin", &origin),
            ("content-type", kind),
        ];
        let answer = console.send("POST", &path, &headers, "{}").await;
        assert_eq!(answer.status, 415, "{kind}");
        assert!(answer.text.contains("no form of this console"), "{kind}");
    }
}

#[tokio::test]
async fn every_answer_has_a_policy() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    for page in ["/sign-in", "/accounts", "/nothing", "/assets/console.js"] {
        let answer = console.get(page, &cookie).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{page}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
}

#[tokio::test]
async fn where_access_is_open_nobody_is_asked() {
    let console = Console::start_with(&["--access", "open"]).await;
    let answer = eventually("it is ready", async || {
        let answer = console.get("/accounts", "").await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert!(answer.text.contains("Access is open"));
}
