//! Files of configuration, as they lie about.

use std::path::Path;

use anyhow::Context;
use weir_configuration::file::{self, model};

use crate::failure::Failure;

/// Reads and checks the file of that name.
pub fn load(path: &Path) -> Result<model::Configuration, Failure> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Input(format!("can't read {name}: {error}")))?;
    read(&name, &text)
}

/// Reads and checks a file.
pub fn read(name: &str, text: &str) -> Result<model::Configuration, Failure> {
    file::read(name, text).map_err(Failure::Input)
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
