//! Processes that never outlive us.
//!
//! Each runs under a small shell that waits for it and for the end of a pipe that we hold:
//! when we close the pipe, or die in whatever way (a test binary that returns from `main`,
//! `kill -9`), the shell stops the process. The shell ends with its process, so a crash is
//! seen at once. All of them sit in a process group of their own: Ctrl-C in a terminal
//! reaches us alone, and we stop them in order.
//!
//! Nothing here belongs to an async runtime: servers that tests share outlive the runtime of
//! the test that started them.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, bail};
use command_fds::{CommandFdExt, FdMapping};
use tokio::sync::watch;

use crate::user::User;

/// `$1` is the signal that stops the process nicely, the rest is its command line.
/// Standard error is its log, standard output tells us its pid. The signal is sent again,
/// since a process that has only just begun may have missed it (a shell's background
/// processes ignore INT until they say otherwise). Who takes 30 s to stop by itself is
/// killed, so that nothing ever stays behind.
const WATCHDOG: &str = r#"
signal=$1; shift
exec 9<&0 </dev/null
"$@" >&2 9<&- &
child=$!
echo "$child"
exec >&2
(
    read -r _ <&9
    for pause in 1 4 25; do
        kill -"$signal" "$child"
        sleep "$pause"
    done
    kill -KILL "$child"
) 2>/dev/null 3<&- 4<&- &
exec 9<&- 3<&- 4<&-
wait "$child"
status=$?
trap '' TERM
kill -TERM 0
exit "$status"
"#;

/// The file of the first socket that is handed on, as systemd has it. The shell above closes this
/// one and the next: there are no more.
const FIRST_FILE: i32 = 3;

/// What to run.
#[derive(Debug, Clone)]
pub struct Program {
    /// For messages: `postgres`, `weir-edge`.
    pub name: String,
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Added to our own environment.
    pub environment: Vec<(String, String)>,
    /// Both its outputs are appended here.
    pub log: PathBuf,
    /// Whom it runs as; ourselves when absent.
    pub user: Option<User>,
    /// What stops it nicely: `TERM`, `INT`.
    pub signal: &'static str,
    /// Sockets that we listen on for it, as files from 3 on (`LISTEN_FDS`): they stay open
    /// whatever becomes of the process, and several may accept from them.
    pub sockets: Vec<Arc<TcpListener>>,
}

/// A process that is running or has ended.
#[derive(Debug)]
pub struct Child {
    name: String,
    pid: u32,
    log: PathBuf,
    /// Closing it stops the process.
    leash: Mutex<Option<ChildStdin>>,
    exit: watch::Receiver<Option<i32>>,
}

impl Child {
    /// Starts `program`.
    ///
    /// # Errors
    /// The log can't be written, or the shell can't be started. A program that can't be
    /// started itself ends at once, with a line in its log.
    pub fn start(program: &Program) -> anyhow::Result<Self> {
        let log = open_log(&program.log)?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", WATCHDOG, "weir-watchdog", program.signal])
            .arg(&program.path)
            .args(&program.arguments)
            .envs(
                program
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDS");
        let mut mappings = Vec::new();
        for (socket, child_fd) in program.sockets.iter().zip(FIRST_FILE..) {
            let parent_fd = OwnedFd::from(socket.try_clone().context("can't share a socket")?);
            mappings.push(FdMapping {
                parent_fd,
                child_fd,
            });
        }
        if !mappings.is_empty() {
            let count = mappings.len().to_string();
            command.fd_mappings(mappings)?.env("LISTEN_FDS", count);
        }
        if let Some(user) = &program.user {
            command.uid(user.uid).gid(user.gid);
        }
        let mut shell = command
            .spawn()
            .with_context(|| format!("can't start {}", program.name))?;
        let leash = shell.stdin.take();
        let mut line = String::new();
        if let Some(output) = shell.stdout.take() {
            BufReader::new(output)
                .read_line(&mut line)
                .with_context(|| format!("can't start {}", program.name))?;
        }
        let Ok(pid) = line.trim().parse() else {
            bail!(
                "can't start {}: see {}",
                program.name,
                program.log.display()
            );
        };
        let (ended, exit) = watch::channel(None);
        std::thread::Builder::new()
            .name(format!("wait-{}", program.name))
            .spawn(move || {
                let code = shell.wait().ok().and_then(|status| status.code());
                let _ = ended.send(Some(code.unwrap_or(-1)));
            })?;
        Ok(Self {
            name: program.name.clone(),
            pid,
            log: program.log.clone(),
            leash: Mutex::new(leash),
            exit,
        })
    }

    /// The process itself, not its shell.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its exit code, where it has ended; 128 and the signal's number where one ended it.
    pub fn exit_code(&self) -> Option<i32> {
        *self.exit.borrow()
    }

    /// Waits until it has ended.
    pub async fn exited(&self) -> i32 {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(code) => code.unwrap_or(-1),
            Err(_) => -1,
        }
    }

    /// Asks it to stop, and waits until it has; kills it after `patience`.
    pub async fn stop(&self, patience: Duration) -> i32 {
        self.let_go();
        if let Ok(code) = tokio::time::timeout(patience, self.exited()).await {
            return code;
        }
        tracing::warn!(process = self.name, "does not stop, killed");
        self.kill9();
        self.exited().await
    }

    /// Ends it the hard way, as a power cut would.
    pub fn kill9(&self) {
        if self.exit_code().is_none() {
            signal("KILL", self.pid);
        }
    }

    /// The end of its log, for an error message.
    pub fn last_lines(&self) -> String {
        last_lines(&self.log, 12)
    }

    fn let_go(&self) {
        self.leash
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
    }
}

