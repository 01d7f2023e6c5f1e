//! Settings of an account, its fields, and its audiences.

use std::collections::BTreeSet;

use weir_proto::audience::v1 as audience;
use weir_proto::mapping::v1 as mapping;
use weir_proto::settings::v1::KeyStrategy;
use weir_values::FieldId;

use super::{Action, Change, Detail, Draft, details};
use crate::file::check::from_proto;

impl Draft<'_> {
    pub(super) fn settings(&mut self) {
        let mut put = self.wanted.put.clone();
        let what = format!("account {}", put.name);
        let known = self.actual.map_or("", |actual| &actual.account.webhook_url);
        // Whether a secret is the one that is known nobody tells: it goes with another URL.
        if put.webhook_url.as_deref().is_none_or(|url| url == known) {
            put.webhook_secret = None;
        }
        let Some(actual) = self.actual else {
            let found = details::account(&mapping::Account::default(), &put, true);
            self.step(what, Change::Created, Action::PutAccount(put))
                .details = found;
            return;
        };
        // Of an account that is there they are a step of their own.
        put.unique_identifiers = None;
        put.key_strategy = KeyStrategy::Unspecified.into();
        let found = details::account(&actual.account, &put, false);
        if found.is_empty() {
            self.plan.unchanged += 1;
            return;
        }
        self.step(what, Change::Updated, Action::PutAccount(put))
            .details = found;
    }

    /// What tells contacts apart, where it is not said when the account is made.
    pub(super) fn identifiers(&mut self) {
        let mut later = match (self.actual, &self.wanted.identify) {
            (_, Some(later)) => later.clone(),
            (Some(_), None) => mapping::PutAccountRequest {
                name: self.wanted.put.name.clone(),
                unique_identifiers: self.wanted.put.unique_identifiers.clone(),
                key_strategy: self.wanted.put.key_strategy,
                ..Default::default()
            },
            (None, None) => return,
        };
        let nothing = mapping::Account::default();
        let standing = self.actual.map_or(&nothing, |actual| &actual.account);
        let mut found = details::identifiers(standing, &later);
        let is_other = !found.is_empty();
        if !is_other {
            later.unique_identifiers = None;
            later.key_strategy = KeyStrategy::Unspecified.into();
        }
        found.extend(details::blocked_values(standing, &later));
        if found.is_empty() {
            return;
        }
        if is_other && self.actual.is_some_and(|actual| actual.has_contacts) {
            let message = "the account has contacts: its unique identifiers and key strategy \
                           change by StartReindex (IdentityService), not by a file";
            self.fault(self.wanted.line, message);
        }
        let what = match is_other {
            true => format!("unique identifiers of {}", self.wanted.put.name),
            false => format!("blocked values of {}", self.wanted.put.name),
        };
        let step = self.step(what, Change::Updated, Action::PutAccount(later));
        step.details = found;
    }

    pub(super) fn fields(&mut self) {
        for field in &self.wanted.fields {
            let known = self.actual.and_then(|actual| {
                let mut fields = actual.fields.iter();
                fields.find(|known| known.name == field.name)
            });
            if let Some(known) = known {
                if known.r#type() == field.value_type {
                    self.plan.unchanged += 1;
                }
                continue;
            }
            let action = Action::CreateField {
                name: field.name.clone(),
                value_type: field.value_type.into(),
            };
            let step = self.step(format!("field {}", field.name), Change::Created, action);
            step.line = field.line;
            step.details = vec![Detail {
                what: "type".to_owned(),
                before: String::new(),
                after: from_proto(field.value_type).to_owned(),
            }];
        }
    }

    pub(super) fn audiences(&mut self) {
        let known: BTreeSet<&str> = self
            .actual
            .iter()
            .flat_map(|actual| actual.audiences.iter().map(|found| found.name.as_str()))
            .collect();
        for wanted in &self.wanted.audiences {
            if known.contains(wanted.name.as_str()) {
                self.plan.unchanged += 1;
                continue;
            }
            let name = wanted.name.clone();
            let what = format!("audience {name}");
            let step = self.step(what, Change::Created, Action::CreateAudience { name });
            step.line = wanted.line;
        }
        if !self.wanted.names.audiences {
            return;
        }
        self.surplus_audiences();
    }

    /// Those that the file no longer names. One for which events come stays: they would be refused,
    /// and Segment may have made it.
    fn surplus_audiences(&mut self) {
        let wanted = self.wanted;
        let named = |name: &str| {
            wanted
                .audiences
                .iter()
                .any(|audience| audience.name == name)
        };
        let surplus: Vec<&audience::Audience> = self
            .actual
            .iter()
            .flat_map(|actual| &actual.audiences)
            .filter(|found| !named(&found.name))
            .collect();
        for found in surplus {
            let figures = found.figures.unwrap_or_default();
            let what = format!("audience {}", found.name);
            if figures.updates_last_7_days > 0 {
                let a_day = (figures.updates_last_7_days + 6) / 7;
                self.left(
                    format!("{what}, for which some {a_day} events a day come"),
                    false,
                );
            } else if self.prune {
                let name = found.name.clone();
                let step = self.step(what, Change::Removed, Action::DeleteAudience { name });
                step.details = vec![Detail {
                    what: "members".to_owned(),
                    before: figures.members.to_string(),
                    after: String::new(),
                }];
            } else {
                self.left(what, true);
            }
        }
    }
}

/// The id that a field of the file has, or will have.
pub(super) fn field_id(field: &crate::file::model::Field) -> Option<FieldId> {
    let value_type = weir_values::ValueType::named(from_proto(field.value_type))?;
    FieldId::custom(value_type, &field.name).ok()
}
