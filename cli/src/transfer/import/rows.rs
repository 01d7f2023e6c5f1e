//! The rows of a file, one after another, whatever its size.
//!
//! **Invariant:** no more than [`MAX_ROW`] of a row is ever in memory, and each row has the same
//! number whenever the file is read.

use std::collections::VecDeque;
use std::io::{BufRead, Read};

use super::csv::{self, Broken};

/// Of a row, in bytes. A request holds 32 MiB.
pub const MAX_ROW: usize = 1024 * 1024;

/// What a row is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Cells(Vec<String>),
    Json(String),
    /// Why it is none: the code of a reason.
    Bad(&'static str),
}

/// A row of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// From 1, without the header and empty lines.
    pub number: u64,
    /// The line that it begins in, from 1.
    pub line: u64,
    pub content: Content,
    /// As it stands in the file, cut where it is too long.
    pub raw: Vec<u8>,
    /// Where in the file the next row begins, and in which line.
    pub next: Position,
}

/// Where reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    pub offset: u64,
    pub line: u64,
    /// Rows before.
    pub rows: u64,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// With this between the cells.
    Csv(u8),
    JsonLines,
}

/// A line with its end.
struct Line {
    bytes: Vec<u8>,
    /// Its length in the file: more than it has bytes where it is too long.
    length: u64,
}

/// Reads rows.
pub struct Rows<R> {
    input: R,
    kind: Kind,
    /// Lines that were read ahead.
    ahead: VecDeque<Line>,
    at: Position,
}

impl<R: BufRead> Rows<R> {
    /// From `input`, which stands at `at`.
    pub fn new(input: R, kind: Kind, at: Position) -> Self {
        Self {
            input,
            kind,
            ahead: VecDeque::new(),
            at,
        }
    }

    fn line(&mut self) -> std::io::Result<Option<Line>> {
        if let Some(line) = self.ahead.pop_front() {
            return Ok(Some(line));
        }
        let mut bytes = Vec::new();
        let most = MAX_ROW as u64 + 1;
        let mut length = self
            .input
            .by_ref()
            .take(most)
            .read_until(b'\n', &mut bytes)? as u64;
        while length >= most && !bytes.ends_with(b"\n") {
            let mut rest = Vec::new();
            let more = self
                .input
                .by_ref()
                .take(most)
                .read_until(b'\n', &mut rest)?;
            length += more as u64;
            if more == 0 || rest.ends_with(b"\n") {
                break;
            }
        }
        Ok((length > 0).then_some(Line { bytes, length }))
    }

