//! From messages to types that can't be wrong, and back.

use std::str::FromStr;

use bytes::Bytes;
use bytestring::ByteString;
use chrono::{DateTime, SubsecRound, Utc};
use data_encoding::HEXLOWER;
use prost_types::Timestamp;
use tonic::Status;
use uuid::Uuid;
use weir_ids::{AudienceId, ContactId};
use weir_proto::audience::v1::{
    ApplyMembershipUpdatesResponse, Audience as WireAudience, AudienceCheck,
    CheckAudiencesResponse, Member as WireMember, MembershipUpdate as WireUpdate,
    MembershipUpdateMode, MembershipUpdateResult, MembershipUpdateStatus, Origin as WireOrigin,
};
use weir_proto::settings::v1::ContactMerge;
use weir_rpc::invalid;

use crate::domain::{
    Audience, Decision, Member, MembershipUpdate, Mode, Name, Origin, Outcome, Update, Usable,
};

/// As many events as a batch has.
const MAX_UPDATES: usize = 1_000;
const MAX_IDS: usize = 1_000;
/// As many merges as contact-upsert relays in one call.
const MAX_MERGES: usize = 10_000;
/// In bytes; what is longer is cut.
const MAX_MESSAGE_ID: usize = 1_020;

pub(super) fn id<T: FromStr>(text: &str, field: &str) -> Result<T, Status> {
    text.parse().map_err(|_| invalid(field, "must be a UUID"))
}

fn indexed<T: FromStr>(text: &str, list: &str, index: usize, field: &str) -> Result<T, Status> {
    text.parse()
        .map_err(|_| invalid(&format!("{list}[{index}].{field}"), "must be a UUID"))
}

pub(super) fn origin(wire: i32) -> Result<Origin, Status> {
    match WireOrigin::try_from(wire) {
        Ok(WireOrigin::SegmentActions) => Ok(Origin::SegmentActions),
        Ok(WireOrigin::Other) => Ok(Origin::Other),
        Ok(WireOrigin::Unspecified) | Err(_) => Err(invalid("origin", "must be given")),
    }
}

pub(super) fn audience(audience: Audience) -> WireAudience {
    let origin = match audience.origin {
        Origin::SegmentActions => WireOrigin::SegmentActions,
        Origin::Other => WireOrigin::Other,
    };
    WireAudience {
        audience_id: audience.id.to_string(),
        name: audience.name.to_string(),
        origin: origin.into(),
        create_time: Some(timestamp(audience.create_time)),
    }
}

/// A text that is no id stays in its place, as none.
pub(super) fn checked_ids(texts: &[String]) -> Result<Vec<Option<AudienceId>>, Status> {
    if texts.len() > MAX_IDS {
        return Err(invalid("audience_ids", "must have at most 1000 entries"));
    }
    Ok(texts.iter().map(|text| text.parse().ok()).collect())
}

/// `checks` are those of the ids that are ids.
pub(super) fn checks(ids: &[Option<AudienceId>], checks: Vec<Usable>) -> CheckAudiencesResponse {
    let mut checks = checks.into_iter();
    let of = |id: &Option<AudienceId>| {
        let usable = id.and_then(|_| checks.next()).unwrap_or(Usable::Unknown);
        match usable {
            Usable::Yes => AudienceCheck::Usable,
            Usable::Unknown => AudienceCheck::Unknown,
            Usable::OtherOrigin => AudienceCheck::OtherOrigin,
        }
        .into()
    };
    CheckAudiencesResponse {
        checks: ids.iter().map(of).collect(),
    }
}

/// What is no text is no id either.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// PostgreSQL keeps no NUL, and nobody needs more of an id than this: ids only break ties here.
/// None where it is no text.
fn message_id(bytes: &Bytes) -> Option<ByteString> {
    let mut text = ByteString::try_from(bytes.clone()).ok()?;
    if text.len() > MAX_MESSAGE_ID {
        let end = text.floor_char_boundary(MAX_MESSAGE_ID);
        text = text[..end].into();
    }
    Some(if text.contains('\0') {
        text.replace('\0', "\u{fffd}").into()
    } else {
        text
    })
}

pub(super) fn updates(wire: Vec<WireUpdate>) -> Result<Vec<MembershipUpdate>, Status> {
    if wire.len() > MAX_UPDATES {
        return Err(invalid("updates", "must have at most 1000 entries"));
    }
    wire.into_iter()
        .enumerate()
        .map(|(index, update)| {
            let mode = match update.mode() {
                MembershipUpdateMode::Add => Mode::Add,
                MembershipUpdateMode::Remove => Mode::Remove,
                MembershipUpdateMode::Unspecified => {
                    let field = format!("updates[{index}].mode");
                    return Err(invalid(&field, "must be given"));
                }
            };
            let time = update.update_time.and_then(time_of).ok_or_else(|| {
                invalid(&format!("updates[{index}].update_time"), "must be a time")
            })?;
            Ok(MembershipUpdate {
                contact: indexed(text(&update.contact_id), "updates", index, "contact_id")?,
                // A text that is no id is the id of no audience: an outcome, not an error.
                audience: text(&update.audience_id)
                    .parse()
                    .unwrap_or(AudienceId(Uuid::nil())),
                update: Update {
                    time,
                    mode,
                    message_id: message_id(&update.message_id).ok_or_else(|| {
                        invalid(&format!("updates[{index}].message_id"), "must be UTF-8")
                    })?,
                },
            })
        })
        .collect()
}

