//! Checks a file as a whole, and says what is wrong in all its places at once.
//!
//! The services check again; what can be known from the file alone is said here, with the
//! line, before anything is applied.

mod blocked;
mod names;
mod origins;
mod retentions;
mod rows;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use serde_saphyr::Spanned;
use weir_proto::mapping::v1 as mapping;
use weir_proto::settings::v1::MergeStrategy;
use weir_values::{BUILT_IN_FIELDS, FieldId, ValueType};

use super::model::{Account, Activity, Audience, Configuration, Field, Names, Source};
use super::schema::{self, Fault, File};
use names::Unique;
pub use values::{BLANK_RULES, KEY_STRATEGIES, MERGE_STRATEGIES, SOURCE_KINDS, from_proto};
use values::{Choice, at_least_zero, event_name, key, text, value_type};

const MAX_UNIQUE_IDENTIFIERS: usize = 2;
const MAX_CUSTOM_FIELDS: usize = 200;
pub const RETENTIONS: [u32; 5] = [30, 90, 180, 365, 730];

/// Faults in the order of the file; a checked configuration where there is none.
pub fn check(file: &File) -> Result<Configuration, Vec<Fault>> {
    let mut checker = Checker::default();
    let accounts = file
        .accounts
        .iter()
        .map(|account| checker.account(account))
        .collect();
    checker
        .faults
        .sort_by_key(|fault| (fault.line, fault.column));
    if checker.faults.is_empty() {
        Ok(Configuration { accounts })
    } else {
        Err(checker.faults)
    }
}

#[derive(Default)]
struct Checker {
    faults: Vec<Fault>,
    accounts: Unique,
    keys: Unique,
}

impl Checker {
    fn account(&mut self, account: &schema::Account) -> Account {
        let name = self.take(text(&account.name, "an account's name", 150));
        let unique = self.accounts.add(&account.name, &name, "account");
        self.note(unique);
        let fields = self.fields(account.fields.as_deref().unwrap_or(&[]));
        let types: BTreeMap<String, ValueType> = fields
            .iter()
            .filter_map(|(field, value_type)| {
                let id = FieldId::custom(*value_type, &field.name).ok()?;
                Some((id.as_str().to_owned(), *value_type))
            })
            .collect();
        let mut put = mapping::PutAccountRequest {
            account_id: String::new(),
            plan: account.plan.as_ref().map(|plan| self.plan(plan)),
            notification_address: account
                .notification_address
                .as_ref()
                .map(|address| self.take(values::email(address))),
            webhook_url: account
                .webhook_url
                .as_ref()
                .map(|url| self.take(values::webhook_url(url))),
            webhook_secret: account
                .webhook_secret
                .as_ref()
                .map(|secret| self.take(values::webhook_secret(secret))),
            unique_identifiers: self.unique_identifiers(account, &types),
            key_strategy: self
                .choice(account.key_strategy.as_ref(), &KEY_STRATEGIES)
                .unwrap_or_default()
                .into(),
            blocked_values: self.blocked_values(account, &types),
            keep_user_ids_apart: account
                .keep_user_ids_apart
                .as_ref()
                .map(|apart| apart.value),
            name,
            request_id: String::new(),
            expected_version: None,
        };
        let identify = identify_later(&mut put, &types);
        let sources = self.sources(account, &types);
        let audiences = self.audiences(account.audiences.as_deref().unwrap_or(&[]));
        Account {
            line: account.name.referenced.line(),
            names: Names {
                fields: account.fields.is_some(),
                sources: account.sources.is_some(),
                audiences: account.audiences.is_some(),
            },
            put,
            identify,
            fields: fields.into_iter().map(|(field, _)| field).collect(),
            sources,
            audiences,
        }
    }

