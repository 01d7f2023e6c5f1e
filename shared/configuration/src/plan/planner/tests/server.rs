//! The services' rules, as far as a configuration can break them.

use std::collections::{BTreeMap, BTreeSet};

use weir_proto::audience::v1 as audience;
use weir_proto::mapping::v1 as mapping;
use weir_values::FieldId;

use super::super::*;
use crate::file::check::from_proto;
use crate::plan::state::ActualSource;

/// What stands.
#[derive(Debug, Clone, Default)]
pub struct Server {
    accounts: BTreeMap<String, Actual>,
    pub keys: BTreeMap<String, GivenKey>,
    ids: u64,
}

impl Server {
    pub fn standing(&self) -> Standing {
        Standing {
            accounts: self.accounts.clone(),
            keys: self.keys.clone(),
        }
    }

    pub fn account(&mut self, name: &str) -> &mut Actual {
        self.accounts.get_mut(name).unwrap()
    }

    /// Does every step; panics where a service would refuse one.
    pub fn play(&mut self, plan: &Plan) {
        for step in &plan.steps {
            if let Err(why) = self.step(step) {
                panic!("{why}: {step:?} of {:?}", plan.steps);
            }
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), &'static str> {
        self.ids += 1;
        let id = self.ids.to_string();
        if let Action::PutAccount(put) = &step.action {
            return self.put_account(put, id);
        }
        if let Action::CreateKey { key: Some(key) } = &step.action {
            self.keys.insert(key.clone(), GivenKey::Valid);
        }
        let account = self.accounts.get_mut(&step.account).ok_or("no account")?;
        match &step.action {
            Action::CreateField { name, value_type } => create_field(account, name, *value_type),
            Action::DeleteField { field_id } => {
                let mapped = account.sources.iter().flat_map(|it| &it.contact_mapping);
                let mut used: BTreeSet<&str> = mapped.map(|it| it.field_id.as_str()).collect();
                used.extend(
                    account
                        .account
                        .unique_identifiers
                        .iter()
                        .map(String::as_str),
                );
                if used.contains(field_id.as_str()) {
                    return Err("the field is in use");
                }
                account.fields.retain(|field| field.field_id != *field_id);
                Ok(())
            }
            Action::CreateAudience { name } => {
                account.audiences.push(audience::Audience {
                    name: name.clone(),
                    ..Default::default()
                });
                Ok(())
            }
            Action::DeleteAudience { name } => {
                account.audiences.retain(|it| it.name != *name);
                Ok(())
            }
            Action::PutSource(put) => put_source(account, put, id),
            Action::RenameSource { from } => {
                let to = step.source.as_deref().unwrap();
                if account.source(to).is_some() {
                    return Err("the name is taken");
                }
                source(account, from)?.source.name = to.to_owned();
                Ok(())
            }
            Action::DeleteSource => {
                let name = step.source.as_deref().unwrap();
                source(account, name)?;
                account.sources.retain(|it| it.source.name != name);
                Ok(())
            }
            _ => of_source(account, step),
        }
    }

    fn put_account(
        &mut self,
        put: &mapping::PutAccountRequest,
        id: String,
    ) -> Result<(), &'static str> {
        let new = Actual {
            account: mapping::Account {
                account_id: id,
                name: put.name.clone(),
                plan: Some(mapping::Plan {
                    included_contacts: Some(0),
                    additional_contacts: Some(0),
                    activity_slots: Some(0),
                    profile_factor: Some(10),
                    activity_factor: Some(5),
                }),
                unique_identifiers: vec!["str::email".to_owned()],
                key_strategy: 1,
                ..Default::default()
            },
            ..Default::default()
        };
        let actual = self.accounts.entry(put.name.clone()).or_insert(new);
        let plan = actual.account.plan.as_mut().unwrap();
        let asked = put.plan.unwrap_or_default();
        plan.included_contacts = asked.included_contacts.or(plan.included_contacts);
        plan.additional_contacts = asked.additional_contacts.or(plan.additional_contacts);
        plan.activity_slots = asked.activity_slots.or(plan.activity_slots);
        plan.profile_factor = asked.profile_factor.or(plan.profile_factor);
        plan.activity_factor = asked.activity_factor.or(plan.activity_factor);
        let slots = plan.activity_slots.unwrap();
        if let Some(address) = &put.notification_address {
            actual.account.notification_address = address.clone();
        }
        if let Some(url) = &put.webhook_url {
            if actual.account.webhook_url.is_empty() && put.webhook_secret.is_none() {
                return Err("the first webhook has no secret");
            }
            actual.account.webhook_url = url.clone();
        }
        if let Some(values) = &put.blocked_values {
            actual.account.blocked_values = Some(values.clone());
        }
        if let Some(apart) = put.keep_user_ids_apart {
            actual.account.keep_user_ids_apart = apart;
        }
        if asked.activity_slots.is_some() && mapped(actual) > slots {
            return Err("slots are in use");
        }
        if let Some(ids) = &put.unique_identifiers {
            let known = |id: &String| {
                let mut fields = actual.fields.iter();
                id.contains("::") || fields.any(|field| field.field_id == *id)
            };
            if !ids.field_ids.iter().all(known) {
                return Err("a unique identifier is no field");
            }
            if actual.has_contacts {
                return Err("contacts exist");
            }
            actual.account.unique_identifiers = ids.field_ids.clone();
        }
        if put.key_strategy != 0 {
            actual.account.key_strategy = put.key_strategy;
        }
        Ok(())
    }
}

