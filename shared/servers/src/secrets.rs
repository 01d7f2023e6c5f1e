//! Passwords of a stack: made once, kept beside its data, readable by the owner alone.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::postgres::SCHEMAS;

/// What only this stack knows.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secrets {
    /// Of PostgreSQL's superuser `weir`.
    pub superuser: String,
    /// Of the role of each service that owns tables, by its schema.
    #[serde(default)]
    pub roles: BTreeMap<String, String>,
    /// Of Redis' user `weir`.
    pub redis: String,
    /// With which API keys are hashed.
    pub key_secret: String,
    /// What services show each other.
    #[serde(default)]
    pub between_services: String,
    /// The token of an administrator.
    #[serde(default)]
    pub administrator: String,
    /// What the console's cookies are sealed with.
    #[serde(default)]
    pub console: String,
}

impl Secrets {
    /// New ones.
    ///
    /// # Errors
    /// The system has no random bytes for us.
    pub fn generate() -> anyhow::Result<Self> {
        let mut secrets = Self {
            superuser: text()?,
            roles: BTreeMap::new(),
            redis: text()?,
            key_secret: text()?,
            between_services: text()?,
            administrator: administrator()?,
            console: text()?,
        };
        secrets.complete()?;
        Ok(secrets)
    }

    /// Makes what is missing: all of it at first, and later what an older version did not know;
    /// answers whether anything was.
    fn complete(&mut self) -> anyhow::Result<bool> {
        let mut is_new = false;
        for schema in SCHEMAS {
            if !self.roles.contains_key(schema) {
                self.roles.insert(schema.to_owned(), text()?);
                is_new = true;
            }
        }
        if self.between_services.is_empty() || self.administrator.is_empty() {
            self.between_services = text()?;
            self.administrator = administrator()?;
            is_new = true;
        }
        if self.console.is_empty() {
            self.console = text()?;
            is_new = true;
        }
        Ok(is_new)
    }

    /// Those kept in `folder`, or new ones that are kept there from now on.
    ///
    /// # Errors
    /// The file can't be read or written.
    pub fn keep(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("secrets.json");
        if path.exists() {
            let text = fs::read(&path).with_context(|| format!("can't read {}", path.display()))?;
            let mut secrets: Self = serde_json::from_slice(&text)
                .with_context(|| format!("{} is damaged", path.display()))?;
            if secrets.complete()? {
                secrets.write(&path)?;
            }
            return Ok(secrets);
        }
        let secrets = Self::generate()?;
        secrets.write(&path)?;
        Ok(secrets)
    }

    fn write(&self, path: &Path) -> anyhow::Result<()> {
        write_private(path, &serde_json::to_vec_pretty(self)?)
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secrets")
    }
}

/// Replaces a file, in one step, by one that nobody else can read.
///
/// # Errors
/// It can't be written.
pub fn write_private(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let beside = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let _ = fs::remove_file(&beside);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().with_context(|| format!("can't write {}", path.display()))
}

/// A token, as every token begins.
fn administrator() -> anyhow::Result<String> {
    Ok(format!("weir_{}", text()?))
}

/// 192 random bits as hex digits.
///
/// # Errors
/// The system has no random bytes for us.
pub fn text() -> anyhow::Result<String> {
    Ok(HEXLOWER.encode(&random::<24>()?))
}

/// A random number.
///
/// # Errors
/// The system has no random bytes for us.
pub fn number() -> anyhow::Result<usize> {
    Ok(usize::from_ne_bytes(random()?))
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("can't read /dev/urandom")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn secrets_are_kept_and_protected() {
        let folder = tempfile::tempdir().unwrap();
        let first = Secrets::keep(folder.path()).unwrap();
        let second = Secrets::keep(folder.path()).unwrap();
        assert_eq!(first.superuser, second.superuser);
        assert_ne!(first.superuser, first.redis);
        assert_eq!(first.roles, second.roles);
        let mode = fs::metadata(folder.path().join("secrets.json"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_an_older_version_did_not_know_is_made_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let older = r#"{"superuser": "a", "services": "b", "redis": "c", "key_secret": "d"}"#;
        fs::write(folder.path().join("secrets.json"), older).unwrap();
        let first = Secrets::keep(folder.path()).unwrap();
        let second = Secrets::keep(folder.path()).unwrap();
        assert_eq!((&*first.superuser, &*first.key_secret), ("a", "d"));
        assert!(first.administrator.starts_with("weir_") && first.administrator.len() >= 37);
        assert_eq!(first.administrator, second.administrator);
        assert!(first.between_services.len() >= 32);
        assert_eq!(first.between_services, second.between_services);
    }

    #[test]
    fn each_role_has_a_password_of_its_own_also_in_a_stack_of_before() {
        let folder = tempfile::tempdir().unwrap();
        let before = r#"{"superuser":"s","services":"one for all","redis":"r","key_secret":"k"}"#;
        fs::write(folder.path().join("secrets.json"), before).unwrap();
        let secrets = Secrets::keep(folder.path()).unwrap();
        let passwords: std::collections::BTreeSet<_> = secrets.roles.values().collect();
        assert_eq!(passwords.len(), SCHEMAS.len());
        assert!(!passwords.contains(&"one for all".to_owned()));
        assert_eq!(secrets.superuser, "s");
        assert_eq!(Secrets::keep(folder.path()).unwrap().roles, secrets.roles);
    }
}
