//! Contacts, read back: what they are asked for by, and what of them is shown.
//!
//! **Invariant:** a contact is answered in less than the 4 MiB that a gRPC client takes as it
//! comes, whatever it holds. Its fields are [`MAX_FIELDS_BYTES`] at most; its ids of either kind
//! 128 KiB; a thousand merged contacts 38 kB; all else, and what is around it, less than 1 kB:
//! 3.8 MB. The fields of 200 long texts and twelve built-in ones are 3.3 MB, so nothing but lists
//! of hundreds of long choices is ever left out.

use chrono::DateTime;
use prost::Message as _;
use tonic::Status;
use weir_ids::SourceId;
use weir_proto::contact::v1::{
    Contact, ContactField, FieldKey, FieldProvenance, TextList, Value, get_contact_request, value,
};
use weir_rpc::invalid;
use weir_rpc::wire::{id, tellable, timestamp};
use weir_values::{FieldId, Prefix, trimmed_invisible};

use super::convert::field_of;
use crate::app::Profile;
use crate::domain::search::number;
use crate::domain::{ANONYMOUS_ID, ContactKey, Register, Source, USER_ID, is_email, normalise};
use crate::metrics;

/// Of a contact's fields together, encoded.
const MAX_FIELDS_BYTES: usize = 3_500_000;
/// Of an item in a list, besides itself: its tag and length.
const AROUND: usize = 6;

/// What is looked for is written as events have it, or else it is not found.
pub(super) fn key_of(key: Option<get_contact_request::Key>) -> Result<ContactKey, Status> {
    use get_contact_request::Key;
    let usable = |name, text: &str| {
        let text = trimmed_invisible(text);
        if text.is_empty() || text.contains('\0') {
            return Err(invalid(name, "must not be empty or hold NUL"));
        }
        Ok(text.to_owned())
    };
    Ok(match key {
        Some(Key::ContactId(text)) => ContactKey::Id(id("contact_id", text)?),
        Some(Key::UserId(user)) => {
            ContactKey::Identifier(USER_ID.to_owned(), usable("user_id", &user)?)
        }
        Some(Key::AnonymousId(device)) => {
            ContactKey::Identifier(ANONYMOUS_ID.to_owned(), usable("anonymous_id", &device)?)
        }
        Some(Key::Field(FieldKey { field_id, value })) => {
            let field = field_of("field.field_id", &field_id)?;
            let value = usable("field.value", &value)?;
            let value = match field.prefix() {
                // What is no number is nobody's, as it is.
                Prefix::Phn => number(&value).unwrap_or(value),
                _ => normalise(value.into(), is_email(&field_id)).into_owned(),
            };
            ContactKey::Identifier(field_id, value)
        }
        None => return Err(invalid("key", "must be given: what to find the contact by")),
    })
}

/// A value that can't be read is left out: it must not keep others from being read. So is one
/// that would make the contact too large. `provenance` where it is asked for, with the account's
/// sources in the order of their numbers.
pub(super) fn contact_of(profile: &Profile<'_>, provenance: Option<&[SourceId]>) -> Contact {
    let stored = profile.stored;
    let (mut fields, mut bytes) = (Vec::with_capacity(profile.fields.len()), 0);
    for register in &profile.fields {
        let Some(mut field) = field_shown(register) else {
            tracing::error!(contact = %stored.id, "a stored value is not canonical");
            metrics::unreadable("value");
            continue;
        };
        field.provenance = provenance.map(|sources| provenance_of(profile, register, sources));
        let len = field.encoded_len() + AROUND;
        if bytes + len <= MAX_FIELDS_BYTES {
            bytes += len;
            fields.push(field);
        }
    }
    let left_out = profile.fields.len() - fields.len();
    Contact {
        contact_id: stored.id.to_string(),
        user_ids: stored.user_ids.clone(),
        anonymous_ids: stored.anonymous_ids.clone(),
        fields,
        create_time: Some(timestamp(stored.create_time)),
        update_time: Some(timestamp(stored.update_time)),
        merged_contact_ids: stored.merged.iter().map(ToString::to_string).collect(),
        user_id_count: stored.user_id_count,
        anonymous_id_count: stored.anonymous_id_count,
        merged_contact_count: stored.merged_count,
        left_out_field_count: i64::try_from(left_out).unwrap_or(i64::MAX),
    }
}

/// None of a cleared one, and of one whose value can't be read.
pub(super) fn field_shown(register: &Register<'_>) -> Option<ContactField> {
    let time = DateTime::from_timestamp_micros(register.stamp.micros);
    Some(ContactField {
        field_id: register.field.to_owned(),
        value: Some(value_of(register.field, register.value?)?),
        event_time: time.and_then(tellable),
        provenance: None,
    })
}

fn provenance_of(
    profile: &Profile<'_>,
    register: &Register<'_>,
    sources: &[SourceId],
) -> FieldProvenance {
    let was = profile.beside.was(register.field);
    let replaced = was.and_then(|was| value_of(register.field, was?));
    FieldProvenance {
        message_id: register.stamp.message_id.clone().into_owned(),
        source_id: source_shown(register.source, sources),
        replaced_value: replaced,
        replaced_clearing: was == Some(None),
    }
}

/// Empty where it is not known.
pub(super) fn source_shown(source: Source, sources: &[SourceId]) -> String {
    let number = usize::from(source.0).checked_sub(1);
    let id = number.and_then(|at| sources.get(at));
    id.map_or_else(String::new, ToString::to_string)
}

