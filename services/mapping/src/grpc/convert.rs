//! Messages to values of the domain, and back.

mod rows;

use tonic::Status;
use weir_ids::AccountId;
use weir_proto::mapping::v1 as pb;
use weir_proto::settings::v1 as settings;
use weir_rpc::invalid;
use weir_rpc::wire::{time, timestamp};
use weir_values::{BlockedValue, BlockedValues, ValueType};

use super::{account_id, id};
use crate::app::{Change, ListedName};
use crate::domain::access::MAX_ACCOUNTS;
use crate::domain::account::{Account, AccountChange, KeyStrategy, PlanChange};
use crate::domain::event::EventKind;
use crate::domain::field::Field;
use crate::domain::invalid::read_name;
use crate::domain::key::Key;
use crate::domain::log::LogEntry;
use crate::domain::sample::Sample;
use crate::domain::source::{MergeStrategy, Source, SourceChange, SourceKind, SourceStatus};
pub use rows::{
    activity_mapping, attribute_mapping, field_mapping, given_attribute, given_field,
    unchecked_field_mapping,
};

pub fn change(change: Change) -> pb::ChangeKind {
    match change {
        Change::Created => pb::ChangeKind::Created,
        Change::Updated => pb::ChangeKind::Updated,
        Change::Unchanged => pb::ChangeKind::Unchanged,
    }
}

pub fn event_kind(kind: i32) -> Option<EventKind> {
    match pb::EventKind::try_from(kind).ok()? {
        pb::EventKind::Identify => Some(EventKind::Identify),
        pb::EventKind::Track => Some(EventKind::Track),
        pb::EventKind::Member => Some(EventKind::Member),
        pb::EventKind::Unspecified => None,
    }
}

pub fn kind(kind: EventKind) -> pb::EventKind {
    match kind {
        EventKind::Identify => pb::EventKind::Identify,
        EventKind::Track => pb::EventKind::Track,
        EventKind::Member => pb::EventKind::Member,
    }
}

/// Accounts that a request names, by `field`: as many as a token may be for.
pub fn read_accounts(field: &str, ids: &[String]) -> Result<Vec<AccountId>, Status> {
    if ids.len() > MAX_ACCOUNTS {
        return Err(invalid(field, &format!("must be at most {MAX_ACCOUNTS}")));
    }
    let ids = ids.iter().enumerate();
    ids.map(|(index, text)| id(&format!("{field}[{index}]"), text))
        .collect()
}

pub fn read_account_change(request: pb::PutAccountRequest) -> Result<AccountChange, Status> {
    let plan = request.plan.unwrap_or_default();
    let mut faults = weir_rpc::Faults::default();
    let account = match request.account_id.as_str() {
        "" => None,
        text => faults.take(account_id(text)),
    };
    let name = read_name(&request.name);
    let name = faults.take(name.map_err(Status::from));
    let key_strategy = faults.take(read_key_strategy(request.key_strategy));
    let blocked = request.blocked_values.map(read_blocked).transpose();
    let blocked_values = faults.take(blocked);
    faults.told()?;
    Ok(AccountChange {
        account_id: account,
        name: name.unwrap_or_default(),
        plan: PlanChange {
            included_contacts: plan.included_contacts,
            additional_contacts: plan.additional_contacts,
            activity_slots: plan.activity_slots,
            profile_factor: plan.profile_factor,
            activity_factor: plan.activity_factor,
        },
        notification_address: request.notification_address,
        webhook_url: request.webhook_url,
        webhook_secret: request.webhook_secret,
        unique_identifiers: request.unique_identifiers.map(|ids| ids.field_ids),
        key_strategy: key_strategy.flatten(),
        blocked_values: blocked_values.flatten(),
        keep_user_ids_apart: request.keep_user_ids_apart,
        expected_version: request.expected_version,
    })
}

/// Names every entry that is wrong.
fn read_blocked(lists: settings::BlockedValues) -> Result<BlockedValues, Status> {
    let own = lists.blocked.into_iter().map(|entry| BlockedValue {
        kind: entry.kind,
        pattern: entry.pattern,
    });
    BlockedValues::new(own.collect(), lists.allowed_defaults).map_err(|faults| {
        let faults = faults.iter();
        let faults: Vec<_> = faults
            .map(|fault| (format!("blocked_values.{}", fault.field), &*fault.why))
            .collect();
        weir_rpc::invalid_all(faults.iter().map(|(field, why)| (&**field, *why)))
    })
}

