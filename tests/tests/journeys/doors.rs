//! The front door, told by the variables of services where their replicas are.

use std::net::TcpListener;
use std::process::Output;
use std::time::{Duration, Instant};

use weir_servers::free_port;
use weir_stack::Service;
use weir_tests::front_door::{bare_command, said};
use weir_tests::{Weir, journey};

/// Runs it with these addresses of mapping, and tells how long it took.
async fn door(weir: &'static Weir, mapping: &str, words: &[&str]) -> (Output, Duration) {
    let nothing = tempfile::tempdir().unwrap();
    let mut command = bare_command(words);
    command.env("WEIR_TOKEN", weir.stack.token());
    command.env("WEIR_DATA", nothing.path());
    command.env("WEIR_MAPPING_URL", mapping);
    command.env("WEIR_AUDIENCE_URL", weir.stack.url(Service::Audience));
    let begun = Instant::now();
    let done = tokio::task::spawn_blocking(move || command.output());
    (done.await.unwrap().unwrap(), begun.elapsed())
}

#[test]
fn the_next_replica_is_asked_where_the_first_is_away_and_health_names_each() {
    journey(async |weir| {
        let away = format!("http://127.0.0.1:{}", free_port().unwrap());
        // As a process that hangs: the system takes connections for it.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let silent = format!("http://{}", silent.local_addr().unwrap());
        let well = weir.stack.url(Service::Mapping);
        let all = format!("{away}, {silent},{well}");
        for words in [&["call", "mapping/ListAccounts"][..], &["export-config"]] {
            let (output, _) = door(weir, &all, words).await;
            assert!(output.status.success(), "{words:?}: {}", said(&output));
        }
        let (output, _) = door(weir, &all, &["health"]).await;
        let told = said(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        let line = |url: &str| told.lines().find(|line| line.ends_with(url));
        for url in [&away, &silent] {
            assert!(line(url).unwrap().contains("NOT HEALTHY"), "{told}");
        }
        assert!(line(&well).unwrap().contains(" healthy"), "{told}");
        let (output, _) = door(weir, &well, &["health"]).await;
        assert!(output.status.success(), "{}", said(&output));

        let none = format!("{away},{away}/");
        let (output, _) = door(weir, &none, &["call", "mapping/ListAccounts"]).await;
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(said(&output).matches("nobody answers at").count(), 2);
    });
}

#[test]
fn status_tells_of_what_runs_elsewhere_and_waits_for_nobody() {
    journey(async |weir| {
        let well = weir.stack.url(Service::Mapping);
        let (output, _) = door(weir, &well, &["status"]).await;
        let told = said(&output);
        assert!(output.status.success(), "{told}");
        assert!(told.contains(&well) && told.contains("audience"), "{told}");
        assert!(told.contains("\n  mail: "), "{told}");
        assert!(!told.contains("not known"), "{told}");

        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let silent = format!("http://{}", silent.local_addr().unwrap());
        let (output, took) = door(weir, &silent, &["status"]).await;
        let told = said(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("paused sources are not known"), "{told}");
        assert!(took < Duration::from_secs(10), "{took:?}");
        // What mapping says of itself is told beside the others that do not answer.
        let (output, _) = door(weir, &format!("{silent},{well}"), &["status"]).await;
        let told = said(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("\n  mail: "), "{told}");
    });
}
