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
