//! Between the wire and the domain.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use chrono::DateTime;
use tonic::Status;
use uuid::Uuid;
use uuid::fmt::Hyphenated;
use weir_json::unescaped;
use weir_proto::contact::v1::{
    ChangeUniqueIdentifiersRequest, ContactEvent, IgnoredField, UpsertContactsRequest, UpsertMode,
    UpsertResult, UpsertStatus, VersionedIdentifiers,
};
use weir_proto::contact::v1::{MembershipMode as UpdateMode, MembershipUpdate as Update};
use weir_proto::settings::v1::{KeyStrategy as KeyChoice, MergeStrategy as MergeChoice};
use weir_rpc::invalid;
use weir_rpc::wire::{NOT_A_TIME, NOT_AN_ID, day, id, read_id, read_time, timestamp};
use weir_values::{BUILT_IN_FIELDS, FieldId, Prefix};

use crate::app::{Ignored, Outcome};
use crate::domain::{
    Batch, Event, KeyStrategy, MembershipMode, MembershipUpdate, MergeStrategy, Mode, Settings,
    Status as Stored, UniqueIdentifiers,
};

/// The edge takes no more in one request.
const MAX_EVENTS: usize = 1_000;
/// Ids of 255 characters.
const MAX_ID_BYTES: usize = 1_020;
/// Removes that an account may have kept whose plan we are not told.
const MAX_KEPT_REMOVES: i64 = 50_000;
/// Of a value in the source's log (semantics 7.3), in characters.
const MAX_LOGGED: usize = 120;
/// Semantics 3.2.
const MAX_UNIQUE_IDENTIFIERS: usize = 2;
/// While contacts are reindexed, the old ones and the new.
const MOST_UNIQUE_IDENTIFIERS: usize = 2 * MAX_UNIQUE_IDENTIFIERS;

pub(super) fn batch_of(request: UpsertContactsRequest) -> Result<Batch, Status> {
    if request.events.len() > MAX_EVENTS {
        return Err(invalid("events", "must be at most 1,000"));
    }
    let key_strategy = key_strategy_of(request.key_strategy())?;
    let merge_strategy = match request.merge_strategy() {
        MergeChoice::Overwrite => MergeStrategy::Overwrite,
        MergeChoice::Append => MergeStrategy::Append,
        MergeChoice::Ignore => MergeStrategy::Ignore,
        MergeChoice::Unspecified => return Err(invalid("merge_strategy", "must be given")),
    };
    check_unique_identifiers(&request.unique_identifiers, MOST_UNIQUE_IDENTIFIERS)?;
    for (index, field) in request.caseless_identifiers.iter().enumerate() {
        field_of(&format!("caseless_identifiers[{index}]"), field)?;
    }
    Ok(Batch {
        account: id("account_id", &request.account_id)?,
        id: id("batch_id", &request.batch_id)?,
        window: day("window", &request.window)?,
        epoch: request.epoch,
        // Who does not say has none, as far as provenance goes.
        source: match request.source_id.as_str() {
            "" => None,
            text => Some(id("source_id", text)?),
        },
        identifiers_version: request.identifiers_version,
        is_charged: true,
        import: None,
        kept_removes_limit: match request.kept_removes_limit {
            None => MAX_KEPT_REMOVES,
            Some(limit) if limit >= 0 => limit,
            Some(_) => return Err(invalid("kept_removes_limit", "must not be negative")),
        },
        settings: Settings {
            unique_identifiers: request.unique_identifiers,
            caseless_identifiers: request.caseless_identifiers,
            key_strategy,
            merge_strategy,
            existing_only: request.existing_only,
            keep_user_ids_apart: request.keep_user_ids_apart,
            transition: None,
        },
        events: request
            .events
            .into_iter()
            .enumerate()
            .map(|(index, event)| {
                event_of(event)
                    .map_err(|(field, reason)| invalid(&format!("events[{index}].{field}"), reason))
            })
            .collect::<Result<_, _>>()?,
    })
}

