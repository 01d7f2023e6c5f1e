//! The console in a real browser: the seed's story from the first key to a contact, and every
//! page as it looks (semantics 9.4, 7.4-7.7).
//!
//! Where there is no Chromium, the tests say so and are left out.

use std::path::{Path, PathBuf};

use serde_json::json;
use weir_proto::mapping::v1 as mapping;
use weir_tests::events::{identify, sample_identify, track, with};
use weir_tests::{Account, Browser, Plan, Weir, journey};

use crate::clients::install;

const LANA: &str = "lana.romeijn.myonlinestore-studio";
const EVENT: &str = "Sign-in button clicked";

/// An account in which nothing is set up.
async fn empty_account(weir: &Weir) -> String {
    let request = mapping::PutAccountRequest {
        name: format!("console-{}", uuid::Uuid::new_v4()),
        plan: Some(mapping::Plan {
            included_contacts: Some(1_000),
            activity_slots: Some(5),
            ..Default::default()
        }),
        ..Default::default()
    };
    let answer = weir.mapping().put_account(request).await.unwrap();
    answer.into_inner().account.unwrap().account_id
}

async fn send(weir: &Weir, path: &str, key: &str, event: &serde_json::Value) {
    let body = serde_json::to_vec(&json!([event])).unwrap();
    let answer = weir.send("POST", path, Some(key), body.into()).await;
    assert_eq!(answer.status, 207, "{answer:?}");
}

/// From sign-in to a mapped, replayed contact, and its two tracks as one activity.
async fn story(weir: &Weir, browser: &Browser) {
    let account = empty_account(weir).await;
    browser.sign_in(weir).await;
    browser.go(&format!("/accounts/{account}/sources")).await;
    browser.sees("No source yet").await;
    browser.press("New data source").await;
    browser.press("Segment (Actions)").await;
    browser.write("name", "Shop").await;
    browser.press("Make the source and its key").await;
    let key = browser.text("#key").await;
    browser.press("Wait for the first event").await;
    browser
        .sees("Waiting for Segment to send us an Identify event")
        .await;
    let source = browser.path().await.replace("/waiting", "");

    // A track does not end the waiting, and shows why it was refused.
    let first = json!({
        "user_id": LANA, "event": EVENT, "timestamp": "2026-07-11T06:09:00Z",
        "message_id": "a5cbd0b6-38e6-4c98-bf95-9f1b3d3949f1",
        "properties": {"action": "sign-in-button-clicked", "count": 3},
    });
    send(weir, "/v1/track", &key, &first).await;
    browser.sees("NO_MAPPING").await;
    send(weir, "/v1/identify", &key, &sample_identify()).await;
    browser.sees("What came in").await;
    assert_eq!(browser.path().await, format!("{source}/map"));

    // Suggestions fill the fields that they fit, with the format that reads the values.
    browser.press("Take all").await;
    browser.sees("1980-07-28").await;
    browser.press("Save").await;
    browser.sees("Saved as version").await;

    // What was refused meanwhile is taken anew.
    browser.press("Look at them and replay them").await;
    browser.press("Replay all of them").await;
    browser.press("Replay 2 events").await;
    browser.sees("Done").await;
    browser.press("Look at the contacts").await;
    browser.press("Lana Romeijn").await;
    browser.sees("1980-07-28").await;
    browser.sees("lana.romeijn@example.org").await;

    // Both track samples are one activity.
    browser.go(&format!("{source}/activities")).await;
    browser.press("Add activity").await;
    browser.press(EVENT).await;
    browser.press("Add activity").await;
    browser.sees("The activity was added").await;
    let second = with(first, json!({"traits": {"firstName": "Lana"}}));
    send(weir, "/v1/track", &key, &second).await;
    browser.go(&format!("{source}/kept/replay")).await;
    browser.press("Replay 1 event").await;
    browser.sees("Done").await;
    browser.press("Look at the contacts").await;
    browser.press("Lana Romeijn").await;
    browser.sees(EVENT).await;
    assert_eq!(browser.count(".timeline > li > strong").await, 1);
}

#[test]
fn a_source_is_set_up_mapped_and_its_events_taken_anew() {
    journey(async |weir| {
        if let Some(browser) = Browser::open(weir, true).await {
            story(weir, &browser).await;
            browser.close().await;
        }
    });
}

#[test]
fn the_same_goes_without_a_script() {
    journey(async |weir| {
        if let Some(browser) = Browser::open(weir, false).await {
            story(weir, &browser).await;
            browser.close().await;
        }
    });
}

#[test]
fn the_same_goes_by_the_keyboard_alone() {
    journey(async |weir| {
        if let Some(browser) = Browser::open(weir, true).await {
            let browser = browser.by_keys();
            story(weir, &browser).await;
            browser.close().await;
        }
    });
}

/// Where the mapping of an account's source is made.
fn map_of(account: &Account) -> String {
    format!(
        "/accounts/{}/sources/{}/map",
        account.account_id, account.source_id
    )
}

