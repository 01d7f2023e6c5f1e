//! `weir apply FILE`: configuration as code, applied idempotently over gRPC.

pub mod manifest;
mod steps;
pub mod validate;

use std::path::PathBuf;

use crate::addresses::Addresses;
use crate::failure::Usage;

pub use steps::{Applied, apply};

/// Apply a weir.yaml: accounts, plans, sources, fields, mappings, activities, audiences.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The file. All of it is checked before anything is applied.
    pub file: PathBuf,
    /// A service's address, `SERVICE=http://host:port` (mapping, audience); by default from
    /// `.weir/stack.json`.
    #[arg(long = "address", value_name = "SERVICE=URL")]
    pub addresses: Vec<String>,
    /// Where the stack keeps its files.
    #[arg(long, default_value = ".weir")]
    pub data: PathBuf,
}

/// Runs the command; prints what became of each object.
///
/// # Errors
/// What is wrong with the file, with lines (exit code 2); a service that refuses or is away.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let manifest = load(&arguments.file)?;
    let addresses = Addresses::load(&arguments.data, &arguments.addresses)?;
    let (mapping, audience) = (addresses.of("mapping")?, addresses.of("audience")?);
    apply(&manifest, mapping, audience, |line| println!("{line}")).await?;
    Ok(())
}

/// Reads and checks a file.
///
/// # Errors
/// Everything that is wrong with it, a line each: `file:line:column: message`.
pub fn load(file: &std::path::Path) -> anyhow::Result<manifest::Manifest> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Usage::new(format!("can't read {}: {error}", file.display())))?;
    validate::read(&text).map_err(|problems| {
        let lines: Vec<String> = problems
            .iter()
            .map(|problem| format!("{}:{problem}", file.display()))
            .collect();
        Usage::new(lines.join("\nweir: ")).into()
    })
}
