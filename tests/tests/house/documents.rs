//! What is written is held by what is there: rules, decisions, crates.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::sources::{Broken, SERVICES, before_tests, files_of, root, rust_files};

/// `docs/semantics.md` is what Weir does. Each rule stands in the code that keeps it and in a
/// test that would see it broken, by its number: whoever changes a rule finds both.
#[test]
fn every_rule_is_cited_by_a_source_and_a_test() {
    let rules = rules();
    assert!(rules.len() > 60, "the page has {} rules only", rules.len());
    let (mut by_sources, mut by_tests) = (BTreeSet::new(), BTreeSet::new());
    for file in rust_files(&root()) {
        let text = fs::read_to_string(&file).unwrap();
        let path = file
            .strip_prefix(root())
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let of_tests = ["/tests/", "/tests.rs", "/testkit/"];
        let is_test = path.starts_with("tests/") || of_tests.iter().any(|part| path.contains(part));
        let source = if is_test { "" } else { before_tests(&text) };
        let cited = [
            (source, &mut by_sources),
            (&text[source.len()..], &mut by_tests),
        ];
        for (text, by) in cited {
            for rule in citations(text) {
                assert!(rules.contains_key(&rule), "{path}: there is no rule {rule}");
                by.insert(rule);
            }
        }
    }
    let promised = rules.iter().filter(|(_, later)| !**later);
    for (rule, _) in promised {
        assert!(
            by_sources.contains(rule),
            "no source cites semantics {rule}"
        );
        assert!(by_tests.contains(rule), "no test cites semantics {rule}");
    }
}

/// The numbers of the rules, and whether they are marked *(later)*, by themselves or with their
/// section.
fn rules() -> BTreeMap<String, bool> {
    let page = fs::read_to_string(root().join("docs/semantics.md")).unwrap();
    let (mut rules, mut section_is_later) = (BTreeMap::new(), false);
    for line in page.lines() {
        if line.starts_with("## ") {
            section_is_later = line.contains("*(later");
        }
        if let Some((number, text)) = line.split_once(' ')
            && number.starts_with(|c: char| c.is_ascii_digit())
            && number.contains('.')
        {
            let later = section_is_later || text.starts_with("*(later");
            rules.insert(number.to_owned(), later);
        }
    }
    rules
}

/// Of `semantics 3.2, 4.7 and 5.1-5.4`: 3.2, 4.7, 5.1, 5.2, 5.3, 5.4. Whole sections (`semantics
/// 4`) are none. A citation may go on in the next line of its comment.
fn citations(text: &str) -> Vec<String> {
    let lines = text
        .lines()
        .map(|line| line.trim_start().trim_start_matches(['/', '!']));
    let text = lines.collect::<Vec<_>>().join(" ");
    let mut found = Vec::new();
    for behind in text.split("emantics ").skip(1) {
        let behind = behind.replace(" and ", ", ");
        for part in behind.split(", ") {
            let is_part = |c: &char| c.is_ascii_alphanumeric() || ['.', '-'].contains(c);
            let number: String = part.trim_start().chars().take_while(is_part).collect();
            let number = number.trim_end_matches(['.', '-']);
            if !number.starts_with(|c: char| c.is_ascii_digit()) {
                break;
            }
            found.extend(numbers(number));
            if part.trim() != number {
                break;
            }
        }
    }
    found
}

/// `5.1-5.4` is four, `5.1` is one, `5` is none.
fn numbers(text: &str) -> Vec<String> {
    let is_rule = |text: &&str| text.contains('.');
    let Some((first, last)) = text.split_once('-') else {
        return [text]
            .iter()
            .filter(|text| is_rule(text))
            .map(ToString::to_string)
            .collect();
    };
    let (Some((section, from)), Some((_, to))) = (first.split_once('.'), last.split_once('.'))
    else {
        return vec![text.to_owned()];
    };
    let from: u32 = from.parse().unwrap();
    (from..=to.parse().unwrap())
        .map(|number| format!("{section}.{number}"))
        .collect()
}

