//! TLS of the servers.

use std::path::PathBuf;

/// With what a server speaks TLS, and nothing else then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// Its certificate.
    pub certificate: PathBuf,
    /// The key of it.
    pub key: PathBuf,
    /// The authority by which it is known.
    pub authority: PathBuf,
}
