//! What each service tells Prometheus, by the rules that `promtool check metrics` goes by.

use std::collections::HashMap;
use std::process::Stdio;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use weir_stack::Service;
use weir_tests::events::{identify, track};
use weir_tests::{Account, Plan, journey};

/// What a histogram is of; where it counts things, these are its unit.
const UNITS: [&str; 4] = ["_seconds", "_bytes", "_events", "_requests"];

#[test]
fn every_metric_is_named_and_explained_as_prometheus_wants_it() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let person = identify("metrics", json!({"firstName": "Lana"}));
        account.identify(&[person]).await;
        account.track(&[track("metrics")]).await;
        for service in Service::ALL {
            let text = weir.metrics(service).await;
            let findings = findings(&text);
            assert!(findings.is_empty(), "{service:?}: {findings:#?}\n{text}");
            for name in [
                "process_cpu_seconds_total",
                "process_resident_memory_bytes",
                "process_open_fds",
                "process_start_time_seconds",
            ] {
                assert!(text.contains(name), "{service:?} does not tell {name}");
            }
            for name in before_it_happens(service) {
                let line = text.lines().find(|line| line.starts_with(name));
                let line = line.unwrap_or_else(|| panic!("{service:?} does not tell {name}"));
                assert!(line.ends_with(" 0"), "{service:?}: {line}");
            }
            if let Some(said) = promtool(&text).await {
                assert_eq!(said, "", "{service:?}");
            }
        }
    });
}

/// Counters that alerts see rise: they are there before they do.
fn before_it_happens(service: Service) -> &'static [&'static str] {
    match service {
        Service::Edge => &["edge_request_panics_total{", "counts_lost_total{"],
        Service::Console => &[],
        Service::Mapping => &["rpc_server_panics_total{", "mapping_lost_notes_total{"],
        _ => &[
            "rpc_server_panics_total{",
            "work_panics_total{",
            "background_loop_failures_total{",
        ],
    }
}

/// The rules, where promtool is not installed.
fn findings(text: &str) -> Vec<String> {
    let (mut kinds, mut helps) = (HashMap::new(), HashMap::new());
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' ')) {
            kinds.insert(name, kind);
        }
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|l| l.split_once(' ')) {
            helps.insert(name, help);
        }
    }
    assert!(kinds.len() > 5, "few metrics:\n{text}");
    let mut found = Vec::new();
    for (name, kind) in kinds {
        if helps.get(name).is_none_or(|help| help.trim().is_empty()) {
            found.push(format!("{name} has no help"));
        }
        if (kind == "counter") != name.ends_with("_total") {
            found.push(format!(
                "{name} is a {kind}; counters, and no others, end in _total"
            ));
        }
        if kind == "histogram" && !UNITS.iter().any(|unit| name.ends_with(unit)) {
            found.push(format!("{name} does not name its unit"));
        }
        let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.chars().all(lower) {
            found.push(format!("{name} is not in snake_case"));
        }
    }
    found
}

/// What promtool finds; none where there is no promtool.
async fn promtool(text: &str) -> Option<String> {
    let mut child = tokio::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take().unwrap();
    input.write_all(text.as_bytes()).await.unwrap();
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some(String::from_utf8(said).unwrap().trim().to_owned())
}
