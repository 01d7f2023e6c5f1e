//! What the file no longer names, and what gets another name.

use std::collections::BTreeSet;

use weir_proto::mapping::v1 as mapping;

use super::account::field_id;
use super::{Action, Change, Draft};
use crate::file::model::Source;
use crate::plan::state::ActualSource;

impl<'a> Draft<'a> {
    /// Those whose name the file has no more, neither as it is nor as it was.
    pub(super) fn surplus_sources(&self) -> Vec<&'a ActualSource> {
        let Some(actual) = self.actual.filter(|_| self.wanted.names.sources) else {
            return Vec::new();
        };
        let wanted: BTreeSet<&str> = self
            .wanted
            .sources
            .iter()
            .filter_map(|source| self.standing_source(source))
            .map(|standing| standing.source.name.as_str())
            .collect();
        let is_surplus = |source: &&ActualSource| !wanted.contains(source.source.name.as_str());
        actual.sources.iter().filter(is_surplus).collect()
    }

    pub(super) fn remove_sources(&mut self) {
        let names: Vec<String> = self
            .surplus_sources()
            .iter()
            .map(|source| source.source.name.clone())
            .collect();
        for name in names {
            let what = format!("source {name}");
            if self.prune {
                let step = self.step(what, Change::Removed, Action::DeleteSource);
                step.source = Some(name);
            } else {
                self.left(what, true);
            }
        }
    }

    /// Of sources that stay.
    pub(super) fn surplus_activities<'s>(
        source: &Source,
        standing: &'s ActualSource,
    ) -> Vec<&'s mapping::ActivityMapping> {
        if !source.names_activities {
            return Vec::new();
        }
        let wanted = |name: &str| {
            let mut activities = source.activities.iter();
            activities.any(|activity| activity.put.event_name == name)
        };
        let activities = standing.activities.iter();
        activities
            .filter(|activity| !wanted(&activity.event_name))
            .collect()
    }

    pub(super) fn unmap_activities(&mut self) {
        let mut surplus: Vec<(String, String, String, u64)> = Vec::new();
        for source in &self.wanted.sources {
            let Some(standing) = self.standing_source(source) else {
                continue;
            };
            for activity in Self::surplus_activities(source, standing) {
                // It is not renamed yet.
                let called = standing.source.name.clone();
                let event = activity.event_name.clone();
                surplus.push((called, source.put.name.clone(), event, source.line));
            }
        }
        for (called, name, event_name, line) in surplus {
            let what = format!("activity {event_name}");
            if self.prune {
                let action = Action::UnmapActivity { event_name };
                let step = self.step(what, Change::Removed, action);
                (step.source, step.line) = (Some(called), line);
            } else {
                self.left(format!("{what} of {name}"), true);
            }
        }
    }

    /// A name is free before it is given: of a chain the last one goes first.
    pub(super) fn rename_sources(&mut self) {
        let mut waiting: Vec<(String, String, u64)> = Vec::new();
        for source in &self.wanted.sources {
            let before = self.standing_source(source);
            let before = before.map(|standing| standing.source.name.clone());
            if let Some(from) = before.filter(|before| *before != source.put.name) {
                waiting.push((from, source.put.name.clone(), source.line));
            }
        }
        while !waiting.is_empty() {
            let is_free =
                |(_, to, _): &(String, String, u64)| !waiting.iter().any(|(from, _, _)| from == to);
            let Some(next) = waiting.iter().position(is_free) else {
                let (_, to, line) = &waiting[0];
                let message = format!("sources can't swap names: rename {to:?} away first");
                return self.fault(*line, message);
            };
            let (from, to, line) = waiting.remove(next);
            let action = Action::RenameSource { from: from.clone() };
            let what = format!("source {to}");
            let step = self.step(what, Change::Updated, action);
            step.details = vec![super::Detail {
                what: "name".to_owned(),
                before: from,
                after: to.clone(),
            }];
            (step.source, step.line) = (Some(to), line);
        }
    }

    pub(super) fn surplus_fields(&self) -> Vec<mapping::Field> {
        let Some(actual) = self.actual.filter(|_| self.wanted.names.fields) else {
            return Vec::new();
        };
        let wanted: BTreeSet<String> = self
            .wanted
            .fields
            .iter()
            .filter_map(|field| Some(field_id(field)?.to_string()))
            .collect();
        let fields = actual.fields.iter();
        fields
            .filter(|field| !wanted.contains(&field.field_id))
            .cloned()
            .collect()
    }

    /// Before others are made: an account has only so many.
    pub(super) fn remove_fields_that_nothing_uses(&mut self) {
        if !self.prune {
            return;
        }
        let used = self.used_now();
        for field in self.surplus_fields() {
            if !used.contains(&field.field_id) {
                self.gone.insert(field.field_id.clone());
                self.remove_field(field);
            }
        }
    }

    /// The rest, which mappings and unique identifiers no longer use by now.
    pub(super) fn remove_fields(&mut self) {
        for field in self.surplus_fields() {
            if self.gone.contains(&field.field_id) {
                continue;
            }
            if self.prune {
                self.remove_field(field);
            } else {
                self.left(format!("field {}", field.name), true);
            }
        }
    }

    fn remove_field(&mut self, field: mapping::Field) {
        let action = Action::DeleteField {
            field_id: field.field_id,
        };
        self.step(format!("field {}", field.name), Change::Removed, action);
    }

    /// Fields that are used now, by sources that stay.
    fn used_now(&self) -> BTreeSet<String> {
        let Some(actual) = self.actual else {
            return BTreeSet::new();
        };
        let surplus: BTreeSet<&str> = self
            .surplus_sources()
            .iter()
            .map(|source| source.source.name.as_str())
            .collect();
        let stay = actual.sources.iter();
        let stay = stay.filter(|source| !surplus.contains(source.source.name.as_str()));
        let mapped = stay.flat_map(|source| &source.contact_mapping);
        let mut used: BTreeSet<String> = mapped.map(|pair| pair.field_id.clone()).collect();
        used.extend(actual.account.unique_identifiers.iter().cloned());
        used
    }

    /// Fields that will be used when all is done, each with who uses it.
    pub(super) fn used_then(&self) -> Vec<(String, String)> {
        let mut used = Vec::new();
        let wanted_identifiers = self.wanted.identifiers();
        let actual = self.actual;
        let identifiers = match (wanted_identifiers, actual) {
            (Some(ids), _) => ids,
            (None, Some(actual)) => &actual.account.unique_identifiers[..],
            (None, None) => &[],
        };
        for id in identifiers {
            used.push((id.clone(), "tells contacts apart".to_owned()));
        }
        let surplus: BTreeSet<&str> = if self.prune {
            let gone = self.surplus_sources();
            gone.iter().map(|gone| gone.source.name.as_str()).collect()
        } else {
            BTreeSet::new()
        };
        for standing in actual.iter().flat_map(|actual| &actual.sources) {
            let name = standing.source.name.as_str();
            let wanted = self.wanted.sources.iter().find(|source| {
                let of = self.standing_source(source);
                of.is_some_and(|of| of.source.source_id == standing.source.source_id)
            });
            if surplus.contains(name) || wanted.is_some_and(|it| it.contact_mapping.is_some()) {
                continue;
            }
            for pair in &standing.contact_mapping {
                let who = format!("is mapped by the source {name}, whose mapping is not here");
                used.push((pair.field_id.clone(), who));
            }
        }
        used
    }
}
