//! Everything that a batch of one source needs, compiled, immutable, of one version.

use std::collections::HashMap;

use weir_json::Raw;
use weir_values::path::{Path, Step};
use weir_values::{FieldId, ValueType};

use super::account::{KeyStrategy, Plan};
use super::convert::{Converter, Failure, LeftOut, Taken};
use super::mapping::{Activity, ActivityMapping};
use super::path::{self, PathTree};
use super::row::{AttributeRow, FieldRow, Row};
use super::source::{MergeStrategy, Source, SourceStatus};

/// The configuration of one source at one version of its account.
#[derive(Debug)]
pub struct Snapshot {
    /// Of the account: changes whenever anything in here does.
    pub version: i64,
    pub source: Source,
    pub unique_identifiers: Vec<FieldId>,
    /// Those of them that hold e-mail addresses.
    pub caseless_identifiers: Vec<FieldId>,
    pub key_strategy: KeyStrategy,
    /// Of both (semantics 3.2).
    pub identifiers_version: i64,
    pub plan: Plan,
    /// Distinct mapped activities of the account.
    pub mapped_activities: i64,
    /// None saved: everything is rejected (semantics 2.1).
    pub contact: Option<ContactMapping>,
    /// By event name.
    pub activities: HashMap<String, CompiledActivity>,
}

impl Snapshot {
    /// Whether the source waits for its first identify.
    pub fn waits_for_events(&self) -> bool {
        self.source.status == SourceStatus::WaitingForEvents
    }

    /// Whether a null clears a field; otherwise it is nothing (semantics 2.6).
    pub fn nulls_clear(&self) -> bool {
        self.source.settings.merge_strategy == MergeStrategy::Overwrite
    }
}

/// A contact mapping, and where `location` goes.
#[derive(Debug)]
pub struct ContactMapping {
    pub traits: CompiledMapping,
    pub location: Vec<LocationPart>,
}

/// A part of an event's location, and the field or attribute it fills (semantics 2.7).
#[derive(Debug)]
pub struct LocationPart {
    pub name: &'static str,
    pub field: &'static str,
    pub converter: Converter,
    /// Contacts are told apart by the field.
    pub tells_apart: bool,
    /// The row that maps a trait to the same field.
    pub row: Option<usize>,
}

/// Where the parts of an event's location go.
pub const LOCATION: [(&str, &str, ValueType); 4] = [
    ("country", "geo::country", ValueType::Geo),
    ("state", "geo::region", ValueType::Geo),
    ("city", "geo::city", ValueType::Geo),
    ("post_code", "str::postal", ValueType::Text),
];

impl ContactMapping {
    /// None when there are no rows: an empty mapping is none.
    pub fn compile(rows: Vec<FieldRow>, unique_identifiers: &[FieldId]) -> Option<Self> {
        if rows.is_empty() {
            return None;
        }
        let tells_apart = |id: &str| unique_identifiers.iter().any(|field| field.as_str() == id);
        let part = |(name, field, value_type)| LocationPart {
            name,
            field,
            converter: Converter::plain(value_type).telling_apart(tells_apart(field)),
            tells_apart: tells_apart(field),
            row: rows.iter().position(|row| row.field.as_str() == field),
        };
        let location = LOCATION.map(part).into();
        let traits = CompiledMapping::compile(rows.into_iter().map(|row| {
            let tells_apart = tells_apart(row.field.as_str());
            (row.field.to_string(), row.row, tells_apart)
        }));
        Some(Self { traits, location })
    }
}

/// An activity that this source maps.
#[derive(Debug)]
pub struct CompiledActivity {
    pub activity: Activity,
    pub properties: CompiledMapping,
    /// Without those whose names the mapping gives to attributes of its own.
    pub location: Vec<LocationPart>,
}

impl CompiledActivity {
    pub fn compile(mapping: ActivityMapping) -> Self {
        let attributes = &mapping.attributes;
        let is_free = |name: &str| attributes.iter().all(|row| row.attribute != name);
        let parts = LOCATION.into_iter().filter(|(_, name, _)| is_free(name));
        let part = |(name, field, value_type)| LocationPart {
            name,
            field,
            converter: Converter::plain(value_type),
            tells_apart: false,
            row: None,
        };
        let location = parts.map(part).collect();
        let row = |row: AttributeRow| (row.attribute, row.row, false);
        Self {
            location,
            activity: mapping.activity,
            properties: CompiledMapping::compile(mapping.attributes.into_iter().map(row)),
        }
    }
}

/// Rows, arranged so that one walk over an object serves all of them.
#[derive(Debug)]
pub struct CompiledMapping {
    pub paths: PathTree,
    pub rows: Vec<CompiledRow>,
}

