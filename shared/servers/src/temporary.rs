//! Folders that vanish with their process.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

/// A folder under the system's temporary one that vanishes with us, however we end: a
/// static is never dropped, and a killed test drops nothing.
#[derive(Debug)]
pub struct TemporaryFolder {
    path: PathBuf,
    _janitor: std::process::ChildStdin,
}

/// Waits for the end of its input, then for PostgreSQL to be gone, then cleans up.
const JANITOR: &str = r#"
read -r _
waited=0
while [ -e "$1/postgres/postmaster.pid" ] && [ "$waited" -lt 300 ]; do
    sleep 0.1
    waited=$((waited + 1))
done
rm -rf "$1"
"#;

impl TemporaryFolder {
    /// Makes one.
    ///
    /// # Errors
    /// The disk is full or closed to us.
    pub fn create() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("weir-")
            .tempdir()
            .context("can't create a temporary folder")?;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711))?;
        let mut janitor = Command::new("/bin/sh")
            .args(["-c", JANITOR, "weir-janitor"])
            .arg(folder.path())
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("can't start a shell")?;
        let leash = janitor.stdin.take().context("a shell without an input")?;
        // Collected when it ends, so that no zombie stays.
        std::thread::spawn(move || janitor.wait());
        Ok(Self {
            path: folder.keep(),
            _janitor: leash,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