#[test]
fn citations_are_read_as_people_write_them() {
    let rules = citations(
        "/// (semantics 2.3). Semantics 4, 5.1, 5.2 and 6.4a: a\n// (semantics 5.2-5.4), in semantics\n    /// 1.6; semantics 3.2, 2 years",
    );
    let expected = [
        "2.3", "5.1", "5.2", "6.4a", "5.2", "5.3", "5.4", "1.6", "3.2",
    ];
    assert_eq!(rules, expected);
}

/// Each decision is a row of the index, with its status and the day it was taken.
#[test]
fn every_decision_is_in_the_index() {
    let folder = root().join("docs/decisions");
    let index = fs::read_to_string(folder.join("README.md")).unwrap();
    let mut rows = index.lines().filter(|line| line.starts_with("| ["));
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    files.sort();
    for (number, name) in (1..).zip(&files) {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        let title = text.lines().next().unwrap().strip_prefix("# ").unwrap();
        let title = title.strip_prefix(&format!("{number}. ")).expect(name);
        let row = rows
            .next()
            .unwrap_or_else(|| panic!("the index has no row of {name}"));
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(
            cells[..2],
            [format!("[{number}]({name})"), title.to_owned()]
        );
        let statuses = ["stands", "changed by", "taken back by"];
        assert!(
            statuses.iter().any(|status| cells[2].starts_with(status)),
            "{name}: {}",
            cells[2]
        );
        let is_day = |text: &str| {
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            text.len() == 10 && digits == 8 && text.split('-').count() == 3
        };
        assert!(is_day(cells[3]), "{name}: {}", cells[3]);
    }
    assert_eq!(rows.next(), None, "a row without a decision");
}

/// Whoever opens a crate reads first what it is for.
#[test]
fn every_crate_opens_with_a_page() {
    for folder in ["services", "shared"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let file = entry.unwrap().path().join("src/lib.rs");
            let text = fs::read_to_string(&file).unwrap();
            let page = text.lines().take_while(|line| line.starts_with("//!"));
            assert!(page.count() >= 2, "{}: what is it for?", file.display());
        }
    }
}

/// Whoever calls a service reads in its proto what it is for, and of each call whether it may be
/// repeated, its limits and its errors.
#[test]
fn every_service_and_rpc_is_explained() {
    let mut calls = 0;
    let mut broken = Broken::default();
    for file in files_of(&root().join("proto/weir"), "proto") {
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
        for (number, pair) in lines.windows(2).enumerate() {
            let is_call = pair[1].starts_with("rpc ");
            calls += usize::from(is_call);
            if (is_call || pair[1].starts_with("service ")) && !pair[0].starts_with("//") {
                broken.at(
                    &file,
                    number + 2,
                    "idempotent? limits? errors? who may retry?",
                );
            }
        }
    }
    broken.assert_none();
    assert!(calls > 35, "the rule looked at {calls} calls only");
}

/// Not only in `--help`. Of `X_FILE` it is enough that X is: all of them are read alike.
#[test]
fn every_variable_is_in_a_document() {
    let mut documents = files_of(&root().join("docs"), "md");
    documents.extend(SERVICES.map(|name| root().join(format!("services/{name}/README.md"))));
    documents.push(root().join("README.md"));
    let documents = documents
        .iter()
        .map(|file| fs::read_to_string(file).unwrap());
    let documents: String = documents.collect();
    let mut seen = 0;
    for folder in ["cli", "services", "shared"] {
        for file in rust_files(&root().join(folder)) {
            let text = fs::read_to_string(&file).unwrap();
            for behind in before_tests(&text).split("env = \"").skip(1) {
                let name = behind.split('"').next().unwrap();
                let told = name.strip_suffix("_FILE").unwrap_or(name);
                assert!(
                    documents.contains(&format!("`{told}"))
                        || documents.contains(&format!("{told}=")),
                    "{}: no document has {name}",
                    file.display()
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 60, "the rule looked at {seen} variables only");
}