fn create_field(account: &mut Actual, name: &str, value_type: i32) -> Result<(), &'static str> {
    let value_type = mapping::ValueType::try_from(value_type).unwrap();
    let known = weir_values::ValueType::named(from_proto(value_type)).unwrap();
    let field_id = FieldId::custom(known, name).unwrap().to_string();
    let is_there = |field: &mapping::Field| field.name == name || field.field_id == field_id;
    if account.fields.iter().any(is_there) {
        return Err("the field is there");
    }
    account.fields.push(mapping::Field {
        field_id,
        name: name.to_owned(),
        r#type: value_type.into(),
        custom: true,
    });
    (account.fields.len() <= 200)
        .then_some(())
        .ok_or("too many fields")
}

fn put_source(
    account: &mut Actual,
    put: &mapping::PutSourceRequest,
    id: String,
) -> Result<(), &'static str> {
    let actions = mapping::SourceKind::SegmentActions;
    if account.source(&put.name).is_none() {
        let mut sources = account.sources.iter();
        if put.kind() == actions && sources.any(|it| it.source.kind() == actions) {
            return Err("a second source of Segment (Actions)");
        }
        account.sources.push(ActualSource {
            source: mapping::Source {
                source_id: id,
                kind: put.kind,
                name: put.name.clone(),
                merge_strategy: 1,
                ..Default::default()
            },
            ..Default::default()
        });
    }
    let found = &mut source(account, &put.name)?.source;
    if found.kind != put.kind {
        return Err("the kind is fixed");
    }
    if put.merge_strategy != 0 {
        found.merge_strategy = put.merge_strategy;
    }
    found.existing_only = put.existing_only.unwrap_or(found.existing_only);
    if let Some(given) = &put.allowed_origins {
        found.allowed_origins = given.origins.clone();
    }
    Ok(())
}

fn of_source(account: &mut Actual, step: &Step) -> Result<(), &'static str> {
    let name = step.source.as_deref().unwrap();
    let fields: BTreeSet<String> = account
        .fields
        .iter()
        .map(|it| it.field_id.clone())
        .collect();
    let slots = account.account.plan.unwrap().activity_slots.unwrap();
    let found = source(account, name)?;
    match &step.action {
        Action::CreateKey { .. } => found.valid_keys += 1,
        Action::PutContactMapping(put) => {
            let known = |it: &mapping::FieldMapping| {
                it.field_id.contains("::") || fields.contains(&it.field_id)
            };
            if !put.mappings.iter().all(known) {
                return Err("a mapped field is not there");
            }
            found.contact_mapping = put.mappings.clone();
        }
        Action::PutActivity(put) => {
            let mut activities = found.activities.iter_mut();
            let known = activities.find(|it| it.event_name == put.event_name);
            if let Some(known) = known {
                known.retention_days = put.retention_days.unwrap_or(known.retention_days);
                if !put.attributes.is_empty() || put.clear_attributes {
                    known.attributes = put.attributes.clone();
                }
            } else {
                found.activities.push(mapping::ActivityMapping {
                    activity_id: String::new(),
                    event_name: put.event_name.clone(),
                    retention_days: put.retention_days.unwrap_or(730),
                    attributes: put.attributes.clone(),
                });
            }
            let (event, days) = (&put.event_name, put.retention_days);
            retain_everywhere(account, event, days);
            if mapped(account) > slots {
                return Err("no free slot");
            }
        }
        Action::UnmapActivity { event_name } => {
            found.activities.retain(|it| it.event_name != *event_name);
        }
        _ => return Err("no step of a source"),
    }
    Ok(())
}

/// The retention is the activity's, whichever source maps it.
fn retain_everywhere(account: &mut Actual, event: &str, days: Option<u32>) {
    let all = account.sources.iter_mut().flat_map(|it| &mut it.activities);
    for activity in all.filter(|activity| activity.event_name == event) {
        activity.retention_days = days.unwrap_or(activity.retention_days);
    }
}

fn source<'a>(account: &'a mut Actual, name: &str) -> Result<&'a mut ActualSource, &'static str> {
    let mut sources = account.sources.iter_mut();
    sources.find(|it| it.source.name == name).ok_or("no source")
}

fn mapped(account: &Actual) -> i64 {
    let activities = account.sources.iter().flat_map(|it| &it.activities);
    let names: BTreeSet<&str> = activities.map(|it| it.event_name.as_str()).collect();
    names.len() as i64
}