pub(super) fn key_strategy_of(choice: KeyChoice) -> Result<KeyStrategy, Status> {
    match choice {
        KeyChoice::Any => Ok(KeyStrategy::Any),
        KeyChoice::NextIfEmpty => Ok(KeyStrategy::NextIfEmpty),
        KeyChoice::Unspecified => Err(invalid("key_strategy", "must be given")),
    }
}

fn check_unique_identifiers(fields: &[String], most: usize) -> Result<(), Status> {
    if fields.len() > most {
        return Err(invalid(
            "unique_identifiers",
            &format!("must be at most {most}"),
        ));
    }
    for (index, field) in fields.iter().enumerate() {
        let name = format!("unique_identifiers[{index}]");
        if !may_tell_contacts_apart(&field_of(&name, field)?) {
            return Err(invalid(
                &name,
                "must be a field that is a text, an email or a phone",
            ));
        }
        if fields[..index].contains(field) {
            return Err(invalid(&name, "must not be there twice"));
        }
    }
    Ok(())
}

/// As far as an id tells: which custom fields there are is for mapping to know.
fn may_tell_contacts_apart(field: &FieldId) -> bool {
    let built_in = BUILT_IN_FIELDS
        .iter()
        .find(|known| known.id == field.as_str());
    match (built_in, field.as_str().split_once("::")) {
        (Some(known), _) => known.value_type.may_be_unique_identifier(),
        (None, Some(_)) => false,
        (None, None) => matches!(field.prefix(), Prefix::Str | Prefix::Phn),
    }
}

pub(super) fn identifiers_of(
    request: ChangeUniqueIdentifiersRequest,
) -> Result<UniqueIdentifiers, Status> {
    let strategy = key_strategy_of(request.key_strategy())?;
    check_unique_identifiers(&request.unique_identifiers, MAX_UNIQUE_IDENTIFIERS)?;
    Ok(UniqueIdentifiers {
        fields: request.unique_identifiers,
        strategy,
        next: None,
        version: 0,
    })
}

pub(super) fn versioned_of(identifiers: UniqueIdentifiers) -> VersionedIdentifiers {
    let strategy = match identifiers.strategy {
        KeyStrategy::Any => KeyChoice::Any,
        KeyStrategy::NextIfEmpty => KeyChoice::NextIfEmpty,
    };
    VersionedIdentifiers {
        unique_identifiers: identifiers.fields,
        key_strategy: strategy.into(),
        version: identifiers.version,
        next_unique_identifiers: identifiers.next.map(|next| next.fields).unwrap_or_default(),
    }
}

type Violation = (&'static str, &'static str);

fn event_of(event: ContactEvent) -> Result<Event, Violation> {
    let mode = match event.mode() {
        UpsertMode::Identify => Mode::Identify,
        UpsertMode::Track => Mode::Track,
        UpsertMode::Find => Mode::Find,
        UpsertMode::Unspecified => return Err(("mode", "must be given")),
    };
    let user_id = identifier("user_id", event.user_id)?;
    let anonymous_id = identifier("anonymous_id", event.anonymous_id)?;
    if user_id.is_empty() && anonymous_id.is_empty() {
        return Err(("user_id", "must be given where there is no anonymous_id"));
    }
    let key = Uuid::from_slice(&event.event_key).map_err(|_| ("event_key", "must be 16 bytes"))?;
    let time = event.event_time.ok_or(("event_time", "must be given"))?;
    let event_time = read_time(time).ok_or(("event_time", NOT_A_TIME))?;
    Ok(Event {
        mode,
        user_id,
        anonymous_id,
        fields_json: text("fields_json", event.fields_json)?,
        event_micros: event_time.timestamp_micros(),
        message_id: without_nul(text("message_id", event.message_id)?),
        update: event.membership_update.map(update_of).transpose()?,
        undated: event.undated,
        no_values: event.no_values,
        never_creates: event.never_creates,
        funded: event.funded,
        key,
        correction: event.correction,
    })
}

