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

/// The file of the checkout, or, where there is none, of that which this program was built in. It
/// is not a part of the program: an image need not be built anew where it changes.
pub fn demo() -> anyhow::Result<(String, String)> {
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../weir.yaml");
    let here = crate::folder::root().join("weir.yaml");
    let path = if here.exists() { here } else { built_in };
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
    Ok((path.display().to_string(), text))
}
