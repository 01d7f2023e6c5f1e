//! The file of an import: what kind it is, where its rows begin, and what stands for it.

use std::io::BufRead;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Context;
use weir_ids::TimedKey;

use super::csv::separator_of;
use super::input::{self, Look};
use super::progress::Plan;
use super::rows::{Content, Kind, Position, Rows};
use crate::arguments::{Format, ImportContactsOptions, Merge};
use crate::failure::Failure;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A file that was looked at.
pub struct Opened {
    look: Look,
    pub kind: Kind,
    pub columns: Vec<String>,
    /// Where its first row begins.
    pub first: Position,
}

/// Its rows.
pub type FileRows = Rows<Box<dyn BufRead + Send>>;

/// # Errors
/// It is no file that can be imported; says why.
pub fn open(options: &ImportContactsOptions) -> Result<Opened, Failure> {
    let look = input::look(options)?;
    let (head, name) = (look.head.clone(), look.name.clone());
    let unreadable = |error| Failure::Input(format!("can't read {name}: {error}"));
    let wrong = |what: &str| Err(Failure::Input(format!("{name}: {what}")));
    if is_utf16(&head) {
        return wrong("this is not UTF-8, but UTF-16; `iconv -f UTF-16 -t UTF-8` makes it");
    }
    if has_lone_returns(&head) {
        return wrong(&format!(
            "its lines end in CR alone, so it would be one line; \
             `tr '\\r' '\\n' < {name}` mends it"
        ));
    }
    let offset = match head.starts_with(BOM) {
        true => BOM.len() as u64,
        false => 0,
    };
    let format = match (options.format, options.file.extension()) {
        (Some(format), _) => format,
        (None, Some(ending)) if ["csv", "tsv", "txt"].iter().any(|known| ending == *known) => {
            Format::Csv
        }
        (None, Some(ending)) if ["jsonl", "ndjson"].iter().any(|known| ending == *known) => {
            Format::Jsonl
        }
        _ => return wrong("is it CSV or a JSON object each line? Say --format csv or jsonl"),
    };
    let mut opened = Opened {
        look,
        kind: Kind::JsonLines,
        columns: Vec::new(),
        first: Position {
            offset,
            ..Position::default()
        },
    };
    if format == Format::Csv {
        let text = &head[BOM.len().min(offset as usize)..];
        let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let separator = match options.separator {
            Some(given) if given.is_ascii() => given as u8,
            Some(_) => return wrong("--separator must be one ASCII character"),
            None => separator_of(first),
        };
        opened.kind = Kind::Csv(separator);
        let header = opened.beginning()?.next().map_err(unreadable)?;
        let Some(header) = header else {
            return wrong("is empty: the first line of a CSV file names its columns");
        };
        opened.columns = match header.content {
            Content::Cells(cells) => cells,
            Content::Bad("INVALID_UTF8") => return wrong("the header is not UTF-8"),
            _ => return wrong("the header's quotes are broken"),
        };
        opened.first = Position {
            rows: 0,
            ..header.next
        };
    }
    if opened.beginning()?.next().map_err(unreadable)?.is_none() {
        return wrong(match format {
            Format::Csv => "has no rows, only a header",
            Format::Jsonl => "has no rows",
        });
    }
    Ok(opened)
}

/// A NUL here and there costs its row; of UTF-16 most characters have one, always on one side.
fn is_utf16(head: &[u8]) -> bool {
    let nuls_from = |start: usize| {
        let bytes = head.iter().skip(start).step_by(2);
        bytes.filter(|byte| **byte == 0).count()
    };
    let has_mark = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    has_mark || (0..2).any(|start| head.len() >= 4 && nuls_from(start) > head.len() / 4)
}

/// Lines that end in CR, and none that ends in LF.
fn has_lone_returns(head: &[u8]) -> bool {
    head.trim_ascii_end().contains(&b'\r') && !head.contains(&b'\n')
}

