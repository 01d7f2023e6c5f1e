//! Objects stay as they were sent, and say the same however they are written (semantics 8.1): one
//! message that comes by both kinds of sources is charged once.

use proptest::prelude::*;

use super::*;

/// Two spellings of one object, and another object.
const ONE: &str = r#"{"a":1,"z":"é"}"#;
const SAME: &str = r#"{"z":"\u00e9","a":1.0}"#;
const OTHER: &str = r#"{"a":2}"#;

fn said(second: i64, message: &str, object: &str) -> Event {
    let fields = format!(r#"{{"obj:cm:o":{object},"str::first":"A"}}"#);
    keyed(Event {
        message_id: message.to_owned().into(),
        ..identify(second, ("u1", "-"), &fields)
    })
}

#[test]
fn an_object_that_is_written_in_another_way_is_nothing_new() {
    for (first, second) in [(ONE, SAME), (SAME, ONE)] {
        let mut tables = Tables::default();
        let statuses = tables.all([said(3, "m", first), said(4, "n", second)]);
        assert_eq!(statuses, [Status::Stored, Status::NothingNew]);
        // The message itself, by another kind of source.
        let mut tables = Tables::default();
        let statuses = tables.all([said(3, "m", first), said(3, "m", second)]);
        assert_eq!(statuses, [Status::Stored, Status::Repeated]);
        assert_eq!(tables.units, 1);
        let kept = tables.value(tables.user("u1"), "obj:cm:o");
        assert_eq!(kept.as_deref(), Some(first));
        let statuses = tables.all([said(5, "o", OTHER)]);
        assert_eq!((statuses[0], tables.units), (Status::Stored, 2));
    }
}

/// An object, and another spelling of it.
fn spellings() -> impl Strategy<Value = (String, String)> {
    let number = (1_u32..3).prop_map(|n| (n.to_string(), format!("{n}0E-1")));
    let text = "[aé]{0,2}".prop_map(|text| {
        let escaped = text.replace('é', "\\u00e9").replace('a', "\\u0061");
        (format!("\"{text}\""), format!("\"{escaped}\""))
    });
    let members = prop::collection::vec(("[ab]", prop_oneof![number, text]), 0..3);
    members.prop_map(|members| {
        let mut members: Vec<_> = members;
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        members.dedup_by(|(one, _), (other, _)| one == other);
        let one: Vec<_> = members
            .iter()
            .map(|(key, (value, _))| format!("\"{key}\":{value}"))
            .collect();
        let other: Vec<_> = members
            .iter()
            .rev()
            .map(|(key, (_, value))| format!("\"{key}\":{value}"))
            .collect();
        (
            format!("{{{}}}", one.join(",")),
            format!("{{{}}}", other.join(",")),
        )
    })
}

proptest! {
    /// Whatever order they come in, and whoever wrote them: what counts in the end says the same,
    /// and nothing is charged that says nothing new.
    #[test]
    fn the_fold_goes_by_what_objects_say(
        words in prop::collection::vec((spellings(), 0_i64..3, any::<bool>()), 1..6),
    ) {
        let mut normal = Tables::default();
        let mut spelled = Tables::default();
        for ((one, other), second, is_other) in &words {
            let event = said(*second, "m", one);
            let expected = normal.one(&overwrite(), event.clone());
            let fields = said(*second, "m", if *is_other { other } else { one }).fields_json;
            // The event of another source has a key of its own.
            let key = Uuid::from_u128(event.key.as_u128() ^ u128::from(*is_other));
            let judged = spelled.one(&overwrite(), Event { fields_json: fields, key, ..event });
            prop_assert_eq!(judged.status, expected.status);
        }
        prop_assert_eq!(normal.units, spelled.units);
        let [one, other] = [&normal, &spelled].map(|tables| {
            let value = tables.value(tables.user("u1"), "obj:cm:o").unwrap();
            let mut said = String::new();
            weir_json::normal(value.as_bytes(), &mut said).unwrap();
            said
        });
        prop_assert_eq!(one, other);
    }
}
