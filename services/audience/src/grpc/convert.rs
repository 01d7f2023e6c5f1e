//! From messages to types that can't be wrong, and back.

use bytes::Bytes;
use bytestring::ByteString;
use tonic::Status;
use uuid::Uuid;
use weir_ids::AudienceId;
use weir_proto::audience::v1::{
    ApplyMembershipUpdatesResponse, Audience as WireAudience, AudienceCheck, AudienceDay,
    AudienceFigures, CheckAudiencesResponse, Member as WireMember, MembershipUpdate as WireUpdate,
    MembershipUpdateMode, MembershipUpdateResult, MembershipUpdateStatus, Origin as WireOrigin,
};
use weir_proto::settings::v1::ContactMerge;
use weir_rpc::invalid;
use weir_rpc::wire::{NOT_A_TIME, NOT_AN_ID, read_id, read_time, timestamp};

use crate::domain::history::Day;
use crate::domain::{
    Audience, Decision, Member, MembershipUpdate, Merge, Mode, Origin, Outcome, Shown, Update,
    Usable,
};

/// As many events as a batch has.
const MAX_UPDATES: usize = 1_000;
const MAX_IDS: usize = 1_000;
/// As many merges as contact-upsert relays in one call.
const MAX_MERGES: usize = 10_000;
/// In bytes; what is longer is cut.
const MAX_MESSAGE_ID: usize = 1_020;

fn indexed<T: From<Uuid>>(text: &[u8], list: &str, index: usize, field: &str) -> Result<T, Status> {
    read_id(text).ok_or_else(|| invalid(&format!("{list}[{index}].{field}"), NOT_AN_ID))
}

pub(super) fn origin(wire: i32) -> Result<Origin, Status> {
    match WireOrigin::try_from(wire) {
        Ok(WireOrigin::SegmentActions) => Ok(Origin::SegmentActions),
        Ok(WireOrigin::Other) => Ok(Origin::Other),
        Ok(WireOrigin::Manual) => Ok(Origin::Manual),
        Ok(WireOrigin::Unspecified) | Err(_) => Err(invalid("origin", "must be given")),
    }
}

pub(super) fn told_origin(origin: Origin) -> i32 {
    let origin = match origin {
        Origin::SegmentActions => WireOrigin::SegmentActions,
        Origin::Other => WireOrigin::Other,
        Origin::Manual => WireOrigin::Manual,
    };
    origin.into()
}

pub(super) fn audience(audience: Audience) -> WireAudience {
    WireAudience {
        audience_id: audience.id.to_string(),
        name: audience.name.to_string(),
        origin: told_origin(audience.origin),
        create_time: Some(timestamp(audience.create_time)),
        figures: None,
    }
}

/// With its figures.
pub(super) fn shown(shown: Shown) -> WireAudience {
    WireAudience {
        figures: Some(AudienceFigures {
            members: shown.members,
            updates_last_7_days: shown.updates,
        }),
        ..audience(shown.audience)
    }
}

pub(super) fn day(day: &Day) -> AudienceDay {
    AudienceDay {
        day: day.day.to_string(),
        members: day.members,
        joined: day.tally.joined,
        left: day.tally.left,
        moved: day.tally.moved,
        held_back: day.tally.held_back,
        updates: day.tally.updates,
    }
}

/// A text that is no id stays in its place, as none.
pub(super) fn checked_ids(texts: &[String]) -> Result<Vec<Option<AudienceId>>, Status> {
    if texts.len() > MAX_IDS {
        return Err(invalid("audience_ids", "must have at most 1000 entries"));
    }
    Ok(texts.iter().map(read_id).collect())
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
            let time = update
                .update_time
                .and_then(read_time)
                .ok_or_else(|| invalid(&format!("updates[{index}].update_time"), NOT_A_TIME))?;
            Ok(MembershipUpdate {
                contact: indexed(&update.contact_id, "updates", index, "contact_id")?,
                // A text that is no id is the id of no audience: an outcome, not an error.
                audience: read_id(&update.audience_id).unwrap_or(AudienceId(Uuid::nil())),
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

pub(super) fn merges(wire: &[ContactMerge]) -> Result<Vec<Merge>, Status> {
    if wire.len() > MAX_MERGES {
        return Err(invalid("merges", "must have at most 10000 entries"));
    }
    wire.iter()
        .enumerate()
        .map(|(index, merge)| {
            Ok(Merge {
                contact: indexed(merge.contact_id.as_bytes(), "merges", index, "contact_id")?,
                survivor: indexed(merge.survivor_id.as_bytes(), "merges", index, "survivor_id")?,
                version: merge.version,
            })
        })
        .collect()
}

pub(super) fn member(member: Member) -> WireMember {
    WireMember {
        contact_id: member.contact.to_string(),
        join_time: Some(timestamp(member.since)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_are_stored_whatever_they_hold() {
        let of = |text: &str| message_id(&Bytes::copy_from_slice(text.as_bytes()));
        assert_eq!(&*of("m\0").unwrap(), "m\u{fffd}");
        assert_eq!(of(&"ä".repeat(100_000)).unwrap().len(), MAX_MESSAGE_ID);
        assert_eq!(message_id(&Bytes::from_static(b"\xff")), None);
    }
}
