//! Programs of others: clients made of the protos in their own languages, which are the worked
//! examples of `docs/clients`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use weir_proto::mapping::v1::ListSourcesRequest;
use weir_stack::Service;
use weir_tests::events::identify;
use weir_tests::{Account, Plan, Weir, journey};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/clients");
const PROTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto");

/// For what a registry has to send.
const DOWNLOAD: Duration = Duration::from_secs(300);
/// For all else, on a machine that has other things to do.
const WORK: Duration = Duration::from_secs(180);

/// What installers say where there is no way to the registry.
const OFFLINE: [&str; 10] = [
    "NewConnectionError",
    "NameResolutionError",
    "ConnectTimeoutError",
    "Read timed out",
    "ProxyError",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ETIMEDOUT",
    "ENETUNREACH",
];

/// Also seen where the test passes.
pub fn left_out(what: &str) {
    let line = format!("-- left out: {what}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// None where it took too long.
async fn run(command: &mut Command, most: Duration) -> Option<Output> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    match tokio::time::timeout(most, output).await {
        Ok(output) => Some(output.unwrap()),
        Err(_) => None,
    }
}

/// Whether a program is there, and does so much.
pub async fn is_there(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let output = command.output().await;
    output.is_ok_and(|output| output.status.success())
}

fn words(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// Whether it was installed; said aloud where the registry can't be reached.
pub async fn install(what: &str, command: &mut Command) -> bool {
    let Some(output) = run(command, DOWNLOAD).await else {
        left_out(&format!("{what}: its packages did not come in time"));
        return false;
    };
    if output.status.success() {
        return true;
    }
    let words = words(&output);
    let is_offline = OFFLINE.iter().any(|sign| words.contains(sign));
    assert!(is_offline, "{what} can't be installed: {words}");
    left_out(&format!("{what}: its registry can't be reached"));
    false
}

/// What a step that needs nobody else says.
pub async fn step(command: &mut Command) -> String {
    let output = run(command, WORK).await.expect("it takes too long");
    let words = words(&output);
    assert!(output.status.success(), "{command:?}: {words}");
    words
}

/// Three contacts, and where to look for them.
async fn account(weir: &'static Weir) -> Account {
    let account = Account::create(weir, Plan::default()).await;
    let people: Vec<Value> = ["lana", "bo", "cy"]
        .map(|name| identify(name, json!({"firstName": name})))
        .into();
    assert_eq!(account.identify(&people).await.statuses(), [200; 3]);
    account
}

fn tell(command: &mut Command, account: &Account) {
    let stack = &account.weir.stack;
    command
        .env("WEIR_ACCOUNT", &account.account_id)
        .env("WEIR_USER", "lana")
        .env("WEIR_TOKEN", stack.token())
        .env("WEIR_CONTACT", stack.url(Service::ContactUpsert))
        .env("WEIR_MAPPING", stack.url(Service::Mapping));
}

/// What the program said is so, and what it did is done.
async fn check(account: &Account, said: &str) {
    let lana = account.contact("lana").await.unwrap();
    let read = format!(
        "contact {} has {} fields",
        lana.contact_id,
        lana.fields.len()
    );
    for line in ["contacts 3", read.as_str(), "reason FIELD_INVALID"] {
        assert!(said.lines().any(|one| one == line), "{line}: {said}");
    }
    for start in [
        "source Point of sale ",
        "field mappings[0].trait_path: ",
        "field mappings[1].field_id: ",
    ] {
        let is_there = said.lines().any(|one| one.starts_with(start));
        assert!(is_there, "{start}: {said}");
    }
    let request = ListSourcesRequest {
        account_id: account.account_id.clone(),
        ..Default::default()
    };
    let sources = account.weir.mapping().list_sources(request).await.unwrap();
    let sources = sources.into_inner().sources;
    assert!(sources.iter().any(|source| source.name == "Point of sale"));
}

#[test]
fn a_python_client_lists_gets_puts_and_reads_errors() {
    journey(async |weir| {
        if !is_there("python3", &["-c", "import venv, ensurepip"]).await {
            return left_out("the Python client: there is no python3 with venv");
        }
        let folder = tempfile::tempdir().unwrap();
        let example = Path::new(EXAMPLES).join("python");
        let inside = |name: &str| folder.path().join(name);
        let python = inside("venv/bin/python");
        step(
            Command::new("python3")
                .args(["-m", "venv"])
                .arg(inside("venv")),
        )
        .await;
        let mut pip = Command::new(&python);
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(["--timeout", "20", "--retries", "1", "-r"])
        .arg(example.join("requirements.txt"));
        if !install("the Python client", &mut pip).await {
            return;
        }
        let mut generate = Command::new("sh");
        generate
            .arg(example.join("generate.sh"))
            .arg(inside("generated"))
            .env("PYTHON", &python);
        step(&mut generate).await;
        let account = account(weir).await;
        let mut program = Command::new(&python);
        program
            .arg(example.join("example.py"))
            .env("PYTHONPATH", inside("generated"))
            .env("PYTHONDONTWRITEBYTECODE", "1");
        tell(&mut program, &account);
        check(&account, &step(&mut program).await).await;
    });
}

/// A copy beside the protos, as the original lies beside them.
fn copied(folder: &Path) -> PathBuf {
    let copy = folder.join("docs/clients/typescript");
    let original = Path::new(EXAMPLES).join("typescript");
    let error_details = "proto/google/rpc/error_details.proto";
    std::fs::create_dir_all(copy.join("proto/google/rpc")).unwrap();
    for name in [
        "package.json",
        "buf.gen.yaml",
        "tsconfig.json",
        "example.ts",
        error_details,
    ] {
        std::fs::copy(original.join(name), copy.join(name)).unwrap();
    }
    std::os::unix::fs::symlink(PROTO, folder.join("proto")).unwrap();
    copy
}

#[test]
fn a_typescript_client_lists_gets_puts_and_reads_errors() {
    journey(async |weir| {
        let is_new = "process.exit(Number(process.versions.node.split('.')[0]) >= 20 ? 0 : 1)";
        if !is_there("node", &["-e", is_new]).await || !is_there("npm", &["--version"]).await {
            return left_out("the TypeScript client: there is no Node 20 with npm");
        }
        let folder = tempfile::tempdir().unwrap();
        let copy = copied(folder.path());
        let npm = |arguments: &[&str]| {
            let mut command = Command::new("npm");
            command.args(arguments).current_dir(&copy);
            command
        };
        let mut installing = npm(&["install", "--no-audit", "--no-fund", "--prefer-offline"]);
        installing.args(["--fetch-retries=1", "--fetch-timeout=30000"]);
        if !install("the TypeScript client", &mut installing).await {
            return;
        }
        step(&mut npm(&["run", "generate"])).await;
        step(&mut npm(&["run", "build"])).await;
        let account = account(weir).await;
        let mut program = npm(&["start", "--silent"]);
        tell(&mut program, &account);
        check(&account, &step(&mut program).await).await;
    });
}
