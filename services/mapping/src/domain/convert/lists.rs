//! Lists: what of them does not convert is left out, the rest is kept (semantics 2.2).

use super::texts::{MAX_TEXT, write_text};
use super::{Failure, MAX_OBJECT, Taken, is_blank_text};
use crate::domain::json::{self, Kind, Raw};

/// More choices than that are no selection.
pub const MAX_CHOICES: usize = 200;
/// Elements of one list that have a log line each; what is left out beyond is counted.
const MAX_LEFT_OUT: usize = 10;

/// The elements of one list that were left out, by their place in it. What follows the first
/// ten is counted along with the last of them: one value must not fill the log.
#[derive(Debug, Default)]
pub struct LeftOut<'a> {
    elements: Vec<LeftElement<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftElement<'a> {
    pub raw: Raw<'a>,
    pub position: usize,
    pub failure: Failure,
    /// How many this one stands for.
    pub count: i64,
}

impl<'a> LeftOut<'a> {
    pub fn clear(&mut self) {
        self.elements.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    pub fn elements(&self) -> &[LeftElement<'a>] {
        &self.elements
    }

    fn push(&mut self, raw: Raw<'a>, position: usize, failure: Failure) {
        if self.elements.len() < MAX_LEFT_OUT {
            self.elements.push(LeftElement {
                raw,
                position,
                failure,
                count: 1,
            });
        } else if let Some(last) = self.elements.last_mut() {
            last.count += 1;
        }
    }
}

/// A single text is a list of one.
pub fn write_choice(raw: Raw<'_>, out: &mut String) -> Result<(), Failure> {
    out.push('[');
    write_text(raw, MAX_TEXT, out)?;
    out.push(']');
    Ok(())
}

/// A list of texts.
pub fn write_choices<'a>(
    choices: &[Raw<'a>],
    out: &mut String,
    left_out: &mut LeftOut<'a>,
) -> Result<Taken, Failure> {
    let one = |raw: Raw<'_>, out: &mut String| write_text(raw, MAX_TEXT, out);
    let count = write_list(choices, one, out, left_out);
    if count > MAX_CHOICES {
        return Err(Failure::TooLong);
    }
    Ok(taken(choices, count))
}

/// A list of values of any kind, as they were sent.
pub fn write_values<'a>(
    values: &[Raw<'a>],
    out: &mut String,
    left_out: &mut LeftOut<'a>,
) -> Result<Taken, Failure> {
    let start = out.len();
    let one = |raw: Raw<'_>, out: &mut String| Ok(json::compact(raw, MAX_OBJECT, out)?);
    let count = write_list(values, one, out, left_out);
    if out.len() - start > MAX_OBJECT {
        return Err(Failure::TooLong);
    }
    Ok(taken(values, count))
}

/// An empty list is a null; one of which nothing is left touches nothing.
fn taken(elements: &[Raw<'_>], count: usize) -> Taken {
    match (elements.is_empty(), count) {
        (true, _) => Taken::Null,
        (false, 0) => Taken::Nothing,
        (false, _) => Taken::Value,
    }
}

/// How many elements were written.
fn write_list<'a>(
    elements: &[Raw<'a>],
    write_one: impl Fn(Raw<'a>, &mut String) -> Result<(), Failure>,
    out: &mut String,
    left_out: &mut LeftOut<'a>,
) -> usize {
    let mut count = 0;
    out.push('[');
    for (position, raw) in elements.iter().enumerate() {
        if is_blank_text(raw) {
            continue;
        }
        let before = out.len();
        if count > 0 {
            out.push(',');
        }
        let written = match json::kind(raw) {
            Ok(Kind::Null) => Err(Failure::NullElement),
            _ => write_one(raw, out),
        };
        match written {
            Ok(()) => count += 1,
            Err(failure) => {
                out.truncate(before);
                left_out.push(raw, position, failure);
            }
        }
    }
    out.push(']');
    count
}
