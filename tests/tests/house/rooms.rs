//! Which room may know what.

use std::fs;
use std::path::PathBuf;

use crate::sources::{SERVICES, check, outside_of, room, root};

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
        "weir_ids::fresh",
        "weir_ids::random",
        "std::fs",
        "std::net::Tcp",
    ];
    check(|service| room(service, "domain"), &forbidden);
}

#[test]
fn sql_and_redis_stand_in_the_store_alone() {
    let verbs = [
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "MERGE",
        "VALUES",
        "WITH",
        "COPY",
        "TRUNCATE",
        "CREATE",
        "ALTER",
        "DROP",
        "ATTACH",
        "DETACH",
        "LOCK",
        "SET",
        "GRANT",
        "REVOKE",
        "CALL",
        "ANALYZE",
        "VACUUM",
        "EXPLAIN",
        "NOTIFY",
        "LISTEN",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT",
    ];
    // In a line of a statement, or as a whole one.
    let verbs = verbs
        .iter()
        .flat_map(|verb| [format!("{verb} "), format!("{verb}\"")]);
    let verbs: Vec<String> = verbs.collect();
    let drivers = [
        "tokio_postgres",
        "deadpool",
        "redis::",
        "batch_execute",
        "simple_query",
        "prepare_cached",
        // Beyond the account's transaction (semantics 9.6).
        "unscoped",
    ];
    let forbidden: Vec<&str> = drivers
        .into_iter()
        .chain(verbs.iter().map(String::as_str))
        .collect();
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
    let files = |service: &str| match service {
        "edge" => Vec::new(),
        _ => outside_of(service, &[]),
    };
    check(files, &["tokio::spawn(", "task::spawn("]);
}

/// Arrows point inwards: `grpc → app → domain`, `app → store → domain`. What a room may name of
/// its own crate, and nothing behind a curtain: no room hands on what another one has.
#[test]
fn arrows_point_inwards() {
    let all = [
        "domain", "store", "clients", "app", "grpc", "http", "metrics",
    ];
    let known = [
        ("domain", &["domain"][..]),
        ("store", &["store", "domain", "metrics"]),
        ("clients", &["clients", "domain", "metrics"]),
        ("app", &["app", "store", "clients", "domain", "metrics"]),
        ("grpc", &["grpc", "app", "domain", "metrics"]),
        // The edge has no store; its HTTP side and its clients share what is asked and answered.
        ("http", &["http", "app", "clients", "domain", "metrics"]),
        ("metrics", &["metrics", "domain"]),
    ];
    for (name, knows) in known {
        let others = all.iter().filter(|other| !knows.contains(other));
        let mut forbidden: Vec<String> = others
            .flat_map(|other| [format!("crate::{other}"), format!("super::{other}::")])
            .collect();
        let handed_on = all.iter().filter(|other| **other != name);
        forbidden.extend(handed_on.map(|other| format!("pub use crate::{other}")));
        // One line each, so that no arrow hides in a group.
        forbidden.push("use crate::{".to_owned());
        let forbidden: Vec<&str> = forbidden.iter().map(String::as_str).collect();
        // The one table from errors to codes names the errors of all rooms.
        let table = |file: &PathBuf| file.ends_with("grpc/status.rs");
        let files = |service: &str| room(service, name).into_iter().filter(|file| !table(file));
        check(|service| files(service).collect(), &forbidden);
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
        if ["edge", "console"].contains(&service) {
            rooms.extend(["src/http.rs", "src/clients.rs"]);
        } else {
            rooms.extend(["src/store.rs", "src/grpc.rs"]);
        }
        for room in rooms {
            assert!(folder.join(room).exists(), "{service} has no {room}");
        }
    }
}