pub fn blocked_values(values: &BlockedValues) -> settings::BlockedValues {
    let own = values.own().iter().map(|entry| settings::BlockedValue {
        kind: entry.kind.clone(),
        pattern: entry.pattern.clone(),
    });
    settings::BlockedValues {
        blocked: own.collect(),
        allowed_defaults: values.taken_off().to_vec(),
    }
}

pub fn read_source_change(request: pb::PutSourceRequest) -> Result<SourceChange, Status> {
    let mut faults = weir_rpc::Faults::default();
    let name = read_name(&request.name);
    let name = faults.take(name.map_err(Status::from));
    let kind = faults.take(read_source_kind(request.kind));
    let merge_strategy = faults.take(read_merge_strategy(request.merge_strategy));
    let (Some(name), Some(kind), Some(merge_strategy)) = (name, kind, merge_strategy) else {
        return Err(faults.status());
    };
    Ok(SourceChange {
        kind,
        name,
        merge_strategy,
        existing_only: request.existing_only,
        allowed_origins: request.allowed_origins.map(|given| given.origins),
        create_only: request.create_only,
        expected_version: request.expected_version,
    })
}

fn read_key_strategy(strategy: i32) -> Result<Option<KeyStrategy>, Status> {
    match settings::KeyStrategy::try_from(strategy) {
        Ok(settings::KeyStrategy::Unspecified) => Ok(None),
        Ok(settings::KeyStrategy::Any) => Ok(Some(KeyStrategy::Any)),
        Ok(settings::KeyStrategy::NextIfEmpty) => Ok(Some(KeyStrategy::NextIfEmpty)),
        Err(_) => Err(invalid("key_strategy", "is not known")),
    }
}

pub fn key_strategy(strategy: KeyStrategy) -> settings::KeyStrategy {
    match strategy {
        KeyStrategy::Any => settings::KeyStrategy::Any,
        KeyStrategy::NextIfEmpty => settings::KeyStrategy::NextIfEmpty,
    }
}

fn read_merge_strategy(strategy: i32) -> Result<Option<MergeStrategy>, Status> {
    match settings::MergeStrategy::try_from(strategy) {
        Ok(settings::MergeStrategy::Unspecified) => Ok(None),
        Ok(settings::MergeStrategy::Overwrite) => Ok(Some(MergeStrategy::Overwrite)),
        Ok(settings::MergeStrategy::Append) => Ok(Some(MergeStrategy::Append)),
        Ok(settings::MergeStrategy::Ignore) => Ok(Some(MergeStrategy::Ignore)),
        Err(_) => Err(invalid("merge_strategy", "is not known")),
    }
}

pub fn merge_strategy(strategy: MergeStrategy) -> settings::MergeStrategy {
    match strategy {
        MergeStrategy::Overwrite => settings::MergeStrategy::Overwrite,
        MergeStrategy::Append => settings::MergeStrategy::Append,
        MergeStrategy::Ignore => settings::MergeStrategy::Ignore,
    }
}

fn read_source_kind(kind: i32) -> Result<Option<SourceKind>, Status> {
    match pb::SourceKind::try_from(kind) {
        Ok(pb::SourceKind::Unspecified) => Ok(None),
        Ok(pb::SourceKind::SegmentActions) => Ok(Some(SourceKind::SegmentActions)),
        Ok(pb::SourceKind::SegmentClassic) => Ok(Some(SourceKind::SegmentClassic)),
        Err(_) => Err(invalid(
            "kind",
            "must be segment_actions or segment_classic",
        )),
    }
}

pub fn source_kind(kind: SourceKind) -> pb::SourceKind {
    match kind {
        SourceKind::SegmentActions => pb::SourceKind::SegmentActions,
        SourceKind::SegmentClassic => pb::SourceKind::SegmentClassic,
    }
}

/// The contract's name of a type is ours in capitals.
const VALUE_TYPE: &str = "VALUE_TYPE_";

/// None where it is none of them.
pub fn value_type_of(value_type: i32) -> Option<ValueType> {
    let message = pb::ValueType::try_from(value_type).ok()?;
    let name = message.as_str_name().strip_prefix(VALUE_TYPE)?;
    ValueType::named(&name.to_ascii_lowercase())
}

pub fn read_value_type(value_type: i32, field: &str) -> Result<ValueType, Status> {
    value_type_of(value_type).ok_or_else(|| invalid(field, "must be one of the value types"))
}

pub fn value_type(value_type: ValueType) -> pb::ValueType {
    let name = format!("{VALUE_TYPE}{}", value_type.name().to_ascii_uppercase());
    pb::ValueType::from_str_name(&name).expect("a test holds that the contract names every type")
}

