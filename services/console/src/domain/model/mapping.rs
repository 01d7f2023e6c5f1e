//! Fields, mappings, and what a draft of one would come to.

use weir_values::ValueType;

use crate::domain::{Time, words};

/// A contact's field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub id: String,
    pub name: String,
    pub of: ValueType,
    pub custom: bool,
}

/// A row of a mapping (semantics 2.2): what leads to a field, or to an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub path: String,
    /// The field's id, or the attribute's name.
    pub target: String,
    /// Of an attribute.
    pub of: Option<ValueType>,
    pub format: String,
    pub more_paths: Vec<String>,
    pub more_formats: Vec<String>,
    pub phone_country: String,
    pub round: bool,
    pub words: bool,
    pub truncate: bool,
    pub blank_clears: bool,
}

impl Row {
    /// A strict one.
    pub fn new(path: &str, target: &str) -> Self {
        Self {
            path: path.to_owned(),
            target: target.to_owned(),
            of: None,
            format: String::new(),
            more_paths: Vec::new(),
            more_formats: Vec::new(),
            phone_country: String::new(),
            round: false,
            words: false,
            truncate: false,
            blank_clears: false,
        }
    }

    /// Whether it can't be saved without a format.
    pub fn needs_format(&self) -> bool {
        self.of.is_some_and(ValueType::needs_format)
    }

    /// In words: `birthday, DD-MM-YYYY, blank clears`.
    pub fn summary(&self) -> String {
        let mut parts = vec![self.path.clone()];
        parts.extend(self.of.map(|of| words::type_name(of).to_owned()));
        parts.extend(self.more_paths.iter().map(|path| format!("else {path}")));
        if !self.format.is_empty() {
            parts.push(self.format.clone());
        }
        parts.extend(
            self.more_formats
                .iter()
                .map(|format| format!("or {format}")),
        );
        if !self.phone_country.is_empty() {
            parts.push(format!("numbers from {}", self.phone_country));
        }
        for (said, what) in [
            (self.round, "rounded"),
            (self.words, "words"),
            (self.truncate, "cut where too long"),
            (self.blank_clears, "blank clears"),
        ] {
            if said {
                parts.push(what.to_owned());
            }
        }
        parts.join(", ")
    }
}

/// An activity that is mapped.
#[derive(Debug, Clone)]
pub struct ActivityMapping {
    pub event_name: String,
    pub retention_days: u32,
    pub attributes: Vec<Row>,
}

/// A name that events had.
#[derive(Debug, Clone)]
pub struct EventName {
    pub name: String,
    pub last: Option<Time>,
    pub mapped: bool,
}

/// What could be mapped (semantics 7.7).
#[derive(Debug, Clone)]
pub struct Suggestion {
    pub path: String,
    pub seen: u32,
    pub kinds: String,
    pub examples: Vec<String>,
    pub of: Option<ValueType>,
    pub formats: Vec<String>,
    /// Empty: none fits.
    pub field: String,
    pub field_is_mapped: bool,
    /// How many values there were, and how many of them the field does not take.
    pub values: u32,
    pub misfits: u32,
}

impl Suggestion {
    /// What its values are, as people say it: `Date, written DD-MM-YYYY`.
    pub fn is(&self) -> String {
        let of = self.of.map(|of| words::type_name(of).to_owned());
        let of = of.unwrap_or_else(|| self.kinds.clone());
        match self.formats.is_empty() {
            true => of,
            false => format!("{of}, written {}", self.formats.join(" or ")),
        }
    }

    /// Whether its values mean one thing in one format, and another in another: nobody can tell
    /// whether 5/6 is of May or of June.
    pub fn is_ambiguous(&self) -> bool {
        self.formats.len() > 1
    }
}

/// What a draft would come to (semantics 7.6).
#[derive(Debug, Clone, Default)]
pub struct Preview {
    /// In the order of the draft's.
    pub rows: Vec<PreviewedRow>,
    pub events: Vec<PreviewedEvent>,
}

#[derive(Debug, Clone, Default)]
pub struct PreviewedRow {
    pub taken: u32,
    pub cleared: u32,
    pub ignored: u32,
    pub absent: u32,
    pub values: Vec<TakenValue>,
    pub refused: Vec<RefusedValue>,
}

impl PreviewedRow {
    /// How many events had something there.
    pub fn seen(&self) -> u32 {
        self.taken + self.cleared + self.ignored
    }
}

#[derive(Debug, Clone)]
pub struct TakenValue {
    pub path: String,
    pub value: String,
}

#[derive(Debug, Clone)]
pub struct RefusedValue {
    pub path: String,
    pub value: String,
    pub code: String,
    pub reason: String,
}

#[derive(Debug, Clone)]
pub struct PreviewedEvent {
    pub time: Option<Time>,
    pub kind: &'static str,
    pub event_name: String,
    pub message_id: String,
    pub status: u32,
    pub code: String,
    /// Target and value.
    pub values: Vec<(String, String)>,
    pub changes: usize,
}

/// A mapping that was saved.
#[derive(Debug, Clone)]
pub struct Version {
    pub version: i64,
    pub time: Option<Time>,
    pub rows: Vec<Row>,
    /// Of an activity; none where it was unmapped.
    pub retention_days: Option<u32>,
    pub restored: i64,
}

/// A row that two mappings have otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub target: String,
    /// Empty: it was not there.
    pub before: String,
    /// Empty: it is not there any more.
    pub after: String,
}
