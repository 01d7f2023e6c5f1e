//! `stack.json`: what scripts need to know of a running stack.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use weir_servers::secrets::write_private;

use crate::Reach;

/// Addresses, the demo account, and a token. Readable by the owner alone: it holds passwords.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackFile {
    /// `http://127.0.0.1:PORT`
    pub edge: String,
    /// As well, of the edge for classic sources.
    #[serde(default)]
    pub classic: String,
    /// As well, of the console.
    #[serde(default)]
    pub console: String,
    /// gRPC addresses by service; of several replicas the first.
    pub grpc: BTreeMap<String, String>,
    /// Connection URL of the superuser, or of whoever administers somebody else's.
    pub postgres: String,
    /// Connection URL.
    pub redis: String,
    /// The authority of Redis' certificate; empty where it has none, or one that the machine
    /// trusts.
    #[serde(default)]
    pub redis_ca: String,
    /// Addresses of `/metrics` by service; of several replicas the first.
    pub metrics: BTreeMap<String, String>,
    /// Every process of a service by its name: `quota`, `quota-2`.
    pub processes: BTreeMap<String, Listens>,
    /// How often all of them were restarted, one after another.
    pub restarts: u32,
    /// How often that was begun: one more, while it is under way.
    #[serde(default)]
    pub restarts_begun: u32,
    /// What the last time failed at; empty where it did not.
    pub restart_failure: String,
    /// Of the demo account.
    pub account_id: String,
    /// Of the demo account's Segment (Actions) source.
    pub source_id: String,
    /// Of that source.
    pub api_key: String,
    /// Of an administrator; calls of the services show it.
    #[serde(default)]
    pub token: String,
    /// The authority whose certificates all of them have; empty where they speak no TLS.
    #[serde(default)]
    pub tls_ca: String,
    /// Of the process that runs the stack.
    pub pid: u32,
}

/// Where one process listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listens {
    /// gRPC; of an edge HTTP, which all edges share.
    pub address: String,
    /// `/metrics`
    pub metrics: String,
}

impl StackFile {
    /// How its addresses are reached.
    ///
    /// # Errors
    /// The authority is gone.
    pub fn reach(&self) -> anyhow::Result<Reach> {
        match self.tls_ca.as_str() {
            "" => Ok(Reach::default()),
            authority => Reach::by(Path::new(authority)),
        }
    }

    /// Where it lies in a stack's folder.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("stack.json")
    }

    /// Reads it; none where no stack runs there.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read(folder: &Path) -> anyhow::Result<Option<Self>> {
        let path = Self::path(folder);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .with_context(|| format!("{} is damaged", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
        }
    }

    /// Writes it in one step.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        write_private(&Self::path(folder), &text)
    }

    /// Removes it; the stack is gone.
    pub fn remove(folder: &Path) {
        let _ = fs::remove_file(Self::path(folder));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(StackFile::read(folder.path()).unwrap(), None);
        let file = StackFile {
            edge: "http://127.0.0.1:1".into(),
            classic: "http://127.0.0.1:8".into(),
            console: "http://127.0.0.1:9".into(),
            grpc: BTreeMap::from([("quota".into(), "http://127.0.0.1:2".into())]),
            postgres: String::new(),
            redis: String::new(),
            redis_ca: String::new(),
            metrics: BTreeMap::new(),
            processes: BTreeMap::from([(
                "quota".into(),
                Listens {
                    address: "http://127.0.0.1:2".into(),
                    metrics: "http://127.0.0.1:3/metrics".into(),
                },
            )]),
            restarts_begun: 0,
            restarts: 1,
            restart_failure: String::new(),
            account_id: "a".into(),
            source_id: "s".into(),
            api_key: "k".into(),
            token: "t".into(),
            tls_ca: String::new(),
            pid: 7,
        };
        file.write(folder.path()).unwrap();
        assert_eq!(StackFile::read(folder.path()).unwrap(), Some(file));
        StackFile::remove(folder.path());
        assert_eq!(StackFile::read(folder.path()).unwrap(), None);
    }
}
