//! Domain values ⇄ messages.

use bytestring::ByteString;
use prost_types::Timestamp;
use tonic::Code;
use weir_proto::activity::v1 as activity;
use weir_proto::audience::v1 as audience;
use weir_proto::contact::v1 as contact;
use weir_proto::mapping::v1 as mapping;
use weir_proto::quota::v1 as quota;
use weir_proto::settings::v1 as settings;
use weir_reasons::Reason;
use weir_rpc::wire::timestamp_of;
use weir_values::{BlockedValue, BlockedValues};

use super::Failure;
use super::types::*;
use crate::domain::envelope::{Kind, Nobody};
use crate::domain::log::{Line, Origin};
use crate::domain::stages::{
    ActivitySaid, AudienceSaid, ContactSaid, IgnoredKind, IgnoredValue, IgnoredValues, Mapped,
    MappedActivity, MappingSaid, Meter, Traits, UpdateSaid,
};

pub(super) fn micros(timestamp: Option<Timestamp>) -> i64 {
    timestamp.map_or(0, |timestamp| {
        timestamp.seconds.saturating_mul(1_000_000) + i64::from(timestamp.nanos) / 1_000
    })
}

/// None where a newer or older mapping does not say it.
pub(super) fn source_kind(kind: mapping::SourceKind) -> Option<SourceKind> {
    match kind {
        mapping::SourceKind::SegmentActions => Some(SourceKind::Actions),
        mapping::SourceKind::SegmentClassic => Some(SourceKind::Classic),
        mapping::SourceKind::Unspecified => None,
    }
}

pub(super) fn kind(kind: Kind) -> mapping::EventKind {
    match kind {
        Kind::Identify => mapping::EventKind::Identify,
        Kind::Member => mapping::EventKind::Member,
        Kind::Track => mapping::EventKind::Track,
    }
}

pub(super) fn kind_of(kind: mapping::EventKind) -> Option<Kind> {
    match kind {
        mapping::EventKind::Identify => Some(Kind::Identify),
        mapping::EventKind::Member => Some(Kind::Member),
        mapping::EventKind::Track => Some(Kind::Track),
        mapping::EventKind::Unspecified => None,
    }
}

fn is_foreign(origin: audience::Origin) -> bool {
    matches!(origin, audience::Origin::Other | audience::Origin::Manual)
}

/// Nothing for an answer that says nothing; the event ends as 500.
pub(super) fn found(
    hop: &'static str,
    called: Result<Option<audience::Audience>, Failure>,
) -> Result<Audience, AudienceRefused> {
    match called {
        // An id may be anybody's; what was not made by Segment can't be touched from there.
        Ok(Some(audience)) if is_foreign(audience.origin()) => Err(AudienceRefused::OtherOrigin),
        Ok(Some(audience)) => Ok(Audience {
            id: audience.audience_id,
            name: audience.name,
        }),
        Ok(None) => Err(AudienceRefused::Failed(Failure::unexpected(hop))),
        Err(failure) => Err(match failure.code {
            Code::InvalidArgument => AudienceRefused::Name,
            Code::NotFound => AudienceRefused::Unknown,
            Code::FailedPrecondition => AudienceRefused::OtherOrigin,
            _ => AudienceRefused::Failed(failure),
        }),
    }
}

pub(super) fn caller(answer: mapping::AuthenticateResponse) -> Result<Caller, Failure> {
    let source_kind = source_kind(answer.source_kind());
    let source_kind = source_kind.ok_or_else(|| Failure::unexpected("authenticate"))?;
    let nobody = nobody(answer.blocked_values.unwrap_or_default());
    Ok(Caller {
        account_id: answer.account_id,
        source_id: answer.source_id,
        source_kind,
        is_paused: answer.paused,
        allowed_origins: answer.allowed_origins,
        nobody: nobody.ok_or_else(|| Failure::unexpected("authenticate"))?,
        blocked_values_version: answer.blocked_values_version,
        ..Caller::default()
    })
}

