//! Alerts and the dashboard name metrics that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::sources::{SERVICES, before_tests, root, rust_files, text};

/// All metrics, as Prometheus calls them.
fn metrics() -> BTreeSet<String> {
    let mut found = BTreeSet::from(["up".to_owned()]);
    for folder in ["services", "shared"] {
        for file in rust_files(&root().join(folder)) {
            let text = fs::read_to_string(&file).unwrap();
            let quoted = before_tests(&text).split('"').skip(1).step_by(2);
            let is_name = |c: char| c.is_ascii_lowercase() || "._".contains(c);
            let names = quoted.filter(|name| !name.is_empty() && name.chars().all(is_name));
            found.extend(names.map(|name| name.replace('.', "_")));
        }
    }
    found
}

/// The labels that each metric is counted with, as Prometheus calls it.
fn labels() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for folder in ["services", "shared"] {
        for file in rust_files(&root().join(folder)) {
            let text = fs::read_to_string(&file).unwrap();
            let text = before_tests(&text);
            for kind in ["counter!(", "gauge!(", "histogram!("] {
                let begin = format!(" {kind}");
                let used = text.split(&begin[..]).skip(1);
                for used in used.filter(|used| used.starts_with(|c: char| c.is_ascii_uppercase())) {
                    // To the next statement: what is counted ends with what it is counted by.
                    let used = used.split(';').next().unwrap();
                    let constant = used.split([',', ')']).next().unwrap();
                    let declared = format!("const {constant}: &str = \"");
                    let Some((_, name)) = text.split_once(&declared[..]) else {
                        continue;
                    };
                    let name = name.split('"').next().unwrap().replace('.', "_");
                    let labels = used.split(" =>").map(|before| before.rsplit('"').nth(1));
                    let labels = labels.take(used.matches(" =>").count()).flatten();
                    found
                        .entry(name)
                        .or_default()
                        .extend(labels.map(str::to_owned));
                }
            }
        }
    }
    found
}

/// Metrics with labels in braces, and what a text says that they are counted by (`` `a_total` by
/// `b` and `c` ``).
fn labelled(text: &str) -> Vec<(String, String)> {
    let is_word = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
    let last_word = |text: &str| {
        let begin = text.trim_end_matches(is_word).len();
        text[begin..].to_owned()
    };
    let mut found = Vec::new();
    for (place, _) in text.match_indices('{') {
        let (name, behind) = (last_word(&text[..place]), &text[place + 1..]);
        let labels = behind.split('}').next().unwrap();
        if name.is_empty() || !labels.contains('"') {
            continue;
        }
        let outside = labels.split('"').step_by(2);
        let words = outside.flat_map(|part| part.split(|c| !is_word(c)));
        let words = words.filter(|word| !word.is_empty());
        found.extend(words.map(|label| (name.clone(), label.to_owned())));
    }
    for (place, between) in text.match_indices("` by `") {
        let name = last_word(&text[..place]);
        let behind = text[place + between.len()..].split(['.', ';', ',', ':', ')', '|']);
        let said = behind.into_iter().next().unwrap();
        let labels = said.split("` and `").map(|label| {
            let end = label.find(|c| !is_word(c)).unwrap_or(label.len());
            label[..end].to_owned()
        });
        found.extend(labels.map(|label| (name.clone(), label)));
    }
    found
}

