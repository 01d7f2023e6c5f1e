//! Rows of a file, read as identifies (semantics 3.13).
//!
//! A cell that is empty says nothing; of a JSON row a null clears, as it does in an event.

use std::borrow::Cow;
use std::ops::Range;

use bytestring::ByteString;
use uuid::Uuid;
use weir_ids::TimedKey;
use weir_json::{unescaped, write_text};
use weir_reasons::Reason;
use weir_values::format::DateFormat;
use weir_values::{has_invisible_inside, is_blank, means_nobody, trimmed_invisible};

mod header;

pub use header::{By, Header};

/// Of an id, in characters (semantics 3.1).
const MAX_ID: usize = 255;
/// How far ahead a row may be dated (semantics 3.7).
const MAX_AHEAD: i64 = 24 * 3_600 * 1_000_000;
/// Digits of a row's number in its message id: of rows of one moment the later one counts.
const DIGITS: usize = 12;

/// A row as it comes.
#[derive(Debug, Clone)]
pub enum Row {
    Cells(Vec<String>),
    Json(String),
}

/// What a row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Empty when absent.
    pub user_id: ByteString,
    /// As well.
    pub anonymous_id: ByteString,
    /// There was one that can't be used, and that is taken for absent.
    pub anonymous_is_unusable: bool,
    pub micros: Option<i64>,
    /// A JSON object.
    pub traits: String,
}

/// What mapping makes of a row.
#[derive(Debug, Default, Clone)]
pub struct Mapped {
    pub fields_json: ByteString,
    pub has_values: bool,
    /// There were mapped traits, and nothing but nulls came of them.
    pub all_ignored: bool,
    pub ignored: Vec<Left>,
}

/// A value that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub column: String,
    pub code: String,
    pub reason: String,
    /// Canonical JSON, or as it came.
    pub value: String,
}

/// Reads rows.
#[derive(Debug)]
pub struct Reader {
    header: Header,
    iso: DateFormat,
    now: i64,
}

impl Reader {
    /// Rows under this header, read at `now`.
    pub fn new(header: Header, now_micros: i64) -> Self {
        let iso = "ISO 8601".parse().expect("it is one of the presets");
        Self {
            header,
            iso,
            now: now_micros,
        }
    }

    /// # Errors
    /// Why the row can't be taken.
    pub fn read(&self, row: &Row) -> Result<Given, Reason> {
        match row {
            Row::Cells(cells) => self.read_cells(cells),
            Row::Json(json) => self.read_json(json),
        }
    }

    fn read_cells(&self, cells: &[String]) -> Result<Given, Reason> {
        if cells.len() != self.header.width() {
            return Err(Reason::RowColumns);
        }
        let cell = |at: Option<usize>| at.map(|at| Cow::Borrowed(cells[at].as_str()));
        let mut traits = String::with_capacity(64 + cells.iter().map(String::len).sum::<usize>());
        self.header.write(cells, &mut traits);
        self.given(
            cell(self.header.user),
            cell(self.header.anonymous),
            cell(self.header.time),
            traits,
        )
    }

    fn read_json(&self, json: &str) -> Result<Given, Reason> {
        let [mut user, mut anonymous, mut time, mut traits] = [const { None::<Range<usize>> }; 4];
        let read = weir_json::members(json, |key, value| match key {
            "\"user_id\"" | "\"userId\"" => user = Some(value),
            "\"anonymous_id\"" | "\"anonymousId\"" => anonymous = Some(value),
            "\"timestamp\"" => time = Some(value),
            "\"traits\"" => traits = Some(value),
            _ => {}
        });
        read.map_err(|fault| fault.reason)?;
        let of = |span: Option<Range<usize>>| span.map(|span| json[span].trim());
        let traits = match of(traits) {
            None => json.trim(),
            Some("null" | "[]") => "{}",
            Some(object) if object.starts_with('{') => object,
            Some(_) => return Err(Reason::TraitsNotAnObject),
        };
        let user = of(user).map(scalar);
        if user == Some(None) {
            return Err(Reason::UserIdUnusable);
        }
        let time = of(time).filter(|time| *time != "null").map(scalar);
        if time == Some(None) {
            return Err(Reason::TimestampUnreadable);
        }
        let anonymous = of(anonymous).map(scalar);
        let mut given = self.given(
            user.flatten(),
            anonymous.clone().flatten(),
            time.flatten(),
            traits.to_owned(),
        )?;
        given.anonymous_is_unusable |= anonymous == Some(None);
        Ok(given)
    }