// Semantics 9.4.
#[test]
fn a_session_that_ends_in_the_middle_of_a_form_loses_nothing() {
    journey(async |weir| {
        for scripts in [true, false] {
            let Some(browser) = Browser::open(weir, scripts).await else {
                return;
            };
            let account = Account::create(weir, Plan::default()).await;
            browser.sign_in(weir).await;
            browser.go(&map_of(&account)).await;
            browser.write("path:str::email", "customerMail").await;
            browser.end_session().await;
            browser.press("Save").await;
            browser.sees("Nothing of what you wrote is lost").await;
            browser.write("token", weir.stack.token()).await;
            browser.press("Sign in").await;
            browser.sees("customerMail").await;
            browser.press("Send it").await;
            browser.sees("Saved as version").await;
            assert!(
                saved(weir, &account)
                    .await
                    .contains(&"customerMail".to_owned())
            );
            browser.close().await;
        }
    });
}

// Semantics 7.4.
#[test]
fn pressing_save_twice_saves_once() {
    journey(async |weir| {
        let Some(browser) = Browser::open(weir, true).await else {
            return;
        };
        let account = Account::create(weir, Plan::default()).await;
        let versions = async || {
            let request = mapping::ListMappingVersionsRequest {
                account_id: account.account_id.clone(),
                source_id: account.source_id.clone(),
                ..Default::default()
            };
            let listed = weir.configuration().list_mapping_versions(request).await;
            listed.unwrap().into_inner().versions.len()
        };
        let before = versions().await;
        browser.sign_in(weir).await;
        browser.go(&map_of(&account)).await;
        browser.write("path:str::ei", "customerNumber").await;
        browser.press_twice("Save").await;
        browser.sees("Saved as version").await;
        assert_eq!(versions().await, before + 1);
        browser.close().await;
    });
}

/// The paths that are mapped.
async fn saved(weir: &Weir, account: &Account) -> Vec<String> {
    let request = mapping::GetContactMappingRequest {
        account_id: account.account_id.clone(),
        source_id: account.source_id.clone(),
    };
    let saved = weir.mapping().get_contact_mapping(request).await.unwrap();
    let rows = saved.into_inner().mappings.into_iter();
    rows.map(|row| row.trait_path).collect()
}

// Semantics 7.4.
#[test]
fn a_stale_save_is_refused_with_the_difference_and_nothing_is_lost() {
    journey(async |weir| {
        let Some(browser) = Browser::open(weir, true).await else {
            return;
        };
        let account = Account::create(weir, Plan::default()).await;
        browser.sign_in(weir).await;
        browser.go(&map_of(&account)).await;
        browser.write("path:str::ei", "customerNumber").await;
        // Somebody else saves meanwhile.
        let theirs = mapping::FieldMapping {
            trait_path: "mail".to_owned(),
            field_id: "str::email".to_owned(),
            ..Default::default()
        };
        let request = mapping::PutContactMappingRequest {
            account_id: account.account_id.clone(),
            source_id: account.source_id.clone(),
            mappings: vec![theirs],
            ..Default::default()
        };
        weir.mapping().put_contact_mapping(request).await.unwrap();
        browser.press("Save").await;
        browser.sees("Somebody else saved version").await;
        browser.sees("customerNumber").await;
        browser.press("Save").await;
        browser.sees("Saved as version").await;
        let saved = saved(weir, &account).await;
        assert!(
            saved.iter().any(|path| path == "customerNumber"),
            "{saved:?}"
        );
        assert!(saved.iter().any(|path| path == "email"), "{saved:?}");
        browser.close().await;
    });
}

/// Where pictures are kept.
fn pictures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("console")
}

/// axe-core, from npm; none where there is no npm, or the registry is away.
async fn axe() -> Option<String> {
    const PACKAGE: &str = "axe-core@4.11.0";
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("axe-core-4.11.0");
    let file = folder.join("node_modules/axe-core/axe.min.js");
    if !file.exists() {
        std::fs::create_dir_all(&folder).unwrap();
        let mut npm = tokio::process::Command::new("npm");
        npm.args([
            "install",
            "--no-audit",
            "--no-fund",
            "--no-save",
            "--prefix",
        ])
        .arg(&folder)
        .arg(PACKAGE);
        if !install("axe-core", &mut npm).await {
            return None;
        }
    }
    std::fs::read_to_string(file).ok()
}

