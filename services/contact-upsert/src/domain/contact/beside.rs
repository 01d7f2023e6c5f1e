//! What a contact's row keeps beside values and what orders them: what was replaced, whom it must
//! not be merged with, and how often it was merged or split.
//!
//! Most contacts have nothing of it, and pay nothing for it.

use serde::Deserialize;
use uuid::Uuid;
use weir_json::{NotJson, behind_value};

use super::InvalidContact;

/// Of a value that was replaced, as canonical JSON: what is longer is not kept.
const MAX_VALUE_BYTES: usize = 256;
/// Of all of a contact's together, with their names.
const MAX_BYTES: usize = 4_096;
/// Splits by hand, of one contact; the oldest bar goes.
const MAX_BARS: usize = 64;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside<'a> {
    /// By field id: the value that the present one replaced; none = it was cleared.
    pub was: Vec<(&'a str, Option<&'a str>)>,
    /// Each stands for a merge that was undone: who has the same is not the same person
    /// (semantics 3.10).
    pub bars: Vec<Uuid>,
    /// Merges and splits that it took part in: what is told of them is ordered by it.
    pub turns: i64,
}

#[derive(Deserialize)]
struct Marks {
    #[serde(default)]
    bars: Vec<Uuid>,
    #[serde(default)]
    turns: i64,
}

impl<'a> Beside<'a> {
    /// Takes it off the front of a row's registers; answers those.
    ///
    /// # Errors
    /// Where it is not what we write.
    pub(super) fn take(registers: &'a str) -> Result<(Self, &'a str), InvalidContact> {
        if !registers.starts_with("[{") {
            return Ok((Self::default(), registers));
        }
        let end = behind_value(registers.as_bytes(), 1).map_err(|_| InvalidContact)?;
        let (marks, was, rest) = (&registers[1..end], "\"was\":", &registers[end..]);
        let rest = rest
            .strip_prefix(',')
            .and_then(|rest| rest.strip_suffix(']'));
        let rest = rest.ok_or(InvalidContact)?;
        let mut beside = Self::default();
        // Its first member, if it has one.
        if let Some(object) = marks
            .strip_prefix('{')
            .and_then(|rest| rest.strip_prefix(was))
        {
            beside.was = replaced(object).map_err(|NotJson| InvalidContact)?;
        }
        if marks.contains("\"turns\":") || marks.contains("\"bars\":") {
            let marks: Marks = serde_json::from_str(marks).map_err(|_| InvalidContact)?;
            (beside.bars, beside.turns) = (marks.bars, marks.turns);
        }
        Ok((beside, rest))
    }

    /// Of a row's registers nothing but whom it must not be merged with.
    ///
    /// # Errors
    /// Where they are not what we write.
    pub fn only_bars(registers: &str) -> Result<Beside<'static>, InvalidContact> {
        let (beside, _) = Beside::take(registers)?;
        Ok(Beside {
            bars: beside.bars,
            ..Beside::default()
        })
    }

    /// Whether there is nothing to be written.
    pub fn is_empty(&self) -> bool {
        self.was.is_empty() && self.bars.is_empty() && self.turns == 0
    }

    /// What the field's value was before the present one; within, none where it was cleared.
    pub fn was(&self, field: &str) -> Option<Option<&'a str>> {
        let found = self.was.binary_search_by(|(name, _)| (*name).cmp(field));
        found.ok().map(|at| self.was[at].1)
    }

    /// Keeps what was replaced, as long as there is room.
    pub fn replaced(&mut self, field: &'a str, before: Option<&'a str>) {
        let size = |field: &str, value: Option<&str>| field.len() + value.map_or(4, str::len) + 4;
        let found = self.was.binary_search_by(|(name, _)| (*name).cmp(field));
        let others = self.was.iter().filter(|(name, _)| *name != field);
        let bytes: usize = others.map(|(name, value)| size(name, *value)).sum();
        let fits = before.is_none_or(|value| value.len() <= MAX_VALUE_BYTES)
            && bytes + size(field, before) <= MAX_BYTES;
        match (found, fits) {
            (Ok(at), true) => self.was[at].1 = before,
            (Err(at), true) => self.was.insert(at, (field, before)),
            // What is known of it is of an older value.
            (Ok(at), false) => {
                self.was.remove(at);
            }
            (Err(_), false) => {}
        }
    }

    /// The other's field comes along, with what it had replaced.
    pub(super) fn comes_with(&mut self, field: &'a str, other: &Self) {
        if let Some(was) = other.was(field) {
            self.replaced(field, was);
        }
    }

    /// Whether the two must not become one.
    pub fn is_barred(&self, other: &Self) -> bool {
        self.bars.iter().any(|bar| other.bars.contains(bar))
    }

    /// Neither is to be merged with whoever has the same bar.
    pub fn bar(&mut self, bar: Uuid) {
        if !self.bars.contains(&bar) {
            self.bars.push(bar);
        }
        let surplus = self.bars.len().saturating_sub(MAX_BARS);
        self.bars.drain(..surplus);
    }

    /// Of two contacts that became one: what barred them from each other bars nobody any more.
    pub fn join_bars(&mut self, other: &Self) {
        let theirs = other.bars.iter().filter(|bar| !self.bars.contains(bar));
        let theirs: Vec<Uuid> = theirs.copied().collect();
        self.bars.retain(|bar| !other.bars.contains(bar));
        theirs.into_iter().for_each(|bar| self.bar(bar));
    }

    /// With what divides it from the registers.
    pub(super) fn write(&self, json: &mut String) {
        json.push('{');
        if !self.was.is_empty() {
            json.push_str("\"was\":{");
            for (index, (field, value)) in self.was.iter().enumerate() {
                json.push_str(if index > 0 { ",\"" } else { "\"" });
                json.push_str(field);
                json.push_str("\":");
                json.push_str(value.unwrap_or("null"));
            }
            json.push('}');
        }
        let next = |json: &mut String| {
            if !json.ends_with('{') {
                json.push(',');
            }
        };
        if !self.bars.is_empty() {
            next(json);
            json.push_str("\"bars\":[");
            for (index, bar) in self.bars.iter().enumerate() {
                json.push_str(if index > 0 { ",\"" } else { "\"" });
                json.push_str(&bar.to_string());
                json.push('"');
            }
            json.push(']');
        }
        if self.turns != 0 {
            next(json);
            json.push_str("\"turns\":");
            json.push_str(&self.turns.to_string());
        }
        json.push_str("},");
    }
}

