//! Metrics are declared where they are counted, and explained.

use std::fs;

use crate::sources::{before_tests, root, rust_files};

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
        // Of the process or of who scrapes it: theirs would take its place.
        for taken in ["service", "job", "instance"] {
            let label = format!("\"{taken}\" =>");
            assert!(!text.contains(&label), "{path}: a label {taken}");
        }
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
