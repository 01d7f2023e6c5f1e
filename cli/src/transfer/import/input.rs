//! Where the rows of an import come from: a file, or what can be read only once (standard input, a
//! pipe).

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Error, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::PathBuf;

use prost_types::Timestamp;

use super::rows::MAX_ROW;
use crate::arguments::ImportContactsOptions;
use crate::failure::Failure;

/// What is looked at to tell one file from another, and to see what it is.
pub const HEAD: usize = 64 * 1024;
/// Of a pipe, what is held until its rows are read: a header and a row fit.
const HELD: usize = HEAD + 2 * MAX_ROW;
const BUFFER: usize = 256 * 1024;
/// The name of standard input.
const STANDARD: &str = "-";

/// See there.
pub enum Input {
    /// Read from anywhere, as often as needed.
    File(PathBuf),
    /// With what was read of it.
    Pipe(File, Vec<u8>),
}

/// What a look at it showed.
pub struct Look {
    pub input: Input,
    pub name: String,
    /// How it begins.
    pub head: Vec<u8>,
    /// 0 where nobody knows.
    pub size: u64,
    /// The moment of which it tells.
    pub as_of: Timestamp,
}

/// # Errors
/// There is none, or it can't be read; or nothing says of what moment it tells.
pub fn look(options: &ImportContactsOptions) -> Result<Look, Failure> {
    let is_standard = options.file.as_os_str() == STANDARD;
    let name = match is_standard {
        true => "standard input".to_owned(),
        false => options.file.display().to_string(),
    };
    let unreadable = |error: Error| Failure::Input(format!("can't read {name}: {error}"));
    let mut file = match is_standard {
        true => std::io::stdin()
            .as_fd()
            .try_clone_to_owned()
            .map(File::from),
        false => File::open(&options.file),
    }
    .map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    let is_pipe = is_standard || !(about.is_file() || about.is_dir());
    let mut head = Vec::new();
    let most = if is_pipe { HELD } else { HEAD };
    let read = file.by_ref().take(most as u64).read_to_end(&mut head);
    read.map_err(unreadable)?;
    if !is_pipe {
        let changed = about.modified().map(Timestamp::from).map_err(unreadable)?;
        return Ok(Look {
            input: Input::File(options.file.clone()),
            head,
            size: about.len(),
            as_of: options.as_of.unwrap_or(Timestamp {
                nanos: changed.nanos / 1_000 * 1_000,
                ..changed
            }),
            name,
        });
    }
    let Some(as_of) = options.as_of else {
        return Err(Failure::Input(format!(
            "{name}: of what moment it tells nobody can see; say --as-of TIME, and the same when it \
             is given again, so that rows which were stored are known again"
        )));
    };
    let held = head.clone();
    head.truncate(HEAD);
    Ok(Look {
        input: Input::Pipe(file, held),
        name,
        head,
        size: 0,
        as_of,
    })
}

impl Input {
    /// Whether it can be read only once.
    pub fn is_pipe(&self) -> bool {
        matches!(self, Self::Pipe(..))
    }

    /// How it begins, as far as a look may go.
    ///
    /// # Errors
    /// It can't be read any more.
    pub fn beginning(&self, from: u64) -> std::io::Result<Box<dyn BufRead + Send>> {
        match self {
            Self::File(_) => self.read(from),
            Self::Pipe(_, held) => Ok(Box::new(behind(held, from))),
        }
    }

    /// All of it, from there on; of a pipe once.
    ///
    /// # Errors
    /// It can't be read any more.
    pub fn read(&self, from: u64) -> std::io::Result<Box<dyn BufRead + Send>> {
        match self {
            Self::File(path) => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(from))?;
                Ok(Box::new(BufReader::with_capacity(BUFFER, file)))
            }
            Self::Pipe(file, held) => {
                let rest = BufReader::with_capacity(BUFFER, file.try_clone()?);
                Ok(Box::new(behind(held, from).chain(rest)))
            }
        }
    }
}

fn behind(held: &[u8], from: u64) -> Cursor<Vec<u8>> {
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    Cursor::new(held.get(from..).unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_pipe_is_looked_at_and_then_read_whole() {
        let (read, mut write) = std::io::pipe().unwrap();
        let all: Vec<u8> = (0..3 * HELD).map(|at| (at % 251) as u8).collect();
        let sent = all.clone();
        let writer = std::thread::spawn(move || write.write_all(&sent).unwrap());
        let mut file = File::from(std::os::fd::OwnedFd::from(read));
        let mut held = Vec::new();
        let mut begins = Read::by_ref(&mut file).take(HELD as u64);
        begins.read_to_end(&mut held).unwrap();
        let input = Input::Pipe(file, held);
        let mut found = Vec::new();
        input.beginning(7).unwrap().read_to_end(&mut found).unwrap();
        assert_eq!(found, all[7..HELD]);
        found.clear();
        input.read(7).unwrap().read_to_end(&mut found).unwrap();
        assert!(found == all[7..]);
        writer.join().unwrap();
    }
}
