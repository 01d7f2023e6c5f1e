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
        "redis::",
        "SELECT ",
        "INSERT INTO",
        "DELETE FROM",
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
    let mut seen = 0;
    for service in SERVICES {
        for file in files(service) {
            let text = fs::read_to_string(&file).unwrap();
            for (number, line) in text.lines().enumerate() {
                if line.trim_start() == "#[cfg(test)]" || line.trim_start() == "mod tests {" {
                    break;
                }
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
    }
    assert!(seen > 500, "the rule looked at {seen} lines only");
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
