//! Which token calls show.

use anyhow::{Context, anyhow};
use weir_stack::StackFile;

use crate::arguments::TokenOptions;
use crate::failure::Failure;

/// The one that was given; none where none was. What is empty counts as not given.
pub fn given(options: &TokenOptions) -> Result<Option<String>, Failure> {
    let token = options.token.as_deref().unwrap_or_default().trim();
    if !token.is_empty() {
        return Ok(Some(token.to_owned()));
    }
    let file = options.token_file.as_deref();
    let Some(file) = file.filter(|file| !file.as_os_str().is_empty()) else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("WEIR_TOKEN_FILE: can't read {}", file.display()))?;
    match text.trim() {
        "" => Err(anyhow!("WEIR_TOKEN_FILE: there is nothing in {}", file.display()).into()),
        token => Ok(Some(token.to_owned())),
    }
}

/// Whether the stack's own token may be shown there: to nobody else it is told.
pub fn is_of(file: &StackFile, url: &str) -> bool {
    let url = url.trim_end_matches('/');
    let mut processes = file.processes.values();
    processes.any(|process| process.address == url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_counts_and_what_is_empty_is_not_given() {
        let folder = tempfile::tempdir().unwrap();
        let (good, empty) = (folder.path().join("good"), folder.path().join("empty"));
        std::fs::write(&good, "weir_of-a-file\n").unwrap();
        std::fs::write(&empty, "\n").unwrap();
        let read = |token: Option<&str>, token_file: Option<&std::path::Path>| {
            given(&TokenOptions {
                token: token.map(str::to_owned),
                token_file: token_file.map(Into::into),
            })
        };
        assert_eq!(read(None, None).unwrap(), None);
        assert_eq!(read(Some(""), Some("".as_ref())).unwrap(), None);
        let both = read(Some("weir_given"), Some(&good)).unwrap();
        assert_eq!(both.as_deref(), Some("weir_given"));
        let of_file = read(Some(""), Some(&good)).unwrap();
        assert_eq!(of_file.as_deref(), Some("weir_of-a-file"));
        assert!(read(None, Some(&empty)).is_err());
        assert!(read(None, Some(&folder.path().join("none"))).is_err());
    }
}
