//! Segment's own SDKs, as they are published, send to a classic source: nothing is lost or
//! doubled in an outage that their retries outlast (semantics 8.2).
//!
//! Where a runtime or the registry is missing, the test says so and is left out.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use weir_tests::{Account, Plan, Weir, eventually, journey_alone};

use crate::classic::classic_of;

const NODE_PACKAGE: &str = "@segment/analytics-node@3.1.0";
const PYTHON_PACKAGE: &str = "segment-analytics-python==2.4.0";
/// For an SDK to come from its registry, and for a run of it.
pub const INSTALL: Duration = Duration::from_secs(180);
pub const RUN: Duration = Duration::from_secs(240);

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

/// Whether a command ended well in its time.
pub async fn ran(command: &mut Command, time: Duration) -> bool {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(time, command.status()).await;
    matches!(ended, Ok(Ok(status)) if status.success())
}

pub fn leave_out(what: &str) {
    eprintln!("LEFT OUT: {what}");
}

/// The SDK for Node; none where there is no Node, or the registry is away.
async fn node() -> Option<Command> {
    let folder = folder("sdk-node-3.1.0");
    if !folder.join("installed").exists() {
        std::fs::create_dir_all(&folder).unwrap();
        let mut install = Command::new("npm");
        install
            .args([
                "install",
                "--no-audit",
                "--no-fund",
                "--no-save",
                "--prefix",
            ])
            .arg(&folder)
            .arg(NODE_PACKAGE);
        if !ran(&mut install, INSTALL).await {
            return None;
        }
        std::fs::write(folder.join("installed"), "").unwrap();
    }
    let mut command = Command::new("node");
    command
        .arg(script("node.cjs"))
        .env("NODE_PATH", folder.join("node_modules"));
    Some(command)
}

/// The SDK for Python; none where there is no Python with venv, or the registry is away.
async fn python() -> Option<Command> {
    let folder = folder("sdk-python-2.4.0");
    let python = folder.join("bin").join("python");
    if !folder.join("installed").exists() {
        let mut create = Command::new("python3");
        create.args(["-m", "venv"]).arg(&folder);
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet", PYTHON_PACKAGE]);
        if !ran(&mut create, INSTALL).await || !ran(&mut install, INSTALL).await {
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

async fn sends_through_an_outage(weir: &'static Weir, mut sdk: Command, name: &str) {
    let people = people();
    let account = Account::unmapped(weir, Plan::default()).await;
    let classic = classic_of(&account).await;
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
    let sending = tokio::time::timeout(RUN, sending.wait_with_output());
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
        match node().await {
            Some(sdk) => sends_through_an_outage(weir, sdk, "Node").await,
            None => leave_out("Segment's SDK for Node: no node and npm, or no registry"),
        }
        match python().await {
            Some(sdk) => sends_through_an_outage(weir, sdk, "Python").await,
            None => leave_out("Segment's SDK for Python: no python3-venv, or no registry"),
        }
    });
}
