//! Sources: settings, keys, mappings.

use weir_proto::mapping::v1 as mapping;

use super::{Action, Change, Detail, Draft, details};
use crate::file::model::{Account, Activity, Source};
use crate::plan::state::{ActualSource, GivenKey};

impl<'a> Draft<'a> {
    pub(super) fn sources(&mut self) {
        let wanted: &Account = self.wanted;
        for source in &wanted.sources {
            let actual = self.standing_source(source);
            self.source_settings(source, actual);
            self.key(source, actual);
        }
        for source in &wanted.sources {
            let actual = self.standing_source(source);
            self.contact_mapping(source, actual);
        }
        for source in &wanted.sources {
            let actual = self.standing_source(source);
            for activity in &source.activities {
                self.activity(source, actual, activity);
            }
        }
    }

    /// The source of that name, or the one that gets it.
    pub(super) fn standing_source(&self, source: &Source) -> Option<&'a ActualSource> {
        let actual = self.actual?;
        let renamed = source.renamed_from.as_deref();
        actual
            .source(&source.put.name)
            .or_else(|| actual.source(renamed?))
    }

    fn source_settings(&mut self, source: &Source, actual: Option<&ActualSource>) {
        let what = format!("source {}", source.put.name);
        let nothing = mapping::Source::default();
        let standing = actual.map_or(&nothing, |actual| &actual.source);
        let found = details::source(standing, &source.put);
        let change = match actual {
            None => Change::Created,
            Some(_) if found.is_empty() => {
                self.plan.unchanged += 1;
                return;
            }
            Some(_) => Change::Updated,
        };
        let step = self.step(what, change, Action::PutSource(source.put.clone()));
        (step.line, step.details) = (source.line, found);
        step.source = Some(source.put.name.clone());
    }

    /// A source is of no use without one.
    fn key(&mut self, source: &Source, actual: Option<&ActualSource>) {
        let valid = actual.map_or(0, |actual| actual.valid_keys);
        let is_there = match &source.key {
            Some(key) => self.keys.get(key) == Some(&GivenKey::Valid),
            None => valid > 0,
        };
        if is_there {
            self.plan.unchanged += 1;
            return;
        }
        let key = source.key.clone();
        let what = format!("key of {}", source.put.name);
        let step = self.step(what, Change::Created, Action::CreateKey { key });
        step.line = source.line;
        step.source = Some(source.put.name.clone());
    }

    fn contact_mapping(&mut self, source: &Source, actual: Option<&ActualSource>) {
        let Some((line, put)) = &source.contact_mapping else {
            return;
        };
        let before = actual.map_or(&[][..], |actual| &actual.contact_mapping);
        if *before == put.mappings[..] {
            self.plan.unchanged += 1;
            return;
        }
        let change = if before.is_empty() {
            Change::Created
        } else {
            Change::Updated
        };
        let what = format!("contact mapping of {}", source.put.name);
        let found = details::field_rows(before, &put.mappings);
        let step = self.step(what, change, Action::PutContactMapping(put.clone()));
        (step.line, step.details) = (*line, found);
        step.source = Some(source.put.name.clone());
    }

    fn activity(&mut self, source: &Source, actual: Option<&ActualSource>, wanted: &Activity) {
        let put = &wanted.put;
        let before = actual.and_then(|actual| {
            let mut activities = actual.activities.iter();
            activities.find(|activity| activity.event_name == put.event_name)
        });
        let mut found: Vec<Detail> = Vec::new();
        let standing = before.map_or(0, |before| before.retention_days);
        if let Some(days) = put.retention_days.filter(|days| *days != standing) {
            found.push(Detail {
                what: "retention_days".to_owned(),
                before: details::number(standing.into()),
                after: days.to_string(),
            });
        }
        let attributes = before.map_or(&[][..], |before| &before.attributes);
        if !put.attributes.is_empty() || put.clear_attributes {
            found.extend(details::attribute_rows(attributes, &put.attributes));
        }
        let change = match before {
            None => Change::Created,
            Some(_) if found.is_empty() => {
                self.plan.unchanged += 1;
                return;
            }
            Some(_) => Change::Updated,
        };
        let what = format!("activity {}", put.event_name);
        let step = self.step(what, change, Action::PutActivity(put.clone()));
        (step.line, step.details) = (wanted.line, found);
        step.source = Some(source.put.name.clone());
    }
}