/// What is asked of one object of an event.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'m> {
    pub mapping: &'m CompiledMapping,
    /// The object's name within the event.
    pub root: &'static str,
    /// Whether a null is a value, which clears.
    pub nulls_clear: bool,
}

impl CompiledMapping {
    /// This mapping, asked of an object of that name.
    pub fn of(&self, root: &'static str, nulls_clear: bool) -> Asked<'_> {
        Asked {
            mapping: self,
            root,
            nulls_clear,
        }
    }
}

#[derive(Debug)]
pub struct CompiledRow {
    /// Tried first; most rows have no other.
    pub source: CompiledPath,
    /// Tried in order where the first one gives no value (semantics 2.2).
    pub fallbacks: Box<[CompiledPath]>,
    /// The field's id, or the attribute's name.
    pub target: String,
    /// `"str::email":`, ready to be appended.
    pub json_key: String,
    pub converter: Converter,
}

/// A path, and where its value stands.
#[derive(Debug)]
pub struct CompiledPath {
    pub path: Path,
    /// Where the tree puts the value that the path's first keys lead to.
    pub slot: usize,
    /// The steps from there on: none, for most paths.
    rest: Box<[Step]>,
}

impl CompiledMapping {
    /// Each row with its target, and whether contacts are told apart by that.
    fn compile(rows: impl Iterator<Item = (String, Row, bool)>) -> Self {
        let mut rows: Vec<CompiledRow> = rows.map(CompiledRow::new).collect();
        let keys: Vec<Vec<&str>> = rows
            .iter()
            .flat_map(CompiledRow::sources)
            .map(|source| path::split(&source.path).0)
            .collect();
        let (paths, slots) = PathTree::new(&keys);
        let sources = rows.iter_mut().flat_map(CompiledRow::sources_mut);
        for (source, slot) in sources.zip(slots) {
            source.slot = slot;
        }
        Self { paths, rows }
    }
}

impl CompiledRow {
    fn new((target, row, tells_apart): (String, Row, bool)) -> Self {
        let Row {
            paths,
            value_type,
            options,
        } = row;
        let converter = Converter::new(value_type, options)
            .expect("the options of a row go with its type")
            .telling_apart(tells_apart);
        let mut paths = paths.into_iter().map(CompiledPath::new);
        Self {
            source: paths.next().expect("a row has a path"),
            fallbacks: paths.collect(),
            json_key: json_key(&target),
            target,
            converter,
        }
    }

    /// In the order in which they are tried.
    pub fn sources(&self) -> impl Iterator<Item = &CompiledPath> {
        std::iter::once(&self.source).chain(&self.fallbacks)
    }

    fn sources_mut(&mut self) -> impl Iterator<Item = &mut CompiledPath> {
        std::iter::once(&mut self.source).chain(&mut self.fallbacks)
    }

    /// Converts what [`CompiledPath::reach`] found.
    ///
    /// # Errors
    /// Why it is ignored.
    pub fn convert<'a>(
        &self,
        source: &CompiledPath,
        raw: Raw<'a>,
        out: &mut String,
        left_out: &mut LeftOut<'a>,
    ) -> Result<Taken, Failure> {
        let Some(all) = source.rest.iter().position(|step| *step == Step::All) else {
            return self.converter.convert(raw, out, left_out);
        };
        let reached = path::reach_all(raw, &source.rest[all..]);
        // A list of which nothing is led to is not there; an empty one is a null.
        if reached.values.is_empty() && !reached.is_empty_list() {
            return Ok(Taken::Nothing);
        }
        self.converter.convert_all(&reached.values, out, left_out)
    }
}

impl CompiledPath {
    fn new(path: Path) -> Self {
        Self {
            rest: path::split(&path).1.into(),
            path,
            slot: 0,
        }
    }

    /// The path within the event, as log lines name it.
    pub fn within(&self, root: &str) -> String {
        let path = self.path.as_str();
        let dot = if path.starts_with('[') { "" } else { "." };
        format!("{root}{dot}{path}")
    }

    /// The value of the path, given what its first keys lead to; of a path with `[]` in it
    /// the list that it goes through first.
    pub fn reach<'a>(&self, found: Raw<'a>) -> Option<Raw<'a>> {
        let single = self.rest.iter().position(|step| *step == Step::All);
        path::reach(found, &self.rest[..single.unwrap_or(self.rest.len())])
    }
}

fn json_key(target: &str) -> String {
    let mut key = serde_json::to_string(target).expect("a string is always JSON");
    key.push(':');
    key
}
