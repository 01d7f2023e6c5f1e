//! Where the checkout and the data are.

use std::env;
use std::path::PathBuf;

/// The checkout: what the script `weir` says, else the current folder.
pub fn root() -> PathBuf {
    env::var_os("WEIR_ROOT")
        .map(PathBuf::from)
        .or_else(|| env::current_dir().ok())
        .unwrap_or_else(|| ".".into())
}

/// Where data lie unless `--data` says otherwise.
pub fn default_data() -> PathBuf {
    root().join(".weir")
}
