//! Whatever people send is text on every page.

use crate::harness::{Console, pages};

#[tokio::test]
async fn stored_values_with_markup_are_text_on_every_page() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let mut shown = 0;
    for page in pages() {
        let answer = console.get(&page, &cookie).await;
        if answer.status == 303 {
            continue;
        }
        assert_eq!(answer.status, 200, "{page}: {}", answer.text);
        let text = &answer.text;
        assert!(!text.contains("<script>alert"), "{page}: {text}");
        assert!(!text.contains("\"onmouseover"), "{page}");
        // Neither is anything that the policy forbids.
        assert!(!text.contains("style=\""), "{page}");
        assert!(!text.contains(" onclick"), "{page}");
        shown += usize::from(text.contains("alert(1)"));
    }
    assert!(shown > 25, "{shown} pages show what was sent");
}

/// Values are cut: also where every single text of a page has 15,000 bytes that do not pack, it
/// stays what a telephone can load.
const MOST_PACKED: usize = 400_000;

#[tokio::test]
async fn values_of_15_000_bytes_and_of_any_direction_fit_on_every_page() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let long: String = (0..3_000)
        .map(|n| format!("{:05}", (n * 7_919) % 100_000))
        .collect();
    assert_eq!(long.len(), 15_000);
    let turned = "\u{202e}مريم <b>\u{202d} \u{1f469}\u{200d}\u{1f4bb} \u{200f}\"'".repeat(60);
    let mut too_large = Vec::new();
    for text in [&*long, &turned] {
        console.stub.fill_with(text);
        for page in pages() {
            let answer = console.get(&page, &cookie).await;
            if answer.status == 303 {
                continue;
            }
            assert_eq!(answer.status, 200, "{page}: {}", answer.text);
            assert!(!answer.text.contains("<b>\u{202d}"), "{page}");
            let headers = [("cookie", &*cookie), ("accept-encoding", "gzip")];
            let packed = console.send("GET", &page, &headers, "").await;
            let length = packed.headers["content-length"].to_str().unwrap();
            let length: usize = length.parse().unwrap();
            if length >= MOST_PACKED {
                too_large.push(format!("{page}: {length} bytes packed"));
            }
        }
    }
    assert!(too_large.is_empty(), "{too_large:#?}");
}

#[tokio::test]
async fn what_is_looked_for_is_text_and_in_no_address() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let token = console.form_token(&cookie).await;
    let path = format!("/accounts/{}/contacts", crate::stub::ACCOUNT);
    let form = [("form_token", &*token), ("q", "<script>alert(2)</script>")];
    let answer = console.post(&path, &cookie, &form).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.text.contains("<script>alert"));
    assert!(
        answer.text.contains("&lt;script&gt;alert(2)")
            || answer.text.contains("&#60;script&#62;alert(2)")
    );
    assert!(!answer.text.contains("?q="));
}
