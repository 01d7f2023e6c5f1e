//! What contacts are searched for by: texts that begin as the query does (semantics 3.11).
//!
//! Folding is ours alone: the database compares bytes, in ranges that an index can serve whatever
//! row-level security says. Ids, and unique identifiers that are none of the fields here, are found
//! among the identifiers.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use weir_json::unescaped;

use super::members::Members;

mod lane;

pub use lane::{Key, Lane, Place, Query, behind, lanes};

pub const FIRST: &str = "str::first";
pub const LAST: &str = "str::last";
pub const NAME: &str = "str::name";
pub const EMAIL: &str = "str::email";
pub const PHONE: &str = "phn::phone";
pub const EXTERNAL: &str = "str::ei";

/// Of a text that is searched for, in characters: nobody types more of it, and an index entry
/// must not grow without end. A longer query is found by its first ones.
const MAX_CHARS: usize = 64;

/// The texts of one contact, folded; none where there is nothing to be found by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchTexts {
    /// The name from its front: first and last, or else the whole.
    pub forward: Option<String>,
    /// The same from its end: `romeijn lana`.
    pub backward: Option<String>,
    /// The whole name, where it is another than first and last together.
    pub name: Option<String>,
    pub email: Option<String>,
    /// E.164, as it is.
    pub phone: Option<String>,
    pub external: Option<String>,
}

impl SearchTexts {
    /// Of a contact's row; nothing of one that can't be read.
    pub fn of_fields(json: &str) -> Self {
        let mut members = Members::default();
        let fields: Vec<(&str, &str)> = members.of(json).map(Iterator::collect).unwrap_or_default();
        Self::of(|field| {
            let found = fields.binary_search_by(|(name, _)| (*name).cmp(field));
            found.ok().map(|index| fields[index].1)
        })
    }

    /// Of a contact's values, as canonical JSON by field.
    pub fn of<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Self {
        let text = |field: &str| value(field).and_then(unescaped);
        let folded = |field: &str| text(field).and_then(|text| non_empty(fold(&text)));
        let (first, last, whole) = (folded(FIRST), folded(LAST), folded(NAME));
        let is_split = first.is_some() || last.is_some();
        let (forward, backward) = match (first, last) {
            (Some(first), Some(last)) => {
                let forward = cut(&format!("{first} {last}")).to_owned();
                (
                    Some(forward),
                    Some(cut(&format!("{last} {first}")).to_owned()),
                )
            }
            (one, other) => (one.or(other), None),
        };
        let mut texts = Self {
            forward,
            backward,
            name: None,
            email: folded(EMAIL),
            phone: folded(PHONE),
            external: folded(EXTERNAL),
        };
        if is_split {
            texts.name = whole.filter(|whole| texts.forward.as_ref() != Some(whole));
        } else {
            texts.backward = whole.as_deref().and_then(from_its_end);
            texts.forward = whole;
        }
        texts
    }
}

/// `lana maria romeijn` as `romeijn lana maria`.
fn from_its_end(name: &str) -> Option<String> {
    let (before, last) = name.rsplit_once(' ')?;
    Some(format!("{last} {before}"))
}

/// How texts are compared: without case (`ß` is `SS` in capital letters, and so is `ss`), accents
/// and forms of the same character, with one space for any white space, and without what nobody
/// sees. **Invariant:** what is stored was folded so: where it changes, a migration has all of it
/// folded anew, as that of 0008 has.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len().min(4 * MAX_CHARS));
    let mut add = |c: char| {
        if c.is_whitespace() {
            if !folded.is_empty() && !folded.ends_with(' ') {
                folded.push(' ');
            }
        } else {
            folded.push(c);
        }
    };
    if text.is_ascii() {
        let seen = text
            .chars()
            .filter(|c| !c.is_ascii_control() || c.is_whitespace());
        seen.map(|c| c.to_ascii_lowercase()).for_each(&mut add);
    } else {
        text.nfkd()
            .filter(|c| !is_combining_mark(*c) && !weir_values::is_invisible(*c))
            .filter(|c| !c.is_control() || c.is_whitespace())
            .flat_map(char::to_lowercase)
            .flat_map(char::to_uppercase)
            .flat_map(char::to_lowercase)
            // Some of what is written in one character has marks in small letters alone.
            .filter(|c| !is_combining_mark(*c))
            .for_each(&mut add);
    }
    folded.truncate(cut(&folded).trim_end().len());
    folded
}

/// The first characters that count.
fn cut(text: &str) -> &str {
    if text.len() <= MAX_CHARS {
        return text;
    }
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => text[..end].trim_end(),
        None => text,
    }
}

fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// A number as it is stored, of its digits with the country code, whether a plus, 00 or nothing was
/// typed before them, and whatever divides them; none of what is no number. No country's code begins
/// with a zero.
pub fn number(typed: &str) -> Option<String> {
    let international = typed.strip_prefix('+').or_else(|| typed.strip_prefix("00"));
    let number = international.unwrap_or(typed);
    let divides = |c: char| c.is_whitespace() || "()-./\u{2010}\u{2011}\u{2013}".contains(c);
    let is_number = number.chars().all(|c| c.is_ascii_digit() || divides(c));
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    (is_number && digits.starts_with(|c| c != '0')).then(|| format!("+{digits}"))
}

#[cfg(test)]
mod tests;
