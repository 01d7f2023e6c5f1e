use std::net::Ipv4Addr;
use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;
use futures_util::{FutureExt, StreamExt};
use http_body_util::BodyDataStream;
use proptest::prelude::*;
use prost::Message;
use uuid::Uuid;
use weir_ids::TimedKey;
use weir_proto::activity::v1 as activity;
use weir_proto::mapping::v1 as mapping;
use weir_reasons::Reason;
use weir_rpc::PrefixedMessage;

use super::*;
use crate::domain::envelope::{Envelope, MembershipUpdate, Refusal};
use crate::domain::stages::MappedActivity;

/// What `write` wrote, read as a generated message.
fn read<M: Message + Default>(write: impl FnOnce(&mut Wire)) -> M {
    let mut wire = Wire::after(&(), 0);
    write(&mut wire);
    message_in(&pieces(wire.finish()))
}

/// What goes over the wire.
fn pieces(message: PrefixedMessage) -> Vec<Bytes> {
    let pieces = BodyDataStream::new(message).map(|piece| piece.expect("it is there"));
    pieces.collect().now_or_never().expect("it is there")
}

fn message_in<M: Message + Default>(pieces: &[Bytes]) -> M {
    let whole = pieces.concat();
    let (head, message) = whole.split_at(5);
    assert_eq!(head[0], 0, "nothing is compressed");
    assert_eq!(head[1..], (message.len() as u32).to_be_bytes());
    M::decode(message).expect("it is a message")
}

fn plain_span(range: Option<&Range<usize>>) -> Option<mapping::Span> {
    range.map(|range| mapping::Span {
        start: range.start as u32,
        length: range.len() as u32,
    })
}

fn as_generated(update: &MembershipUpdate) -> contact::MembershipUpdate {
    let mode = match update.mode {
        MembershipUpdateMode::Add => contact::MembershipMode::Add,
        MembershipUpdateMode::Remove => contact::MembershipMode::Remove,
    };
    contact::MembershipUpdate {
        mode: mode.into(),
        audience_id: update.audience_id.to_string(),
    }
}

fn a_span() -> impl Strategy<Value = Option<Range<usize>>> {
    prop::option::of(a_range())
}

fn a_range() -> impl Strategy<Value = Range<usize>> {
    (0_usize..70_000, 0_usize..70_000).prop_map(|(a, b)| a.min(b)..a.max(b))
}

prop_compose! {
    fn an_envelope()(
        texts in prop::array::uniform4("\\PC{0,150}"),
        micros: i64,
        dated: bool,
        is_nameless: bool,
        update in prop::option::of(("[a-f0-9]{0,36}", any::<bool>())),
        spans in (a_span(), a_span(), a_span()),
        ip in prop::option::of(any::<u32>().prop_map(Ipv4Addr::from)),
        key: [u8; 16],
    ) -> Envelope {
        let [user_id, anonymous_id, message_id, event_name] = texts.map(ByteString::from);
        let (traits, properties, location) = spans;
        Envelope {
            user_id,
            anonymous_id,
            micros,
            dated,
            ignored: None,
            timestamp: None,
            message_id,
            is_nameless,
            update: update.map(|(audience_id, add)| MembershipUpdate {
                mode: if add { MembershipUpdateMode::Add } else { MembershipUpdateMode::Remove },
                audience_id: audience_id.into(),
            }),
            key: TimedKey(Uuid::from_bytes(key)),
            event_name,
            traits,
            properties,
            location,
            ip,
        }
    }
}

fn a_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Identify), Just(Kind::Member), Just(Kind::Track)]
}