pub(super) fn outcomes(outcomes: &[Outcome]) -> ApplyMembershipUpdatesResponse {
    let of = |outcome: &Outcome| {
        let status = match outcome {
            Outcome::Decided(Decision::Applied) => MembershipUpdateStatus::Applied,
            Outcome::Decided(Decision::HeldBack) => MembershipUpdateStatus::HeldBack,
            Outcome::Decided(Decision::Overtaken) => MembershipUpdateStatus::Overtaken,
            Outcome::UnknownAudience => MembershipUpdateStatus::UnknownAudience,
            Outcome::Unstorable => MembershipUpdateStatus::Unstorable,
        };
        MembershipUpdateResult {
            status: status.into(),
        }
    };
    ApplyMembershipUpdatesResponse {
        results: outcomes.iter().map(of).collect(),
    }
}

pub(super) fn merges(wire: &[ContactMerge]) -> Result<Vec<(ContactId, ContactId)>, Status> {
    if wire.len() > MAX_MERGES {
        return Err(invalid("merges", "must have at most 10000 entries"));
    }
    wire.iter()
        .enumerate()
        .map(|(index, merge)| {
            Ok((
                indexed(&merge.contact_id, "merges", index, "contact_id")?,
                indexed(&merge.survivor_id, "merges", index, "survivor_id")?,
            ))
        })
        .collect()
}

pub(super) fn member(member: Member) -> WireMember {
    WireMember {
        contact_id: member.contact.to_string(),
        join_time: Some(timestamp(member.since)),
    }
}

/// The last contact of the page before; before all others when there was none.
pub(super) fn contact_of_token(token: &str) -> Result<ContactId, Status> {
    if token.is_empty() {
        return Ok(ContactId(Uuid::nil()));
    }
    token.parse().map_err(|_| wrong_token())
}

/// The last name of the page before, in hexadecimal digits.
pub(super) fn token_of_name(name: &Name) -> String {
    HEXLOWER.encode(name.as_str().as_bytes())
}

pub(super) fn name_of_token(token: &str) -> Result<String, Status> {
    let bytes = HEXLOWER.decode(token.as_bytes()).ok();
    let name = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    name.filter(|name| !name.contains('\0'))
        .ok_or_else(wrong_token)
}

fn wrong_token() -> Status {
    weir_rpc::unknown_page()
}

/// To the microsecond, as it is stored.
fn time_of(wire: Timestamp) -> Option<DateTime<Utc>> {
    let nanos = u32::try_from(wire.nanos).ok()?;
    let time = DateTime::from_timestamp(wire.seconds, nanos)?.trunc_subsecs(6);
    // PostgreSQL's times begin in 4713 BC, and nothing real lies outside of these years.
    let year = chrono::Datelike::year(&time);
    (-1..=10_000).contains(&year).then_some(time)
}

fn timestamp(time: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_micros() * 1_000)
            .expect("under a thousand million nanoseconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_name_what_the_page_ended_with_and_others_are_refused() {
        let name = Name::parse("Neue Kunden – größte").unwrap();
        assert_eq!(name_of_token(&token_of_name(&name)).unwrap(), name.as_str());
        assert_eq!(name_of_token("").unwrap(), "");
        for wrong in ["f", "zz", "ff", "+1", "00", "é"] {
            assert!(name_of_token(wrong).is_err(), "{wrong}");
        }
        assert!(contact_of_token("next").is_err());
    }

    #[test]
    fn message_ids_are_stored_whatever_they_hold() {
        let of = |text: &str| message_id(&Bytes::copy_from_slice(text.as_bytes()));
        assert_eq!(&*of("m\0").unwrap(), "m\u{fffd}");
        assert_eq!(of(&"ä".repeat(100_000)).unwrap().len(), MAX_MESSAGE_ID);
        assert_eq!(message_id(&Bytes::from_static(b"\xff")), None);
    }

    #[test]
    fn times_that_are_none_are_refused() {
        let of = |seconds, nanos| time_of(Timestamp { seconds, nanos });
        assert_eq!(of(0, -1), None);
        assert_eq!(of(i64::MAX, 0), None);
        assert_eq!(of(1, 1_999).unwrap().timestamp_subsec_nanos(), 1_000);
    }
}