    /// The next one, if there is one.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn next(&mut self) -> std::io::Result<Option<FileRow>> {
        loop {
            let Some(line) = self.line()? else {
                return Ok(None);
            };
            let begins = self.at;
            let is_empty = line.bytes.iter().all(u8::is_ascii_whitespace);
            if is_empty && line.length as usize == line.bytes.len() {
                self.pass(&line);
                continue;
            }
            self.at.rows += 1;
            let (content, raw) = match self.kind {
                _ if line.bytes.len() > MAX_ROW => {
                    self.pass(&line);
                    (Content::Bad("ROW_TOO_LONG"), line.bytes)
                }
                Kind::JsonLines => {
                    self.pass(&line);
                    let json = without_end(&line.bytes);
                    let json = String::from_utf8(json.to_vec());
                    let content = json.map_or(Content::Bad("INVALID_UTF8"), Content::Json);
                    (content, line.bytes)
                }
                Kind::Csv(separator) => self.record(line, separator)?,
            };
            return Ok(Some(FileRow {
                number: self.at.rows,
                line: begins.line + 1,
                content,
                raw: without_end(&raw).to_vec(),
                next: self.at,
            }));
        }
    }

    /// A record that begins with this line, and may go on in the next ones.
    fn record(&mut self, first: Line, separator: u8) -> std::io::Result<(Content, Vec<u8>)> {
        let mut record = first.bytes.clone();
        let mut taken = VecDeque::from([first]);
        let read = loop {
            match csv::cells(without_end(&record), separator) {
                Ok(cells) => break Some(cells),
                Err(Broken::Quotes) => break None,
                Err(Broken::Open) => {}
            }
            if !self.take_until_closed(&mut record, &mut taken)? {
                break None;
            }
        };
        let Some(cells) = read else {
            // Its first line is lost, and no other.
            let first = taken.pop_front().map(|line| {
                self.pass(&line);
                line.bytes
            });
            while let Some(line) = taken.pop_back() {
                self.ahead.push_front(line);
            }
            return Ok((Content::Bad("ROW_QUOTES"), first.unwrap_or_default()));
        };
        for line in &taken {
            self.pass(line);
        }
        let cells = cells.into_iter().map(String::from_utf8);
        let cells: Result<Vec<String>, _> = cells.collect();
        let content = cells.map_or(Content::Bad("INVALID_UTF8"), Content::Cells);
        Ok((content, record))
    }

    /// Adds lines to a record in which a quote is open, up to one that may close it; not where
    /// there is none.
    fn take_until_closed(
        &mut self,
        record: &mut Vec<u8>,
        taken: &mut VecDeque<Line>,
    ) -> std::io::Result<bool> {
        loop {
            let Some(line) = self.line()? else {
                return Ok(false);
            };
            let is_too_long = record.len() + line.bytes.len() > MAX_ROW;
            // Quotes within come in twos.
            let quotes = line.bytes.iter().filter(|byte| **byte == b'"').count();
            if !is_too_long {
                record.extend_from_slice(&line.bytes);
            }
            taken.push_back(line);
            if is_too_long || !quotes.is_multiple_of(2) {
                return Ok(!is_too_long);
            }
        }
    }

    fn pass(&mut self, line: &Line) {
        self.at.offset += line.length;
        self.at.line += 1;
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8], kind: Kind, at: Position) -> Vec<FileRow> {
        let mut rows = Rows::new(&text[at.offset as usize..], kind, at);
        std::iter::from_fn(|| rows.next().unwrap()).collect()
    }

    fn said(rows: &[FileRow]) -> Vec<String> {
        let rows = rows.iter().map(|row| match &row.content {
            Content::Cells(cells) => format!("{} {} {}", row.number, row.line, cells.join("|")),
            Content::Json(json) => format!("{} {} {json}", row.number, row.line),
            Content::Bad(code) => format!("{} {} {code}", row.number, row.line),
        });
        rows.collect()
    }

    const CSV: &[u8] =
        b"a,b\r\n\n\"c\nd\",e\nbroken \"f\ng,h\n\"open,i\nj,k\n\"l\"m,n\n\xff,o\nlast,row";

    #[test]
    fn broken_rows_cost_themselves_and_no_other() {
        let found = rows(CSV, Kind::Csv(b','), Position::default());
        let expected = [
            "1 1 a|b",
            "2 3 c\nd|e",
            "3 5 ROW_QUOTES",
            "4 6 g|h",
            "5 7 ROW_QUOTES",
            "6 8 j|k",
            "7 9 ROW_QUOTES",
            "8 10 INVALID_UTF8",
            "9 11 last|row",
        ];
        assert_eq!(said(&found), expected);
        assert_eq!(found[4].raw, b"\"open,i");
        assert_eq!(found[1].raw, b"\"c\nd\",e");
    }

    #[test]
    fn reading_goes_on_behind_any_row_with_the_same_numbers() {
        let all = rows(CSV, Kind::Csv(b','), Position::default());
        for (index, row) in all.iter().enumerate() {
            assert_eq!(rows(CSV, Kind::Csv(b','), row.next), all[index + 1..]);
        }
        assert_eq!(all.last().unwrap().next.offset, CSV.len() as u64);
    }

    #[test]
    fn json_rows_are_lines() {
        let text = b"{\"a\":1}\r\n\n  \n{\n\xff\n{}";
        let found = rows(text, Kind::JsonLines, Position::default());
        assert_eq!(
            said(&found),
            ["1 1 {\"a\":1}", "2 4 {", "3 5 INVALID_UTF8", "4 6 {}"]
        );
    }

    #[test]
    fn a_row_without_an_end_is_not_kept_in_memory() {
        let mut text = b"a,b\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', 3 * MAX_ROW));
        text.extend_from_slice(b"\nc,d\n\"");
        for _ in 0..40 {
            text.extend(std::iter::repeat_n(b'y', MAX_ROW / 20));
            text.push(b'\n');
        }
        let found = rows(&text, Kind::Csv(b','), Position::default());
        let bad: Vec<String> = said(&found[..4]);
        assert_eq!(
            bad,
            ["1 1 a|b", "2 2 ROW_TOO_LONG", "3 3 c|d", "4 4 ROW_QUOTES"]
        );
        assert!(found.iter().all(|row| row.raw.len() <= MAX_ROW + 1));
        // The line with the quote is lost, those behind it are rows of one cell.
        assert_eq!(found.len(), 43);
    }
}
