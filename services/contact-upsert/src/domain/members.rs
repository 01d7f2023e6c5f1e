//! The members of JSON objects of canonical values: what events bring and contacts hold.
//!
//! Objects of one batch most often name the same fields in the same order, so that order is
//! found out once; and most values are texts and numbers, which a walk over the bytes finds
//! the ends of. Whatever is not as plain as that is read by serde, to the same result.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

mod scan;

pub(super) use scan::{Scan, same};

/// Fields that are not an object of canonical values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object of field ids and canonical values")]
pub struct InvalidFields;

/// Reads objects one after another.
///
/// Borrows from the texts: field ids need no escapes, and values stay as they are written.
#[derive(Debug, Default)]
pub(super) struct Members<'a> {
    /// Of the last object, as it has them.
    read: Vec<(&'a str, &'a str)>,
    /// Which of them count, by name.
    order: Vec<usize>,
}

impl<'a> Members<'a> {
    /// An object's members by name; the last of a name counts.
    ///
    /// # Errors
    /// Where it is not an object.
    pub fn of(
        &mut self,
        json: &'a str,
    ) -> Result<impl ExactSizeIterator<Item = (&'a str, &'a str)>, InvalidFields> {
        match self.read_plain(json) {
            Some(Names::AsBefore) => {}
            Some(Names::Other) => self.arrange(),
            None => {
                self.read.clear();
                self.order.clear();
                self.read = members_of(json)?;
                self.arrange();
            }
        }
        Ok(self.order.iter().map(|place| self.read[*place]))
    }

    /// None where the object is not plain; what was read is of no use then.
    fn read_plain(&mut self, json: &'a str) -> Option<Names> {
        let mut scan = Scan::new(json);
        let (mut count, mut as_before) = (0, true);
        scan.pass(b'{')?;
        if scan.pass(b'}').is_none() {
            loop {
                if let Some(before) = self.read.get_mut(count) {
                    // The text of the name stays that of the object before: one for all of
                    // them is more likely to be at hand.
                    if scan.pass_text(before.0).is_none() {
                        as_before = false;
                        before.0 = scan.plain_text()?;
                    }
                    scan.pass(b':')?;
                    before.1 = scan.value()?;
                } else {
                    as_before = false;
                    let name = scan.plain_text()?;
                    scan.pass(b':')?;
                    self.read.push((name, scan.value()?));
                }
                count += 1;
                if scan.pass(b',').is_none() {
                    scan.pass(b'}')?;
                    break;
                }
            }
        }
        as_before &= count == self.read.len();
        self.read.truncate(count);
        let names = if as_before {
            Names::AsBefore
        } else {
            Names::Other
        };
        scan.is_at_end().then_some(names)
    }

    fn arrange(&mut self) {
        let (read, order) = (&self.read, &mut self.order);
        order.clear();
        order.extend(0..read.len());
        if !read.is_sorted_by(|a, b| a.0 < b.0) {
            // Stable, so that of equal names the last stays last, which then is kept.
            order.sort_by_key(|place| read[*place].0);
            order.reverse();
            order.dedup_by_key(|place| read[*place].0);
            order.reverse();
        }
    }
}

/// How an object's names, as it has them, compare with those of the object before.
#[derive(Debug, Clone, Copy)]
enum Names {
    AsBefore,
    Other,
}

/// Any object's members, as it has them.
fn members_of(json: &str) -> Result<Vec<(&str, &str)>, InvalidFields> {
    struct Object;

    impl<'de> Visitor<'de> for Object {
        type Value = Vec<(&'de str, &'de str)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of canonical values")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::with_capacity(8);
            while let Some((name, value)) = map.next_entry::<&str, &RawValue>()? {
                members.push((name, value.get()));
            }
            Ok(members)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(json);
    let members = reader.deserialize_map(Object).map_err(|_| InvalidFields)?;
    reader.end().map_err(|_| InvalidFields)?;
    Ok(members)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn fields_of(json: &str) -> Result<Vec<(&str, &str)>, InvalidFields> {
        Members::default().of(json).map(Iterator::collect)
    }

    #[test]
    fn members_are_sorted_and_the_last_of_a_name_counts() {
        for space in ["", " "] {
            let json = format!(
                r#"{{"str::b":"x","str::a":{space}1,"str::b":{{"k": [1, 2]}},"str::a":2}}"#
            );
            assert_eq!(
                fields_of(&json),
                Ok(vec![("str::a", "2"), ("str::b", r#"{"k": [1, 2]}"#)])
            );
        }
        assert_eq!(fields_of("{}"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for json in [
            "",
            "[]",
            "3",
            "{",
            "{}{}",
            r#"{"a":}"#,
            r#"{"a\u0000":1}"#,
            r#"{"a":1,}"#,
            r#"{"a":01}"#,
            r#"{"a":-}"#,
            r#"{"a":"\x"}"#,
            r#"{"a":[1}"#,
            "{\"a\":\"\n\"}",
        ] {
            assert_eq!(fields_of(json), Err(InvalidFields), "{json}");
        }
    }

    #[test]
    fn what_is_canonical_is_plain_but_for_objects() {
        let json = r#"{"str::é":"a\"b\\","int::i":-20,"bol::b":true,"mlt::m":["a","b"],"x":null}"#;
        assert!(Members::default().read_plain(json).is_some());
    }

    /// Pieces of objects, put together to some that are and many that almost are.
    fn almost_object() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\\", " ", "\"a\"", "\"b\":", "\"a\":1", "\"\"",
            "0", "-", "12", "1.5", "2e3", "true", "null", "nul", "\\u00e9", "\\n", "é", "\n",
        ]);
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    fn object() -> impl Strategy<Value = String> {
        let name = prop::sample::select(vec!["str::a", "str::b", "int::c", "é", ""]);
        let value = prop_oneof![
            "[a-c\"\\\\é\u{1f}\u{7f}]{0,10}".prop_map(|text| serde_json::to_string(&text).unwrap()),
            any::<i64>().prop_map(|integer| integer.to_string()),
            prop::sample::select(vec![
                "true",
                "false",
                "null",
                "[]",
                "{}",
                "1.50",
                "[\"a\",\"b\"]",
                "[\"a\", 1]",
                "{\"k\":\"}\"}",
                " 1",
                "1 ",
                "-0",
                "00",
                "-",
                "\"\\u12\"",
                "[\"a\"",
            ])
            .prop_map(str::to_owned),
        ];
        prop::collection::vec((name, value), 0..6).prop_map(|members| {
            let member = |(name, value): &(&str, String)| format!("\"{name}\":{value}");
            let members: Vec<String> = members.iter().map(member).collect();
            format!("{{{}}}", members.join(","))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn the_short_way_comes_to_the_same_as_the_long_one(
            texts in prop::collection::vec(prop_oneof![3 => object(), 1 => almost_object()], 1..6),
        ) {
            // One reader for all, so that each finds what the ones before left.
            let mut reader = Members::default();
            for json in texts.iter().chain(&texts) {
                let read = reader.of(json).map(Iterator::collect::<Vec<_>>);
                let long = members_of(json)
                    .map(|members| members.into_iter().collect::<BTreeMap<_, _>>());
                prop_assert_eq!(read, long.map(|members| members.into_iter().collect()), "{}", json);
            }
        }
    }
}