proptest! {
    #[test]
    fn events_for_mapping_are_as_generated(
        of in a_kind(),
        envelope in an_envelope(),
        whole in a_range(),
        index in 0_u32..1_000,
    ) {
        let read: mapping::Event =
            read(|wire| event(wire, of, &EventToMap::Good(index, whole.clone(), &envelope)));
        let plain = mapping::Event {
            index,
            kind: kind(of).into(),
            raw: Bytes::new(),
            traits: plain_span(envelope.traits.as_ref()),
            properties: plain_span(envelope.properties.as_ref()),
            location: plain_span(envelope.location.as_ref()),
            ip: envelope.ip.map(|ip| ip.to_string()).unwrap_or_default().into(),
            event_name: envelope.event_name.clone().into_bytes(),
            event_time: Some(timestamp_of(envelope.micros)),
            message_id: envelope.sent_message_id().to_owned().into(),
            refusal: None,
            span: plain_span(Some(&whole)),
        };
        prop_assert_eq!(read, plain);
    }

    #[test]
    fn refused_events_for_mapping_are_as_generated(
        of in a_kind(),
        whole in a_range(),
        texts in prop::array::uniform4("\\PC{0,150}"),
        index in 0_u32..1_000,
    ) {
        let [reason, value, message_id, event_name] = texts;
        let refusal = Refusal {
            code: Reason::TimestampUnreadable,
            path: "timestamp",
            reason: reason.into(),
            value,
            message_id,
            event_name,
        };
        let read: mapping::Event =
            read(|wire| event(wire, of, &EventToMap::Refused(index, whole.clone(), &refusal)));
        let plain = mapping::Event {
            index,
            kind: kind(of).into(),
            span: plain_span(Some(&whole)),
            event_name: refusal.event_name.clone().into(),
            message_id: refusal.message_id.clone().into(),
            refusal: Some(mapping::Refusal {
                path: refusal.path.to_owned(),
                reason: refusal.reason.to_string(),
                value: refusal.value.clone(),
            }),
            ..Default::default()
        };
        prop_assert_eq!(read, plain);
    }

    #[test]
    fn contacts_are_as_generated(
        envelope in an_envelope(),
        fields_json in "\\PC{0,300}",
        (funded, no_values, never_creates, correction) in any::<(bool, bool, bool, bool)>(),
    ) {
        for (mode, plain_mode) in [
            (UpsertMode::Identify, contact::UpsertMode::Identify),
            (UpsertMode::Track, contact::UpsertMode::Track),
            (UpsertMode::Find, contact::UpsertMode::Find),
        ] {
            let read: contact::ContactEvent = read(|wire| {
                let event = ContactToUpsert {
                    envelope: &envelope,
                    mode,
                    fields_json: &fields_json,
                    no_values,
                    never_creates,
                    funded,
                    correction,
                };
                contact_event(wire, &event);
            });
            let plain = contact::ContactEvent {
                mode: plain_mode.into(),
                user_id: envelope.user_id.clone().into_bytes(),
                anonymous_id: envelope.anonymous_id.clone().into_bytes(),
                fields_json: fields_json.clone().into(),
                event_time: Some(timestamp_of(envelope.micros)),
                message_id: envelope.message_id.clone().into_bytes(),
                membership_update: envelope.update.as_ref().map(as_generated),
                undated: !envelope.dated,
                no_values,
                never_creates,
                funded,
                correction,
                event_key: Bytes::copy_from_slice(envelope.key.0.as_bytes()),
            };
            prop_assert_eq!(read, plain);
        }
    }

    #[test]
    fn activities_are_as_generated(
        envelope in an_envelope(),
        texts in prop::array::uniform3("\\PC{0,300}"),
        retention_days: u32,
        earlier_retention_days: Vec<u32>,
        (funded, correction, contact_deferred) in any::<(bool, bool, bool)>(),
        micros: i64,
        (first, arrival) in prop_oneof![any::<i64>().prop_map(|at| (at, at)), any::<(i64, i64)>()],
    ) {
        let [activity_id, attributes_json, contact_id] = texts;
        let mapped = MappedActivity {
            activity_id: activity_id.into(),
            attributes_json: attributes_json.into(),
            retention_days,
            earlier_retention_days,
        };
        let to_record = ActivityToRecord {
            envelope: &envelope,
            activity: &mapped,
            micros,
            arrival,
            contact_id: &contact_id,
            funded,
            correction,
            contact_deferred,
        };
        let read: activity::ActivityEvent = read(|wire| activity_event(wire, first, &to_record));
        let plain = activity::ActivityEvent {
            activity_id: mapped.activity_id.as_bytes().clone(),
            event_name: envelope.event_name.clone().into_bytes(),
            attributes_json: mapped.attributes_json.as_bytes().clone(),
            retention_days,
            earlier_retention_days: mapped.earlier_retention_days.clone(),
            event_time: Some(timestamp_of(micros)),
            message_id: envelope.message_id.clone().into_bytes(),
            user_id: envelope.user_id.clone().into_bytes(),
            anonymous_id: envelope.anonymous_id.clone().into_bytes(),
            contact_id: contact_id.clone().into(),
            funded,
            event_key: if envelope.dated {
                Bytes::new()
            } else {
                Bytes::copy_from_slice(envelope.key.0.as_bytes())
            },
            undated: !envelope.dated,
            receive_time: (arrival != first).then(|| timestamp_of(arrival)),
            correction,
            contact_deferred,
        };
        prop_assert_eq!(read, plain);
    }

    #[test]
    fn updates_are_as_generated(
        envelope in an_envelope(),
        texts in prop::array::uniform2("[a-f0-9-]{0,36}"),
        micros: i64,
    ) {
        let [contact_id, audience_id] = texts;
        for (mode, plain_mode) in [
            (MembershipUpdateMode::Add, audience::MembershipUpdateMode::Add),
            (MembershipUpdateMode::Remove, audience::MembershipUpdateMode::Remove),
        ] {
            let to_apply = UpdateToApply {
                envelope: &envelope,
                micros,
                mode,
                audience_id: &audience_id,
                contact_id: &contact_id,
            };
            let read: audience::MembershipUpdate = read(|wire| update(wire, &to_apply));
            let plain = audience::MembershipUpdate {
                contact_id: contact_id.clone().into(),
                audience_id: audience_id.clone().into(),
                mode: plain_mode.into(),
                update_time: Some(timestamp_of(micros)),
                message_id: envelope.message_id.clone().into_bytes(),
            };
            prop_assert_eq!(read, plain);
        }
    }
}

