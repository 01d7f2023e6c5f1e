//! What is done to contacts by hand in the console.
//!
//! Where there is no Chromium, the test says so and is left out.

use serde_json::json;
use weir_tests::{Account, Browser, Plan, events::identify, eventually, journey};

// Semantics 3.11, 3.12.
#[test]
fn two_contacts_are_merged_by_an_e_mail_then_taken_apart_and_one_is_deleted() {
    journey(async |weir| {
        for scripts in [true, false] {
            let Some(browser) = Browser::open(weir, scripts).await else {
                return;
            };
            let account = Account::create(weir, Plan::default()).await;
            let traits = |name: &str| json!({"email": format!("{name}@example.org")});
            let known = identify("lana", traits("lana"));
            let mut visitor = identify("", traits("visitor"));
            visitor["anonymous_id"] = json!("507f");
            assert_eq!(account.identify(&[known]).await.statuses(), [200]);
            assert_eq!(account.identify(&[visitor]).await.statuses(), [200]);
            let lana = account.contact("lana").await.unwrap().contact_id;
            let page = format!("/accounts/{}/contacts/{lana}", account.account_id);

            browser.sign_in(weir).await;
            eventually("everybody is found", async || {
                browser.go(&format!("{page}/merge")).await;
                browser.write("with", "visitor@example.org").await;
                browser.press("See what it comes to").await;
                let said = browser.text("main").await;
                !said.contains("ask again in half a minute")
            })
            .await;
            browser.sees("What it comes to").await;
            assert_eq!(
                browser.run("return location.search").await,
                "",
                "it names nobody"
            );
            browser.write("typed", "merge").await;
            browser.press("Merge both").await;
            browser.sees("Both contacts are one now").await;
            browser.sees("507f").await;

            browser.press("Undo this merge").await;
            browser.press("Undo the merge").await;
            browser.sees("both contacts are there again").await;
            assert_eq!(account.contacts().await.len(), 2);

            browser.go(&format!("{page}/delete")).await;
            browser.write("typed", "delete").await;
            browser.press("Delete this contact").await;
            browser.sees("Receipt of a deletion").await;
            assert!(account.contact("lana").await.is_none());
            browser.close().await;
        }
    });
}