/// Whether both names lead to one file: also by a link, or by another name of it.
pub fn are_one(one: &Path, other: &Path) -> bool {
    let (Ok(about_one), Ok(about_other)) = (one.metadata(), other.metadata()) else {
        return false;
    };
    (about_one.dev(), about_one.ino()) == (about_other.dev(), about_other.ino())
}

impl Opened {
    /// Its first rows, to look at.
    fn beginning(&self) -> Result<FileRows, Failure> {
        let read = self.look.input.beginning(self.first.offset);
        let read = read.with_context(|| format!("can't read {}", self.look.name))?;
        Ok(Rows::new(read, self.kind, self.first))
    }

    /// Its rows from there on.
    pub fn rows(&self, at: Position) -> Result<FileRows, Failure> {
        let read = self.look.input.read(at.offset);
        let read = read.with_context(|| format!("can't read {}", self.look.name))?;
        Ok(Rows::new(read, self.kind, at))
    }

    /// Whether it can be read only once, so that nothing is noted beside it.
    pub fn is_pipe(&self) -> bool {
        self.look.input.is_pipe()
    }

    /// The same file, imported in the same way, is the same import, whenever it is begun: what
    /// was stored before is not stored twice.
    pub fn plan(
        &self,
        options: &ImportContactsOptions,
        account_id: String,
        source_id: String,
    ) -> Plan {
        let as_of = self.look.as_of.to_string();
        let merge = match options.merge {
            None | Some(Merge::Overwrite) => "overwrite",
            Some(Merge::Append) => "append",
            Some(Merge::Ignore) => "ignore",
        };
        let size = self.look.size.to_be_bytes();
        let parts = [
            account_id.as_bytes(),
            source_id.as_bytes(),
            as_of.as_bytes(),
        ];
        let key = [&parts[..], &[merge.as_bytes(), &size, &self.look.head]].concat();
        Plan {
            import_id: TimedKey::new(0, &key).0.to_string(),
            account_id,
            source_id,
            size: self.look.size,
            as_of,
            merge: merge.to_owned(),
            charge: options.charge,
            columns: self.columns.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_16_has_a_mark_or_nuls_at_every_second_byte() {
        let wide = |text: &str| -> Vec<u8> {
            let units = text.encode_utf16();
            units.flat_map(u16::to_le_bytes).collect()
        };
        assert!(is_utf16(b"\xff\xfea\0"));
        assert!(is_utf16(b"\xfe\xff\0a"));
        assert!(is_utf16(&wide("email,name\na@x.org,\u{416}\u{416}\n")));
        assert!(is_utf16(b"\0a\0,\0b"));
        for text in [&b""[..], b"a,b\n1,x\0y\n", b"a\0", b"a,b\n\0\0,2\n"] {
            assert!(!is_utf16(text), "{text:?}");
        }
    }

    #[test]
    fn lines_that_end_in_cr_alone_are_told_from_others() {
        assert!(has_lone_returns(b"a,b\r1,2\r"));
        for text in [&b"a,b"[..], b"a,b\r", b"a,b\r\n1,2\r\n", b"a,b\n\"x\ry\",2"] {
            assert!(!has_lone_returns(text), "{text:?}");
        }
    }

    #[test]
    fn a_file_is_itself_under_each_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a.csv"), "a").unwrap();
        std::fs::write(path("b.csv"), "a").unwrap();
        std::os::unix::fs::symlink(path("a.csv"), path("soft.csv")).unwrap();
        std::fs::hard_link(path("a.csv"), path("hard.csv")).unwrap();
        for name in ["a.csv", "./a.csv", "soft.csv", "hard.csv"] {
            assert!(are_one(&path("a.csv"), &path(name)), "{name}");
        }
        for name in ["b.csv", "none.csv"] {
            assert!(!are_one(&path("a.csv"), &path(name)), "{name}");
        }
    }
}
