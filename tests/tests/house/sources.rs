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

/// What a file of the checkout says.
pub fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All that a service's configuration is made of, as text.
fn configuration(service: &str) -> String {
    let own = text(&format!("services/{service}/src/config.rs"));
    let shared = ["redis", "rpc", "service", "telemetry", "tls"].map(|name| {
        let files = rust_files(&root().join("shared").join(name).join("src"));
        files
            .iter()
            .map(|file| fs::read_to_string(file).unwrap())
            .collect::<String>()
    });
    own + &shared.concat()
}

/// Whether a service reads a variable: itself, or one of the libraries below it.
pub fn reads(service: &str, variable: &str) -> bool {
    // Of the runtime of all of them.
    variable == "TOKIO_WORKER_THREADS"
        || configuration(service).contains(&format!("env = \"{variable}\""))
}

/// Where a service listens unless it is told otherwise.
pub fn port(service: &str) -> u16 {
    let own = text(&format!("services/{service}/src/config.rs"));
    let own = own
        .split("env = \"WEIR_LISTEN\", default_value = \"127.0.0.1:")
        .nth(1);
    own.and_then(|own| own.split('"').next()?.parse().ok())
        .expect(service)
}

/// The services that one calls, by the variables that say where they are.
pub fn calls(service: &str) -> Vec<&'static str> {
    let own = text(&format!("services/{service}/src/config.rs"));
    let is_called = |(_, variable): &(&str, &str)| own.contains(&format!("\"{variable}\""));
    URLS.into_iter()
        .filter(is_called)
        .map(|(name, _)| name)
        .collect()
}

/// The services that others call, and the variables that say where they are.
pub const URLS: [(&str, &str); 5] = [
    ("mapping", "WEIR_MAPPING_URL"),
    ("contact-upsert", "WEIR_CONTACT_URL"),
    ("activity", "WEIR_ACTIVITY_URL"),
    ("audience", "WEIR_AUDIENCE_URL"),
    ("quota", "WEIR_QUOTA_URL"),
];

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}
