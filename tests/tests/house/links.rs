//! What pages point to is there: files, and headings in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::sources::{Broken, files_of, root};

/// Lines that are no code, with what stands between backticks left out.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut is_code = false;
    text.lines().enumerate().filter_map(move |(number, line)| {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
            return None;
        }
        let words = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        (!is_code).then_some((number + 1, words))
    })
}

/// Where links of a line lead to.
fn links(line: &str) -> Vec<&str> {
    let behind = line.split("](").skip(1);
    let targets = behind.filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target).collect()
}

/// What GitHub calls the headings of a page.
fn anchors(text: &str) -> BTreeSet<String> {
    let (mut found, mut seen) = (BTreeSet::new(), BTreeMap::<String, usize>::new());
    let mut is_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if is_code || !line.starts_with('#') {
            continue;
        }
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c => c.is_alphanumeric().then_some(c),
        });
        let name: String = kept.collect();
        let times = seen.entry(name.clone()).or_default();
        found.insert(match *times {
            0 => name,
            times => format!("{name}-{times}"),
        });
        *times += 1;
    }
    found
}

fn resolved(path: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                resolved.pop();
            }
            part => resolved.push(part),
        }
    }
    resolved
}

#[test]
fn every_link_of_a_page_leads_somewhere() {
    let (mut broken, mut seen) = (Broken::default(), 0);
    for file in files_of(&root(), "md") {
        let path = file.to_string_lossy();
        // What installs itself is not ours; this one is a part of a page.
        if path.contains("/node_modules/") || path.ends_with("proto/tests/api/head.md") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in prose(&text) {
            for link in links(&line) {
                if link.contains("://") || link.starts_with("mailto:") {
                    continue;
                }
                seen += 1;
                let (place, anchor) = link.split_once('#').unwrap_or((link, ""));
                let target = match place {
                    "" => file.clone(),
                    place => resolved(&file.parent().unwrap().join(place)),
                };
                if !target.exists() {
                    broken.at(&file, number, &format!("there is no {place}"));
                } else if !anchor.is_empty() && target.extension().is_some_and(|end| end == "md") {
                    let page = fs::read_to_string(&target).unwrap();
                    if !anchors(&page).contains(anchor) {
                        let what = format!("no heading of {} is #{anchor}", target.display());
                        broken.at(&file, number, &what);
                    }
                }
            }
        }
    }
    broken.assert_none();
    assert!(seen > 500, "the rule looked at {seen} links only");
}

#[test]
fn headings_are_named_as_github_names_them() {
    let page = "# Back up, and restore: `all`\n```\n# no heading\n```\n## Twice\n## Twice\n";
    let expected = ["back-up-and-restore-all", "twice", "twice-1"];
    assert_eq!(anchors(page), expected.map(str::to_owned).into());
    let line = prose("see [a](b.md#c) and `[no](d)`, [e](f)")
        .next()
        .unwrap()
        .1;
    assert_eq!(links(&line), ["b.md#c", "f"]);
}
