//! How long things get, and that they are finished.

use std::fs;

use crate::sources::{Broken, root, rust_files};

/// What a person reads at one go.
const LINES_OF_A_FILE: usize = 450;
const LINES_OF_A_FUNCTION: usize = 80;

#[test]
fn no_file_and_no_function_is_too_long_to_be_read() {
    let (mut broken, mut functions) = (Broken::default(), 0);
    for file in rust_files(&root()) {
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        if lines.len() > LINES_OF_A_FILE {
            let what = "the file is too long; split it by meaning";
            broken.at(&file, lines.len(), what);
        }
        for (number, line) in lines.iter().enumerate() {
            let Some(length) = length_of_function(line, &lines[number..]) else {
                continue;
            };
            functions += 1;
            if length > LINES_OF_A_FUNCTION {
                let what = format!("a function of {length} lines; split it by meaning");
                broken.at(&file, number + 1, &what);
            }
        }
    }
    broken.assert_none();
    assert!(
        functions > 2_000,
        "the rule looked at {functions} functions"
    );
}

/// Of the function that begins in `line`, if one does: rustfmt closes it at the indent where it
/// opened.
fn length_of_function(line: &str, from_there: &[&str]) -> Option<usize> {
    let words = line.trim_start();
    let (before, _) = words.split_once("fn ")?;
    let qualifiers = ["pub", "pub(crate)", "pub(super)", "const", "async"];
    if !before
        .split_whitespace()
        .all(|word| qualifiers.contains(&word))
    {
        return None;
    }
    let indent = &line[..line.len() - words.len()];
    let end = |line: &&str| {
        line.strip_prefix(indent)
            .is_some_and(|rest| rest == "}" || (rest.starts_with(')') && rest.ends_with(';')))
    };
    let one_line = line.ends_with(['}', ';']);
    (!one_line).then(|| 1 + from_there.iter().position(end).unwrap_or_default())
}

#[test]
fn there_is_no_mod_rs_and_nothing_unfinished() {
    let mut broken = Broken::default();
    for file in rust_files(&root()) {
        if file.ends_with("mod.rs") {
            broken.at(&file, 1, "modules are foo.rs beside foo/");
        }
        if file.ends_with("house/sizes.rs") {
            continue;
        }
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            let marks = ["TODO", "FIXME", "todo!(", "unimplemented!(", "#[ignore"];
            for mark in marks.iter().filter(|mark| line.contains(**mark)) {
                broken.at(&file, number + 1, mark);
            }
        }
    }
    broken.assert_none();
}
