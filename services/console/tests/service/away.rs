//! A service that is away costs its own part of a page, and no more.

use crate::harness::{Console, SOURCE, pages};
use crate::stub::ACCOUNT;

#[tokio::test]
async fn pages_say_what_is_away_and_show_the_rest() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    for (package, page, missing, there) in [
        (
            "weir.quota",
            "/usage".to_owned(),
            "quota service",
            "What spends the limit",
        ),
        (
            "weir.audience",
            "/audiences".to_owned(),
            "audience service",
            "Audience name",
        ),
        (
            "weir.activity",
            format!("/contacts/{SOURCE}"),
            "activity service",
            "Identifiers",
        ),
        (
            "weir.contact",
            "/contacts".to_owned(),
            "contact-upsert service",
            "Search contacts",
        ),
    ] {
        console.stub.take_away(package);
        let page = format!("/accounts/{ACCOUNT}{page}");
        let answer = console.get(&page, &cookie).await;
        assert_eq!(answer.status, 200, "{page}");
        assert!(answer.text.contains(missing), "{page}: {}", answer.text);
        assert!(answer.text.contains(there), "{page}: {}", answer.text);
    }
    let health = format!("/accounts/{ACCOUNT}/health");
    assert_eq!(console.get(&health, &cookie).await.status, 200);
}

/// Every page with each of the services away: what needs it is said to be missing, and the rest is
/// shown. Nobody sees an error of ours.
#[tokio::test]
async fn a_service_that_is_away_breaks_no_page() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    for (package, name) in [
        ("weir.quota", "quota service"),
        ("weir.audience", "audience service"),
        ("weir.activity", "activity service"),
        ("weir.contact", "contact-upsert service"),
    ] {
        let mut said = 0;
        for page in pages() {
            console.stub.forget_calls();
            console.stub.take_away(package);
            let answer = console.get(&page, &cookie).await;
            let calls = console.stub.calls();
            console.stub.bring_back(package);
            let is_asked = calls.iter().any(|(path, _)| path[1..].starts_with(package));
            assert!(
                [200, 303, 503].contains(&answer.status),
                "{page}: {}",
                answer.text
            );
            if !is_asked {
                assert!(
                    [200, 303].contains(&answer.status),
                    "{page} needs no {name}"
                );
                continue;
            }
            // The frame is there, and leads on.
            assert!(
                answer.text.contains("aria-label=\"Sections\""),
                "{page}: {}",
                answer.text
            );
            let says = answer.text.contains(name);
            // Where a value is only an ornament it may be left out in silence; a page that is
            // nothing without it may not.
            assert!(says || answer.status == 200, "{page}: {}", answer.text);
            said += usize::from(says);
        }
        assert!(said > 0, "no page says that the {name} is missing");
    }
}

#[tokio::test]
async fn a_failure_has_an_id_by_which_its_log_lines_are_found() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    console.stub.take_away("weir.contact");
    let page = format!("/accounts/{ACCOUNT}/contacts/{SOURCE}");
    let answer = console.get(&page, &cookie).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    let id = answer.headers["x-request-id"].to_str().unwrap();
    assert_eq!(id.len(), 32);
    assert!(answer.text.contains(id), "{}", answer.text);
    let carried = console.stub.request_ids();
    assert!(
        carried.iter().all(|carried| !carried.is_empty()),
        "{carried:?}"
    );
    assert!(carried.iter().any(|carried| carried == id), "{carried:?}");
    let other = console.get(&page, &cookie).await;
    assert_ne!(other.headers["x-request-id"].to_str().unwrap(), id);
}

#[tokio::test]
async fn health_tells_what_every_replica_says_of_itself() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let page = format!("/accounts/{ACCOUNT}/health");
    let answer = console.get(&page, &cookie).await;
    let version = env!("CARGO_PKG_VERSION");
    // Five services at one address, and the console itself.
    assert_eq!(
        answer.text.matches(&format!(">{version}<")).count(),
        6,
        "{}",
        answer.text
    );
    assert!(!answer.text.contains("told to whoever may see all accounts"));
    let cookie = console
        .sign_in(&weir_access::token(crate::stub::READ))
        .await;
    let answer = console.get(&page, &cookie).await;
    assert!(answer.text.contains("told to whoever may see all accounts"));
    assert_eq!(answer.text.matches("Serving").count(), 6, "{}", answer.text);
}

#[tokio::test]
async fn without_mapping_every_page_says_so() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    console.stub.take_away("weir.mapping");
    for page in pages() {
        let answer = console.get(&page, &cookie).await;
        if answer.status == 303 {
            continue;
        }
        assert!(
            [200, 503].contains(&answer.status),
            "{page}: {}",
            answer.status
        );
        assert!(
            answer.text.contains("mapping service"),
            "{page}: {}",
            answer.text
        );
    }
}
