//! The program itself, as it is started.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn weir(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(words).env_remove("WEIR_DATA");
    command.output().unwrap()
}

#[test]
fn wrong_use_ends_with_two_and_says_what_is_wrong() {
    for (words, said) in [
        (&["export", "contacts"][..], "--account"),
        (&["export", "person", "--account", "a"], "required"),
        (
            &[
                "export",
                "person",
                "--account",
                "a",
                "--email",
                "e",
                "--phone",
                "p",
            ],
            "cannot be used",
        ),
        (&["import", "contacts", "f.csv"], "--account"),
        (
            &[
                "import",
                "contacts",
                "f.csv",
                "--account",
                "a",
                "--merge",
                "mix",
            ],
            "overwrite",
        ),
        (&["no-such-command"], "unrecognized"),
    ] {
        let output = weir(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(said), "{words:?}: {text}");
    }
}

#[test]
fn every_command_explains_itself() {
    for words in [
        &["--help"][..],
        &["export", "contacts", "--help"],
        &["export", "person", "--help"],
        &["import", "contacts", "--help"],
    ] {
        let output = weir(words);
        assert!(output.status.success(), "{words:?}");
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("Usage"),
            "{words:?}"
        );
    }
}

/// What can't be reached or is no address is said at once: it is the first step of an install.
#[test]
fn roles_says_in_a_sentence_what_it_can_not_work_with() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let away = format!("postgres://boss:secret-1@127.0.0.1:{port}/weir");
    for (url, code, said) in [
        ("", 2, "begins with postgres://"),
        ("http://secret-1", 2, "begins with postgres://"),
        (&*away, 1, "can't be used: no connection"),
    ] {
        let begun = std::time::Instant::now();
        let output = weir(&["roles", "--database", url]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{url}: {text}");
        assert!(text.contains(said), "{url}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains("secret-1"), "{text}");
        assert!(begun.elapsed().as_secs() < 12, "{url}");
    }
}

#[test]
fn the_console_is_where_its_variable_says() {
    let nothing = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["console", "--token", "weir_x", "--data"]);
    command.arg(nothing.path());
    // Nobody listens there, and there is nobody else to be asked.
    command.env("WEIR_CONSOLE_URL", "http://127.0.0.1:1/");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("http://127.0.0.1:1 does not answer"),
        "{text}"
    );
}

/// Against a service that says nothing the export waits, and its file is there already.
#[test]
fn an_export_that_is_interrupted_leaves_nothing() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args([
        "export",
        "contacts",
        "--account",
        "a",
        "--address",
        &address,
    ]);
    command
        .arg("--output")
        .arg(folder.path().join("people.csv"));
    let mut export = command.spawn().unwrap();
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    let begun = std::time::Instant::now();
    while files() == 0 {
        assert!(begun.elapsed().as_secs() < 60, "nothing is written");
        std::thread::yield_now();
    }
    let pid = export.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status();
    assert!(sent.unwrap().success());
    assert_eq!(export.wait().unwrap().code(), Some(130));
    assert_eq!(files(), 0);
}

#[test]
fn a_folder_is_no_file_to_export_into() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let words = ["export", "contacts", "--account", "a", "-o", &place];
    let output = weir(&[&words[..], &["--address", "http://127.0.0.1:1"]].concat());
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains(&format!("can't write {place}")), "{text}");
}

/// Nothing that runs is asked: what was given is wrong by itself.
#[test]
fn what_is_no_address_is_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    for (words, said) in [
        (
            &["health", "quota", "--address", "foo"][..],
            "quota: \"foo\" is not an address",
        ),
        (&["doctor", "--database", "foo"], "no URL of PostgreSQL"),
        (&["up", "--data", &data, "--postgres", "foo"], "--postgres"),
        (&["up", "--data", &data, "--redis", "http://foo"], "--redis"),
    ] {
        let output = weir(words);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {text}");
        assert!(text.contains(said), "{words:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
