//! Segment's own SDKs, as they are published, send to a classic source: nothing is lost or
//! doubled in an outage that their retries outlast (semantics 8.2).
//!
//! Where a runtime or the registry is missing, the test says so and is left out; an SDK that can't be
//! installed for another reason fails it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use weir_proto::mapping::v1 as mapping;
use weir_tests::{Account, Plan, Weir, eventually, full_length, journey_alone};

use crate::classic::classic_of;
use crate::clients::{install, is_there, left_out, step};

const NODE_PACKAGE: &str = "@segment/analytics-node@3.1.0";
const BROWSER_PACKAGE: &str = "@segment/analytics-next@1.84.3";
const PYTHON_PACKAGE: &str = "segment-analytics-python==2.4.0";
/// For a run of an SDK.
pub const RUN: Duration = Duration::from_secs(240);
/// At full length; a browser sends each event by itself.
const LONG_RUN: Duration = Duration::from_secs(1_800);

/// How many people an SDK tells of: each is identified and tracked once.
fn people() -> usize {
    match std::env::var_os("WEIR_TEST_LONG") {
        Some(_) => 5_000,
        None => 150,
    }
}

/// Where SDKs are kept between runs.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("sdks")
        .join(name)
}

/// The SDK for Node; none where there is no Node, or the registry is away.
async fn node() -> Option<Command> {
    by_npm(
        "Segment's SDK for Node",
        NODE_PACKAGE,
        "sdk-node-3.1.0",
        "node.cjs",
    )
    .await
}

/// The SDK for browsers, in Chromium; none where there is no Chromium, either.
async fn browser(page_port: u16) -> Option<Command> {
    let name = "Segment's SDK for browsers";
    if !is_there("chromium", &["--version"]).await {
        left_out(&format!("{name}: there is no chromium"));
        return None;
    }
    let mut command = by_npm(name, BROWSER_PACKAGE, "sdk-browser-1.84.3", "browser.cjs").await?;
    command
        .env("CHROMIUM", "chromium")
        .env("PAGE_PORT", page_port.to_string());
    Some(command)
}

async fn by_npm(name: &str, package: &str, kept: &str, run: &str) -> Option<Command> {
    if !is_there("node", &["--version"]).await || !is_there("npm", &["--version"]).await {
        left_out(&format!("{name}: there is no node with npm"));
        return None;
    }
    let folder = folder(kept);
    if !folder.join("installed").exists() {
        std::fs::create_dir_all(&folder).unwrap();
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--no-save"])
            .args(["--fetch-retries=1", "--fetch-timeout=30000", "--prefix"])
            .arg(&folder)
            .arg(package);
        if !install(name, &mut npm).await {
            return None;
        }
        std::fs::write(folder.join("installed"), "").unwrap();
    }
    let mut command = Command::new("node");
    command
        .arg(script(run))
        .env("NODE_PATH", folder.join("node_modules"));
    Some(command)
}

/// The SDK for Python; none where there is no Python with venv, or the registry is away.
async fn python() -> Option<Command> {
    if !is_there("python3", &["-c", "import venv, ensurepip"]).await {
        left_out("Segment's SDK for Python: there is no python3 with venv");
        return None;
    }
    let folder = folder("sdk-python-2.4.0");
    let python = folder.join("bin").join("python");
    if !folder.join("installed").exists() {
        let mut create = Command::new("python3");
        step(create.args(["-m", "venv"]).arg(&folder)).await;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--timeout", "20"])
            .args(["--disable-pip-version-check", "--retries", "1"])
            .arg(PYTHON_PACKAGE);
        if !install("Segment's SDK for Python", &mut pip).await {
            return None;
        }
        std::fs::write(folder.join("installed"), "").unwrap();
    }
    let mut command = Command::new(python);
    command.arg(script("python.py"));
    Some(command)
}

/// An outage in the middle of what the SDK sends: what it needs is away, and the edge dies.
async fn outage(weir: &Weir, classic: &Account, people: usize) {
    eventually("some arrived", async || {
        classic.contacts().await.len() > people / 5
    })
    .await;
    for process in ["contact-upsert", "activity"] {
        weir.stack.kill9_and_hold(process).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    weir.stack.kill9_and_hold("edge").await.unwrap();
    for process in ["contact-upsert", "activity", "edge"] {
        weir.stack.start_process(process).await.unwrap();
    }
}

async fn sends_through_an_outage(
    weir: &'static Weir,
    mut sdk: Command,
    name: &str,
    origins: Vec<String>,
) {
    let people = people();
    let account = Account::unmapped(weir, Plan::default()).await;
    let classic = classic_of(&account).await;
    let request = mapping::PutSourceRequest {
        account_id: classic.account_id.clone(),
        kind: mapping::SourceKind::SegmentClassic.into(),
        name: "Classic".to_owned(),
        allowed_origins: Some(mapping::AllowedOrigins { origins }),
        ..Default::default()
    };
    weir.mapping().put_source(request).await.unwrap();
    classic.map_contacts().await;
    classic.map_activity("Sign-in button clicked", 730).await;
    let sending = sdk
        .args([
            weir.stack.classic_url(),
            classic.key.clone(),
            people.to_string(),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let sending = tokio::time::timeout(full_length(RUN, LONG_RUN), sending.wait_with_output());
    let (sent, ()) = tokio::join!(sending, outage(weir, &classic, people));
    let sent = sent
        .unwrap_or_else(|_| panic!("{name} does not end"))
        .unwrap();
    let said = String::from_utf8_lossy(&sent.stdout).into_owned();
    let errors = String::from_utf8_lossy(&sent.stderr).into_owned();
    assert!(sent.status.success(), "{name}: {said} {errors}");
    assert!(said.contains("delivered"), "{name}: {said} {errors}");

    let contacts = classic.contacts().await;
    assert_eq!(contacts.len(), people, "{name}: {said} {errors}");
    eventually("the backlog is attached", async || {
        (classic.backlog().await == 0).then_some(())
    })
    .await;
    for contact in contacts.iter().step_by(people / 50 + 1) {
        let activities = classic.activities(&contact.contact_id, 10).await;
        assert_eq!(activities.len(), 1, "{name}: {:?}", contact.user_ids);
    }
    let units = i64::try_from(people).unwrap();
    assert_eq!(classic.usage().await, (units, units), "{name}");
    eventually("what is not stored is counted", async || {
        let counts = classic.summaries().await;
        let of = |subject: &str| counts.iter().any(|one| one.subject == subject);
        of("page") && of("group") && of("alias")
    })
    .await;
}

#[test]
fn segments_own_sdks_lose_and_double_nothing_in_an_outage() {
    journey_alone(async |weir| {
        if let Some(sdk) = node().await {
            sends_through_an_outage(weir, sdk, "Node", Vec::new()).await;
        }
        if let Some(sdk) = python().await {
            sends_through_an_outage(weir, sdk, "Python", Vec::new()).await;
        }
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        if let Some(sdk) = browser(port).await {
            let origins = vec![format!("http://localhost:{port}")];
            sends_through_an_outage(weir, sdk, "browsers", origins).await;
        }
    });
}
