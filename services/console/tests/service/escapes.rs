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
