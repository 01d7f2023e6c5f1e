//! What stands, as a file that `apply` takes.

use std::collections::BTreeSet;

use serde_saphyr::{Location, Spanned};
use weir_proto::mapping::v1 as mapping;
use weir_proto::settings::v1::BlockedValue;
use weir_values::{FieldId, ValueType};

use super::state::{Actual, ActualSource};
use crate::file::check::{BLANK_RULES, KEY_STRATEGIES, MERGE_STRATEGIES, SOURCE_KINDS, from_proto};
use crate::file::schema::{self, File};

/// The file of these accounts.
///
/// # Errors
/// They can't be written.
pub fn yaml(accounts: &[Actual]) -> Result<String, String> {
    let file = File {
        accounts: accounts.iter().map(account).collect(),
    };
    let text = serde_saphyr::to_string(&file).map_err(|error| error.to_string())?;
    Ok(format!(
        "# Written by `./weir export-config`. Keys and the secrets of\n# webhooks are not in it.\n{text}"
    ))
}

fn account(actual: &Actual) -> schema::Account {
    let account = &actual.account;
    let ids = account.unique_identifiers.iter();
    let values = account.blocked_values.as_ref();
    let blocked = values.iter().flat_map(|values| &values.blocked);
    let allowed = values.iter().flat_map(|values| &values.allowed_defaults);
    let allowed = allowed.map(|default| spanned(default.clone()));
    schema::Account {
        name: spanned(account.name.clone()),
        plan: account.plan.map(|plan| schema::Plan {
            included_contacts: plan.included_contacts.map(spanned),
            additional_contacts: plan.additional_contacts.map(spanned),
            activity_slots: plan.activity_slots.map(spanned),
            profile_factor: plan.profile_factor.map(spanned),
            activity_factor: plan.activity_factor.map(spanned),
        }),
        notification_address: text(&account.notification_address),
        webhook_url: text(&account.webhook_url),
        webhook_secret: None,
        unique_identifiers: Some(spanned(
            ids.map(|id| spanned(field(id, &actual.fields))).collect(),
        )),
        key_strategy: Some(word(account.key_strategy(), &KEY_STRATEGIES)),
        blocked_values: Some(spanned(
            blocked.map(|entry| blocked_value(entry, actual)).collect(),
        )),
        allowed_defaults: Some(spanned(allowed.collect())),
        keep_user_ids_apart: Some(spanned(account.keep_user_ids_apart)),
        fields: Some(
            actual
                .fields
                .iter()
                .map(|field| schema::Field {
                    name: spanned(field.name.clone()),
                    value_type: spanned(from_proto(field.r#type()).to_owned()),
                })
                .collect(),
        ),
        sources: Some(
            actual
                .sources
                .iter()
                .map(|of| source(of, &actual.fields))
                .collect(),
        ),
        audiences: Some(
            actual
                .audiences
                .iter()
                .map(|audience| schema::Audience {
                    name: spanned(audience.name.clone()),
                })
                .collect(),
        ),
    }
}

fn blocked_value(entry: &BlockedValue, actual: &Actual) -> schema::BlockedValue {
    let kind = Some(entry.kind.as_str()).filter(|kind| !kind.is_empty());
    schema::BlockedValue {
        value: spanned(entry.pattern.clone()),
        kind: kind.map(|kind| spanned(field(kind, &actual.fields))),
    }
}

fn source(actual: &ActualSource, fields: &[mapping::Field]) -> schema::Source {
    let of = &actual.source;
    let pairs = actual.contact_mapping.iter().map(|pair| {
        let options = pair.options.clone().unwrap_or_default();
        schema::FieldMapping {
            trait_path: spanned(pair.trait_path.clone()),
            fallback_paths: texts(&pair.fallback_paths),
            field: spanned(field(&pair.field_id, fields)),
            date_format: text(&pair.date_format),
            fallback_formats: texts(&pair.fallback_formats),
            phone_country: text(&options.phone_country),
            round: flag(options.round),
            words: flag(options.words),
            truncate: flag(options.truncate),
            blank: blank(&options),
        }
    });
    schema::Source {
        name: spanned(of.name.clone()),
        renamed_from: None,
        kind: word(of.kind(), &SOURCE_KINDS),
        key: None,
        merge_strategy: Some(word(of.merge_strategy(), &MERGE_STRATEGIES)),
        existing_only: Some(spanned(of.existing_only)),
        allowed_origins: (of.kind() == mapping::SourceKind::SegmentClassic).then(|| {
            let origins = of.allowed_origins.iter();
            spanned(origins.map(|origin| spanned(origin.clone())).collect())
        }),
        contact_mapping: Some(spanned(pairs.collect())),
        activities: Some(actual.activities.iter().map(activity).collect()),
    }
}

fn activity(activity: &mapping::ActivityMapping) -> schema::Activity {
    let attributes = activity.attributes.iter().map(|pair| {
        // Named like its property where nothing else is said.
        let is_named = pair.attribute != pair.property_path;
        let options = pair.options.clone().unwrap_or_default();
        schema::Attribute {
            property: spanned(pair.property_path.clone()),
            fallback_paths: texts(&pair.fallback_paths),
            attribute: is_named.then(|| spanned(pair.attribute.clone())),
            value_type: spanned(from_proto(pair.r#type()).to_owned()),
            date_format: text(&pair.date_format),
            fallback_formats: texts(&pair.fallback_formats),
            phone_country: text(&options.phone_country),
            round: flag(options.round),
            words: flag(options.words),
            truncate: flag(options.truncate),
            blank: blank(&options),
        }
    });
    schema::Activity {
        event: spanned(activity.event_name.clone()),
        retention_days: Some(spanned(activity.retention_days)),
        attributes: Some(attributes.collect()),
    }
}

/// Those of the account's own by their names, as people know them, where a name is enough.
fn field(id: &str, fields: &[mapping::Field]) -> String {
    let known = fields.iter().find(|field| field.field_id == id);
    let name = known.map(|known| known.name.as_str()).filter(|name| {
        let ids = ValueType::NAMES.iter();
        let ids = ids.filter_map(|(_, value_type)| FieldId::custom(*value_type, name).ok());
        let ids: BTreeSet<FieldId> = ids.collect();
        let mut meant = fields.iter().map(|field| field.field_id.as_str());
        let is_meant = |found: &str| ids.iter().any(|id| id.as_str() == found);
        !name.contains(':') && is_meant(id) && meant.all(|found| found == id || !is_meant(found))
    });
    name.unwrap_or(id).to_owned()
}

fn text(text: &str) -> Option<Spanned<String>> {
    (!text.is_empty()).then(|| spanned(text.to_owned()))
}

fn texts(texts: &[String]) -> Vec<Spanned<String>> {
    texts.iter().cloned().map(spanned).collect()
}

fn flag(is_on: bool) -> Option<Spanned<bool>> {
    is_on.then(|| spanned(true))
}

fn blank(options: &mapping::RowOptions) -> Option<Spanned<String>> {
    let rule = options.blank();
    (rule != mapping::BlankRule::Unspecified).then(|| word(rule, &BLANK_RULES))
}

fn word<T: PartialEq>(value: T, words: &[(&'static str, T)]) -> Spanned<String> {
    let known = words.iter().find(|(_, known)| *known == value);
    spanned(known.map_or_else(String::new, |(word, _)| (*word).to_owned()))
}

fn spanned<T>(value: T) -> Spanned<T> {
    Spanned {
        value,
        referenced: Location::UNKNOWN,
        defined: Location::UNKNOWN,
    }
}
