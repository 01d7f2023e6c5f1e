//! Messages to values and back. What comes in is checked here, once.

mod event;

use bytestring::ByteString;
use tonic::Status;
use weir_ids::ContactId;
use weir_proto::activity::v1::{
    Activity as WireActivity, IdentifierKind, IdentifierLink, LinkIdentifiersRequest,
    RecordActivitiesResponse, RecordResult, RecordStatus,
};
use weir_rpc::invalid;
use weir_rpc::wire::{id, time, timestamp};

use crate::app::{Changes, Recorded};
use crate::domain::{Activity, Identifier, Kind, Link, Merge, Outcome};

pub use event::batch;

/// Of links, and of merges, in one call.
const MAX_CHANGES: usize = 10_000;

pub fn text(field: &str, text: impl TryInto<ByteString>) -> Result<ByteString, Status> {
    storable_text(text).ok_or_else(|| invalid(field, "must be UTF-8 without NUL"))
}

/// NUL is the one character that PostgreSQL does not store.
fn storable_text(text: impl TryInto<ByteString>) -> Option<ByteString> {
    let text = text.try_into().ok()?;
    (!text.contains('\0')).then_some(text)
}

/// What the outbox brings.
pub fn changes(request: LinkIdentifiersRequest) -> Result<Changes, Status> {
    if request.links.len() > MAX_CHANGES {
        return Err(invalid("links", "at most 10,000"));
    }
    if request.merges.len() > MAX_CHANGES {
        return Err(invalid("merges", "at most 10,000"));
    }
    let merges = request
        .merges
        .iter()
        .map(|merge| {
            let merged = id("merges.contact_id", &merge.contact_id)?;
            let survivor = id("merges.survivor_id", &merge.survivor_id)?;
            if merged == survivor {
                return Err(invalid("merges.survivor_id", "must be another contact"));
            }
            Ok(Merge {
                contact_id: merged,
                survivor_id: survivor,
                version: merge.version,
            })
        })
        .collect::<Result<_, Status>>()?;
    Ok(Changes {
        account_id: id("account_id", &request.account_id)?,
        links: request
            .links
            .into_iter()
            .map(link)
            .collect::<Result<_, Status>>()?,
        merges,
    })
}

pub fn link(link: IdentifierLink) -> Result<Link, Status> {
    let kind = match link.kind() {
        IdentifierKind::UserId => Kind::UserId,
        IdentifierKind::AnonymousId => Kind::AnonymousId,
        IdentifierKind::Unspecified => {
            return Err(invalid("links.kind", "expected user id or anonymous id"));
        }
    };
    if link.value.is_empty() {
        return Err(invalid("links.value", "must not be empty"));
    }
    Ok(Link {
        contact_id: id("links.contact_id", &link.contact_id)?,
        version: link.version,
        link_time: time("links.link_time", link.link_time)?,
        identifier: Identifier {
            kind,
            value: text("links.value", link.value)?,
        },
    })
}

/// Those that a backlog is asked for.
pub fn identifiers_of(user_id: String, anonymous_id: String) -> Result<Vec<Identifier>, Status> {
    [
        (Kind::UserId, "user_id", user_id),
        (Kind::AnonymousId, "anonymous_id", anonymous_id),
    ]
    .into_iter()
    .filter(|(.., value)| !value.is_empty())
    .map(|(kind, field, value)| {
        let value = text(field, value)?;
        Ok(Identifier { kind, value })
    })
    .collect()
}

/// What became of a batch.
pub fn recorded(recorded: &Recorded) -> RecordActivitiesResponse {
    let results = recorded
        .outcomes
        .iter()
        .map(|outcome| RecordResult {
            status: match outcome {
                Outcome::Stored => RecordStatus::Stored,
                Outcome::Backlogged => RecordStatus::Backlogged,
                Outcome::Repeated => RecordStatus::Repeated,
                Outcome::NotFunded => RecordStatus::NotFunded,
                Outcome::Deleted => RecordStatus::Deleted,
                Outcome::Unstorable => RecordStatus::Unstorable,
            }
            .into(),
        })
        .collect();
    RecordActivitiesResponse {
        results,
        units: recorded.units,
    }
}

/// As it is shown; of what waits nobody is known.
pub fn activity(activity: Activity, contact_id: Option<ContactId>) -> WireActivity {
    WireActivity {
        activity_record_id: activity.key.0.simple().to_string(),
        activity_id: activity.activity_id.to_string(),
        event_name: activity.event_name,
        event_time: Some(timestamp(activity.event_time)),
        receive_time: Some(timestamp(activity.receive_time)),
        message_id: activity.message_id,
        attributes_json: activity.attributes,
        expire_day: activity.expire_day.to_string(),
        contact_id: contact_id.map_or_else(String::new, |id| id.to_string()),
    }
}

/// A name that is asked for; none where it is empty.
pub fn named(field: &str, name: String) -> Result<Option<String>, Status> {
    let name = text(field, name)?;
    Ok((!name.is_empty()).then(|| name.to_string()))
}
