//! Whom servers run as. PostgreSQL refuses to run as root.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::secrets;

/// Where data go whose own folder is closed to the user that needs them.
const ELSEWHERE: &str = "/var/lib/weir";
const OWNER: &str = "belongs-to";

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// `postgres`
    pub name: String,
    /// Numeric id.
    pub uid: u32,
    /// Of its own group.
    pub gid: u32,
}

/// Whether we are root.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Whom to run PostgreSQL as: ourselves (none), or, where we are root, `postgres` or `nobody`.
///
/// # Errors
/// We are root and there is neither.
pub fn unprivileged() -> anyhow::Result<Option<User>> {
    if !is_root() {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd").context("can't read /etc/passwd")?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| find(&passwd, name))
        .map(Some)
        .context(
            "PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`; \
             start Weir as an ordinary user",
        )
}

fn find(passwd: &str, name: &str) -> Option<User> {
    passwd.lines().find_map(|line| {
        let mut parts = line.split(':');
        let found = parts.next()? == name;
        let uid = parts.nth(1)?.parse().ok()?;
        let gid = parts.next()?.parse().ok()?;
        found.then(|| User {
            name: name.to_owned(),
            uid,
            gid,
        })
    })
}

/// Creates a folder that `user` owns.
///
/// # Errors
/// It can't be created or given away.
pub fn create_owned(folder: &Path, user: Option<&User>) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("can't create {}", folder.display()))?;
    if let Some(user) = user {
        chown(folder, Some(user.uid), Some(user.gid))
            .with_context(|| format!("can't give {} to {}", folder.display(), user.name))?;
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("can't protect {}", folder.display()))
}

/// A folder that `user` can reach, for data that belong into `wanted`: `wanted` itself, or,
/// where a folder above it is closed to others (a checkout in `/root`), one under
/// `/var/lib/weir`. Only a root meets the second case.
///
/// # Errors
/// A folder can't be created.
pub fn reachable(wanted: &Path, user: Option<&User>) -> anyhow::Result<PathBuf> {
    let Some(parent) = wanted.parent().filter(|_| user.is_some()) else {
        return Ok(wanted.to_owned());
    };
    fs::create_dir_all(parent).with_context(|| format!("can't create {}", parent.display()))?;
    // Ours: what is inside keeps its own protection, others may only pass through.
    let mode = fs::metadata(parent)?.permissions().mode();
    fs::set_permissions(parent, fs::Permissions::from_mode(mode | 0o011))?;
    let parent = parent.canonicalize()?;
    let closed = parent
        .ancestors()
        .any(|folder| fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 1 == 0));
    if !closed {
        return Ok(wanted.to_owned());
    }
    elsewhere(&parent, wanted.file_name().unwrap_or_default())
}

/// A folder of our own below `ELSEWHERE` for what belongs into `folder`. A file there says
/// where it is; one here says whose it is, so that data are removed once the folder that
/// they belonged to was made anew.
fn elsewhere(folder: &Path, name: &OsStr) -> anyhow::Result<PathBuf> {
    let pointer = folder.join("elsewhere");
    if let Ok(place) = fs::read_to_string(&pointer) {
        return Ok(Path::new(place.trim()).join(name));
    }
    for entry in fs::read_dir(ELSEWHERE).into_iter().flatten().flatten() {
        let owner = fs::read(entry.path().join(OWNER)).unwrap_or_default();
        if owner == folder.as_os_str().as_bytes() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let place = Path::new(ELSEWHERE).join(&secrets::text()?[..16]);
    let create = || -> std::io::Result<()> {
        fs::create_dir_all(&place)?;
        for open in [Path::new(ELSEWHERE), &place] {
            fs::set_permissions(open, fs::Permissions::from_mode(0o711))?;
        }
        fs::write(place.join(OWNER), folder.as_os_str().as_bytes())
    };
    create().with_context(|| format!("can't create {}", place.display()))?;
    secrets::write_private(&pointer, place.as_os_str().as_bytes())?;
    Ok(place.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_in_the_password_file() {
        let file = "root:x:0:0:root:/root:/bin/bash\npostgres:x:101:104:,,,:/var:/bin/bash\n";
        let user = find(file, "postgres").unwrap();
        assert_eq!((user.uid, user.gid), (101, 104));
        assert_eq!(find(file, "post"), None);
    }

    #[test]
    fn an_open_folder_is_used_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = folder.path().join("postgres");
        let user = User {
            name: "nobody".into(),
            uid: 65_534,
            gid: 65_534,
        };
        assert_eq!(reachable(&wanted, Some(&user)).unwrap(), wanted);
        assert_eq!(reachable(&wanted, None).unwrap(), wanted);
    }

    #[test]
    fn a_closed_folder_above_sends_the_data_elsewhere() {
        if !is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let closed = folder.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        let user = User {
            name: "nobody".into(),
            uid: 65_534,
            gid: 65_534,
        };
        let wanted = closed.join("data/postgres");
        let first = reachable(&wanted, Some(&user)).unwrap();
        assert!(first.starts_with(ELSEWHERE), "{}", first.display());
        assert_eq!(reachable(&wanted, Some(&user)).unwrap(), first);

        // A folder that was made anew does not meet the data of its predecessor.
        fs::remove_dir_all(closed.join("data")).unwrap();
        let second = reachable(&wanted, Some(&user)).unwrap();
        assert_ne!(first, second);
        assert!(!first.parent().unwrap().exists());
        fs::remove_dir_all(second.parent().unwrap()).unwrap();
    }
}
