//! The local administrator: name and password (semantics 9.4).

use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, Version};
use weir_testkit::{ADMIN_TOKEN, eventually};

use crate::harness::{Answer, Console};

const PASSWORD: &str = "correct horse battery";

/// Cheap, for a test.
fn hash(password: &str) -> String {
    let parameters = Params::new(8, 1, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
    let hashed = argon2.hash_password_with_salt(password.as_bytes(), b"salt of a test..");
    let hashed: PasswordHash = hashed.unwrap();
    hashed.to_string()
}

async fn start(hash: &str) -> Console {
    Console::start_with(&["--admin-name", "maria", "--admin-password-hash", hash]).await
}

async fn enter(console: &Console, name: &str, password: &str) -> Answer {
    let form = [
        ("name", name),
        ("password", password),
        ("next", "/accounts"),
    ];
    console.post("/sign-in", "", &form).await
}

#[tokio::test]
async fn name_and_password_sign_the_administrator_in() {
    let console = start(&hash(PASSWORD)).await;
    assert!(
        console
            .get("/sign-in", "")
            .await
            .text
            .contains("name=\"password\"")
    );
    let entered = enter(&console, "maria", PASSWORD).await;
    assert_eq!((entered.status, entered.location()), (303, "/accounts"));
    let cookie = entered.cookie();
    let page = console.get("/accounts", &cookie).await;
    assert!(page.text.contains("Role: admin"), "{}", page.text);
    let calls = console.stub.calls();
    assert!(
        calls
            .iter()
            .all(|(_, shown)| *shown == format!("Bearer {ADMIN_TOKEN}"))
    );
}

#[tokio::test]
async fn whoever_is_wrong_is_told_no_more_than_that_and_waits_in_the_end() {
    let console = start(&hash(PASSWORD)).await;
    for (name, password) in [
        ("maria", "wrong horse battery"),
        ("mario", PASSWORD),
        ("", PASSWORD),
        ("maria", ""),
        ("maria", &*"x".repeat(100_000)),
    ] {
        let answer = enter(&console, name, password).await;
        assert_eq!(answer.status, 422);
        assert!(answer.text.contains("The name or the password is wrong."));
        assert!(answer.headers.get("set-cookie").is_none());
        assert!(!answer.text.contains(PASSWORD), "it is not shown again");
    }
    // Right as it may be: too soon.
    let waits = enter(&console, "maria", PASSWORD).await;
    assert_eq!(waits.status, 422);
    assert!(
        waits.text.contains("try again in 1 second"),
        "{}",
        waits.text
    );
    // A token gets in all the same.
    let _ = console.administrator().await;
    console.clock.advance(1_000);
    assert_eq!(enter(&console, "maria", PASSWORD).await.status, 303);
}

#[tokio::test]
async fn who_tries_many_at_once_has_no_more_tries() {
    let console = start(&hash("what nobody guesses")).await;
    let tries = (0..8).map(|_| enter(&console, "maria", "a guess"));
    let answers = futures_util::future::join_all(tries).await;
    let tried = |answer: &&Answer| answer.text.contains("The name or the password is wrong.");
    let tried = answers.iter().filter(tried).count();
    assert!(tried <= 5, "{tried} were tried");
}

#[tokio::test]
async fn another_password_ends_the_sessions_of_the_one_before() {
    let console = start(&hash(PASSWORD)).await;
    let cookie = enter(&console, "maria", PASSWORD).await.cookie();
    assert_eq!(console.get("/accounts", &cookie).await.status, 200);
    for other in [&["--admin-password-hash", &*hash("another horse")][..], &[]] {
        let console = Console::start_with(other).await;
        let by_token = console.administrator().await;
        assert_eq!(console.get("/accounts", &by_token).await.status, 200);
        assert_eq!(console.get("/accounts", &cookie).await.status, 303);
    }
}

#[tokio::test]
async fn a_form_goes_on_after_a_password_as_after_a_token() {
    let console = start(&hash(PASSWORD)).await;
    let form = [
        ("name", "maria"),
        ("password", PASSWORD),
        ("next", "/accounts/a/settings"),
        ("body", "do=news&address=maps%40example.org"),
    ];
    let back = console.post("/sign-in", "", &form).await;
    assert_eq!(back.status, 200);
    assert!(back.text.contains("maps@example.org"));
    assert!(!back.text.contains(PASSWORD));
}

#[tokio::test]
async fn where_there_is_none_nobody_is_asked_for_one() {
    let console = Console::start().await;
    let page = eventually("it answers", async || {
        let page = console.get("/sign-in", "").await;
        (page.status == 200).then_some(page)
    })
    .await;
    assert!(!page.text.contains("name=\"password\""));
    assert_eq!(enter(&console, "admin", PASSWORD).await.status, 422);
}

#[test]
fn what_is_no_hash_of_argon2id_does_not_start() {
    use clap::Parser;
    let greedy = "$argon2id$v=19$m=9999999,t=1,p=1$dGhlIHNhbHQgb2YgYQ$AAAAAAAAAAAAAAAAAAAAAA";
    let older = "$argon2i$v=19$m=8,t=1,p=1$dGhlIHNhbHQgb2YgYQ$AAAAAAAAAAAAAAAAAAAAAA";
    for wrong in [
        PASSWORD,
        "$argon2id$v=19$m=8,t=1,p=1$dGhlIHNhbHQgb2YgYQ",
        older,
        greedy,
    ] {
        let mut all = vec!["weir-console", "--admin-password-hash", wrong];
        all.extend(weir_testkit::TOKENS);
        let config = weir_console::Config::try_parse_from(all).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let refused = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let until = Box::pin(std::future::pending());
            let clock = weir_service::Clock::system();
            weir_console::serve(config, clock, listener, until).await
        });
        let said = format!("{:#}", refused.unwrap_err());
        assert!(said.contains("WEIR_CONSOLE_ADMIN_PASSWORD_HASH"), "{said}");
    }
}
