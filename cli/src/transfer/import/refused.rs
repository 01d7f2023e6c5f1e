//! The file of the rows that were refused: as they came, each with its number and the reason. Once
//! they are mended it can be imported as it is.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::rows::{Content, FileRow, Kind};
use crate::failure::Failure;

/// What stands in front of a row; an import skips them.
const COLUMNS: [&str; 4] = [
    "refused_row",
    "refused_line",
    "refused_code",
    "refused_reason",
];

/// Made with the first row that is refused.
pub struct Refused {
    path: PathBuf,
    kind: Kind,
    columns: Vec<String>,
    file: Option<File>,
    bytes: u64,
}

impl Refused {
    /// Goes on behind so many bytes.
    pub fn new(path: PathBuf, kind: Kind, columns: Vec<String>, bytes: u64) -> Self {
        Self {
            path,
            kind,
            columns,
            file: None,
            bytes,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// # Errors
    /// The file can't be written.
    pub fn add(&mut self, row: &FileRow, code: &str, reason: &str) -> Result<(), Failure> {
        let written = self.try_add(row, code, reason);
        Ok(written.with_context(|| format!("can't write {}", self.path.display()))?)
    }

    fn try_add(&mut self, row: &FileRow, code: &str, reason: &str) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        if self.bytes == 0 && matches!(self.kind, Kind::Csv(_)) {
            let columns = COLUMNS.iter().copied();
            let columns = columns.chain(self.columns.iter().map(String::as_str));
            bytes = record(self.kind, columns.map(str::as_bytes))?;
        }
        let (number, line) = (row.number.to_string(), row.line.to_string());
        match self.kind {
            Kind::Csv(_) => {
                let front = [&number, &line, code, reason].map(str::as_bytes);
                let cells: Vec<&[u8]> = match &row.content {
                    Content::Cells(cells) => cells.iter().map(String::as_bytes).collect(),
                    // As one cell: where the others begin is not known.
                    _ => vec![&row.raw],
                };
                let cells = front.into_iter().chain(cells);
                bytes.extend(record(self.kind, cells)?);
            }
            Kind::JsonLines => {
                let text = String::from_utf8_lossy(&row.raw);
                let line = serde_json::json!({
                    "refused_row": row.number, "refused_line": row.line, "refused_code": code,
                    "refused_reason": reason, "refused_text": text,
                });
                writeln!(bytes, "{line}")?;
            }
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let mut options = OpenOptions::new();
                let options = options.create(true).truncate(false).write(true);
                let mut file = options.open(&self.path)?;
                // What was refused since the progress was noted comes again.
                file.set_len(self.bytes)?;
                file.seek(SeekFrom::End(0))?;
                self.file.insert(file)
            }
        };
        file.write_all(&bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

fn record<'a>(kind: Kind, cells: impl Iterator<Item = &'a [u8]>) -> anyhow::Result<Vec<u8>> {
    let separator = match kind {
        Kind::Csv(separator) => separator,
        Kind::JsonLines => b',',
    };
    let mut writer = csv::WriterBuilder::new()
        .delimiter(separator)
        .from_writer(Vec::new());
    writer.write_record(cells)?;
    Ok(writer.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::import::rows::Position;

    fn row(content: Content, raw: &[u8]) -> FileRow {
        FileRow {
            number: 3,
            line: 5,
            content,
            raw: raw.to_vec(),
            next: Position::default(),
        }
    }

    #[test]
    fn rows_stand_there_as_they_came_behind_what_was_noted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("people.refused.csv");
        let new = |bytes| Refused::new(path.clone(), Kind::Csv(b';'), vec!["email".into()], bytes);
        let mut refused = new(0);
        let cells = row(Content::Cells(vec!["a;b".into()]), b"\"a;b\"");
        refused.add(&cells, "NO_IDENTIFIER", "Nobody.").unwrap();
        let noted = refused.bytes();
        refused.add(&cells, "LOST", "Comes again.").unwrap();
        let mut refused = new(noted);
        let broken = row(Content::Bad("ROW_QUOTES"), b"x\"y;z");
        refused.add(&broken, "ROW_QUOTES", "Mend it.").unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "refused_row;refused_line;refused_code;refused_reason;email\n\
             3;5;NO_IDENTIFIER;Nobody.;\"a;b\"\n\
             3;5;ROW_QUOTES;Mend it.;\"x\"\"y;z\"\n"
        );
        assert_eq!(std::fs::metadata(&path).unwrap().len(), refused.bytes());
    }
}
