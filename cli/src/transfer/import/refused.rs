//! The file of the rows that were refused: as they came, each with its number and the reason. Once
//! they are mended it can be imported as it is, but for those whose cells can't be told apart.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::csv::cells;
use super::rows::{Content, FileRow, Kind};
use crate::failure::Failure;
use crate::transfer::output::{Place, open_straight, place};

/// What stands in front of a row; an import skips them.
const COLUMNS: [&str; 4] = [
    "refused_row",
    "refused_line",
    "refused_code",
    "refused_reason",
];
/// Said with a row that can't be mended in this file.
const IN_ORIGINAL: &str = "Not to be mended here: put it right in the original file.";

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

    /// Whether the row stands in the file so that it can be mended there.
    pub fn can_mend(&self, row: &FileRow) -> bool {
        match self.kind {
            Kind::Csv(_) => cells_of(row, self.kind).is_some(),
            Kind::JsonLines => members_of(row).is_some(),
        }
    }

    /// # Errors
    /// The file can't be written.
    pub fn add(&mut self, row: &FileRow, code: &str, reason: &str) -> Result<(), Failure> {
        let written = self.try_add(row, code, reason);
        Ok(written.with_context(|| format!("can't write {}", self.path.display()))?)
    }

    /// Without what a row that was refused before was refused for.
    fn own(&self, cells: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let names = self.columns.iter().map(String::as_str);
        let names = names.chain(std::iter::repeat(""));
        let own = cells.into_iter().zip(names);
        let own = own.filter(|(_, name)| !is_ours(name));
        own.map(|(cell, _)| cell).collect()
    }

    fn try_add(&mut self, row: &FileRow, code: &str, reason: &str) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        if self.bytes == 0 && matches!(self.kind, Kind::Csv(_)) {
            let columns = COLUMNS.iter().copied();
            let own = self.columns.iter().map(String::as_str);
            let columns = columns.chain(own.filter(|name| !is_ours(name)));
            bytes = record(self.kind, columns.map(str::as_bytes))?;
        }
        let (number, line) = (row.number.to_string(), row.line.to_string());
        match self.kind {
            Kind::Csv(_) => {
                let (cells, reason) = match cells_of(row, self.kind) {
                    Some(cells) => (self.own(cells), reason.to_owned()),
                    None => (vec![row.raw.clone()], format!("{reason} {IN_ORIGINAL}")),
                };
                let front = [&number, &line, code, &reason].map(str::as_bytes);
                let cells = front.into_iter().chain(cells.iter().map(Vec::as_slice));
                bytes.extend(record(self.kind, cells)?);
            }
            Kind::JsonLines => {
                let mut line = serde_json::json!({
                    "refused_row": row.number, "refused_line": row.line, "refused_code": code,
                    "refused_reason": reason,
                });
                match members_of(row) {
                    // As text, so that no number becomes another one; and ours behind it, so that
                    // they count where the row was refused before.
                    Some(members) => {
                        let comma = if members.is_empty() { "" } else { "," };
                        writeln!(bytes, "{{{members}{comma}{}", &line.to_string()[1..])?;
                    }
                    None => {
                        line["refused_reason"] = format!("{reason} {IN_ORIGINAL}").into();
                        line["refused_text"] = String::from_utf8_lossy(&row.raw).into();
                        writeln!(bytes, "{line}")?;
                    }
                }
            }
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = match place(&self.path)? {
                    Place::Straight => open_straight(&self.path)?,
                    // What was refused since the progress was noted comes again.
                    Place::File(path) => {
                        let mut options = OpenOptions::new();
                        let options = options.create(true).truncate(false).write(true);
                        let mut file = options.open(path)?;
                        file.set_len(self.bytes)?;
                        file.seek(SeekFrom::End(0))?;
                        file
                    }
                };
                self.file.insert(file)
            }
        };
        file.write_all(&bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

fn is_ours(column: &str) -> bool {
    COLUMNS.contains(&column.trim())
}

/// None where nobody can tell where one ends, or the row is not whole.
fn cells_of(row: &FileRow, kind: Kind) -> Option<Vec<Vec<u8>>> {
    match (&row.content, kind) {
        (Content::Cells(cells), _) => Some(cells.iter().map(|cell| cell.clone().into()).collect()),
        (Content::Bad("INVALID_UTF8"), Kind::Csv(separator)) => cells(&row.raw, separator).ok(),
        _ => None,
    }
}

/// What stands between the braces of an object.
fn members_of(row: &FileRow) -> Option<&str> {
    let Content::Json(json) = &row.content else {
        return None;
    };
    serde_json::from_str::<serde::de::IgnoredAny>(json).ok()?;
    let inside = json.trim().strip_prefix('{')?.strip_suffix('}')?;
    Some(inside.trim())
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
             3;5;ROW_QUOTES;Mend it. Not to be mended here: put it right in the original file.;\
             \"x\"\"y;z\"\n"
        );
        assert_eq!(std::fs::metadata(&path).unwrap().len(), refused.bytes());
    }

    fn written(kind: Kind, row: &FileRow, is_mendable: bool) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refused");
        let mut refused = Refused::new(path.clone(), kind, vec!["a".into(), "b".into()], 0);
        refused.add(row, "CODE", "Why.").unwrap();
        assert_eq!(refused.can_mend(row), is_mendable);
        std::fs::read(path).unwrap()
    }

    #[test]
    fn rows_may_be_refused_into_a_file_that_keeps_none() {
        let null = PathBuf::from("/dev/null");
        let mut refused = Refused::new(null, Kind::JsonLines, Vec::new(), 0);
        let row = row(Content::Json("{}".into()), b"{}");
        refused.add(&row, "CODE", "Why.").unwrap();
    }

    #[test]
    fn a_row_that_is_not_utf_8_keeps_its_cells_and_bytes() {
        let kind = Kind::Csv(b',');
        let row = row(Content::Bad("INVALID_UTF8"), b"F\xefve,\"x,y\"");
        let file = written(kind, &row, true);
        assert!(file.ends_with(b"\n3,5,CODE,Why.,F\xefve,\"x,y\"\n"));
    }

    #[test]
    fn a_row_that_is_refused_again_has_its_reason_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refused");
        let columns = COLUMNS.map(str::to_owned).into_iter();
        let columns = columns.chain(["email".to_owned()]).collect();
        let mut refused = Refused::new(path.clone(), Kind::Csv(b','), columns, 0);
        let cells = ["1", "2", "BEFORE", "Before.", "a"].map(str::to_owned);
        let again = row(Content::Cells(cells.into()), b"");
        refused.add(&again, "CODE", "Why.").unwrap();
        refused
            .add(&row(Content::Bad("ROW_QUOTES"), b"x"), "CODE", "Why.")
            .unwrap();
        let file = std::fs::read_to_string(path).unwrap();
        let mut lines = file.lines();
        assert_eq!(
            lines.next().unwrap(),
            "refused_row,refused_line,refused_code,refused_reason,email"
        );
        assert_eq!(lines.next().unwrap(), "3,5,CODE,Why.,a");
        assert!(lines.next().unwrap().ends_with(",x"), "{file}");
    }

    #[test]
    fn an_object_that_was_refused_keeps_its_members() {
        for (json, line) in [
            (
                r#" {"a": 1.000000000000000000001, "b": {}} "#,
                r#"{"a": 1.000000000000000000001, "b": {},"#,
            ),
            ("{ }", "{"),
            // It was refused before: what it is refused for now counts.
            (r#"{"refused_reason":"Before."}"#, "{"),
        ] {
            let row = row(Content::Json(json.to_owned()), json.as_bytes());
            let file = String::from_utf8(written(Kind::JsonLines, &row, true)).unwrap();
            assert!(file.starts_with(line), "{file}");
            let read: serde_json::Value = serde_json::from_str(&file).unwrap();
            assert_eq!(read["refused_reason"], "Why.");
        }
        for json in ["[1]", "{", "7"] {
            let row = row(Content::Json(json.to_owned()), json.as_bytes());
            let file = written(Kind::JsonLines, &row, false);
            let read: serde_json::Value = serde_json::from_slice(&file).unwrap();
            assert_eq!(read["refused_text"], json);
            assert!(
                read["refused_reason"]
                    .as_str()
                    .unwrap()
                    .ends_with(IN_ORIGINAL)
            );
        }
    }
}
