//! The sources, as the rules look at them.

use std::fs;
use std::path::{Path, PathBuf};

pub const SERVICES: [&str; 7] = [
    "edge",
    "mapping",
    "contact-upsert",
    "activity",
    "audience",
    "quota",
    "console",
];

/// Where a rule is broken. All places are told at once.
#[derive(Default)]
pub struct Broken(Vec<String>);

impl Broken {
    pub fn at(&mut self, file: &Path, line: usize, what: &str) {
        let file = file.strip_prefix(root()).unwrap_or(file).display();
        self.0.push(format!("{file}:{line}: {what}"));
    }

    pub fn assert_none(self) {
        assert!(self.0.is_empty(), "\n{}", self.0.join("\n"));
    }
}

/// Fails where a line of code (not of comments or tests) holds a forbidden word.
pub fn check(files: impl Fn(&str) -> Vec<PathBuf>, forbidden: &[&str]) {
    let files: Vec<PathBuf> = SERVICES.iter().flat_map(|service| files(service)).collect();
    let (mut broken, mut seen) = (Broken::default(), 0);
    for file in files {
        // A module of tests in a file of its own.
        if file.ends_with("tests.rs") || file.parent().unwrap().ends_with("tests") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in before_tests(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            seen += 1;
            for word in forbidden.iter().filter(|word| code.contains(**word)) {
                let what = format!("`{word}` does not belong in this room");
                broken.at(&file, number + 1, &what);
            }
        }
    }
    broken.assert_none();
    assert!(seen > 300, "the rule looked at {seen} lines only");
}

/// A file's tests are its end.
pub fn before_tests(text: &str) -> &str {
    let ends = ["#[cfg(test)]\nmod tests {", "#[cfg(test)]\nmod tests;"];
    let end = ends.iter().filter_map(|end| text.find(end)).min();
    &text[..end.unwrap_or(text.len())]
}

/// `foo.rs` and everything below `foo/`.
pub fn room(service: &str, name: &str) -> Vec<PathBuf> {
    let source = root().join("services").join(service).join("src");
    let mut files = rust_files(&source.join(name));
    files.push(source.join(format!("{name}.rs")));
    files.retain(|file| file.exists());
    files
}

pub fn outside_of(service: &str, rooms: &[&str]) -> Vec<PathBuf> {
    let source = root().join("services").join(service).join("src");
    let inside: Vec<PathBuf> = rooms.iter().flat_map(|name| room(service, name)).collect();
    let mut files = rust_files(&source);
    files.retain(|file| !inside.contains(file));
    files
}

pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    files_of(folder, "rs")
}

/// All below it whose names end so, but for what is built or hidden.
pub fn files_of(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                found.extend(files_of(&path, extension));
            }
        } else if path.extension().is_some_and(|of| of == extension) {
            found.push(path);
        }
    }
    found
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}
