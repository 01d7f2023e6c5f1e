//! What a mapping makes of one event, row by row: for the person who tries a draft of it
//! (semantics 7.6). The same code maps as for live events; only what it says is kept apart.

use std::collections::HashMap;

use super::rows::Said;
use super::{Mapper, Outcome};
use crate::domain::event::{EventKind, RawEvent};
use crate::domain::log::LogEntry;
use crate::domain::places::Places;
use crate::domain::snapshot::{CompiledMapping, Snapshot};

/// Lines of one event: beyond, nobody reads on.
const MAX_LINES: usize = 2_000;
/// How paths of lines begin that are about a part of the location.
const OF_LOCATION: &str = "location.";

/// What became of an event under a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation<'s> {
    pub outcome: Outcome<'s>,
    /// By row of the contact mapping, also where the event as a whole is refused; none where
    /// there is no mapping.
    pub fields: Vec<RowSaid>,
    /// By row of the activity mapping, likewise.
    pub attributes: Vec<RowSaid>,
    /// What was ignored beside the rows: parts of the location, or traits that are no object.
    pub beside: Vec<LogEntry>,
}

/// What a row took of the event, and what it did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowSaid {
    pub taken: TakenAs,
    /// By path, in order: why each value, or element of a list, was ignored.
    pub ignored: Vec<LogEntry>,
}

/// What a row's target becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakenAs {
    /// The canonical form, and the index of the row's path that led to it.
    Value { path: usize, canonical: String },
    /// A null takes the field's value away.
    Cleared,
    /// It stays as it is: nothing was there, or what was there was ignored.
    Untouched,
}

/// Maps one event, and tells of each row what became of it.
pub fn explain<'s>(
    snapshot: &'s Snapshot,
    places: Option<&Places>,
    event: &RawEvent<'_>,
) -> Explanation<'s> {
    let mapper = || {
        let mut mapper = Mapper::new(snapshot, places);
        mapper.max_lines = MAX_LINES;
        mapper
    };
    let mut explanation = Explanation {
        outcome: mapper().map(event),
        fields: Vec::new(),
        attributes: Vec::new(),
        beside: Vec::new(),
    };
    let is_track = event.kind == EventKind::Track;
    // Each object once more and alone: what is said of the one is forgotten after the other.
    if let Some(activity) = snapshot.activities.get(event.event_name)
        && is_track
    {
        let mut mapper = mapper();
        let json = mapper.attributes(event, activity);
        explanation.attributes = mapper.rows_said(
            &activity.properties,
            json.as_bytes(),
            &mut explanation.beside,
        );
    }
    if let Some(contact) = &snapshot.contact {
        let mut mapper = mapper();
        let (json, _) = mapper.fields(event, contact, !is_track);
        explanation.fields =
            mapper.rows_said(&contact.traits, json.as_bytes(), &mut explanation.beside);
    }
    explanation
}

impl Mapper<'_, '_, '_> {
    /// Of each row what it took and ignored of the object that was converted last, and what that
    /// became; lines that are about no row go beside.
    fn rows_said(
        self,
        mapping: &CompiledMapping,
        json: &[u8],
        beside: &mut Vec<LogEntry>,
    ) -> Vec<RowSaid> {
        let mut values = HashMap::new();
        // It is what was written just now; nothing where there was nothing to write.
        let _ = weir_json::object(json, |key, value| {
            let value = String::from_utf8_lossy(value).into_owned();
            values.insert(weir_json::text(key)?.into_owned(), value);
            Ok(())
        });
        let mut lines = self.log;
        let mut rows = Vec::with_capacity(mapping.rows.len());
        for (index, row) in mapping.rows.iter().enumerate() {
            let is_of_row = |line: &mut LogEntry| {
                line.field_id == row.target && !line.path.starts_with(OF_LOCATION)
            };
            let taken = match self.said.get(index) {
                Some(Said::Value(path)) => TakenAs::Value {
                    path: (*path).into(),
                    canonical: values.remove(&row.target).unwrap_or_default(),
                },
                Some(Said::Cleared) => TakenAs::Cleared,
                Some(Said::Nothing | Said::Ignored) | None => TakenAs::Untouched,
            };
            let ignored = lines.extract_if(.., is_of_row).collect();
            rows.push(RowSaid { taken, ignored });
        }
        beside.extend(lines);
        rows
    }
}