    fn plan(&mut self, plan: &schema::Plan) -> mapping::Plan {
        let mut number = |value: &Spanned<i64>| self.take(at_least_zero(value));
        mapping::Plan {
            included_contacts: plan.included_contacts.as_ref().map(&mut number),
            additional_contacts: plan.additional_contacts.as_ref().map(&mut number),
            activity_slots: plan.activity_slots.as_ref().map(&mut number),
            profile_factor: plan.profile_factor.as_ref().map(&mut number),
            activity_factor: plan.activity_factor.as_ref().map(&mut number),
        }
    }

    fn fields(&mut self, fields: &[schema::Field]) -> Vec<(Field, ValueType)> {
        let (mut names, mut ids) = (Unique::default(), Unique::default());
        let mut checked = Vec::new();
        for (number, field) in fields.iter().enumerate() {
            let name = self.take(text(&field.name, "a field's name", 150));
            let is_new = names.add(&field.name, &name, "field");
            let is_named_anew = is_new.is_ok();
            self.note(is_new);
            if number == MAX_CUSTOM_FIELDS {
                let message = format!("an account has at most {MAX_CUSTOM_FIELDS} custom fields");
                self.faults.push(Fault::at(&field.name, message));
            }
            if BUILT_IN_FIELDS
                .iter()
                .any(|known| known.name.eq_ignore_ascii_case(&name))
            {
                let message = format!("{name:?} is built in already; choose another name");
                self.faults.push(Fault::at(&field.name, message));
            }
            let Some(value_type) = self.taken(value_type(&field.value_type)) else {
                continue;
            };
            match FieldId::custom(value_type, &name) {
                // Names that differ only in their spelling are one field, unless of other types.
                Ok(id) if is_named_anew => self.note(ids.add(&field.name, id.as_str(), "field")),
                Ok(_) => {}
                Err(error) => {
                    let message = format!("the name of a field {error}");
                    self.faults.push(Fault::at(&field.name, message));
                }
            }
            let checked_field = Field {
                line: field.name.referenced.line(),
                name,
                value_type: values::to_proto(value_type),
            };
            checked.push((checked_field, value_type));
        }
        checked
    }

    fn unique_identifiers(
        &mut self,
        account: &schema::Account,
        types: &BTreeMap<String, ValueType>,
    ) -> Option<mapping::UniqueIdentifiers> {
        let given = account.unique_identifiers.as_ref()?;
        if given.value.len() > MAX_UNIQUE_IDENTIFIERS {
            let message = format!("at most {MAX_UNIQUE_IDENTIFIERS} unique identifiers");
            self.faults.push(Fault::at(given, message));
        }
        let mut field_ids = Vec::new();
        let mut seen = Unique::default();
        for written in &given.value {
            let Some((id, value_type)) = self.taken(field(written, types)) else {
                continue;
            };
            self.note(seen.add(written, &id, "unique identifier"));
            if !value_type.may_be_unique_identifier() {
                let message = format!(
                    "{id} holds {}; a unique identifier is a text, an email or a phone",
                    value_type.name()
                );
                self.faults.push(Fault::at(written, message));
            }
            field_ids.push(id);
        }
        Some(mapping::UniqueIdentifiers { field_ids })
    }

    fn sources(
        &mut self,
        account: &schema::Account,
        types: &BTreeMap<String, ValueType>,
    ) -> Vec<Source> {
        let mut names = Unique::default();
        let mut events = BTreeSet::new();
        let mut actions: Option<u64> = None;
        let mut checked = Vec::new();
        for source in account.sources.iter().flatten() {
            let name = self.take(text(&source.name, "a source's name", 150));
            self.note(names.add(&source.name, &name, "source"));
            let kind = self
                .choice(Some(&source.kind), &SOURCE_KINDS)
                .unwrap_or_default();
            if kind == mapping::SourceKind::SegmentActions
                && let Some(line) = actions.replace(source.kind.referenced.line())
            {
                let message = format!(
                    "an account has at most one segment_actions source; the other one is in line {line}"
                );
                self.faults.push(Fault::at(&source.kind, message));
            }
            events.extend(
                source
                    .activities
                    .iter()
                    .flatten()
                    .map(|a| a.event.value.trim().to_owned()),
            );
            checked.push(self.source(source, name, kind, types));
        }
        let given = account.sources.as_deref().unwrap_or(&[]);
        self.faults.extend(renames(given));
        self.faults.extend(retentions::faults(given));
        let plan = account.plan.as_ref();
        if let Some(slots) = plan.and_then(|plan| plan.activity_slots.as_ref())
            && i64::try_from(events.len()).unwrap_or(i64::MAX) > slots.value
            && slots.value >= 0
        {
            let message = format!(
                "the plan has {} activity slots, but {} activities are mapped below",
                slots.value,
                events.len()
            );
            self.faults.push(Fault::at(slots, message));
        }
        checked
    }

