//! The clients that Connect itself publishes, where Node and its registry can be had.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use tokio::process::Command;

use super::server::Served;

/// For what is fetched, and for the calls.
const PATIENCE: Duration = Duration::from_secs(180);

async fn ran(mut command: Command) -> Result<Output, String> {
    command
        .kill_on_drop(true)
        .stdin(std::process::Stdio::null());
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .map_err(|_| format!("{command:?} took too long"))?;
    output.map_err(|error| format!("{command:?}: {error}"))
}

/// Connect, gRPC-Web and gRPC by one API, over both versions of HTTP.
#[tokio::test(flavor = "multi_thread")]
async fn the_clients_of_connect_are_served() {
    let folder = tempfile::tempdir().unwrap();
    if let Err(why) = fetched(folder.path()).await {
        eprintln!("LEFT OUT: Connect's own clients were not tried, since {why}");
        return;
    }
    let served = Served::start().await;
    let descriptors = folder.path().join("weir.bin");
    std::fs::write(&descriptors, weir_proto::FILE_DESCRIPTOR_SET).unwrap();
    let mut node = Command::new("node");
    node.current_dir(folder.path())
        .arg("calls.mjs")
        .arg(format!("http://{}", served.address))
        .arg(&descriptors);
    let output = ran(node).await.unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("passed: ").count(), 9, "{said}");
}

/// Says why they can't be had. What is there is tried in any case: then a failure is one.
async fn fetched(folder: &Path) -> Result<(), String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/other_ways/node");
    for file in ["package.json", "package-lock.json", "calls.mjs"] {
        std::fs::copy(source.join(file), folder.join(file)).unwrap();
    }
    let mut node = Command::new("node");
    node.arg("--version");
    let version = ran(node).await?.stdout;
    let version = String::from_utf8_lossy(&version);
    let major = version.trim_start_matches('v').split('.').next();
    let major: Option<u32> = major.and_then(|major| major.parse().ok());
    if major.is_none_or(|major| major < 20) {
        return Err(format!("Node 20 is needed, and {version:?} is here"));
    }
    let mut npm = Command::new("npm");
    npm.current_dir(folder).args([
        "ci",
        "--prefer-offline",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
    ]);
    let output = ran(npm).await?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("npm can't fetch them: {}", said.trim()));
    }
    Ok(())
}
