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