/// Which ids mean nobody; none where the lists are not as mapping keeps them.
pub(super) fn nobody(lists: settings::BlockedValues) -> Option<Nobody> {
    let own = lists.blocked.into_iter().map(|entry| BlockedValue {
        kind: entry.kind,
        pattern: entry.pattern,
    });
    let blocked = BlockedValues::new(own.collect(), lists.allowed_defaults).ok()?;
    Some(Nobody {
        user_ids: blocked.of_user_ids(),
        anonymous_ids: blocked.of_anonymous_ids(),
    })
}

pub(super) fn mapped(result: mapping::MappedEvent) -> (Option<MappingSaid>, Vec<IgnoredValues>) {
    let ignored = result.ignored.iter();
    let ignored = ignored.map(|values| IgnoredValues {
        kind: values.kind as usize,
        count: values.count.into(),
    });
    let ignored = ignored.collect();
    (result.outcome.and_then(mapping_said), ignored)
}

pub(super) fn ignored_kind(kind: mapping::IgnoredKind) -> IgnoredKind {
    IgnoredKind {
        code: Reason::of_code(&kind.code),
        subject: kind.subject,
    }
}

fn mapping_said(outcome: mapping::mapped_event::Outcome) -> Option<MappingSaid> {
    Some(match outcome {
        mapping::mapped_event::Outcome::Rejection(rejection) => {
            let code = Reason::of_code(&rejection.code).unwrap_or(Reason::NoMapping);
            MappingSaid::Rejected(code, rejection.message)
        }
        mapping::mapped_event::Outcome::Mapped(mapped) => MappingSaid::Mapped(Mapped {
            traits: match mapped.traits() {
                mapping::MappedTraits::None => Traits::None,
                mapping::MappedTraits::Values => Traits::Values,
                mapping::MappedTraits::Clears => Traits::Clears,
                mapping::MappedTraits::AllIgnored => Traits::AllIgnored,
                mapping::MappedTraits::ClearsRestIgnored => Traits::ClearsRestIgnored,
                // Nobody may guess whether a contact is to be made.
                mapping::MappedTraits::Unspecified => return None,
            },
            fields_json: ByteString::try_from(mapped.fields_json).ok()?,
            activity: match mapped.activity {
                Some(activity) => Some(MappedActivity {
                    activity_id: ByteString::try_from(activity.activity_id).ok()?,
                    attributes_json: ByteString::try_from(activity.attributes_json).ok()?,
                    retention_days: activity.retention_days,
                    earlier_retention_days: activity.earlier_retention_days,
                }),
                None => None,
            },
        }),
    })
}

pub(super) fn settlements(all: &[Settlement]) -> Vec<quota::Settlement> {
    let settlement = |one: &Settlement| quota::Settlement {
        batch_id: one.batch_id.clone(),
        window: one.window.clone(),
        epoch: one.epoch,
        profile_units: one.profile,
        activity_units: one.activity,
    };
    all.iter().map(settlement).collect()
}

pub(super) fn reservation(ask: &Ask<'_>, answer: quota::ReserveResponse) -> Option<Reservation> {
    let meter = |meter: quota::Meter, wanted| Meter {
        granted: meter.granted.clamp(0, wanted),
        limit: meter.limit,
        remaining: meter.remaining.max(0),
        used: meter.used,
    };
    Some(Reservation {
        batch_id: ask.batch_id.to_owned(),
        window: answer.window,
        epoch: answer.epoch,
        profile: meter(answer.profile?, ask.profile),
        activity: meter(answer.activity?, ask.activity),
        window_end: micros(answer.window_end_time),
    })
}

pub(super) fn window_usage(answer: quota::GetUsageResponse) -> Option<WindowUsage> {
    let meter = |usage: quota::Usage| Meter {
        granted: 0,
        limit: usage.limit,
        remaining: (usage.limit - usage.used - usage.reserved).max(0),
        used: usage.used,
    };
    Some(WindowUsage {
        profile: meter(answer.profile?),
        activity: meter(answer.activity?),
        window_end: micros(answer.window_end_time),
    })
}

