//! `logs`: what the processes wrote.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use weir_stack::Instance;

use crate::arguments::LogsOptions;
use crate::failure::Failure;

const POLL: Duration = Duration::from_millis(200);
/// The last lines are looked for in this much of a file's end.
const TAIL: u64 = 1024 * 1024;

pub async fn run(options: &LogsOptions) -> Result<(), Failure> {
    let folder = options.data.folder.join("log");
    let all = find(&folder)?;
    let chosen: Vec<_> = match &options.service {
        None => all.into_iter().filter(|(name, _)| name != "up").collect(),
        Some(wanted) => {
            let wanted = if wanted == "contact" {
                "contact-upsert"
            } else {
                wanted
            };
            let known: Vec<_> = all.iter().map(|(name, _)| name.clone()).collect();
            let is_replica = |name: &str| {
                let service = Instance::named(name).map(|one| one.service.name());
                service == Some(wanted)
            };
            let found = all.into_iter();
            let found: Vec<_> = found
                .filter(|(name, _)| name == wanted || is_replica(name))
                .collect();
            if found.is_empty() {
                return Err(Failure::Input(format!(
                    "there is no log of {wanted:?}; there are {}",
                    known.join(", ")
                )));
            }
            found
        }
    };
    let prefixed = chosen.len() > 1;
    let mut logs = Vec::new();
    for (name, path) in chosen {
        let mut log = Log::open(name, &path, prefixed)?;
        let text = log.read_new()?;
        if !log.show(last_lines(&text, options.lines)) {
            return Ok(());
        }
        logs.push(log);
    }
    if options.follow {
        follow(&mut logs).await?;
    }
    Ok(())
}

async fn follow(logs: &mut [Log]) -> Result<(), Failure> {
    loop {
        tokio::time::sleep(POLL).await;
        for log in &mut *logs {
            let text = log.read_new()?;
            if !log.show(&text) {
                return Ok(());
            }
        }
    }
}

/// Names and paths, by name.
fn find(folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("there are no logs in {}", folder.display()))?;
    let mut found: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path)))
        .collect();
    found.sort();
    Ok(found)
}

struct Log {
    name: String,
    file: File,
    prefixed: bool,
}

impl Log {
    fn open(name: String, path: &Path, prefixed: bool) -> anyhow::Result<Self> {
        let mut file =
            File::open(path).with_context(|| format!("can't read {}", path.display()))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        Ok(Self {
            name,
            file,
            prefixed,
        })
    }

    /// Whole lines only; the rest is read next time.
    fn read_new(&mut self) -> anyhow::Result<String> {
        // A log that grew too long was begun anew.
        if self.file.metadata()?.len() < self.file.stream_position()? {
            self.file.rewind()?;
        }
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes)?;
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let rest = i64::try_from(bytes.len() - whole)?;
        self.file.seek(SeekFrom::Current(-rest))?;
        bytes.truncate(whole);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether anybody still reads what we print.
    fn show(&self, text: &str) -> bool {
        let mut output = io::stdout().lock();
        let mut write = || -> io::Result<()> {
            for line in text.lines() {
                if self.prefixed {
                    writeln!(output, "{:<17}{line}", self.name)?;
                } else {
                    writeln!(output, "{line}")?;
                }
            }
            output.flush()
        };
        write().is_ok()
    }
}

fn last_lines(text: &str, count: usize) -> &str {
    let mut starts = text.trim_end_matches('\n').rmatch_indices('\n');
    match count.checked_sub(1).and_then(|nth| starts.nth(nth)) {
        Some((end, _)) => &text[end + 1..],
        None if count == 0 => "",
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_cut_off() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc\n");
        assert_eq!(last_lines("a\nb\nc\n", 3), "a\nb\nc\n");
        assert_eq!(last_lines("a\nb\nc\n", 9), "a\nb\nc\n");
        assert_eq!(last_lines("a\nb\nc\n", 0), "");
        assert_eq!(last_lines("", 5), "");
    }

    #[test]
    fn a_line_that_is_not_whole_yet_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("edge.log");
        fs::write(&path, "one\ntw").unwrap();
        let mut log = Log::open("edge".into(), &path, false).unwrap();
        assert_eq!(log.read_new().unwrap(), "one\n");
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"o\n").unwrap();
        assert_eq!(log.read_new().unwrap(), "two\n");
        fs::write(&path, "3\n").unwrap();
        assert_eq!(log.read_new().unwrap(), "3\n");
    }
}
