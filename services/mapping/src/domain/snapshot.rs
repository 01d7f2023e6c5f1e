//! Everything that a batch of one source needs, compiled, immutable, of one version.

use std::collections::HashMap;

use weir_values::{FieldId, ValueType};

use super::account::{KeyStrategy, Plan};
use super::convert::Converter;
use super::mapping::{Activity, ActivityMapping, AttributePair, FieldPair};
use super::path::{Path, PathTree};
use super::source::{Source, SourceStatus};

/// The configuration of one source at one version of its account.
#[derive(Debug)]
pub struct Snapshot {
    /// Of the account: changes whenever anything in here does.
    pub version: i64,
    pub source: Source,
    pub unique_identifiers: Vec<FieldId>,
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
}

/// A contact mapping, and where `location` goes.
#[derive(Debug)]
pub struct ContactMapping {
    pub traits: CompiledMapping,
    /// For each of [`LOCATION`]: the pair that maps a trait to the same field.
    pub located: [Option<usize>; 4],
}

/// Where the parts of an event's location go (semantics 2.7).
pub const LOCATION: [(&str, &str, Converter); 4] = [
    ("country", "geo::country", Converter::plain(ValueType::Geo)),
    ("state", "geo::region", Converter::plain(ValueType::Geo)),
    ("city", "geo::city", Converter::plain(ValueType::Geo)),
    (
        "post_code",
        "str::postal",
        Converter::plain(ValueType::Text),
    ),
];

impl ContactMapping {
    /// None when there are no pairs: an empty mapping is none.
    pub fn compile(pairs: Vec<FieldPair>) -> Option<Self> {
        if pairs.is_empty() {
            return None;
        }
        let located = LOCATION
            .map(|(_, field, _)| pairs.iter().position(|pair| pair.field.as_str() == field));
        let traits = CompiledMapping::compile(pairs.into_iter().map(|pair| {
            let converter = Converter::new(pair.value_type, pair.date_format);
            (pair.path, pair.field.to_string(), converter)
        }));
        Some(Self { traits, located })
    }
}

/// An activity that this source maps.
#[derive(Debug)]
pub struct CompiledActivity {
    pub activity: Activity,
    pub properties: CompiledMapping,
}

impl CompiledActivity {
    pub fn compile(mapping: ActivityMapping) -> Self {
        let pair = |pair: AttributePair| {
            let converter = Converter::new(pair.value_type, pair.date_format);
            (pair.path, pair.attribute, converter)
        };
        Self {
            activity: mapping.activity,
            properties: CompiledMapping::compile(mapping.attributes.into_iter().map(pair)),
        }
    }
}

/// Pairs, arranged so that one walk over an object serves all of them.
#[derive(Debug)]
pub struct CompiledMapping {
    pub paths: PathTree,
    pub pairs: Vec<CompiledPair>,
}

#[derive(Debug)]
pub struct CompiledPair {
    pub path: Path,
    /// Where the tree puts this path's value.
    pub slot: usize,
    /// The field's id, or the attribute's name.
    pub target: String,
    /// `"str::email":`, ready to be appended.
    pub json_key: String,
    pub converter: Converter,
}

impl CompiledMapping {
    fn compile(pairs: impl Iterator<Item = (Path, String, Option<Converter>)>) -> Self {
        let mut pairs: Vec<CompiledPair> = pairs
            .map(|(path, target, converter)| CompiledPair {
                path,
                slot: 0,
                json_key: json_key(&target),
                target,
                converter: converter.expect("a pair has a format if its type asks for one"),
            })
            .collect();
        let (paths, slots) =
            PathTree::new(&pairs.iter().map(|pair| &pair.path).collect::<Vec<_>>());
        for (pair, slot) in pairs.iter_mut().zip(slots) {
            pair.slot = slot;
        }
        Self { paths, pairs }
    }
}

fn json_key(target: &str) -> String {
    let mut key = serde_json::to_string(target).expect("a string is always JSON");
    key.push(':');
    key
}