/// What axe finds on the page.
async fn violations(browser: &Browser, axe: &str) -> Vec<String> {
    browser.run(axe).await;
    let found = browser
        .run_until_done(
            "const done = arguments[arguments.length - 1];
             axe.run(document, {resultTypes: ['violations']}).then((all) => done(
                 all.violations.map((one) => one.id + ': ' + one.nodes[0].html.slice(0, 200))))",
        )
        .await;
    let found = found.as_array().unwrap().iter();
    found.map(|one| one.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_page_has_its_picture_and_nothing_that_axe_objects_to() {
    journey(async |weir| {
        let Some(browser) = Browser::open(weir, true).await else {
            return;
        };
        let account = lively(weir).await;
        let axe = axe().await;
        browser.sign_in(weir).await;
        let mut objections = Vec::new();
        for (name, title, path) in pages(&account).await {
            for (theme, width) in [
                ("light", 1280),
                ("dark", 1280),
                ("light", 390),
                ("dark", 390),
            ] {
                browser.dress(theme, width).await;
                browser.go(&path).await;
                browser.is_titled(title).await;
                let file = pictures().join(format!("{name}-{theme}-{width}.png"));
                if browser.picture(&file, width).await {
                    objections.push(format!("{name} is wider than {width}"));
                }
                if let Some(axe) = axe.as_ref() {
                    let found = violations(&browser, axe).await;
                    let found = found.into_iter();
                    objections.extend(found.map(|one| format!("{name} {theme} {width}: {one}")));
                }
            }
        }
        assert!(objections.is_empty(), "{objections:#?}");
        browser.close().await;
    });
}

/// The event whose story is looked at.
const STORY: &str = "told-from-receipt-to-membership";

/// An account in which something of everything happened.
async fn lively(weir: &'static Weir) -> Account {
    let account = Account::create(weir, Plan::default()).await;
    let people = [
        (
            "u1",
            json!({"firstName": "Lana", "lastName": "Romeijn", "email": "lana@example.org"}),
        ),
        (
            "u2",
            json!({"firstName": "José", "email": "jose@example.org", "birthday": "1980-07-28"}),
        ),
        (
            "u3",
            json!({"firstName": "مريم", "email": "no address", "birthday": "01-02-1990"}),
        ),
    ];
    for (id, traits) in people {
        account.identify(&[identify(id, traits)]).await;
    }
    account
        .track(&[with(track("u1"), json!({"message_id": STORY}))])
        .await;
    account
        .track(&[with(track("u1"), json!({"event": "Order <b>shipped</b>"}))])
        .await;
    let audience = account.audience("Newsletter & news").await;
    // The last one comes back too soon, and is held back until a sync.
    for (id, mode) in [
        ("u1", "add"),
        ("u2", "add"),
        ("u2", "remove"),
        ("u2", "add"),
    ] {
        let update = json!({"audience": {"mode": mode, "id": audience}, "traits": {}});
        account
            .identify(&[with(identify(id, json!({})), update)])
            .await;
    }
    account
}

async fn pages(account: &Account) -> Vec<(&'static str, &'static str, String)> {
    let base = format!("/accounts/{}", account.account_id);
    let source = format!("{base}/sources/{}", account.source_id);
    let settings = format!("{base}/settings");
    let contacts = account.contacts().await;
    let contact = format!("{base}/contacts/{}", contacts[0].contact_id);
    // Made before: the answer names it.
    let audience = account.audience("Newsletter & news").await;
    vec![
        ("accounts", "Accounts", "/accounts".to_owned()),
        ("sources", "Data sources", format!("{base}/sources")),
        (
            "new-source",
            "New data source",
            format!("{base}/sources/new"),
        ),
        (
            "new-source-settings",
            "New data source",
            format!("{base}/sources/new?kind=segment_classic"),
        ),
        ("map", "Map", format!("{source}/map")),
        ("versions", "Versions", format!("{source}/map/versions")),
        ("activities", "Activities", format!("{source}/activities")),
        (
            "add-activity",
            "Select activity",
            format!("{source}/activities/add"),
        ),
        (
            "activity",
            "Activity",
            format!("{source}/activities/edit?name=Sign-in%20button%20clicked"),
        ),
        ("logs", "Logs", format!("{source}/logs")),
        ("all-logs", "Logs", format!("{base}/logs")),
        ("events", "Recent events", format!("{source}/events")),
        (
            "story",
            "One event",
            format!("{source}/events/story?message={STORY}"),
        ),
        ("kept", "Kept events", format!("{source}/kept")),
        ("replay-preview", "Replay", format!("{source}/kept/replay")),
        ("samples", "Samples", format!("{source}/samples")),
        ("source-settings", "Settings", format!("{source}/settings")),
        ("contacts", "Contacts", format!("{base}/contacts")),
        ("contact", "Contact", contact.clone()),
        (
            "merge",
            "Merge",
            format!("{contact}/merge?with={}", contacts[1].contact_id),
        ),
        ("delete-contact", "Delete", format!("{contact}/delete")),
        ("all-activities", "Activities", format!("{base}/activities")),
        ("audiences", "Audiences", format!("{base}/audiences")),
        (
            "audience",
            "Audience",
            format!(
                "{base}/audiences/{audience}?contact={}",
                contacts[1].contact_id
            ),
        ),
        ("usage", "Usage", format!("{base}/usage")),
        ("settings", "Settings", settings.clone()),
        ("tokens", "People and tokens", format!("{settings}/tokens")),
        ("changes", "Change record", format!("{settings}/changes")),
        ("plan", "Plan of a file", format!("{settings}/plan")),
        ("health", "Health", format!("{base}/health")),
        (
            "missing",
            "There is nothing here",
            format!("{base}/nothing"),
        ),
    ]
}
