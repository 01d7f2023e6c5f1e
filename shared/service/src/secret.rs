//! Secrets as they are configured: by a variable, or by a file that another one names.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// A text that `Debug` does not show.
#[derive(Clone)]
pub struct Hidden(String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

/// Any text; for clap.
///
/// # Errors
/// None.
pub fn hidden(text: &str) -> Result<Hidden, String> {
    Ok(Hidden(text.to_owned()))
}

/// For clap. An empty one is none: so an environment says it that always names it.
///
/// # Errors
/// None.
pub fn path(text: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(text))
}

/// What a variable says, or the file that `{variable}_FILE` names, without blanks around it. What
/// is empty says nothing.
///
/// # Errors
/// Where both say something, or the file nothing; names the variable.
pub fn read_secret(
    variable: &str,
    given: Option<&Hidden>,
    file: Option<&Path>,
) -> anyhow::Result<Option<String>> {
    let file = file.filter(|file| !file.as_os_str().is_empty());
    let given = given.map_or("", |given| given.0.trim());
    let text = match file {
        Some(_) if !given.is_empty() => {
            bail!("{variable} and {variable}_FILE are both set: one of them is to say it")
        }
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("{variable}_FILE: can't read {}", file.display()))?,
        None => given.to_owned(),
    };
    let text = text.trim();
    if text.is_empty() && file.is_some() {
        bail!("{variable}_FILE: there is nothing in it");
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}
