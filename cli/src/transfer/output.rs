//! Where an export goes: a file that is there once it is whole, or what is written straight to.
//!
//! **Invariant:** what breaks off never looks whole (semantics 3.12): each export writes into a
//! file of its own beside the one that it makes, which takes the name last.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use tempfile::NamedTempFile;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// Links that lead to links.
const MAX_LINKS: usize = 40;
/// What a new file allows, less what the process's mask takes away.
const MODE: u32 = 0o666;

/// How something is written that has a path.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// A pipe, a device, or what this process has open: it must stay what it is.
    Straight,
    /// A regular file or none yet, behind all links.
    File(PathBuf),
}

/// # Errors
/// A folder, or none in which it could be.
pub fn place(path: &Path) -> io::Result<Place> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) if !found.is_file() => return Ok(Place::Straight),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(_) | Err(_) => {}
    }
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let folder = folder.unwrap_or(Path::new(".")).canonicalize()?;
        path = folder.join(name);
        // /dev/stdout leads there, and from there to a file that the shell has open.
        if ["/proc", "/dev/fd"]
            .iter()
            .any(|open| path.starts_with(open))
        {
            return Ok(Place::Straight);
        }
        match std::fs::read_link(&path) {
            Ok(target) => path = folder.join(target),
            Err(_) => return Ok(Place::File(path)),
        }
    }
    Err(io::Error::other("too many links"))
}

/// Behind what is there, of a file that the shell has open.
///
/// # Errors
/// It can't be opened.
pub fn open_straight(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).open(path)
}

/// That it can't be written, which is told before anything is asked for.
pub fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::Input(format!("can't write {}: {error}", path.display()))
}

/// A file that is there when it is whole, or what is written straight to.
pub struct Output(BufWriter<To>);

enum To {
    Straight(Box<dyn Write + Send>),
    File(NamedTempFile, PathBuf),
}

impl Output {
    /// # Errors
    /// The file can't be made.
    pub fn new(path: Option<&Path>) -> Result<Self, Failure> {
        let path = path.filter(|path| *path != Path::new("-"));
        let to = match path {
            None => To::Straight(Box::new(io::stdout())),
            Some(path) => To::new(path).map_err(|error| unwritable(path, &error))?,
        };
        Ok(Self(BufWriter::new(to)))
    }

    /// # Errors
    /// It can't be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0.write_all(bytes).map_err(broken)
    }

    /// Gives the file its name; says where it is.
    ///
    /// # Errors
    /// It can't be written.
    pub fn finish(mut self) -> Result<String, Failure> {
        self.0.flush().map_err(broken)?;
        let (to, _) = self.0.into_parts();
        let To::File(file, path) = to else {
            return Ok(String::new());
        };
        // Else a power cut could leave the name with nothing behind it.
        file.as_file().sync_all().map_err(broken)?;
        let renamed = file.persist(&path).map_err(|error| error.error);
        renamed.with_context(|| format!("can't write {}", path.display()))?;
        Ok(format!(": {}", path.display()))
    }
}

fn broken(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Unread,
        _ => anyhow!(error).context("the file can't be written").into(),
    }
}

impl To {
    fn new(path: &Path) -> io::Result<Self> {
        let path = match place(path)? {
            Place::Straight => return Ok(Self::Straight(Box::new(open_straight(path)?))),
            Place::File(path) => path,
        };
        // Who kept one to himself keeps the next one so, too.
        let mode = std::fs::metadata(&path).map_or(MODE, |found| found.permissions().mode() & MODE);
        let (mut prefix, folder) = (
            path.file_name().unwrap_or_default().to_owned(),
            path.parent(),
        );
        prefix.push(".");
        // Heard before there is anything to be removed.
        let endings = endings()?;
        let file = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(".part")
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(folder.unwrap_or(Path::new(".")))?;
        remove_with(endings, file.path());
        Ok(Self::File(file, path))
    }
}

/// The signals that end the process, which would end it without anything being dropped.
fn endings() -> io::Result<Vec<(SignalKind, Signal)>> {
    let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
    if !crate::up::outlives_terminal() {
        kinds.push(SignalKind::hangup());
    }
    let heard = kinds.into_iter().map(|kind| Ok((kind, signal(kind)?)));
    heard.collect()
}