fn update_of(update: Update) -> Result<MembershipUpdate, Violation> {
    let mode = match update.mode() {
        UpdateMode::Add => MembershipMode::Add,
        UpdateMode::Remove => MembershipMode::Remove,
        UpdateMode::Unspecified => return Err(("membership_update.mode", "must be given")),
    };
    let audience = read_id(&update.audience_id);
    let audience = audience.ok_or(("membership_update.audience_id", NOT_AN_ID))?;
    Ok(MembershipUpdate { mode, audience })
}

fn identifier(field: &'static str, bytes: Bytes) -> Result<ByteString, Violation> {
    let id = text(field, bytes)?;
    if id.len() > MAX_ID_BYTES || id.contains('\0') {
        return Err((field, "must be at most 255 characters, without NUL"));
    }
    Ok(id)
}

fn text(field: &'static str, bytes: Bytes) -> Result<ByteString, Violation> {
    ByteString::try_from(bytes).map_err(|_| (field, "must be UTF-8"))
}

/// PostgreSQL's texts hold no NUL, and one message id that has one must not cost its
/// neighbours. It only orders and names events, so another sign does as well.
fn without_nul(text: ByteString) -> ByteString {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}").into()
    } else {
        text
    }
}

/// The texts of all ids stand side by side, none in memory of its own.
pub(super) fn results_of(outcomes: Vec<Outcome>) -> Vec<UpsertResult> {
    let mut ids = BytesMut::with_capacity(outcomes.len() * Hyphenated::LENGTH);
    let results = outcomes.into_iter().map(|outcome| {
        if let Some(id) = outcome.contact {
            let mut text = Uuid::encode_buffer();
            let text = id.0.hyphenated().encode_lower(&mut text);
            ids.extend_from_slice(text.as_bytes());
        }
        result_of(outcome, ids.split().freeze())
    });
    results.collect()
}

fn result_of(outcome: Outcome, contact_id: Bytes) -> UpsertResult {
    let status = match outcome.status {
        Stored::Stored => UpsertStatus::Stored,
        Stored::Repeated => UpsertStatus::Repeated,
        Stored::NothingNew => UpsertStatus::NothingNew,
        Stored::NotFunded => UpsertStatus::NotFunded,
        Stored::Refused => UpsertStatus::Refused,
        Stored::NotFound => UpsertStatus::NotFound,
        Stored::Kept => UpsertStatus::Kept,
        Stored::Deleted => UpsertStatus::Deleted,
        Stored::Unstorable => UpsertStatus::Unstorable,
    };
    UpsertResult {
        first_time: outcome
            .first_micros
            .and_then(DateTime::from_timestamp_micros)
            .map(timestamp),
        status: status.into(),
        contact_id,
        ignored_fields: outcome.ignored.into_iter().map(ignored_of).collect(),
    }
}

fn ignored_of(ignored: Ignored) -> IgnoredField {
    let text = unescaped(&ignored.value).unwrap_or(Cow::Borrowed(&ignored.value));
    let reason = ignored.reason;
    IgnoredField {
        field_id: ignored.field,
        reason: format!("{} {}", reason.meaning(), reason.cure()),
        code: reason.code().to_owned(),
        value: text.chars().take(MAX_LOGGED).collect(),
    }
}

pub(super) fn field_of(name: &str, text: &str) -> Result<FieldId, Status> {
    text.parse()
        .map_err(|_| invalid(name, "must be field ids such as str::email"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_ignored_comes_with_what_is_wrong_and_what_to_do() {
        use weir_reasons::Reason;
        for reason in [Reason::IdentifierTaken, Reason::Stale, Reason::TooLong] {
            let ignored = ignored_of(Ignored {
                field: "str::email".into(),
                reason,
                value: "\"lana@x.org\"".into(),
            });
            let texts = (ignored.code.as_str(), ignored.value.as_str());
            assert_eq!(texts, (reason.code(), "lana@x.org"));
            let said = ignored.reason.strip_prefix(reason.meaning()).unwrap();
            assert_eq!(said, format!(" {}", reason.cure()));
        }
    }
}