#[test]
fn labels_that_alerts_and_pages_name_are_there() {
    // Of who scrapes.
    const OF_ALL: [&str; 4] = ["service", "job", "instance", "le"];
    let there = labels();
    assert!(there.len() > 50, "{}", there.len());
    let mut seen = 0;
    for page in [
        "deploy/observability/alerts.yml",
        "deploy/observability/alerts.test.yml",
        "docs/operations.md",
        "docs/operations/incidents.md",
        "docs/operations/install.md",
        "docs/operations/secrets.md",
        "docs/operations/size.md",
        "docs/operations/upgrade.md",
    ] {
        for (name, label) in labelled(&text(page)) {
            let base = ["_bucket", "_count", "_sum"]
                .iter()
                .find_map(|end| name.strip_suffix(end));
            let known = there.get(&name).or_else(|| there.get(base?));
            let Some(known) = known.filter(|_| !OF_ALL.contains(&&*label)) else {
                continue;
            };
            seen += 1;
            assert!(
                known.contains(&label),
                "{page}: {name} has no label {label}, but {known:?}"
            );
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn labels_are_found_in_texts() {
    let found = labelled(r#"`a_total{x="1",y!~"2"}`; `b_total` by `z` and `w`: {"no": "one"}"#);
    let pairs = [
        ("a_total", "x"),
        ("a_total", "y"),
        ("b_total", "z"),
        ("b_total", "w"),
    ];
    assert_eq!(found, pairs.map(|(a, b)| (a.to_owned(), b.to_owned())));
}

/// The names of metrics in an expression: words that are neither functions nor labels.
fn named(expression: &str) -> BTreeSet<String> {
    const WORDS: [&str; 5] = ["by", "le", "offset", "or", "unless"];
    let (mut names, mut label) = (BTreeSet::new(), 0);
    let mut rest = expression;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic() || "{}([$".contains(c)) {
        rest = &rest[start..];
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        match rest.as_bytes()[0] {
            b'{' => label += 1,
            b'}' => label -= 1,
            // A range, or a variable of Grafana's.
            b'[' => {
                rest = &rest[rest.find(']').unwrap()..];
                continue;
            }
            _ if label == 0 && word == "by" => {
                rest = &behind[behind.find(')').unwrap()..];
                continue;
            }
            _ if label == 0
                && !word.is_empty()
                && !WORDS.contains(&word)
                && !is_function(behind) =>
            {
                names.insert(word.to_owned());
            }
            _ => {}
        }
        rest = &rest[end.max(1)..];
    }
    names
}

/// What stands behind a word that is one.
fn is_function(behind: &str) -> bool {
    let behind = behind.trim_start();
    behind.starts_with('(') || behind.starts_with("by ")
}

fn assert_known(whose: &str, expression: &str) {
    let metrics = metrics();
    let names = named(expression);
    assert!(!names.is_empty(), "{whose}: {expression}");
    for name in names {
        let base = ["_bucket", "_count", "_sum"]
            .iter()
            .find_map(|end| name.strip_suffix(end));
        let known = metrics.contains(&name) || base.is_some_and(|base| metrics.contains(base));
        assert!(known, "{whose}: there is no metric {name}");
    }
}

fn rules() -> Vec<Value> {
    let rules: Value = serde_saphyr::from_str(&text("deploy/observability/alerts.yml")).unwrap();
    let rules = rules["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() > 8);
    rules.clone()
}

#[test]
fn alerts_ask_for_what_there_is_and_are_explained() {
    let operations = text("docs/operations.md");
    let incidents = text("docs/operations/incidents.md");
    for rule in rules() {
        let name = rule["alert"].as_str().unwrap();
        assert_known(name, rule["expr"].as_str().unwrap());
        let page = format!("operations/incidents.md#{}", name.to_lowercase());
        assert!(
            operations.contains(&format!("| [`{name}`]({page}) |")),
            "docs/operations.md: {name}"
        );
        assert_eq!(rule["annotations"]["runbook"], format!("docs/{page}"));
        assert!(
            incidents.contains(&format!("\n## {name}\n")),
            "docs/operations/incidents.md: {name}"
        );
    }
}

#[test]
fn every_alert_is_tried_where_it_fires_and_where_it_does_not() {
    let path = "deploy/observability/alerts.test.yml";
    let tests: Value = serde_saphyr::from_str(&text(path)).unwrap();
    let tests = tests["tests"].as_array().unwrap().iter();
    let cases: Vec<&Value> = tests
        .flat_map(|one| one["alert_rule_test"].as_array().unwrap())
        .collect();
    for rule in rules() {
        for fires in [true, false] {
            let mut cases = cases.iter();
            let is_tried = cases.any(|one| {
                one["alertname"] == rule["alert"] && one["exp_alerts"].is_array() == fires
            });
            assert!(is_tried, "{path}: {} that fires: {fires}", rule["alert"]);
        }
    }
}

/// A target that is found by DNS, or as a pod, goes with its process: nothing of it is left to be 0.
#[test]
fn each_service_that_is_away_is_missed_by_its_name() {
    let rules = rules();
    let away = rules.iter().find(|rule| rule["alert"] == "WeirServiceAway");
    let asked = away.unwrap()["expr"].as_str().unwrap();
    for service in SERVICES {
        let missed = format!("absent(process_start_time_seconds{{service=\"weir-{service}\"}})");
        assert!(asked.contains(&missed), "nobody misses {service}");
    }
}

/// Otherwise the first one is no increase: the series begins with it.
#[test]
fn what_an_alert_sees_increase_begins_at_0() {
    let rules = rules();
    let asked = rules.iter().filter_map(|rule| rule["expr"].as_str());
    let counters: BTreeSet<&str> = asked
        .flat_map(|expression| expression.split("increase(").skip(1))
        .filter_map(|behind| behind.split('[').next())
        .collect();
    assert!(counters.len() > 5, "{counters:?}");
    let files = ["services", "shared"].map(|folder| rust_files(&root().join(folder)));
    let texts = files.concat();
    let texts: Vec<String> = texts
        .iter()
        .map(|file| before_tests(&fs::read_to_string(file).unwrap()).to_owned())
        .collect();
    for counter in counters {
        let begins = texts.iter().any(|text| {
            let quoted = text.split('"').skip(1).step_by(2);
            let declares = quoted
                .into_iter()
                .any(|name| name.replace('.', "_") == counter);
            declares && text.contains(".increment(0)")
        });
        assert!(begins, "{counter} is not there before it is counted");
    }
}

#[test]
fn the_dashboard_shows_what_there_is() {
    let path = "deploy/observability/grafana/dashboards/weir.json";
    let board: Value = serde_json::from_str(&text(path)).unwrap();
    let panels = board["panels"].as_array().unwrap();
    assert!(panels.len() > 10);
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            assert_known(
                &panel["title"].to_string(),
                target["expr"].as_str().unwrap(),
            );
        }
    }
}

#[test]
fn names_are_found_in_expressions() {
    let names =
        named(r#"sum by (le, x) (rate(a_bucket{x="500", y!="z"}[5m])) / b > 0 or absent(c)"#);
    assert_eq!(names, ["a_bucket", "b", "c"].map(str::to_owned).into());
}

#[test]
fn whoever_scrapes_scrapes_every_service_where_it_tells() {
    let read = |path| -> Value { serde_saphyr::from_str(&text(path)).unwrap() };
    let prometheus = read("deploy/observability/prometheus.yml");
    let collector = read("deploy/observability/collector-metrics.yml");
    let scraped = &prometheus["scrape_configs"][0]["dns_sd_configs"];
    let by_collector = &collector["receivers"]["prometheus"]["config"]["scrape_configs"][0];
    assert_eq!(&by_collector["dns_sd_configs"], scraped);
    let names = scraped[0]["names"].as_array().unwrap();
    let names: BTreeSet<&str> = names.iter().filter_map(Value::as_str).collect();
    assert_eq!(names, BTreeSet::from(SERVICES));
    // What it adds to lies in the file beside it.
    let beside = read("deploy/observability/collector.yml");
    for name in collector["service"]["pipelines"]["metrics"]["processors"]
        .as_array()
        .unwrap()
    {
        assert!(
            beside["processors"][name.as_str().unwrap()].is_object(),
            "{name}"
        );
    }
}

/// Prometheus' own word, where it is there.
#[test]
fn promtool_takes_the_rules() {
    for words in [
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts.test.yml"],
    ] {
        let checked = Command::new("promtool")
            .args(words)
            .current_dir(root().join("deploy/observability"))
            .output();
        let Ok(checked) = checked else {
            eprintln!("left out: there is no promtool");
            return;
        };
        let said = [checked.stdout, checked.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(checked.status.success(), "{said}");
    }
}