/// The members of the object at the front.
fn replaced(object: &str) -> Result<Vec<(&str, Option<&str>)>, NotJson> {
    let end = behind_value(object.as_bytes(), 0)?;
    let mut was = Vec::new();
    weir_json::object(&object.as_bytes()[..end], |key, value| {
        let text = |raw| std::str::from_utf8(raw).map_err(|_| NotJson);
        let field = key.get(1..key.len() - 1).ok_or(NotJson)?;
        let value = Some(text(value)?).filter(|value| *value != "null");
        was.push((text(field)?, value));
        Ok(())
    })?;
    if was.is_sorted_by(|one, next| one.0 < next.0) {
        Ok(was)
    } else {
        Err(NotJson)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(beside: &Beside<'_>) -> Beside<'static> {
        let mut json = "[".to_owned();
        beside.write(&mut json);
        json.push_str("[[1,\"m\"]]]");
        serde_json::from_str::<serde_json::Value>(&json).unwrap();
        let (read, registers) = Beside::take(json.leak()).unwrap();
        assert_eq!(registers, "[[1,\"m\"]]");
        read
    }

    #[test]
    fn it_survives_its_row() {
        let mut beside = Beside::default();
        for step in 0..4 {
            match step {
                0 => beside.turns = 3,
                1 => beside.bar(Uuid::from_u128(7)),
                2 => beside.replaced("str::last", Some(r#""a\",\"turns\":9,}""#)),
                _ => beside.replaced("dtz::b", None),
            }
            assert_eq!(again(&beside), beside);
        }
        assert_eq!(beside.was("dtz::b"), Some(None));
        assert_eq!(beside.was("str::first"), None);
        let plain = Beside::take("[[1,\"m\"]]").unwrap();
        assert_eq!(plain, (Beside::default(), "[[1,\"m\"]]"));
    }

    #[test]
    fn what_is_replaced_is_kept_as_long_as_it_is_small() {
        let long = format!("\"{}\"", "x".repeat(MAX_VALUE_BYTES));
        let names: Vec<String> = (0..200).map(|n| format!("str:cm:{n:0>3}")).collect();
        let mut beside = Beside::default();
        beside.replaced("str::first", Some("\"A\""));
        beside.replaced("str::first", Some(&long));
        assert_eq!(beside.was("str::first"), None, "what is older is no news");
        let value = format!("\"{}\"", "y".repeat(100));
        for name in &names {
            beside.replaced(name, Some(&value));
        }
        let mut json = String::new();
        beside.write(&mut json);
        assert!(json.len() <= MAX_BYTES + 20, "{}", json.len());
        assert!(beside.was.len() > 30);
    }

    #[test]
    fn a_bar_stands_between_two_until_they_are_one() {
        let (mut one, mut other) = (Beside::default(), Beside::default());
        let bars = [1, 2, 3].map(Uuid::from_u128);
        one.bar(bars[0]);
        other.bar(bars[0]);
        other.bar(bars[1]);
        let third = Beside {
            bars: vec![bars[1], bars[2]],
            ..Beside::default()
        };
        assert!(one.is_barred(&other) && other.is_barred(&third) && !one.is_barred(&third));
        one.join_bars(&other);
        assert_eq!(one.bars, [bars[1]]);
        assert!(one.is_barred(&third));
    }
}