    fn source(
        &mut self,
        source: &schema::Source,
        name: String,
        kind: mapping::SourceKind,
        types: &BTreeMap<String, ValueType>,
    ) -> Source {
        let merge = self.choice(source.merge_strategy.as_ref(), &MERGE_STRATEGIES);
        let merge = merge.unwrap_or_default();
        let existing_only = source.existing_only.as_ref();
        if let Some(flag) = existing_only.filter(|flag| flag.value)
            && merge == MergeStrategy::Ignore
        {
            let message = "existing_only goes with overwrite and append, not with ignore";
            self.faults.push(Fault::at(flag, message));
        }
        let allowed_origins = source
            .allowed_origins
            .as_ref()
            .map(|origins| self.origins(origins, kind));
        let given_key = source.key.as_ref().map(|written| {
            let unique = self.keys.add(written, &written.value, "key");
            self.note(unique);
            self.take(key(written))
        });
        let renamed_from = source.renamed_from.as_ref();
        Source {
            line: source.name.referenced.line(),
            renamed_from: renamed_from
                .map(|before| self.take(text(before, "a source's name", 150))),
            put: mapping::PutSourceRequest {
                account_id: String::new(),
                kind: kind.into(),
                name,
                merge_strategy: merge.into(),
                existing_only: existing_only.map(|flag| flag.value),
                allowed_origins,
                ..Default::default()
            },
            key: given_key,
            contact_mapping: source.contact_mapping.as_ref().map(|pairs| {
                let mappings = self.contact_mapping(&pairs.value, types);
                let put = mapping::PutContactMappingRequest {
                    clear: pairs.value.is_empty(),
                    mappings,
                    ..Default::default()
                };
                (pairs.referenced.line(), put)
            }),
            activities: self.activities(source.activities.as_deref().unwrap_or(&[])),
            names_activities: source.activities.is_some(),
        }
    }

    fn activities(&mut self, activities: &[schema::Activity]) -> Vec<Activity> {
        let mut names = Unique::default();
        let mut checked = Vec::new();
        for activity in activities {
            let event_name = self.take(event_name(&activity.event));
            self.note(names.add(&activity.event, &event_name, "activity"));
            if let Some(days) = &activity.retention_days
                && !RETENTIONS.contains(&days.value)
            {
                let message = "retention_days is 30, 90, 180, 365 or 730";
                self.faults.push(Fault::at(days, message));
            }
            checked.push(Activity {
                line: activity.event.referenced.line(),
                put: mapping::PutActivityMappingRequest {
                    account_id: String::new(),
                    source_id: String::new(),
                    event_name,
                    retention_days: activity.retention_days.as_ref().map(|days| days.value),
                    attributes: self.attributes(activity.attributes.as_deref().unwrap_or(&[])),
                    clear_attributes: activity.attributes.as_ref().is_some_and(Vec::is_empty),
                    expected_version: None,
                },
            });
        }
        checked
    }

