//! Who reads a page of the console is not moved, and who writes into one loses nothing.
//!
//! Where there is no Chromium, the tests say so and are left out.

use weir_tests::events::{identify, track};
use weir_tests::{Account, Browser, Plan, eventually, journey};

/// Until a script says that it is so.
async fn is(browser: &Browser, script: &str) {
    let script = format!("return {script}");
    eventually(&script, async || browser.run(&script).await == true).await;
}

fn of_source(account: &Account, page: &str) -> String {
    let (account, source) = (&account.account_id, &account.source_id);
    format!("/accounts/{account}/sources/{source}/{page}")
}

/// Whether the browser would ask before it leaves.
const ASKS: &str = "(() => {
    const leaving = new Event('beforeunload', {cancelable: true});
    window.dispatchEvent(leaving);
    return leaving.defaultPrevented;
})()";

#[test]
fn what_is_written_is_asked_about_and_enter_stays_where_it_is() {
    journey(async |weir| {
        let Some(browser) = Browser::open(weir, true).await else {
            return;
        };
        let account = Account::create(weir, Plan::default()).await;
        browser.sign_in(weir).await;
        browser.go(&of_source(&account, "map")).await;
        is(&browser, &format!("!{ASKS}")).await;
        // To search is no change.
        browser.write("q", "zzz").await;
        browser.sees("contains “zzz”; ✕ shows all again").await;
        is(&browser, &format!("!{ASKS}")).await;
        browser
            .run("document.querySelector('[data-clears]').click()")
            .await;
        is(&browser, "document.querySelector('#lines-none').hidden").await;

        browser.run("window.stays = true").await;
        browser
            .write("path:str::ei", "customerNumber\u{e007}")
            .await;
        browser.sees("not seen in the samples").await;
        is(&browser, ASKS).await;
        let at = "window.stays && document.activeElement.name === 'path:str::ei'";
        is(&browser, at).await;
        let dark = "document.querySelector(\"form[action='/theme'] [value=dark]\").click()";
        browser.run(dark).await;
        is(
            &browser,
            "window.stays && document.documentElement.dataset.theme === 'dark' \
                && document.cookie.includes('weir-theme=dark') \
                && document.querySelector(\"[name='path:str::ei']\").value === 'customerNumber'",
        )
        .await;
        browser.press("Save").await;
        browser.sees("Saved as version").await;
        is(&browser, &format!("!window.stays && !{ASKS}")).await;

        let activity = "activities/edit?name=Sign-in%20button%20clicked";
        browser.go(&of_source(&account, activity)).await;
        let rows = browser.count("[name^='property:']").await;
        browser.write("new_property", "cart.total\u{e007}").await;
        is(
            &browser,
            &format!(
                "document.querySelectorAll(\"[name^='property:']\").length === {} \
                    && document.activeElement.name === 'new_property' && {ASKS}",
                rows + 1
            ),
        )
        .await;
        browser.close().await;
    });
}

#[test]
fn a_list_that_is_read_does_not_move_and_says_how_much_came() {
    journey(async |weir| {
        let Some(browser) = Browser::open(weir, true).await else {
            return;
        };
        // The mouse lies elsewhere.
        let browser = browser.by_keys();
        let account = Account::create(weir, Plan::default()).await;
        let tracks = |count| {
            let all: Vec<_> = (0..count).map(|_| track("u1")).collect();
            all
        };
        account.track(&tracks(40)).await;
        browser.sign_in(weir).await;
        browser.go(&of_source(&account, "events")).await;
        let rows =
            |count: usize| format!("document.querySelectorAll('[data-row]').length === {count}");
        is(&browser, &rows(40)).await;
        let place = "const row = document.elementFromPoint(640, 450).closest('[data-row]');
            return [row.dataset.row, row.getBoundingClientRect().top]";
        browser.run("scrollTo(0, 900)").await;
        let before = browser.run(place).await;
        account.track(&tracks(5)).await;
        browser.sees("5 new events: show them").await;
        assert_eq!(browser.run(place).await, before);
        browser
            .run("document.querySelector('#events-news button').click()")
            .await;
        is(&browser, &rows(45)).await;
        is(
            &browser,
            "document.querySelector('#events-news').hidden \
                && document.querySelector('#events').getBoundingClientRect().top >= 0",
        )
        .await;
        // Also while its top is in view.
        browser.run("scrollTo(0, 40)").await;
        account.track(&tracks(1)).await;
        browser.sees("1 new event: show it").await;
        is(&browser, &rows(45)).await;
        // At the very top it goes on by itself.
        browser.run("scrollTo(0, 0)").await;
        is(&browser, &rows(46)).await;
        times(&browser).await;
        browser.close().await;
    });
}

