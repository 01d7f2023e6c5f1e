//! The page `docs/reasons.md` is made of the registry. `WEIR_WRITE=1` writes it.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;

use weir_reasons::{About, Reason};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reasons.md");

const HEAD: &str = "# Reasons

Why an event, a value or a request was not taken. An answer carries the code beside its message, and so do the source's log, the metrics, and the errors of the gRPC APIs (`google.rpc.ErrorInfo`, domain `weir`). A code never changes its meaning.

This page is made of the registry in `shared/reasons` (`WEIR_WRITE=1 cargo test -p weir-reasons`).
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    for (about, title) in [
        (About::Event, "Events: what they are answered"),
        (
            About::Value,
            "Values that are ignored while their event goes on",
        ),
        (
            About::Row,
            "Rows of an import, which may have an event's reasons as well",
        ),
        (About::Call, "Requests and calls as a whole"),
    ] {
        write!(page, "\n## {title}\n\n").unwrap();
        page.push_str(
            "| code | what happened | what to do | sent again by itself |\n|---|---|---|---|\n",
        );
        for reason in Reason::ALL.iter().filter(|reason| reason.about() == about) {
            let again = match (about, reason.is_retried()) {
                (About::Value, _) => "–",
                (_, true) => "yes",
                (_, false) => "no",
            };
            let cure = reason.cure().replace('|', "\\|");
            writeln!(
                page,
                "| `{reason}` | {} | {cure} | {again} |",
                reason.meaning()
            )
            .unwrap();
        }
    }
    page
}

#[test]
fn the_page_says_what_the_registry_says() {
    if std::env::var_os("WEIR_WRITE").is_some() {
        std::fs::write(PATH, page()).unwrap();
    }
    let written = std::fs::read_to_string(PATH).unwrap();
    assert!(
        written == page(),
        "docs/reasons.md is out of date: run with WEIR_WRITE=1"
    );
}
