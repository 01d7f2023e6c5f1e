//! What can't be done whatever the order: said before anything is.

use std::collections::BTreeSet;

use weir_proto::mapping::v1 as mapping;

use super::Draft;
use super::account::field_id;
use crate::file::check::from_proto;
use crate::plan::state::GivenKey;

const MAX_CUSTOM_FIELDS: usize = 200;

impl Draft<'_> {
    pub(super) fn check(&mut self) {
        self.check_keys();
        self.check_webhook();
        self.check_fields();
        self.check_kinds();
        self.check_slots();
    }

    fn check_keys(&mut self) {
        for source in &self.wanted.sources {
            let state = source.key.as_ref().and_then(|key| self.keys.get(key));
            let message = match state {
                Some(GivenKey::Taken) => "its key is in use elsewhere: choose another one",
                Some(GivenKey::Ended) => {
                    "its key was revoked, or is past its end: choose another one"
                }
                _ => continue,
            };
            let message = format!("source {}: {message}", source.put.name);
            self.fault(source.line, message);
        }
    }

    fn check_webhook(&mut self) {
        let put = &self.wanted.put;
        let known = self.actual.map_or("", |actual| &actual.account.webhook_url);
        let is_first =
            known.is_empty() && put.webhook_url.as_ref().is_some_and(|url| !url.is_empty());
        if is_first && put.webhook_secret.is_none() {
            let message = "the webhook has no secret yet: a webhook_secret is needed";
            self.fault(self.wanted.line, message);
        }
    }

    /// Name and type of a field are fixed once it is made.
    fn check_fields(&mut self) {
        let Some(actual) = self.actual else {
            return;
        };
        let mut new = 0;
        for field in &self.wanted.fields {
            let Some(id) = field_id(field) else {
                continue;
            };
            let mut known = actual.fields.iter();
            let same =
                known.find(|known| known.name == field.name || known.field_id == id.as_str());
            match same {
                None => new += 1,
                Some(same) if same.name == field.name && same.r#type() == field.value_type => {}
                Some(same) => {
                    let message = format!(
                        "there is a field {} named {:?} of type {}: name and type are fixed",
                        same.field_id,
                        same.name,
                        from_proto(same.r#type())
                    );
                    self.fault(field.line, message);
                }
            }
        }
        let surplus = self.surplus_fields();
        let gone = if self.prune { surplus.len() } else { 0 };
        if new > 0 && actual.fields.len() + new > MAX_CUSTOM_FIELDS + gone {
            let message = format!(
                "an account has at most {MAX_CUSTOM_FIELDS} custom fields: it has {}, and {new} \
                 would come",
                actual.fields.len()
            );
            self.fault(self.wanted.line, message);
        }
        self.check_used_fields(&surplus);
    }

    /// A field that goes must not be used any more when all is done.
    fn check_used_fields(&mut self, surplus: &[mapping::Field]) {
        if !self.prune {
            return;
        }
        let mut used = self.used_then();
        used.retain(|(id, _)| surplus.iter().any(|field| field.field_id == *id));
        for (id, who) in used {
            let message = format!("the field {id} can't be removed: it {who}");
            self.fault(self.wanted.line, message);
        }
    }

    /// The kind of a source is fixed, and one Segment (Actions) source is all that there may be.
    fn check_kinds(&mut self) {
        let surplus: BTreeSet<&str> = self
            .surplus_sources()
            .iter()
            .map(|source| source.source.name.as_str())
            .collect();
        let actions = mapping::SourceKind::SegmentActions;
        for source in &self.wanted.sources {
            let standing = self.standing_source(source);
            let message = match standing {
                Some(standing) if standing.source.kind != source.put.kind => Some(format!(
                    "source {}: its kind is fixed; give the new one another name",
                    source.put.name
                )),
                Some(_) => None,
                None if source.put.kind() == actions => {
                    let mut others = self.actual.iter().flat_map(|actual| &actual.sources);
                    let in_the_way = others.find(|other| {
                        let name = other.source.name.as_str();
                        other.source.kind() == actions && !(self.prune && surplus.contains(name))
                    });
                    in_the_way.map(|other| {
                        format!(
                            "the account has a Segment (Actions) source already, named {0:?}: \
                             rename it with `renamed_from: {0}`, or remove it with --prune",
                            other.source.name
                        )
                    })
                }
                None => None,
            };
            if let Some(message) = message {
                self.fault(source.line, message);
            }
        }
    }

    /// What will be mapped must fit the plan that will be.
    fn check_slots(&mut self) {
        let plan = self.wanted.put.plan.as_ref();
        let asked = plan.and_then(|plan| plan.activity_slots);
        let standing = self.actual.and_then(|actual| actual.account.plan.as_ref());
        let slots = asked.or(standing.and_then(|plan| plan.activity_slots));
        let slots = slots.unwrap_or(0);
        let mut mapped: BTreeSet<&str> = BTreeSet::new();
        for source in &self.wanted.sources {
            let named = source.activities.iter();
            mapped.extend(named.map(|activity| activity.put.event_name.as_str()));
        }
        let named = mapped.len();
        for standing in self.actual.iter().flat_map(|actual| &actual.sources) {
            let name = standing.source.name.as_str();
            let mut surplus = self.surplus_sources().into_iter();
            if self.prune && surplus.any(|gone| gone.source.name == name) {
                continue;
            }
            let wanted = self.wanted.sources.iter().find(|source| {
                let of = self.standing_source(source);
                of.is_some_and(|of| of.source.source_id == standing.source.source_id)
            });
            let gone: BTreeSet<&str> = match wanted.filter(|_| self.prune) {
                Some(source) => {
                    let surplus = Self::surplus_activities(source, standing);
                    surplus.iter().map(|it| it.event_name.as_str()).collect()
                }
                None => BTreeSet::new(),
            };
            let stay = standing.activities.iter().map(|it| it.event_name.as_str());
            mapped.extend(stay.filter(|name| !gone.contains(name)));
        }
        let count = i64::try_from(mapped.len()).unwrap_or(i64::MAX);
        let grows = self.grows(&mapped) || asked.is_some();
        if count > slots && grows {
            let others = mapped.len() - named;
            let message = format!(
                "the plan has {slots} activity slots, but {count} activities would be mapped, \
                 {others} of them not by this file (--prune unmaps those that its lists no \
                 longer name)"
            );
            self.fault(self.wanted.line, message);
        }
    }

    /// Whether one of these is not mapped now.
    fn grows(&self, mapped: &BTreeSet<&str>) -> bool {
        let sources = self.actual.iter().flat_map(|actual| &actual.sources);
        let now: BTreeSet<&str> = sources
            .flat_map(|source| &source.activities)
            .map(|activity| activity.event_name.as_str())
            .collect();
        mapped.iter().any(|name| !now.contains(name))
    }
}
