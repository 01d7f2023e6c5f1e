//! The folder of a stack: who holds it, and whether it can be used.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// Below this, PostgreSQL would stop in the middle of something.
const DISK_NEEDED_MB: u64 = 512;
/// Longer than the watchdogs wait before they kill.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(45);
/// A holder that was killed a moment ago lets go only when all of its threads are gone.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(50);
/// In the environment of every process of a stack: its folder.
const MARK: &str = "WEIR_STACK";

/// Makes the folder ready, and ours for as long as the answer lives.
pub fn prepare(folder: &Path) -> anyhow::Result<File> {
    fs::create_dir_all(folder).with_context(|| format!("can't create {}", folder.display()))?;
    // PostgreSQL's user must get to its data, and others see what is listed below to be closed.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o711))
        .with_context(|| format!("{} belongs to somebody else", folder.display()))?;
    let path = folder.join("lock");
    let mut lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("can't write {}", path.display()))?;
    let started = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(POLL);
            }
            Err(TryLockError::WouldBlock) => bail!(
                "Weir is running on {} already (`./weir status` and `./weir down` take its --data)",
                folder.display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("can't lock {}", path.display()));
            }
        }
    }
    if let Some(free) = free_megabytes(folder).filter(|free| *free < DISK_NEEDED_MB) {
        bail!(
            "only {free} MB are free on the disk of {}; Weir needs at least {DISK_NEEDED_MB} MB",
            folder.display()
        );
    }
    lock.set_len(0)
        .and_then(|()| write!(lock, "{}", std::process::id()))
        .with_context(|| format!("can't write {}", path.display()))?;
    for closed in CLOSED {
        close(&folder.join(closed))?;
    }
    Ok(lock)
}

/// Folders that hold what people told Weir, or a link by which somebody signs in.
const CLOSED: [&str; 3] = ["log", "mail", "redis"];

/// Makes a folder that nobody else looks into.
///
/// # Errors
/// It can't be made, or belongs to somebody else.
pub fn close(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)
        .and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(0o700)))
        .with_context(|| format!("can't close {} to others", folder.display()))
}

/// The pid of the process that runs a stack on this folder.
pub fn holder(folder: &Path) -> Option<u32> {
    let lock = File::open(folder.join("lock")).ok()?;
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {}
        _ => return None,
    }
    fs::read_to_string(folder.join("lock"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// Marks a process as one of the stack in `folder`.
pub fn mark(folder: &Path) -> (String, String) {
    (MARK.to_owned(), folder.display().to_string())
}

/// Watchdogs of the stack in `folder` that are still there, of ourselves or of an earlier run
/// that was killed; each lives as long as its process.
pub fn leftovers(folder: &Path) -> Vec<u32> {
    let wanted = format!("{MARK}={}", folder.display());
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != own)
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
                environment
                    .split(|byte| *byte == 0)
                    .any(|variable| variable == wanted.as_bytes())
            })
        })
        .collect()
}

/// Waits until no process of the stack in `folder` is there any more.
///
/// # Errors
/// Some are after 45 s.
pub async fn until_ended(folder: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let pids = leftovers(folder);
        if pids.is_empty() {
            return Ok(());
        }
        if started.elapsed() > LEFTOVER_PATIENCE {
            let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
            bail!(
                "processes of an earlier run do not end: {}",
                pids.join(", ")
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

/// None where `df` can't tell.
fn free_megabytes(folder: &Path) -> Option<u64> {
    let output = std::process::Command::new("df")
        .args(["-Pk", "--"])
        .arg(folder)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let kilobytes: u64 = text
        .lines()
        .nth(1)?
        .split_whitespace()
        .nth(3)?
        .parse()
        .ok()?;
    Some(kilobytes / 1024)
}

/// The log of a process.
pub fn log_of(folder: &Path, name: &str) -> PathBuf {
    folder.join("log").join(format!("{name}.log"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_by_one_at_a_time_who_is_known() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(holder(folder.path()), None);
        let lock = prepare(folder.path()).unwrap();
        assert_eq!(holder(folder.path()), Some(std::process::id()));
        let error = prepare(folder.path()).unwrap_err().to_string();
        assert!(error.contains("running"), "{error}");
        drop(lock);
        assert_eq!(holder(folder.path()), None);
        prepare(folder.path()).unwrap();
    }

    #[test]
    fn nobody_else_reads_what_people_told_weir() {
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("log");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        let _lock = prepare(folder.path()).unwrap();
        for closed in CLOSED {
            let found = fs::metadata(folder.path().join(closed)).unwrap();
            assert_eq!(found.permissions().mode() & 0o777, 0o700, "{closed}");
        }
    }

    #[tokio::test]
    async fn processes_of_an_earlier_run_are_found_until_they_end() {
        let folder = tempfile::tempdir().unwrap();
        let (name, value) = mark(folder.path());
        let mut process = std::process::Command::new("sleep")
            .arg("1000")
            .env(name, value)
            .spawn()
            .unwrap();
        while leftovers(folder.path()).is_empty() {
            tokio::time::sleep(POLL).await;
        }
        assert_eq!(leftovers(folder.path()), [process.id()]);
        process.kill().unwrap();
        process.wait().unwrap();
        until_ended(folder.path()).await.unwrap();
    }

    #[test]
    fn the_free_space_is_known() {
        assert!(free_megabytes(Path::new("/")).is_some());
    }
}
