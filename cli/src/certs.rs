//! `certs`: a development authority, and a certificate for everybody.

use std::path::Path;

use anyhow::Context;
use weir_certs::{Authority, Holder, Made, files, holders};

use crate::arguments::CertsOptions;
use crate::failure::Failure;
use crate::output::say;
use crate::table::render;

pub fn run(options: &CertsOptions) -> Result<(), Failure> {
    let folder = std::path::absolute(&options.folder)
        .with_context(|| format!("{} is no folder", options.folder.display()))?;
    let mut all = holders(&options.hosts);
    for name in &options.clients {
        if all.iter().any(|holder| holder.name == *name) || !is_file_name(name) {
            return Err(Failure::Input(format!(
                "--client {name}: must be a name of its own, of letters, digits, - and _"
            )));
        }
        all.push(Holder::new(name, &[name]));
    }
    let (authority, made) = Authority::open(&folder)?;
    let mut rows = vec![row("the authority", &authority.file(), made)?];
    for holder in &all {
        let made = authority.renew(holder)?;
        rows.push(row(&holder.name, &files(&folder, &holder.name).0, made)?);
    }
    say!(
        "{}",
        render(&["of", "", "good until", "file"], &rows).trim_end()
    );
    say!("\nEach NAME.pem has its key in NAME.key. What they are for: docs/operations.md, TLS.");
    Ok(())
}

fn row(name: &str, file: &Path, made: Made) -> anyhow::Result<Vec<String>> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
    let made = match made {
        Made::New => "made",
        Made::Renewed => "renewed",
        Made::Kept => "as it was",
    };
    Ok(vec![
        name.to_owned(),
        made.to_owned(),
        weir_certs::good_until(&text)?,
        file.display().to_string(),
    ])
}

fn is_file_name(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    !name.is_empty() && name != "ca" && name.chars().all(is_part)
}
