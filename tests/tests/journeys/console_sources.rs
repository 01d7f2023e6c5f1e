//! The console changes nothing that its page did not show, and what was cured is said to be.
//!
//! Where there is no Chromium, the tests say so and are left out.

use serde_json::json;
use weir_tests::{Account, Browser, Plan, events::identify, events::track, eventually, journey};

/// Back to the page before, as a browser keeps it.
async fn back(browser: &Browser, sees: &str) {
    browser.run("history.back()").await;
    browser.sees(sees).await;
}

// Semantics 7.4, 9.4.
#[test]
fn whoever_goes_back_changes_what_they_see_and_nothing_else() {
    journey(async |weir| {
        let Some(browser) = Browser::open(weir, true).await else {
            return;
        };
        let account = Account::create(weir, Plan::default()).await;
        let base = format!("/accounts/{}", account.account_id);
        let source = format!("{base}/sources/{}", account.source_id);
        browser.sign_in(weir).await;

        // Another name is another audience.
        browser.go(&format!("{base}/audiences")).await;
        browser.write("name", "VIPs").await;
        browser.press("Associate audience").await;
        browser.sees("The audience was made").await;
        back(&browser, "Audience name").await;
        browser.write("name", "Buyers").await;
        browser.press("Associate audience").await;
        browser.sees("The audience was made").await;
        assert_eq!(browser.text("h1").await, "Buyers");

        // A choice of a page that stands no longer is shown what stands.
        let choose = |code: &str| format!("document.querySelector('[value={code}]').click()");
        browser.go(&format!("{source}/settings")).await;
        browser.run(&choose("append")).await;
        browser.press("Save").await;
        browser.sees("Saved. It is live").await;
        back(&browser, "Merge settings").await;
        browser.run(&choose("ignore")).await;
        browser.press("Save").await;
        browser.sees("now it is “Fill what is empty”").await;
        browser.press("Save").await;
        browser.sees("Saved. It is live").await;
        let stands = account.source().await.merge_strategy();
        assert_eq!(stands.as_str_name(), "MERGE_STRATEGY_IGNORE");

        // A name that is taken makes no source, and no key of the one that has it.
        let name = account.source().await.name;
        browser
            .go(&format!("{base}/sources/new?kind=segment_classic"))
            .await;
        browser.write("name", &name).await;
        browser.press("Make the source and its key").await;
        browser.sees("a data source of this name already").await;
        let after = account.source().await;
        assert_eq!(after.merge_strategy(), stands);
        browser.write("name", "Another shop").await;
        browser.press("Make the source and its key").await;
        browser.sees("API key of Another shop").await;
        browser.close().await;
    });
}

// Semantics 7.3, 7.5.
#[test]
fn a_reason_that_was_cured_leads_to_its_replay_and_a_whole_identifier_to_its_contact() {
    journey(async |weir| {
        let Some(browser) = Browser::open(weir, false).await else {
            return;
        };
        let account = Account::create(weir, Plan::default()).await;
        let base = format!("/accounts/{}", account.account_id);
        let source = format!("{base}/sources/{}", account.source_id);
        for id in ["u5", "u50", "u51"] {
            let traits = json!({"email": format!("{id}@example.org")});
            let known = identify(id, traits);
            assert_eq!(account.identify(&[known]).await.statuses(), [200]);
        }
        let mut shipped = track("u5");
        shipped["event"] = json!("Order shipped");
        assert_eq!(account.track(&[shipped]).await.statuses(), [422]);
        let logs = format!("{source}/logs");
        browser.sign_in(weir).await;
        eventually("the reason is counted", async || {
            browser.go(&logs).await;
            browser.text("main").await.contains("Map it")
        })
        .await;
        account.map_activity("Order shipped", 30).await;
        browser.go(&logs).await;
        browser
            .sees("Mapped since: 1 kept event can be replayed")
            .await;
        browser.press("Replay 1").await;
        browser.sees("what would become of them now").await;
        browser.press("Replay 1 event").await;
        eventually("it was taken", async || {
            browser.go(&logs).await;
            let said = browser.text("main").await;
            said.contains("All that was kept of them was stored since")
        })
        .await;

        let audience = account.audience("VIPs").await;
        browser.go(&format!("{base}/audiences/{audience}")).await;
        browser.write("contact", "u5").await;
        browser.press("Ask").await;
        browser.sees("No event ever put this contact in").await;

        // What tells contacts apart changes over those that are there, and a page says how far.
        browser.go(&format!("{source}/map")).await;
        browser
            .run("document.querySelector('[value=\"unique:phn::phone\"]').click()")
            .await;
        eventually("the phone is among them", async || {
            let them = "[name=unique][value='phn::phone']";
            browser.count(them).await > 0
        })
        .await;
        browser.press("Save").await;
        browser.press("Change it and save").await;
        browser.sees("contacts are being looked at").await;
        eventually("every contact was looked at", async || {
            browser.go(&format!("{base}/reindex")).await;
            browser.text("main").await.contains("Done")
        })
        .await;
        browser.sees("3 of 3 contacts").await;

        // An address that is none leads to nothing, and speaks of no UUID.
        browser.go("/accounts/nobody/sources").await;
        browser.sees("There is nothing here").await;
        browser.close().await;
    });
}