fn remove_with(endings: Vec<(SignalKind, Signal)>, part: &Path) {
    for (kind, mut signals) in endings {
        let part = part.to_owned();
        tokio::spawn(async move {
            signals.recv().await;
            let _ = std::fs::remove_file(part);
            std::process::exit(128 + kind.as_raw_value());
        });
    }
}

impl Write for To {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Straight(writer) => writer.write(bytes),
            Self::File(file, _) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Straight(writer) => writer.flush(),
            Self::File(file, _) => file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt, symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = std::fs::read_dir(folder).unwrap();
        let names = names.map(|one| one.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    fn fifo(path: &Path) {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.unwrap().success());
    }

    #[test]
    fn only_regular_files_are_replaced_and_of_links_what_they_lead_to() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().canonicalize().unwrap().join(name);
        std::fs::write(at("there"), "").unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        fifo(&at("pipe"));
        for (link, target) in [
            ("to-there", "there"),
            ("to-link", "to-there"),
            ("to-new", "folder/new"),
            ("to-pipe", "pipe"),
            ("to-folder", "folder"),
            ("round", "round"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        for (name, file) in [
            ("there", "there"),
            ("new", "new"),
            ("to-there", "there"),
            ("to-link", "there"),
            ("to-new", "folder/new"),
            ("folder/../to-there", "there"),
        ] {
            assert_eq!(place(&at(name)).unwrap(), Place::File(at(file)), "{name}");
        }
        for path in [
            at("pipe"),
            at("to-pipe"),
            "/dev/null".into(),
            "/dev/stdout".into(),
        ] {
            assert_eq!(place(&path).unwrap(), Place::Straight, "{}", path.display());
        }
        for name in ["folder", "to-folder", "round", "nowhere/new", ".."] {
            assert!(place(&at(name)).is_err(), "{name}");
        }
    }

    #[tokio::test]
    async fn a_file_is_there_once_it_is_whole_and_nothing_is_left_of_what_breaks_off() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("before"), "before").unwrap();
        let private = Permissions::from_mode(0o600);
        std::fs::set_permissions(at("before"), private).unwrap();
        symlink("before", at("link")).unwrap();
        // Two at once into the same file, and one that breaks off.
        let mut outputs =
            ["link", "before", "before"].map(|name| Output::new(Some(&at(name))).ok().unwrap());
        for (output, text) in outputs.iter_mut().zip(["first", "second", "third"]) {
            output.write(text.as_bytes()).unwrap();
        }
        assert_eq!(names(folder.path()).len(), 5);
        assert_eq!(std::fs::read_to_string(at("before")).unwrap(), "before");
        let [first, second, third] = outputs;
        drop(third);
        for (output, text) in [(first, "first"), (second, "second")] {
            output.finish().unwrap();
            assert_eq!(std::fs::read_to_string(at("before")).unwrap(), text);
        }
        assert_eq!(names(folder.path()), ["before", "link"]);
        assert!(std::fs::symlink_metadata(at("link")).unwrap().is_symlink());
        let mode = std::fs::metadata(at("before"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_pipe_is_written_straight_to_and_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        fifo(&path);
        let of_reader = path.clone();
        let reader = std::thread::spawn(move || std::fs::read_to_string(of_reader).unwrap());
        let mut output = Output::new(Some(&path)).ok().unwrap();
        output.write(b"all of it").unwrap();
        assert_eq!(output.finish().unwrap(), "");
        assert_eq!(reader.join().unwrap(), "all of it");
        assert_eq!(names(folder.path()), ["pipe"]);
        assert!(std::fs::metadata(&path).unwrap().file_type().is_fifo());
    }

    #[tokio::test]
    async fn who_reads_no_more_ends_an_export_without_a_word() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        fifo(&path);
        let of_reader = path.clone();
        let reader = std::thread::spawn(move || drop(File::open(of_reader).unwrap()));
        let mut output = Output::new(Some(&path)).ok().unwrap();
        reader.join().unwrap();
        let Err(failure) = output.write(&[0; 64 * 1024]) else {
            panic!("written");
        };
        assert!(matches!(failure, Failure::Unread));
    }

    #[tokio::test]
    async fn a_folder_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let Err(Failure::Input(said)) = Output::new(Some(folder.path())) else {
            panic!("taken");
        };
        assert!(said.starts_with("can't write /"), "{said}");
        assert!(said.contains("directory"), "{said}");
    }
}
