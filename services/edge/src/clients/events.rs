//! What is sent of every event: the generated messages' fields, written by hand.
//!
//! The tests hold each against its generated type.

use std::ops::Range;

use weir_proto::audience::v1 as audience;
use weir_proto::contact::v1 as contact;
use weir_rpc::wire::timestamp_of;

use super::convert::kind;
use super::types::{ActivityToRecord, ContactToUpsert, EventToMap, UpdateToApply, UpsertMode};
use super::wire::Wire;
use crate::domain::envelope::{Kind, MembershipUpdateMode};

/// A `mapping.Event`.
pub(super) fn event(wire: &mut Wire, of: Kind, event: &EventToMap<'_>) {
    wire.variant(1, kind(of));
    match event {
        EventToMap::Good(index, whole, envelope) => {
            span(wire, 3, envelope.traits.as_ref());
            span(wire, 4, envelope.properties.as_ref());
            span(wire, 5, envelope.location.as_ref());
            if let Some(ip) = envelope.ip {
                wire.address(6, ip);
            }
            wire.text(7, &envelope.event_name);
            wire.time(8, timestamp_of(envelope.micros));
            wire.text(9, envelope.sent_message_id());
            span(wire, 11, Some(whole));
            wire.number(12, *index);
        }
        EventToMap::Refused(index, whole, refusal) => {
            wire.text(7, &refusal.event_name);
            wire.text(9, &refusal.message_id);
            wire.message(10, |wire| {
                wire.text(1, refusal.path);
                wire.text(2, &refusal.reason);
                wire.text(3, &refusal.value);
            });
            span(wire, 11, Some(whole));
            wire.number(12, *index);
        }
    }
}

fn span(wire: &mut Wire, field: u32, range: Option<&Range<usize>>) {
    let number = |value: usize| u32::try_from(value).ok();
    if let Some(range) = range
        && let (Some(start), Some(length)) = (number(range.start), number(range.len()))
    {
        wire.message(field, |wire| {
            wire.number(1, start);
            wire.number(2, length);
        });
    }
}

/// A `contact.ContactEvent`.
pub(super) fn contact_event(wire: &mut Wire, event: &ContactToUpsert<'_>) {
    let mode = match event.mode {
        UpsertMode::Identify => contact::UpsertMode::Identify,
        UpsertMode::Track => contact::UpsertMode::Track,
        UpsertMode::Find => contact::UpsertMode::Find,
    };
    wire.variant(1, mode);
    wire.text(2, &event.envelope.user_id);
    wire.text(3, &event.envelope.anonymous_id);
    wire.text(4, event.fields_json);
    wire.time(5, timestamp_of(event.envelope.micros));
    wire.text(6, &event.envelope.message_id);
    wire.flag(8, event.funded);
    wire.bytes(9, event.envelope.key.0.as_bytes());
    if let Some(update) = &event.envelope.update {
        wire.message(10, |wire| {
            wire.variant(
                1,
                match update.mode {
                    MembershipUpdateMode::Add => contact::MembershipMode::Add,
                    MembershipUpdateMode::Remove => contact::MembershipMode::Remove,
                },
            );
            wire.text(2, &update.audience_id);
        });
    }
    wire.flag(11, !event.envelope.dated);
    wire.flag(12, event.no_values);
    wire.flag(13, event.never_creates);
    wire.flag(14, event.correction);
}

/// An `activity.ActivityEvent`, in a batch whose first one came at `arrival`.
pub(super) fn activity_event(wire: &mut Wire, arrival: i64, event: &ActivityToRecord<'_>) {
    let mapped = event.activity;
    wire.text(1, &mapped.activity_id);
    wire.text(2, &event.envelope.event_name);
    wire.text(3, &mapped.attributes_json);
    wire.number(4, mapped.retention_days);
    wire.numbers(5, &mapped.earlier_retention_days);
    wire.time(6, timestamp_of(event.micros));
    wire.text(7, &event.envelope.message_id);
    wire.text(8, &event.envelope.user_id);
    wire.text(9, &event.envelope.anonymous_id);
    wire.text(10, event.contact_id);
    wire.flag(11, event.funded);
    // Nobody asks for the key of a dated one.
    if !event.envelope.dated {
        wire.bytes(12, event.envelope.key.0.as_bytes());
    }
    wire.flag(13, !event.envelope.dated);
    if event.arrival != arrival {
        wire.time(14, timestamp_of(event.arrival));
    }
    wire.flag(15, event.correction);
    wire.flag(16, event.contact_deferred);
}

/// An `audience.MembershipUpdate`.
pub(super) fn update(wire: &mut Wire, update: &UpdateToApply<'_>) {
    let mode = match update.mode {
        MembershipUpdateMode::Add => audience::MembershipUpdateMode::Add,
        MembershipUpdateMode::Remove => audience::MembershipUpdateMode::Remove,
    };
    wire.text(1, update.contact_id);
    wire.text(2, update.audience_id);
    wire.variant(3, mode);
    wire.time(4, timestamp_of(update.micros));
    wire.text(5, &update.envelope.message_id);
}

#[cfg(test)]
mod tests;
