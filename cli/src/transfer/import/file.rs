//! The file of an import: what kind it is, where its rows begin, and what stands for it.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::Context;
use prost_types::Timestamp;
use weir_ids::TimedKey;

use super::csv::separator_of;
use super::progress::Plan;
use super::rows::{Content, Kind, Position, Rows};
use crate::arguments::{Format, ImportContactsOptions, Merge};
use crate::failure::Failure;

/// What is looked at to tell one file from another, and to see what it is.
const HEAD: u64 = 64 * 1024;
const BUFFER: usize = 256 * 1024;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A file that was looked at.
pub struct Opened {
    path: PathBuf,
    pub kind: Kind,
    pub columns: Vec<String>,
    /// Where its first row begins.
    pub first: Position,
    size: u64,
    head: Vec<u8>,
    changed: Timestamp,
}

/// # Errors
/// It is no file that can be imported; says why.
pub fn open(options: &ImportContactsOptions) -> Result<Opened, Failure> {
    let name = options.file.display();
    let unreadable = |error| Failure::Input(format!("can't read {name}: {error}"));
    let mut file = File::open(&options.file).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    let mut head = Vec::new();
    let read = file.by_ref().take(HEAD).read_to_end(&mut head);
    read.map_err(unreadable)?;
    let wrong = |what: &str| Err(Failure::Input(format!("{name}: {what}")));
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") || head.contains(&0) {
        return wrong(
            "this is not UTF-8, but UTF-16 or no text; `iconv -f UTF-16 -t UTF-8` makes it",
        );
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
        path: options.file.clone(),
        kind: Kind::JsonLines,
        columns: Vec::new(),
        first: Position {
            offset,
            ..Position::default()
        },
        size: about.len(),
        head,
        changed: about.modified().map(Timestamp::from).map_err(unreadable)?,
    };
    if format == Format::Csv {
        let text = &opened.head[BOM.len().min(offset as usize)..];
        let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let separator = match options.separator {
            Some(given) if given.is_ascii() => given as u8,
            Some(_) => return wrong("--separator must be one ASCII character"),
            None => separator_of(first),
        };
        opened.kind = Kind::Csv(separator);
        let header = opened.rows(opened.first)?.next().map_err(unreadable)?;
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
    Ok(opened)
}

impl Opened {
    /// Its rows from there on.
    pub fn rows(&self, at: Position) -> Result<Rows<BufReader<File>>, Failure> {
        let open = || -> std::io::Result<File> {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(at.offset))?;
            Ok(file)
        };
        let file = open().with_context(|| format!("can't read {}", self.path.display()))?;
        let reader = BufReader::with_capacity(BUFFER, file);
        Ok(Rows::new(reader, self.kind, at))
    }

    /// The same file, imported in the same way, is the same import, whenever it is begun: what
    /// was stored before is not stored twice.
    pub fn plan(
        &self,
        options: &ImportContactsOptions,
        account_id: String,
        source_id: String,
    ) -> Plan {
        let changed = Timestamp {
            nanos: self.changed.nanos / 1_000 * 1_000,
            ..self.changed
        };
        let as_of = options.as_of.unwrap_or(changed).to_string();
        let merge = match options.merge {
            None | Some(Merge::Overwrite) => "overwrite",
            Some(Merge::Append) => "append",
            Some(Merge::Ignore) => "ignore",
        };
        let size = self.size.to_be_bytes();
        let parts = [
            account_id.as_bytes(),
            source_id.as_bytes(),
            as_of.as_bytes(),
        ];
        let key = [&parts[..], &[merge.as_bytes(), &size, &self.head]].concat();
        Plan {
            import_id: TimedKey::new(0, &key).0.to_string(),
            account_id,
            source_id,
            size: self.size,
            as_of,
            merge: merge.to_owned(),
            charge: options.charge,
            columns: self.columns.clone(),
        }
    }
}