    fn audiences(&mut self, audiences: &[schema::Audience]) -> Vec<Audience> {
        let mut names = Unique::default();
        let mut checked = Vec::new();
        for audience in audiences {
            let name = self.take(text(&audience.name, "an audience's name", 150));
            self.note(names.add(&audience.name, &name, "audience"));
            checked.push(Audience {
                line: audience.name.referenced.line(),
                name,
            });
        }
        checked
    }

    fn choice<T: Copy>(
        &mut self,
        written: Option<&Spanned<String>>,
        choices: &[Choice<T>],
    ) -> Option<T> {
        let written = written?;
        self.taken(values::choose(written, choices))
    }

    fn take<T: Default>(&mut self, checked: Result<T, Fault>) -> T {
        self.taken(checked).unwrap_or_default()
    }

    fn taken<T>(&mut self, checked: Result<T, Fault>) -> Option<T> {
        checked.map_err(|fault| self.faults.push(fault)).ok()
    }

    fn note(&mut self, checked: Result<(), Fault>) {
        self.taken(checked);
    }
}

/// A source is renamed once, and from a name that none has any more.
fn renames(given: &[schema::Source]) -> Vec<Fault> {
    let names: BTreeSet<&str> = given
        .iter()
        .map(|source| source.name.value.trim())
        .collect();
    let mut seen = BTreeSet::new();
    let renamed = given
        .iter()
        .filter_map(|source| source.renamed_from.as_ref());
    renamed
        .filter_map(|from| {
            let name = from.value.trim();
            let message = if names.contains(name) {
                format!("renamed_from: a source of this file is named {name} still")
            } else if !seen.insert(name) {
                format!("renamed_from: another source is renamed from {name} as well")
            } else {
                return None;
            };
            Some(Fault::at(from, message))
        })
        .collect()
}

/// Fields of the account's own exist only once they are made: what names them comes later.
fn identify_later(
    put: &mut mapping::PutAccountRequest,
    custom: &BTreeMap<String, ValueType>,
) -> Option<mapping::PutAccountRequest> {
    let ids = put.unique_identifiers.iter().flat_map(|ids| &ids.field_ids);
    let blocked = put.blocked_values.iter().flat_map(|values| &values.blocked);
    let kinds = blocked.map(|entry| &entry.kind);
    if !ids.chain(kinds).any(|id| custom.contains_key(id)) {
        return None;
    }
    Some(mapping::PutAccountRequest {
        name: put.name.clone(),
        unique_identifiers: put.unique_identifiers.take(),
        key_strategy: std::mem::take(&mut put.key_strategy),
        blocked_values: put.blocked_values.take(),
        ..Default::default()
    })
}

/// A field by its id, or by the name of a custom one of this account.
fn field(
    written: &Spanned<String>,
    custom: &BTreeMap<String, ValueType>,
) -> Result<(String, ValueType), Fault> {
    let id = written.value.trim();
    let built_in = BUILT_IN_FIELDS.iter().find(|known| known.id == id);
    if let Some(known) = built_in {
        return Ok((id.to_owned(), known.value_type));
    }
    if let Some(value_type) = custom.get(id) {
        return Ok((id.to_owned(), *value_type));
    }
    let mut by_name = custom.iter().filter(|(known, value_type)| {
        !id.contains(':') && FieldId::custom(**value_type, id).is_ok_and(|id| id.as_str() == *known)
    });
    match (by_name.next(), by_name.next()) {
        (Some((known, value_type)), None) => return Ok((known.clone(), *value_type)),
        (Some((one, _)), Some((other, _))) => {
            let message = format!("{id:?} may be {one} or {other}: write the field's id");
            return Err(Fault::at(written, message));
        }
        (None, _) => {}
    }
    let known: Vec<&str> = BUILT_IN_FIELDS
        .iter()
        .map(|field| field.id)
        .chain(custom.keys().map(String::as_str))
        .collect();
    Err(Fault::at(
        written,
        format!(
            "there is no field {id:?}; declare it under `fields`, or use one of {}",
            known.join(", ")
        ),
    ))
}

#[cfg(test)]
mod tests;