/// Sends a signal by name. A process that is gone is no error: it is what was wanted.
pub fn signal(name: &str, pid: u32) {
    let sent = Command::new("/bin/sh")
        .args(["-c", r#"kill -"$1" "$2" 2>/dev/null"#, "kill", name])
        .arg(pid.to_string())
        .status();
    if let Err(error) = sent {
        tracing::warn!(%error, pid, name, "can't send the signal");
    }
}

/// Whether a process with this pid exists.
pub fn is_alive(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

/// The last lines of a log, indented.
pub fn last_lines(log: &Path, count: usize) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let text = text.unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..]
        .iter()
        .map(|line| format!("    {line}\n"))
        .collect()
}

/// Keeps a log in bounds while its process writes it: what is there goes to `NAME.log.1`, and
/// what is written from now on begins anew. Lines written in the moment between are lost.
///
/// # Errors
/// The files can't be written.
pub fn rotate(log: &Path, most: u64) -> anyhow::Result<bool> {
    let long = fs::metadata(log).is_ok_and(|file| file.len() > most);
    if long {
        let mut older = log.as_os_str().to_owned();
        older.push(".1");
        fs::copy(log, &older).with_context(|| format!("can't keep {}", log.display()))?;
        // The process appends: it goes on at the new end.
        OpenOptions::new().write(true).open(log)?.set_len(0)?;
    }
    Ok(long)
}

fn open_log(path: &Path) -> anyhow::Result<fs::File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("can't create {}", folder.display()))?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("can't write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(folder: &Path, script: &str) -> Program {
        Program {
            name: "test".into(),
            path: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: vec![("GREETING".into(), "hello".into())],
            log: folder.join("test.log"),
            user: None,
            signal: "TERM",
            sockets: Vec::new(),
        }
    }

    async fn gone(pid: u32) -> bool {
        for _ in 0..200 {
            if !is_alive(pid) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    #[tokio::test]
    async fn a_crash_is_seen_with_its_code_and_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let child = Child::start(&shell(folder.path(), "echo $GREETING; exit 3")).unwrap();
        assert_eq!(child.exited().await, 3);
        assert_eq!(child.last_lines(), "    hello\n");
    }

    #[tokio::test]
    async fn a_program_that_does_not_exist_is_named_in_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut program = shell(folder.path(), "");
        program.path = "/does/not/exist".into();
        let child = Child::start(&program).unwrap();
        assert_eq!(child.exited().await, 127);
        assert!(child.last_lines().contains("/does/not/exist"));
    }

    #[tokio::test]
    async fn sockets_are_handed_on_and_stay_open_without_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let script =
            "readlink /proc/self/fd/3 /proc/self/fd/4; ls /proc/self/fd/9; echo $LISTEN_FDS";
        let mut program = shell(folder.path(), script);
        let bind = || TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let sockets = [bind(), bind()];
        let addresses = [&sockets[0], &sockets[1]].map(|one| one.local_addr().unwrap());
        program.sockets = sockets.map(Arc::new).into();
        let child = Child::start(&program).unwrap();
        assert_eq!(child.exited().await, 0);
        let said = child.last_lines();
        assert_eq!(said.matches("socket:[").count(), 2, "{said}");
        assert!(said.contains("No such file"), "{said}");
        assert!(said.contains("    2\n"), "{said}");
        for address in addresses {
            assert!(std::net::TcpStream::connect(address).is_ok());
        }
    }

    #[tokio::test]
    async fn dropping_the_handle_stops_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let child = Child::start(&shell(folder.path(), "exec sleep 1000")).unwrap();
        let pid = child.pid();
        assert!(is_alive(pid));
        drop(child);
        assert!(gone(pid).await);
    }

    #[tokio::test]
    async fn stopping_lets_the_process_finish() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done";
        let child = Child::start(&shell(folder.path(), script)).unwrap();
        while !child.last_lines().contains("up") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(child.stop(Duration::from_secs(10)).await, 0);
        assert!(child.last_lines().contains("bye"));
    }

    #[tokio::test]
    async fn a_process_that_ignores_the_signal_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap '' TERM; echo up; while :; do sleep 0.01; done";
        let child = Child::start(&shell(folder.path(), script)).unwrap();
        while !child.last_lines().contains("up") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(child.stop(Duration::from_millis(100)).await, 128 + 9);
    }

    #[tokio::test]
    async fn a_long_log_is_kept_in_bounds_while_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo first; read -r line < go; echo second; exec sleep 1000";
        let mut program = shell(
            folder.path(),
            &format!("cd {}; {script}", folder.path().display()),
        );
        program.log = folder.path().join("long.log");
        let fifo = folder.path().join("go");
        assert!(
            Command::new("mkfifo")
                .arg(&fifo)
                .status()
                .unwrap()
                .success()
        );
        let child = Child::start(&program).unwrap();
        while !child.last_lines().contains("first") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(!rotate(&program.log, 6).unwrap());
        assert!(rotate(&program.log, 5).unwrap());
        fs::write(&fifo, "\n").unwrap();
        while !child.last_lines().contains("second") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(fs::read_to_string(&program.log).unwrap(), "second\n");
        let older = folder.path().join("long.log.1");
        assert_eq!(fs::read_to_string(older).unwrap(), "first\n");
    }

    #[tokio::test]
    async fn kill_9_reaches_the_process_itself() {
        let folder = tempfile::tempdir().unwrap();
        let child = Child::start(&shell(folder.path(), "exec sleep 1000")).unwrap();
        child.kill9();
        assert_eq!(child.exited().await, 128 + 9);
        assert!(!is_alive(child.pid()));
    }
}