pub fn account(account: Account) -> pb::Account {
    let settings = account.settings;
    pb::Account {
        account_id: account.account_id.to_string(),
        name: settings.name,
        plan: Some(pb::Plan {
            included_contacts: Some(settings.plan.included_contacts),
            additional_contacts: Some(settings.plan.additional_contacts),
            activity_slots: Some(settings.plan.activity_slots),
            profile_factor: Some(settings.plan.profile_factor),
            activity_factor: Some(settings.plan.activity_factor),
        }),
        notification_address: settings.notification_address,
        unique_identifiers: settings
            .unique_identifiers
            .iter()
            .map(ToString::to_string)
            .collect(),
        key_strategy: key_strategy(settings.key_strategy).into(),
        mapped_activities: account.mapped_activities,
        create_time: Some(timestamp(account.create_time)),
        webhook_url: settings
            .webhook
            .map_or_else(String::new, |webhook| webhook.url),
        blocked_values: Some(blocked_values(&settings.blocked_values)),
        keep_user_ids_apart: settings.keep_user_ids_apart,
        next_unique_identifiers: account
            .next_unique_identifiers
            .iter()
            .map(ToString::to_string)
            .collect(),
        settings_version: account.settings_version,
    }
}

pub fn source(source: Source) -> pb::Source {
    let status = match source.status {
        SourceStatus::WaitingForEvents => pb::SourceStatus::WaitingForEvents,
        SourceStatus::WaitingForMapping => pb::SourceStatus::WaitingForMapping,
        SourceStatus::Active => pb::SourceStatus::Active,
    };
    pb::Source {
        source_id: source.source_id.to_string(),
        account_id: source.account_id.to_string(),
        kind: source_kind(source.settings.kind).into(),
        name: source.settings.name,
        status: status.into(),
        merge_strategy: merge_strategy(source.settings.merge_strategy).into(),
        existing_only: source.settings.existing_only,
        mapping_version: source.mapping_version,
        create_time: Some(timestamp(source.create_time)),
        arrival_mail: None,
        allowed_origins: source.settings.allowed_origins,
        pause_time: source.pause_time.map(timestamp),
        settings_version: source.settings_version,
    }
}

pub fn key(key: Key) -> pb::Key {
    pb::Key {
        key_id: key.key_id.to_string(),
        hint: key.hint,
        create_time: Some(timestamp(key.create_time)),
        revoke_time: key.revoke_time.map(timestamp),
        expire_time: key.expire_time.map(timestamp),
        last_use_time: key.last_use_time.map(timestamp),
    }
}

pub fn field(field: Field) -> pb::Field {
    pb::Field {
        field_id: field.id.to_string(),
        name: field.name,
        r#type: value_type(field.value_type).into(),
        custom: field.custom,
    }
}

pub fn read_log_entry(entry: pb::LogEntry) -> Result<LogEntry, Status> {
    Ok(LogEntry {
        time: time("entries.log_time", entry.log_time)?,
        batch_id: entry.batch_id,
        index: entry.index,
        kind: event_kind(entry.kind).ok_or_else(|| invalid("entries.kind", "must be given"))?,
        event_name: entry.event_name,
        message_id: entry.message_id,
        status: entry.status,
        code: entry.code.into(),
        path: entry.path,
        field_id: entry.field_id,
        reason: entry.reason,
        value: entry.value,
        count: entry.count,
    })
}

pub fn log_entry(entry: LogEntry) -> pb::LogEntry {
    pb::LogEntry {
        log_time: Some(timestamp(entry.time)),
        kind: kind(entry.kind).into(),
        message_id: entry.message_id,
        path: entry.path,
        reason: entry.reason,
        value: entry.value,
        code: entry.code.into_owned(),
        status: entry.status,
        event_name: entry.event_name,
        batch_id: entry.batch_id,
        index: entry.index,
        field_id: entry.field_id,
        count: entry.count,
    }
}

pub fn sample(sample: Sample) -> pb::Sample {
    pb::Sample {
        receive_time: Some(timestamp(sample.receive_time)),
        kind: kind(sample.kind).into(),
        event_name: sample.event_name,
        raw: sample.raw,
    }
}

pub fn event_name(name: ListedName) -> pb::EventName {
    pb::EventName {
        name: name.seen.name,
        last_receive_time: Some(timestamp(name.seen.last_receive_time)),
        mapped: name.mapped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_names_every_type_and_no_other() {
        for (_, known) in ValueType::NAMES {
            assert_eq!(
                read_value_type(value_type(known).into(), "type").unwrap(),
                known
            );
        }
        for number in [0, i32::try_from(ValueType::NAMES.len()).unwrap() + 1] {
            assert!(read_value_type(number, "type").is_err(), "{number}");
        }
    }
}