/// Dates stand beside how long ago of the row that has the focus, of a time that is pressed, and of
/// all by a key.
async fn times(browser: &Browser) {
    let dates =
        |count: usize| format!("document.querySelectorAll('[data-row] .at').length === {count}");
    is(browser, &dates(0)).await;
    // A window that is not in front is not told of what has the focus.
    let focus = |method: &str, event: &str| {
        format!(
            "const link = document.querySelector('[data-row] a.row');
             link.{method}();
             link.dispatchEvent(new FocusEvent('{event}', {{bubbles: true}}))"
        )
    };
    browser.run(&focus("focus", "focusin")).await;
    is(browser, &dates(1)).await;
    is(
        browser,
        "/^ \\(.*\\d:\\d\\d:\\d\\d.*\\)$/.test(document.querySelector('[data-row] .at').textContent)",
    )
    .await;
    browser.run(&focus("blur", "focusout")).await;
    is(browser, &dates(0)).await;
    let press = "document.querySelectorAll('[data-row] time')[1].click()";
    browser.run(press).await;
    // Also in what takes the place of the list.
    browser
        .run("window.list = document.querySelector('#events')")
        .await;
    is(
        browser,
        "window.list !== document.querySelector('#events') \
            && document.querySelectorAll('[data-row] .at').length === 1",
    )
    .await;
    browser.run(press).await;
    is(browser, &dates(0)).await;
    let key = "document.dispatchEvent(new KeyboardEvent('keydown', {key: 't', bubbles: true}))";
    browser.run(key).await;
    is(
        browser,
        "document.querySelectorAll('[data-row] .at').length \
            === document.querySelectorAll('[data-row] time').length",
    )
    .await;
    browser.run(key).await;
    is(browser, &dates(0)).await;
}

#[test]
fn no_page_is_wider_than_a_tablet() {
    journey(async |weir| {
        let Some(browser) = Browser::open(weir, true).await else {
            return;
        };
        let account = Account::create(weir, Plan::default()).await;
        let traits = serde_json::json!({"firstName": "Lana", "email": "no address"});
        account.identify(&[identify("u1", traits)]).await;
        account.track(&[track("u1")]).await;
        browser.sign_in(weir).await;
        let base = format!("/accounts/{}", account.account_id);
        for width in [740, 800, 960, 1_090] {
            browser.dress("light", width).await;
            for (title, page) in [
                ("Usage", format!("{base}/usage")),
                ("Health", format!("{base}/health")),
                ("Change record", format!("{base}/settings/changes")),
                ("Logs", of_source(&account, "logs")),
                ("Map", of_source(&account, "map")),
                (
                    "Activity",
                    of_source(&account, "activities/edit?name=Sign-in%20button%20clicked"),
                ),
                ("Recent events", of_source(&account, "events")),
            ] {
                browser.go(&page).await;
                browser.is_titled(title).await;
                let open = "document.querySelectorAll('main details:not(.menu)').forEach((one) => one.open = true);
                    return document.documentElement.scrollWidth";
                let wide = browser.run(open).await.as_i64().unwrap();
                assert!(wide <= width, "{title} is {wide} wide at {width}");
            }
        }
        browser.close().await;
    });
}
