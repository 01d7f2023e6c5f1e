//! Lists: what of them does not convert is left out, the rest is kept (semantics 2.2).

use weir_json::{Kind, Raw};

use super::texts::{MAX_TEXT, write_text};
use super::{Failure, MAX_OBJECT, Taken, is_blank_text};
use crate::domain::path::Element;

/// More choices than that are no selection.
pub const MAX_CHOICES: usize = 200;
/// Elements of one list that have a log line each; what is left out beyond is counted.
const MAX_LEFT_OUT: usize = 10;

/// The elements of one list that were left out, by their index in it. What follows the first
/// ten is counted along with the last of them: one value must not fill the log.
#[derive(Debug, Default)]
pub struct LeftOut<'a> {
    elements: Vec<LeftElement<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftElement<'a> {
    pub raw: Raw<'a>,
    /// In the list as it was sent (see [`Element`]).
    pub index: usize,
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

    fn push(&mut self, element: &Element<'a>, failure: Failure) {
        if self.elements.len() < MAX_LEFT_OUT {
            self.elements.push(LeftElement {
                raw: element.raw,
                index: element.index,
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
    choices: &[Element<'a>],
    out: &mut String,
    left_out: &mut LeftOut<'a>,
) -> Result<Taken, Failure> {
    let one = |raw: Raw<'_>, out: &mut String| write_text(raw, MAX_TEXT, out);
    write_list(choices, one, |count, _| count <= MAX_CHOICES, out, left_out)
}

/// A list of values of any kind, as they were sent.
pub fn write_values<'a>(
    values: &[Element<'a>],
    out: &mut String,
    left_out: &mut LeftOut<'a>,
) -> Result<Taken, Failure> {
    let one = |raw: Raw<'_>, out: &mut String| Ok(weir_json::compact(raw, MAX_OBJECT, out)?);
    write_list(values, one, |_, bytes| bytes <= MAX_OBJECT, out, left_out)
}

/// An empty list is a null; one of which nothing is left touches nothing. Ends with the
/// element that makes the list too long by its count, or by its bytes.
fn write_list<'a>(
    elements: &[Element<'a>],
    write_one: impl Fn(Raw<'a>, &mut String) -> Result<(), Failure>,
    fits: impl Fn(usize, usize) -> bool,
    out: &mut String,
    left_out: &mut LeftOut<'a>,
) -> Result<Taken, Failure> {
    let start = out.len();
    let mut count = 0;
    out.push('[');
    for element in elements {
        if is_blank_text(element.raw) {
            continue;
        }
        let before = out.len();
        if count > 0 {
            out.push(',');
        }
        let written = match weir_json::kind(element.raw) {
            Ok(Kind::Null) => Err(Failure::NullElement),
            _ => write_one(element.raw, out),
        };
        match written {
            Ok(()) => count += 1,
            Err(failure) => {
                out.truncate(before);
                left_out.push(element, failure);
            }
        }
        // The bracket that closes it counts as well.
        if !fits(count, out.len() + 1 - start) {
            return Err(Failure::TooLong);
        }
    }
    out.push(']');
    Ok(match (elements.is_empty(), count) {
        (true, _) => Taken::Null,
        (false, 0) => Taken::Nothing,
        (false, _) => Taken::Value,
    })
}