/// None where the value is not one that the field could hold, which mapping never sends.
pub(super) fn value_of(field: &str, json: &str) -> Option<Value> {
    use weir_values::Value as Typed;
    let field: FieldId = field.parse().ok()?;
    let kind = match Typed::from_canonical(&field, json).ok()? {
        Typed::Text(text) => value::Kind::Text(text),
        Typed::Integer(integer) => value::Kind::Integer(integer),
        Typed::Decimal(decimal) => value::Kind::Decimal(decimal.to_string()),
        Typed::Boolean(boolean) => value::Kind::Boolean(boolean),
        Typed::Date(date) => value::Kind::Date(date.to_string()),
        Typed::TimeAndDate(instant) => value::Kind::TimeAndDate(tellable(instant)?),
        Typed::Time(time) => value::Kind::Time(time.to_string()),
        Typed::MultiSelect(values) => value::Kind::MultiSelect(TextList { values }),
        Typed::Object(json) => value::Kind::ObjectJson(json),
    };
    Some(Value { kind: Some(kind) })
}

#[cfg(test)]
mod tests {
    use weir_ids::ContactId;

    use super::*;
    use crate::domain::{Beside, Stamp, StoredProfile};

    fn looked_up(field: &str, value: &str) -> ContactKey {
        let key = get_contact_request::Key::Field(FieldKey {
            field_id: field.into(),
            value: value.into(),
        });
        key_of(Some(key)).unwrap()
    }

    #[test]
    fn what_is_looked_up_is_written_as_events_have_it() {
        for (field, value, expected) in [
            ("str::email", "Lana@Example.org", "lana@example.org"),
            ("str::email", "\u{feff} Lana@x.org\u{200b}\n", "lana@x.org"),
            ("str::email", "\u{c9}@x.org", "\u{c9}@x.org"),
            ("str:cm:code", "\u{200b} AbC 1 ", "AbC 1"),
            ("str:cm:code", "+1 (2)-3", "+1 (2)-3"),
            ("phn::phone", " +61 (2) 9876-54.32\u{a0}", "+61298765432"),
            (
                "phn:cm:work",
                "\u{202a}+61/2\u{2011}9876 5432\u{202c}",
                "+61298765432",
            ),
            ("phn::phone", "02 9876 5432", "02 9876 5432"),
            ("phn::phone", "+61 FLOWERS", "+61 FLOWERS"),
        ] {
            let expected = ContactKey::Identifier(field.into(), expected.into());
            assert_eq!(looked_up(field, value), expected, "{value:?}");
        }
    }

    #[test]
    fn ids_are_looked_up_without_what_stands_around_them() {
        use get_contact_request::Key;
        let user = key_of(Some(Key::UserId("\u{feff}u 1 ".into()))).unwrap();
        assert_eq!(user, ContactKey::Identifier(USER_ID.into(), "u 1".into()));
        let visitor = key_of(Some(Key::AnonymousId("a1\u{200b}".into()))).unwrap();
        let expected = ContactKey::Identifier(ANONYMOUS_ID.into(), "a1".into());
        assert_eq!(visitor, expected);
        for nothing in ["", " \u{200b}", "a\0b"] {
            assert!(key_of(Some(Key::UserId(nothing.into()))).is_err());
        }
    }

    fn stored() -> StoredProfile {
        StoredProfile {
            id: ContactId::new(),
            fields: String::new(),
            registers: String::new(),
            create_time: DateTime::UNIX_EPOCH,
            update_time: DateTime::UNIX_EPOCH,
            user_ids: Vec::new(),
            user_id_count: 0,
            anonymous_ids: Vec::new(),
            anonymous_id_count: 0,
            merged: Vec::new(),
            merged_count: 0,
        }
    }

    fn shown(micros: i64, fields: &[(String, String)]) -> Contact {
        let registers = fields.iter().map(|(field, value)| Register {
            field,
            stamp: Stamp::new(micros, "m"),
            value: Some(value),
            source: Source::default(),
        });
        let profile = Profile {
            stored: &stored(),
            fields: registers.collect(),
            beside: Beside::default(),
        };
        contact_of(&profile, None)
    }

    #[test]
    fn the_largest_texts_and_objects_are_all_shown_and_lists_as_far_as_they_fit() {
        // As many fields as an account may have, with ids as long as they may be.
        let name = |prefix: &str, n: usize| format!("{prefix}:cm:{n:0>193}");
        let emoji = "\u{1f600}";
        let texts = (0..200).map(|n| (name("txt", n), format!("\"{}\"", emoji.repeat(4_000))));
        let built_in = (0..12).map(|n| (name("str", n), format!("\"{}\"", emoji.repeat(2_000))));
        let contact = shown(1, &texts.chain(built_in).collect::<Vec<_>>());
        assert_eq!(
            (contact.fields.len(), contact.left_out_field_count),
            (212, 0)
        );

        let choice = format!("\"{}\"", emoji.repeat(500));
        let choices = format!("[{}]", vec![choice; 200].join(","));
        let mut fields: Vec<_> = (0..20).map(|n| (name("sst", n), choices.clone())).collect();
        fields.push((name("str", 0), "\"Lana\"".into()));
        let contact = shown(1, &fields);
        assert_eq!(
            (contact.fields.len(), contact.left_out_field_count),
            (9, 12)
        );
        assert!(contact.fields[8].field_id.starts_with("str"));
        assert!(contact.encoded_len() < 3_800_000);
    }

    #[test]
    fn a_time_that_no_client_can_write_down_is_left_out() {
        let fields = [("str::first".to_owned(), "\"Lana\"".to_owned())];
        for (micros, there) in [
            (0, true),
            (i64::MAX, false),
            (-62_135_596_800_000_001, false),
        ] {
            let contact = shown(micros, &fields);
            assert_eq!(contact.fields[0].event_time.is_some(), there);
        }
    }
}
