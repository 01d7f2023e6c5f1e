//! Where the checkout and the data are.

use std::env;
use std::path::{Path, PathBuf};

/// The checkout: what the script `weir` says, else the current folder.
pub fn root() -> PathBuf {
    env::var_os("WEIR_ROOT")
        .map(PathBuf::from)
        .or_else(|| env::current_dir().ok())
        .unwrap_or_else(|| ".".into())
}

/// A command of the front door as it works when it is typed: for this stack, whichever it is.
pub fn hint(command: &str, folder: &Path) -> String {
    if folder == default_data() {
        return format!("./weir {command}");
    }
    let folder = folder.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@".contains(c);
    if folder.chars().all(plain) {
        format!("./weir {command} --data {folder}")
    } else {
        format!(
            "./weir {command} --data '{}'",
            folder.replace('\'', r"'\''")
        )
    }
}

/// Where data lie unless `--data` says otherwise.
pub fn default_data() -> PathBuf {
    root().join(".weir")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_the_folder_where_it_is_not_the_usual_one() {
        assert_eq!(hint("down", &default_data()), "./weir down");
        let named = |folder: &str| hint("logs", Path::new(folder));
        assert_eq!(named("/tmp/a"), "./weir logs --data /tmp/a");
        assert_eq!(named("/tmp/it's"), r"./weir logs --data '/tmp/it'\''s'");
    }
}
