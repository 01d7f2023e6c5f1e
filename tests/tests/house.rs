//! The rules of the house, as a test: which room may know what.
//!
//! It reads the sources as text. A rule that is broken names the file and the line.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

const SERVICES: [&str; 6] = [
    "edge",
    "mapping",
    "contact-upsert",
    "activity",
    "audience",
    "quota",
];

#[test]
fn domains_know_no_transport_storage_clock_or_environment() {
    let forbidden = [
        "tokio",
        "tonic",
        "prost",
        "weir_proto",
        "deadpool",
        "redis::",
        "hyper",
        "axum",
        "std::env",
        "std::time::SystemTime",
        "Instant::now",
        "Utc::now",
        "Uuid::now_v7",
        "Uuid::new_v4",
        "std::fs",
        "std::net::Tcp",
    ];
    check(|service| room(service, "domain"), &forbidden);
}

#[test]
fn sql_and_redis_stand_in_the_store_alone() {
    let forbidden = [
        "tokio_postgres",
        "deadpool",
        "redis::",
        "SELECT ",
        "INSERT INTO",
        "DELETE FROM",
        "UPDATE ",
        "TRUNCATE ",
        "ALTER TABLE",
        "CREATE TABLE",
        "DROP TABLE",
        "ATTACH PARTITION",
        "SET LOCAL",
        "batch_execute",
        "simple_query",
        "prepare_cached",
    ];
    check(
        |service| outside_of(service, &["store", "config", "lib", "main"]),
        &forbidden,
    );
}

#[test]
fn generated_messages_stop_at_the_wire() {
    let forbidden = ["weir_proto", "prost_types", "prost::"];
    check(
        |service| outside_of(service, &["grpc", "clients", "lib", "main"]),
        &forbidden,
    );
}

#[test]
fn arrows_point_inwards() {
    let outer = ["crate::app", "crate::grpc", "crate::http", "crate::clients"];
    check(|service| room(service, "store"), &outer);
    let outer = [&outer[..], &["crate::store", "crate::metrics"]].concat();
    check(|service| room(service, "domain"), &outer);
    let rooms = ["app", "clients"];
    let outer = ["crate::grpc", "crate::http"];
    check(
        |service| rooms.iter().flat_map(|name| room(service, name)).collect(),
        &outer,
    );
}

#[test]
fn errors_of_calls_are_made_in_one_place() {
    // `weir_rpc` makes them: each carries a reason (semantics 1.6).
    let made = [
        "new",
        "ok",
        "cancelled",
        "unknown",
        "invalid_argument",
        "deadline_exceeded",
        "not_found",
        "already_exists",
        "permission_denied",
        "resource_exhausted",
        "failed_precondition",
        "aborted",
        "out_of_range",
        "unimplemented",
        "internal",
        "unavailable",
        "data_loss",
        "unauthenticated",
        "with_details",
        "with_error_details",
    ]
    .map(|name| format!("Status::{name}("));
    let forbidden: Vec<&str> = made.iter().map(String::as_str).collect();
    check(|service| outside_of(service, &[]), &forbidden);
}

#[test]
fn only_the_shared_crates_own_tasks_of_calls_and_loops() {
    // Loops run under `weir_service::Background`, work that outlives its call under `detached`:
    // a task of one's own loses its span, and its panic. The edge's tasks are of connections.
    let services = SERVICES.iter().filter(|service| **service != "edge");
    for service in services {
        check_files(outside_of(service, &[]), &["tokio::spawn(", "task::spawn("]);
    }
}

#[test]
fn every_metric_is_declared_once_and_explained() {
    let mut declared = 0;
    for file in rust_files(&root()) {
        let path = file.to_string_lossy().into_owned();
        let is_ours =
            (path.contains("/services/") || path.contains("/shared/")) && path.contains("/src/");
        let text = fs::read_to_string(&file).unwrap();
        if !is_ours
            || !["counter!(", "gauge!(", "histogram!("]
                .iter()
                .any(|m| text.contains(m))
        {
            continue;
        }
        let text = before_tests(&text);
        for kind in ["counter", "gauge", "histogram"] {
            let used = format!("{kind}!(");
            for behind in text.split(&used[..]).skip(1) {
                let name = behind.trim_start();
                let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let name = &name[..end.unwrap_or(name.len())];
                assert!(
                    !name.is_empty() && name.chars().all(|c| !c.is_ascii_lowercase()),
                    "{path}: a {kind} without a constant for its name"
                );
                let squeezed = text.replace(char::is_whitespace, "");
                assert!(
                    squeezed.contains(&format!("describe_{kind}!({name},")),
                    "{path}: nothing explains {name}"
                );
                let value = format!("const {name}: &str = \"");
                let value = text.split(&value[..]).nth(1).unwrap_or_default();
                let value = value.split('"').next().unwrap();
                assert_eq!(
                    kind == "counter",
                    value.ends_with("_total"),
                    "{path}: {name} is a {kind}, and called {value:?}"
                );
                declared += 1;
            }
        }
    }
    assert!(declared > 40, "the rule looked at {declared} metrics only");
}

