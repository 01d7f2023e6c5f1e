//! What is built, and that nothing is built twice.

use std::collections::BTreeSet;
use std::process::Command;

use super::sources::{SERVICES, root};

/// The dependencies of a selection of packages, each with the features that it is built with.
fn dependencies(selection: &[&str], edges: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--prefix=none", "--format={p} [{f}]"])
        .args(["--edges", edges])
        .args(selection)
        .current_dir(root())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let tree = String::from_utf8(output.stdout).unwrap();
    let lines = tree.lines().filter(|line| line.contains(" v"));
    lines
        .filter(|line| !line.starts_with("weir-"))
        .map(|line| line.replace(" (*)", "").replace(" (proc-macro)", ""))
        .collect()
}

#[test]
fn a_service_that_is_tested_alone_takes_the_dependencies_that_were_built_for_all() {
    let edges = "normal,build,dev";
    let all = dependencies(&[], edges);
    assert!(all.len() > 100, "{all:?}");
    for service in SERVICES {
        let own = dependencies(&["--package", &format!("weir-{service}")], edges);
        let others: Vec<_> = own.difference(&all).collect();
        assert!(
            others.is_empty(),
            "`cargo test -p weir-{service}` builds these once more, and all that needs them; \
             shared/testkit/Cargo.toml asks for features of the others: {others:#?}"
        );
    }
}

#[test]
fn the_measuring_program_has_the_dependencies_of_what_it_measures() {
    let edges = "normal,build";
    let others: Vec<_> = dependencies(&["--workspace"], edges)
        .symmetric_difference(&dependencies(&[], edges))
        .cloned()
        .collect();
    assert!(others.is_empty(), "`./weir bench` builds anew: {others:#?}");
}
