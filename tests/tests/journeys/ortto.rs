//! Both of Segment's destinations that speak to Weir, Ortto (Actions) and Ortto (Audiences), as they
//! are published, driven as Segment drives them.
//!
//! Where Node or the registry is missing, the test says so and is left out.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;
use uuid::Uuid;
use weir_proto::audience::v1::audience_service_client::AudienceServiceClient;
use weir_proto::audience::v1::membership_service_client::MembershipServiceClient;
use weir_proto::audience::v1::{
    GetAudienceRequest, ListMembershipHistoryRequest, MembershipChangeKind as Kind,
};
use weir_stack::Service;
use weir_tests::{Account, Plan, Weir, journey};

use crate::clients::{install, is_there, left_out, step};
use crate::sdks::{RUN, folder, script};

const VERSION: &str = "3.497.0";
/// What the two of them load; of the package itself only their folders are taken, as all of it
/// brings the clients of a hundred others along. `fast-uri` is one that takes the names which the
/// package gives its schemas.
const LOADED: [&str; 3] = [
    "@segment/actions-core@3.170.0",
    "liquidjs@10.25.7",
    "fast-uri@3.0.6",
];
const PEOPLE: usize = 5;

/// Drives both; none where there is no Node, or the registry is away.
async fn destinations() -> Option<Command> {
    const NAME: &str = "Segment's destinations";
    for program in ["node", "npm", "tar"] {
        if !is_there(program, &["--version"]).await {
            left_out(&format!("{NAME}: there is no {program}"));
            return None;
        }
    }
    let folder = folder(&format!("ortto-{VERSION}"));
    if !folder.join("installed").exists() {
        std::fs::create_dir_all(&folder).unwrap();
        let npm = |what: &str| {
            let mut command = Command::new("npm");
            command
                .arg(what)
                .args(["--fetch-retries=1", "--fetch-timeout=30000"])
                .current_dir(&folder);
            command
        };
        let mut loaded = npm("install");
        loaded
            .args(["--no-audit", "--no-fund", "--no-save", "--ignore-scripts"])
            .arg("--prefix")
            .arg(&folder)
            .args(LOADED);
        let mut package = npm("pack");
        package.arg(format!("@segment/action-destinations@{VERSION}"));
        if !install(NAME, &mut loaded).await || !install(NAME, &mut package).await {
            return None;
        }
        let mut unpack = Command::new("tar");
        unpack
            .arg("xzf")
            .arg(format!("segment-action-destinations-{VERSION}.tgz"))
            .args([
                "package/dist/destinations/ortto",
                "package/dist/destinations/ortto-audiences",
            ])
            .current_dir(&folder);
        step(&mut unpack).await;
        std::fs::write(folder.join("installed"), "").unwrap();
    }
    let mut command = Command::new("node");
    command
        .arg(script("ortto.cjs"))
        .arg(folder.join("package"))
        .env("NODE_PATH", folder.join("node_modules"));
    Some(command)
}

/// What it said, by what it is about.
async fn run(mut command: Command, account: &Account, audience: &str) -> Value {
    let edge = account.weir.stack.edge_url();
    let running = command
        .args([&account.key, audience, &PEOPLE.to_string()])
        .env("ORTTO_LOCAL_ENDPOINT", edge)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(RUN, running).await;
    let output = output.expect("it does not end").unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said} {errors}");
    let mut all = serde_json::Map::new();
    for line in said.lines().filter(|line| line.starts_with('{')) {
        let one: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        all.extend(one);
    }
    Value::from(all)
}

fn statuses(said: &Value, what: &str) -> Vec<i64> {
    let all = said[what].as_array().unwrap_or_else(|| panic!("{said}"));
    all.iter().map(|one| one.as_i64().unwrap()).collect()
}

async fn history(weir: &Weir, account: &Account, user: &str, audience: &str) -> Vec<Kind> {
    let contact = account.contact(user).await.unwrap();
    let channel = weir.stack.channel(Service::Audience);
    let request = ListMembershipHistoryRequest {
        account_id: account.account_id.clone(),
        contact_id: contact.contact_id,
        audience_id: audience.to_owned(),
        ..Default::default()
    };
    let listed = MembershipServiceClient::new(channel)
        .list_membership_history(request)
        .await;
    let changes = listed.unwrap().into_inner().changes;
    changes.iter().map(|change| change.kind()).collect()
}

#[test]
fn segments_destinations_make_audiences_and_sync_them() {
    journey(async |weir| {
        let Some(command) = destinations().await else {
            return;
        };
        let account = Account::create(weir, Plan::default()).await;
        let said = run(command, &account, " Big spenders ").await;

        let ids: Vec<Uuid> = serde_json::from_value(said["created"].clone()).unwrap();
        assert_eq!((ids[0], ids[0]), (ids[1], ids[2]), "{said}");
        let id = ids[0].to_string();
        let request = GetAudienceRequest {
            account_id: account.account_id.clone(),
            audience_id: id.clone(),
        };
        let mut audiences = AudienceServiceClient::new(weir.stack.channel(Service::Audience));
        let audience = audiences.get_audience(request).await.unwrap().into_inner();
        let audience = audience.audience.unwrap();
        assert_eq!(&*audience.name, "Big spenders");
        let members = i64::try_from(PEOPLE - 1).unwrap();
        assert_eq!(audience.figures.unwrap().members, members);

        assert_eq!(statuses(&said, "joined"), [200; PEOPLE]);
        assert_eq!(statuses(&said, "left"), [200]);
        assert_eq!(statuses(&said, "lost"), [400]);
        assert_eq!(account.members(&id).await.len(), PEOPLE - 1);
        let turns = history(weir, &account, "segment-0", &id).await;
        assert_eq!(turns, [Kind::Left, Kind::Joined]);

        let associated = said["associated"]["audience_id"].as_str().unwrap();
        assert_ne!(associated, id);
        assert_eq!(statuses(&said, "upserted"), [200; PEOPLE]);
        assert_eq!(statuses(&said, "tracked"), [200; 2]);
        assert_eq!(account.members(associated).await.len(), PEOPLE - 2);
    });
}
