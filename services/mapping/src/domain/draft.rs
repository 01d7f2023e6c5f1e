//! What a draft of a mapping would make of the events that were received: by row, by event, and
//! what of it differs from the mapping that is saved (semantics 7.6). Nothing is changed by it.

use std::collections::BTreeMap;

use weir_reasons::Reason;

use super::event::RawEvent;
use super::log::{LogEntry, MAX_VALUE};
use super::mapper::{Explanation, Outcome, RowSaid, TakenAs, explain};
use super::places::Places;
use super::row::Row;
use super::sample::Sample;
use super::sampled;
use super::snapshot::Snapshot;

/// Of one row, of each sort.
const MAX_EXAMPLES: usize = 5;
/// Of all events together, in bytes: an answer has to fit a client that was told nothing.
const MAX_VALUES: usize = 1_500_000;
/// What an event or value has around it in an answer.
const AROUND: usize = 64;

/// Which mapping is a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drafted {
    Contact,
    Activity,
}

/// A draft, and what it is held against.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'s> {
    pub which: Drafted,
    /// The rows that were compiled into `snapshot`.
    pub rows: &'s [Row],
    pub snapshot: &'s Snapshot,
    pub saved: &'s Snapshot,
    pub places: Option<&'s Places>,
}

/// What a draft comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// By row of the draft.
    pub rows: Vec<RowPreview>,
    /// By sample that is an event.
    pub events: Vec<EventPreview>,
}

/// One row over all events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowPreview {
    pub taken: u32,
    pub cleared: u32,
    pub ignored: u32,
    pub absent: u32,
    /// Paths, and values that differ.
    pub taken_values: Vec<(String, String)>,
    /// Lines whose paths or values differ.
    pub ignored_values: Vec<LogEntry>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPreview {
    /// By its place among the samples.
    pub sample: usize,
    pub message_id: String,
    pub status: u32,
    pub reason: Option<Reason>,
    /// By target, cut; those of the mapping that is a draft.
    pub values: Vec<(String, String)>,
    pub differences: Vec<Difference>,
    /// There was no room for the values.
    pub is_cut: bool,
    /// About no row.
    pub ignored: Vec<LogEntry>,
}

/// Something that would be set otherwise; an empty text: untouched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub target: String,
    pub saved: String,
    pub draft: String,
}

/// Holds a draft against samples, in their order.
pub fn preview(draft: &Draft<'_>, samples: &[Sample]) -> Preview {
    let mut preview = Preview {
        rows: vec![RowPreview::default(); draft.rows.len()],
        events: Vec::new(),
    };
    let mut room = MAX_VALUES;
    for (index, sample) in samples.iter().enumerate() {
        let Some((event, has_audience)) = sampled::event(sample) else {
            continue;
        };
        let said = explain(draft.snapshot, draft.places, &event);
        let rows = match draft.which {
            Drafted::Contact => &said.fields,
            Drafted::Activity => &said.attributes,
        };
        for ((seen, said), row) in preview.rows.iter_mut().zip(rows).zip(draft.rows) {
            seen.add(said, row);
        }
        let before = explain(draft.saved, draft.places, &event);
        let answered = said.outcome.answered(event.kind, has_audience);
        let which = (draft.which, answered);
        let one = event_preview(which, (index, &event), &said, &before, &mut room);
        preview.events.push(one);
    }
    preview
}

impl RowPreview {
    fn add(&mut self, said: &RowSaid, row: &Row) {
        match &said.taken {
            TakenAs::Value { path, canonical } => {
                self.taken += 1;
                let path = row.paths.get(*path).map_or("", |path| path.as_str());
                let example = (path.to_owned(), cut(canonical));
                if self.taken_values.len() < MAX_EXAMPLES && !self.taken_values.contains(&example) {
                    self.taken_values.push(example);
                }
            }
            TakenAs::Cleared => self.cleared += 1,
            TakenAs::Untouched if said.ignored.is_empty() => self.absent += 1,
            TakenAs::Untouched => self.ignored += 1,
        }
        for line in &said.ignored {
            let is_known = |known: &LogEntry| {
                (&known.path, &known.value, &known.code) == (&line.path, &line.value, &line.code)
            };
            let is_new = !self.ignored_values.iter().any(is_known);
            if is_new && self.ignored_values.len() < MAX_EXAMPLES {
                self.ignored_values.push(line.clone());
            }
        }
    }
}

fn event_preview(
    (which, (status, reason)): (Drafted, (u16, Option<Reason>)),
    (sample, event): (usize, &RawEvent<'_>),
    said: &Explanation<'_>,
    before: &Explanation<'_>,
    room: &mut usize,
) -> EventPreview {
    let (values, saved) = (values(which, &said.outcome), values(which, &before.outcome));
    let differences = differences(&saved, &values);
    let values: Vec<_> = values.into_iter().collect();
    let length = |texts: &[&str]| texts.iter().map(|text| text.len()).sum::<usize>() + AROUND;
    let size: usize = values
        .iter()
        .map(|(target, value)| length(&[target, value]))
        .chain(
            differences
                .iter()
                .map(|one| length(&[&one.target, &one.saved, &one.draft])),
        )
        .sum();
    let is_cut = size > *room;
    let (values, differences) = if is_cut {
        (Vec::new(), Vec::new())
    } else {
        *room -= size;
        (values, differences)
    };
    EventPreview {
        sample,
        message_id: event.message_id.to_owned(),
        status: status.into(),
        reason,
        values,
        differences,
        is_cut,
        ignored: said.beside.clone(),
    }
}

/// What would be set, by target; nothing of an event that is refused.
fn values(which: Drafted, outcome: &Outcome<'_>) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let Outcome::Mapped {
        fields_json,
        activity,
        ..
    } = outcome
    else {
        return values;
    };
    let json = match (which, activity) {
        (Drafted::Contact, _) => fields_json,
        (Drafted::Activity, Some(activity)) => &activity.attributes_json,
        (Drafted::Activity, None) => return values,
    };
    // Mapping wrote it; there is none where nothing would be set.
    let _ = weir_json::object(json.as_bytes(), |key, value| {
        let value = cut(&String::from_utf8_lossy(value));
        values.insert(weir_json::text(key)?.into_owned(), value);
        Ok(())
    });
    values
}

fn differences(
    saved: &BTreeMap<String, String>,
    draft: &BTreeMap<String, String>,
) -> Vec<Difference> {
    let only_saved = saved.keys().filter(|target| !draft.contains_key(*target));
    let one = |target: &String| {
        let of = |values: &BTreeMap<String, String>| values.get(target).cloned();
        let (saved, draft) = (of(saved), of(draft));
        (saved != draft).then(|| Difference {
            target: target.clone(),
            saved: saved.unwrap_or_default(),
            draft: draft.unwrap_or_default(),
        })
    };
    draft.keys().chain(only_saved).filter_map(one).collect()
}

/// As values in the log are cut, but with the quotes of a text.
fn cut(json: &str) -> String {
    match json.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => json[..end].to_owned(),
        None => json.to_owned(),
    }
}

#[cfg(test)]
mod tests;