#[test]
fn no_file_is_too_long_to_be_read() {
    for folder in ["services", "shared", "cli", "bench"] {
        for file in rust_files(&root().join(folder)) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            let is_source = file.to_string_lossy().contains("/src/");
            assert!(
                !is_source || lines <= 450,
                "{}: {lines} lines; split it by meaning",
                file.display()
            );
        }
    }
}

#[test]
fn services_know_only_the_contract_of_each_other() {
    for service in SERVICES {
        let manifest = root().join("services").join(service).join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        for other in SERVICES {
            let dependency = format!("weir-{other}.");
            let alternative = format!("weir-{other} ");
            assert!(
                other == service
                    || !text
                        .lines()
                        .any(|line| line.starts_with(&dependency) || line.starts_with(&alternative)),
                "{} depends on {other}; services meet in weir-proto",
                manifest.display()
            );
        }
    }
}

#[test]
fn every_service_has_the_same_rooms() {
    for service in SERVICES {
        let folder = root().join("services").join(service);
        let mut rooms = vec![
            "README.md",
            "src/main.rs",
            "src/lib.rs",
            "src/config.rs",
            "src/domain.rs",
            "src/app.rs",
            "src/metrics.rs",
            "tests/service/main.rs",
            "tests/service/harness.rs",
        ];
        if service == "edge" {
            rooms.extend(["src/http.rs", "src/clients.rs"]);
        } else {
            rooms.extend(["src/store.rs", "src/grpc.rs"]);
        }
        for room in rooms {
            assert!(folder.join(room).exists(), "{service} has no {room}");
        }
    }
}

#[test]
fn there_is_no_unsafe_no_mod_rs_and_nothing_unfinished() {
    for file in rust_files(&root()) {
        assert!(
            file.file_name().unwrap() != "mod.rs",
            "{}: modules are foo.rs beside foo/",
            file.display()
        );
        if file.ends_with("tests/tests/house.rs") {
            continue;
        }
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            for mark in ["TODO", "FIXME", "todo!(", "unimplemented!(", "#[ignore"] {
                assert!(
                    !line.contains(mark),
                    "{}:{}: {mark}",
                    file.display(),
                    number + 1
                );
            }
        }
    }
}

/// Fails on the first line of code (not of comments or tests) that holds a forbidden word.
fn check(files: impl Fn(&str) -> Vec<PathBuf>, forbidden: &[&str]) {
    let seen: usize = SERVICES
        .iter()
        .map(|service| check_files(files(service), forbidden))
        .sum();
    assert!(seen > 500, "the rule looked at {seen} lines only");
}

fn check_files(files: Vec<PathBuf>, forbidden: &[&str]) -> usize {
    let mut seen = 0;
    for file in files {
        // A module of tests in a file of its own.
        if file.ends_with("tests.rs") || file.parent().unwrap().ends_with("tests") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in before_tests(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            seen += 1;
            for word in forbidden {
                assert!(
                    !code.contains(word),
                    "{}:{}: `{word}` does not belong in this room",
                    file.display(),
                    number + 1
                );
            }
        }
    }
    seen
}

/// A file's tests are its end.
fn before_tests(text: &str) -> &str {
    let ends = ["#[cfg(test)]\nmod tests {", "#[cfg(test)]\nmod tests;"];
    let end = ends.iter().filter_map(|end| text.find(end)).min();
    &text[..end.unwrap_or(text.len())]
}

/// `foo.rs` and everything below `foo/`.
fn room(service: &str, name: &str) -> Vec<PathBuf> {
    let source = root().join("services").join(service).join("src");
    let mut files = rust_files(&source.join(name));
    files.push(source.join(format!("{name}.rs")));
    files.retain(|file| file.exists());
    files
}

fn outside_of(service: &str, rooms: &[&str]) -> Vec<PathBuf> {
    let source = root().join("services").join(service).join("src");
    let inside: Vec<PathBuf> = rooms.iter().flat_map(|name| room(service, name)).collect();
    let mut files = rust_files(&source);
    files.retain(|file| !inside.contains(file));
    files
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                found.extend(rust_files(&path));
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}