    fn given(
        &self,
        user: Option<Cow<'_, str>>,
        anonymous: Option<Cow<'_, str>>,
        time: Option<Cow<'_, str>>,
        traits: String,
    ) -> Result<Given, Reason> {
        let user = id(user.as_deref().unwrap_or_default());
        let anonymous = id(anonymous.as_deref().unwrap_or_default());
        Ok(Given {
            user_id: user.ok_or(Reason::UserIdUnusable)?,
            anonymous_is_unusable: anonymous.is_none(),
            anonymous_id: anonymous.unwrap_or_default(),
            micros: self.time(time.as_deref().unwrap_or_default())?,
            traits,
        })
    }

    fn time(&self, text: &str) -> Result<Option<i64>, Reason> {
        if is_blank(text) {
            return Ok(None);
        }
        let instant = self.iso.read_instant(text.trim());
        let instant = instant.map_err(|_| Reason::TimestampUnreadable)?;
        let micros = instant.timestamp_micros();
        if is_too_late(micros, self.now) {
            return Err(Reason::TimestampInFuture);
        }
        Ok(Some(micros))
    }
}

/// Whether a moment is further ahead than an event's may be.
pub fn is_too_late(micros: i64, now: i64) -> bool {
    micros.saturating_sub(now) > MAX_AHEAD
}

/// A string, number or boolean as text, nothing of a null; none of what is no text.
fn scalar(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes().first() {
        Some(b'"') => unescaped(raw),
        Some(b'{' | b'[') | None => None,
        Some(b'n') => Some(Cow::Borrowed("")),
        Some(_) => Some(Cow::Borrowed(raw)),
    }
}

/// Empty where it names nobody; none where it can't be used (semantics 2.4b, 3.1).
fn id(text: &str) -> Option<ByteString> {
    let id = trimmed_invisible(text);
    if id.is_empty() || means_nobody(id) {
        return Some(ByteString::new());
    }
    let is_long = id.len() > MAX_ID && id.chars().nth(MAX_ID).is_some();
    let is_usable = !is_long && !id.contains('\0') && !has_invisible_inside(id);
    is_usable.then(|| id.into())
}

/// What stands for a row, however often it is sent: its message id.
pub fn message_id(import: Uuid, row: i64) -> ByteString {
    format!("import:{import}:{row:0DIGITS$}").into()
}

/// And the key by which its receipt is found.
pub fn event_key(message_id: &str, micros: i64, given: &Given) -> TimedKey {
    let parts = [
        b"import".as_slice(),
        message_id.as_bytes(),
        given.user_id.as_bytes(),
        given.anonymous_id.as_bytes(),
        given.traits.as_bytes(),
    ];
    TimedKey::new(micros, &parts)
}

/// Appends a cell as the value of a field of that id: lists and objects as they are, where they
/// are JSON, and else as a text, which the mapping reads.
fn write_value(cell: &str, may_be_json: bool, json: &mut String) {
    let trimmed = cell.trim();
    let is_json = may_be_json
        && trimmed.starts_with(['[', '{'])
        && serde_json::from_str::<serde::de::IgnoredAny>(trimmed).is_ok();
    if is_json {
        json.push_str(trimmed);
    } else {
        write_text(cell, json);
    }
}

#[cfg(test)]
mod tests;