#[test]
fn what_is_written_goes_behind_the_head() {
    let head = audience::ApplyMembershipUpdatesRequest {
        account_id: "a".to_owned(),
        updates: Vec::new(),
    };
    let mut wire = Wire::after(&head, 0);
    for id in ["x", ""] {
        wire.message(2, |wire| wire.text(1, id));
    }
    let read: audience::ApplyMembershipUpdatesRequest = message_in(&pieces(wire.finish()));
    let ids: Vec<_> = read
        .updates
        .iter()
        .map(|update| &*update.contact_id)
        .collect();
    assert_eq!((&*read.account_id, ids), ("a", vec![&b"x"[..], b""]));
}

#[test]
fn the_last_field_is_part_of_the_message_and_not_copied() {
    for body in [Bytes::new(), Bytes::from(vec![b'x'; 70_000])] {
        let head = mapping::MapEventsRequest {
            account_id: "a".to_owned(),
            ..Default::default()
        };
        let pieces = pieces(Wire::after(&head, 0).finish_with(5, body.clone()));
        let last = pieces.last().map(|piece| piece.as_ptr());
        assert_eq!(last == Some(body.as_ptr()), !body.is_empty());
        let plain = mapping::MapEventsRequest { body, ..head };
        assert_eq!(message_in::<mapping::MapEventsRequest>(&pieces), plain);
    }
}

#[test]
fn a_wrong_guess_of_a_length_changes_nothing() {
    for length in [0, 1, 127, 128, 16_383, 16_384, 70_000] {
        let id = "x".repeat(length);
        let head = audience::ApplyMembershipUpdatesRequest::default();
        let mut wire = Wire::after(&head, 0);
        for guess in [0, 127, 128, 16_384, 1 << 30] {
            wire.message_of_about(2, guess, |wire| wire.text(1, &id));
        }
        let update = audience::MembershipUpdate {
            contact_id: id.into(),
            ..Default::default()
        };
        let plain = audience::ApplyMembershipUpdatesRequest {
            updates: vec![update; 5],
            ..head
        };
        let written = pieces(wire.finish()).concat();
        assert_eq!(written[5..], plain.encode_to_vec());
    }
}
