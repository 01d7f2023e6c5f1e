//! What the map page's script puts where, and what it says where that can't be.
//!
//! Where there is no Chromium, the test says so and is left out.

use weir_tests::{Account, Browser, Plan, journey};

/// Keys and drags as a browser sends them; each answers what became of it.
const HANDS: &str = r##"
const find = (css) => document.querySelector(css);
const key = (css, name) => {
  const event = new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true });
  find(css).dispatchEvent(event);
  return event.defaultPrevented;
};
const drag = (from, to) => {
  const dataTransfer = new DataTransfer();
  const send = (css, name) => find(css).dispatchEvent(
    new DragEvent(name, { bubbles: true, cancelable: true, dataTransfer }));
  send(from, "dragstart");
  send(to, "dragover");
  const lit = find(to).classList.contains("target");
  send(to, "drop");
  return lit && !find(to).classList.contains("target");
};
const told = () => find("#told").textContent;
const [trait, own] = ["[data-path=email]", "[name='path:str::ei']"];
"##;

#[test]
fn a_trait_is_put_down_where_it_is_meant_and_what_cannot_be_says_why() {
    journey(async |weir| {
        let Some(browser) = Browser::open(weir, true).await else {
            return;
        };
        let account = Account::create(weir, Plan::default()).await;
        browser.sign_in(weir).await;
        let path = format!(
            "/accounts/{}/sources/{}/map",
            account.account_id, account.source_id
        );
        browser.go(&path).await;
        browser.sees("What came in").await;
        let is = async |script: &str| {
            let found = browser.run(&format!("{HANDS} return {script};")).await;
            assert_eq!(found, true, "{script}");
        };
        // Picked up, it is put down at a field's tick; in a box a space is a space.
        is("key(trait, ' ') && told().includes('is picked up')").await;
        is("!key(own, ' ') && find(own).value === ''").await;
        is("key(\"[name='on:str::ei']\", ' ') && find(own).value === 'email'").await;
        is("told().includes('email fills') && (find(own).value = '') === ''").await;
        // What tells nobody apart, or leads to no field, says so.
        is("drag(trait, '#unique') && told().includes('apart already')").await;
        is(
            "(document.querySelectorAll(\"[name^='path:']\").forEach((one) => one.value = ''), \
            drag(trait, '#unique')) && told().includes('No field takes email yet')",
        )
        .await;
        // A field goes onto a trait as well.
        is("drag('[id=\"line-phn::phone\"] .name label', trait) \
            && find(\"[name='path:phn::phone']\").value === 'email'")
        .await;
        browser.close().await;
    });
}