pub(super) fn upserted(result: contact::UpsertResult) -> UpsertedContact {
    let said = match result.status() {
        contact::UpsertStatus::Stored => ContactSaid::Stored,
        // The repeat of a `remove` that was kept.
        contact::UpsertStatus::Repeated if result.contact_id.is_empty() => ContactSaid::Kept,
        contact::UpsertStatus::Repeated => ContactSaid::Repeated,
        contact::UpsertStatus::NothingNew => ContactSaid::NothingNew,
        contact::UpsertStatus::NotFunded => ContactSaid::NotFunded,
        contact::UpsertStatus::Refused => ContactSaid::Refused,
        contact::UpsertStatus::NotFound => ContactSaid::NotFound,
        contact::UpsertStatus::Deleted => ContactSaid::Deleted,
        contact::UpsertStatus::Kept => ContactSaid::Kept,
        contact::UpsertStatus::Unstorable => ContactSaid::Unstorable,
        contact::UpsertStatus::Unspecified => ContactSaid::Failed,
    };
    let first_time = result.first_time.map(|time| micros(Some(time)));
    let ignored = result.ignored_fields.into_iter();
    UpsertedContact {
        said,
        contact_id: ByteString::try_from(result.contact_id).unwrap_or_default(),
        first_time,
        ignored: ignored
            .map(|field| IgnoredValue {
                code: Reason::of_code(&field.code).unwrap_or(Reason::IdentifierTaken),
                field_id: field.field_id,
                reason: field.reason,
                value: field.value,
            })
            .collect(),
    }
}

pub(super) fn recorded(result: activity::RecordResult) -> ActivitySaid {
    match result.status() {
        activity::RecordStatus::Stored => ActivitySaid::Stored,
        activity::RecordStatus::Backlogged => ActivitySaid::Backlogged,
        activity::RecordStatus::Repeated => ActivitySaid::Repeated,
        activity::RecordStatus::NotFunded => ActivitySaid::NotFunded,
        activity::RecordStatus::Deleted => ActivitySaid::Deleted,
        activity::RecordStatus::Unstorable => ActivitySaid::Unstorable,
        activity::RecordStatus::Unspecified => ActivitySaid::Failed,
    }
}

pub(super) fn applied(result: audience::MembershipUpdateResult) -> UpdateSaid {
    match result.status() {
        audience::MembershipUpdateStatus::Applied => UpdateSaid::Applied,
        audience::MembershipUpdateStatus::HeldBack => UpdateSaid::HeldBack,
        audience::MembershipUpdateStatus::Overtaken => UpdateSaid::Overtaken,
        audience::MembershipUpdateStatus::UnknownAudience => UpdateSaid::UnknownAudience,
        audience::MembershipUpdateStatus::Unstorable => UpdateSaid::Unstorable,
        audience::MembershipUpdateStatus::Unspecified => UpdateSaid::Failed,
    }
}

pub(super) fn checked(check: i32) -> AudienceSaid {
    match audience::AudienceCheck::try_from(check) {
        Ok(audience::AudienceCheck::Usable) => AudienceSaid::Usable,
        Ok(audience::AudienceCheck::Unknown) => AudienceSaid::Unknown,
        Ok(audience::AudienceCheck::OtherOrigin) => AudienceSaid::OtherOrigin,
        Ok(audience::AudienceCheck::Unspecified) | Err(_) => AudienceSaid::Failed,
    }
}

pub(super) fn request_to_map(request: &RequestToMap<'_>) -> mapping::EventsRequest {
    mapping::EventsRequest {
        batch_id: request.origin.batch_id.to_string(),
        receive_time: Some(timestamp_of(request.origin.arrival)),
        event_count: request.events,
    }
}

pub(super) fn log_entry(origin: &Origin, line: &Line) -> mapping::LogEntry {
    mapping::LogEntry {
        log_time: Some(timestamp_of(origin.arrival)),
        kind: kind(line.kind).into(),
        message_id: line.message_id.clone(),
        path: line.path.to_owned(),
        reason: line.reason.clone(),
        value: line.value.clone(),
        code: line.code.code().to_owned(),
        status: u32::from(line.status),
        event_name: line.event_name.clone(),
        batch_id: origin.batch_id.to_string(),
        index: line.index,
        field_id: line.field_id.clone(),
        count: line.count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_survive_the_wire() {
        for time in [
            -1,
            -1_000_001,
            0,
            1,
            1_752_127_740_123_456,
            -62_135_596_800_000_000,
        ] {
            let sent = timestamp_of(time);
            assert!((0..1_000_000_000).contains(&sent.nanos));
            assert_eq!(micros(Some(sent)), time);
        }
    }
}
