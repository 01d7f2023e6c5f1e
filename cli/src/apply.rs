//! `apply`: configuration as code.
//!
//! A file is read (`schema`), checked as a whole (`check`) into a `model` that can't be
//! wrong, and sent (`send`) object by object. Nothing is sent of a file with a fault.

pub mod check;
pub mod model;
mod schema;
pub mod send;

use anyhow::Context;

use crate::address::Addresses;
use crate::arguments::ApplyOptions;
use crate::failure::Failure;
use crate::output::say;

pub async fn run(options: &ApplyOptions) -> Result<(), Failure> {
    let name = options.file.display().to_string();
    let text = std::fs::read_to_string(&options.file)
        .map_err(|error| Failure::Input(format!("can't read {name}: {error}")))?;
    let configuration = read(&name, &text)?;
    let addresses = Addresses::read(&options.addresses)?;
    let applied = send::send(&addresses, &configuration, |line| say!("{line}")).await?;
    let [created, updated, unchanged] = applied.counts;
    say!("{created} created, {updated} updated, {unchanged} unchanged");
    Ok(())
}

/// Reads and checks a file.
pub fn read(name: &str, text: &str) -> Result<model::Configuration, Failure> {
    let file = schema::parse(text).map_err(|fault| Failure::Input(fault.render(name)))?;
    check::check(&file).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(|fault| fault.render(name)).collect();
        Failure::Input(lines.join("\n"))
    })
}

/// The file of the checkout, or, where there is none, the one that this program was built with.
pub fn demo() -> anyhow::Result<(String, String)> {
    let path = crate::folder::root().join("weir.yaml");
    if path.exists() {
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("can't read {}", path.display()))?;
        return Ok((path.display().to_string(), text));
    }
    Ok((
        "weir.yaml".to_owned(),
        include_str!("../../weir.yaml").to_owned(),
    ))
}
