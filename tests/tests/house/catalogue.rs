//! `docs/metrics.md` says what the code says of its metrics.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::sources::{before_tests, root, rust_files, text};

const HEAD: &str = "# Metrics

What each process tells at `/metrics` (`WEIR_METRICS_LISTEN`), in Prometheus' text form. Made of \
the code (`WEIR_WRITE=1 cargo test -p weir-tests --test house catalogue`). No label names an \
account, a person or a value. Seconds and bytes are as the names say; everything else is a number \
of things. Counters begin anew with each process.
";

struct Metric {
    kind: &'static str,
    help: String,
    /// As the comment on its name has them.
    labels: String,
}

/// By crate, and by name.
type Metrics = BTreeMap<(String, String), Metric>;

/// A text as it stands in the code, from its first quote on.
fn literal(code: &str) -> Option<String> {
    let code = code.trim_start().strip_prefix('"')?;
    let text = &code[..code.find('"')?];
    let lines: Vec<&str> = text.split("\\\n").map(str::trim_start).collect();
    Some(lines.concat())
}

fn collect(file: &Path, text: &str, metrics: &mut Metrics) {
    let path = file.strip_prefix(root()).unwrap();
    let mut parts = path.iter().map(|part| part.to_string_lossy().into_owned());
    let (Some(room), Some(part)) = (parts.next(), parts.next()) else {
        return;
    };
    let part = match room.as_str() {
        "services" => part,
        _ => format!("shared/{part}"),
    };
    for kind in ["counter", "gauge", "histogram"] {
        for behind in text.split(&format!("describe_{kind}!(")[..]).skip(1) {
            let (name, help) = behind.split_once(',').unwrap();
            let name = name.trim();
            let declared = format!("const {name}: &str = ");
            let (before, value) = text
                .split_once(&declared[..])
                .unwrap_or_else(|| panic!("{}: {name} stands elsewhere", path.display()));
            let said = before.lines().rev();
            // The line itself, as far as it goes before.
            let said = said.skip(usize::from(!before.ends_with('\n')));
            let comment = said.map_while(|line| line.trim().strip_prefix("///"));
            let mut comment: Vec<&str> = comment.map(str::trim).collect();
            comment.reverse();
            let metric = Metric {
                kind,
                help: literal(help).unwrap_or_else(|| panic!("{name} is not explained")),
                // Where there are no labels it says what the help says.
                labels: Some(comment.join(" "))
                    .filter(|comment| comment.contains('`'))
                    .unwrap_or_default(),
            };
            let value = literal(value).unwrap();
            metrics.insert((part.clone(), value), metric);
        }
    }
}

/// Those that are read from the system when somebody asks: name, kind and help, one after the other.
fn collect_measured(metrics: &mut Metrics) {
    let file = text("shared/telemetry/src/process.rs");
    let quoted: Vec<&str> = before_tests(&file).split('"').skip(1).step_by(2).collect();
    for told in quoted.windows(3) {
        let [name, kind, help] = told else { continue };
        let kind = match *kind {
            "counter" => "counter",
            "gauge" => "gauge",
            _ => continue,
        };
        let metric = Metric {
            kind,
            help: (*help).to_owned(),
            labels: String::new(),
        };
        metrics.insert(("shared/telemetry".to_owned(), (*name).to_owned()), metric);
    }
}

fn page(metrics: &Metrics) -> String {
    let mut page = HEAD.to_owned();
    let mut part = "";
    for ((of, name), metric) in metrics {
        if of != part {
            part = of;
            page += &format!(
                "\n## {of}\n\n| metric | kind | what it tells | labels |\n|---|---|---|---|\n"
            );
        }
        let Metric { kind, help, labels } = metric;
        let all = [help.as_str(), labels.as_str()].map(|text| text.replace('|', "\\|"));
        let [help, labels] = all;
        let name = name.replace('.', "_");
        let help = help.trim_end_matches('.');
        page += &format!("| `{name}` | {kind} | {help}. | {labels} |\n");
    }
    page
}

#[test]
fn the_catalogue_is_what_the_code_says() {
    let mut metrics = Metrics::new();
    for file in rust_files(&root()) {
        let path = file.to_string_lossy();
        let is_ours = path.contains("/services/") || path.contains("/shared/");
        if is_ours && path.contains("/src/") {
            let text = fs::read_to_string(&file).unwrap();
            collect(&file, before_tests(&text), &mut metrics);
        }
    }
    collect_measured(&mut metrics);
    let of_processes = metrics
        .keys()
        .filter(|(_, name)| name.starts_with("process_"));
    assert_eq!(of_processes.count(), 7);
    assert!(metrics.len() > 80, "only {} metrics", metrics.len());
    let (file, page) = (root().join("docs/metrics.md"), page(&metrics));
    if std::env::var_os("WEIR_WRITE").is_some() {
        fs::write(&file, &page).unwrap();
    }
    let is_current = fs::read_to_string(&file).is_ok_and(|stands| stands == page);
    assert!(is_current, "docs/metrics.md is not what the code says");
}
