//! The members of JSON objects of canonical values: what events bring and contacts hold.
//!
//! Objects of one batch most often name the same fields in the same order, so that order is
//! found out once.

use super::same::same;

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
        let names_before = self.read.len();
        let (mut count, mut as_before, mut escaped) = (0, true, false);
        let read = weir_json::members(json, |key, span| {
            let (name, value) = (&key[1..key.len() - 1], &json[span]);
            match self.read.get_mut(count) {
                // The text of the name stays that of the object before: one for all of them is
                // more likely to be at hand.
                Some(before) if same(before.0.as_bytes(), name.as_bytes()) => before.1 = value,
                before => {
                    as_before = false;
                    escaped |= name.contains('\\');
                    match before {
                        Some(before) => *before = (name, value),
                        None => self.read.push((name, value)),
                    }
                }
            }
            count += 1;
        });
        if read.is_err() || escaped {
            self.read.clear();
            self.order.clear();
            return Err(InvalidFields);
        }
        self.read.truncate(count);
        if !as_before || count < names_before {
            self.arrange();
        }
        Ok(self.order.iter().map(|index| self.read[*index]))
    }

    fn arrange(&mut self) {
        let (read, order) = (&self.read, &mut self.order);
        order.clear();
        order.extend(0..read.len());
        if !read.is_sorted_by(|a, b| a.0 < b.0) {
            // Stable, so that of equal names the last stays last, which then is kept.
            order.sort_by_key(|index| read[*index].0);
            order.reverse();
            order.dedup_by_key(|index| read[*index].0);
            order.reverse();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::value::RawValue;

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

    /// As serde reads it.
    fn plainly(json: &str) -> Result<Vec<(&str, &str)>, InvalidFields> {
        let read = serde_json::from_str::<BTreeMap<&str, &RawValue>>(json);
        let read = read.map_err(|_| InvalidFields)?.into_iter();
        Ok(read.map(|(name, value)| (name, value.get())).collect())
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
        fn they_are_what_another_reader_finds(
            texts in prop::collection::vec(prop_oneof![3 => object(), 1 => almost_object()], 1..6),
        ) {
            // One reader for all, so that each finds what the ones before left.
            let mut reader = Members::default();
            for json in texts.iter().chain(&texts) {
                let read = reader.of(json).map(Iterator::collect::<Vec<_>>);
                prop_assert_eq!(read, plainly(json), "{}", json);
            }
        }
    }
}
