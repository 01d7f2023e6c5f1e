//! A form that somebody sent and that came to nothing yet: it is kept on the page that says why, to
//! be sent once more by a press of a button.

use super::html::{self, Markup};
use weir_values::BUILT_IN_FIELDS;

use crate::domain::Form;

/// What nobody wrote, or is not for eyes beside theirs.
const HIDDEN: [&str; 14] = [
    "wish",
    "version",
    "do",
    "seen",
    "sure",
    "is_new",
    "secret",
    "password",
    "token",
    "unique_was",
    "new_type",
    "key",
    "field",
    "q",
];

/// A form, and what can be read of it.
#[derive(Default)]
pub struct Sent {
    pub fields: Vec<Markup>,
    pub shown: Vec<(String, String)>,
}

impl Sent {
    /// The token of the session's forms is not among its fields.
    pub fn of(form: &Form) -> Self {
        let kept = form.pairs().iter().filter(|(name, _)| name != "form_token");
        let shown = kept
            .clone()
            .filter(|(name, value)| !value.trim().is_empty() && !HIDDEN.contains(&&**name));
        Self {
            fields: kept
                .map(|(name, value)| html::hidden(name, value))
                .collect(),
            shown: shown
                .map(|(name, value)| (called(name), said(name, value)))
                .collect(),
        }
    }
}

/// A field's name for people; those of a list of rows are called by their row.
fn called(name: &str) -> String {
    let (what, of) = name.split_once(':').unwrap_or((name, ""));
    let what = match what {
        "on" => "ticked",
        "path" => "trait or property",
        "unique" => "unique identifier",
        "origins" => "origins that browsers may send from",
        "blocked" => "values that mean nobody",
        "allowed" => "defaults that mean somebody here",
        other => other,
    };
    let of = field(of);
    let words = what.replace('_', " ");
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    let said = first.unwrap_or_default() + letters.as_str();
    match of {
        "" => said,
        of => format!("{said}, {of}"),
    }
}

/// What stands in a field, where it is no text of somebody's own.
fn said(name: &str, value: &str) -> String {
    match name.split(':').next() {
        // A box.
        Some("on" | "existing_only" | "apart") => "yes".to_owned(),
        Some("unique") => field(value).to_owned(),
        _ => value.to_owned(),
    }
}

/// What a field is called that every account has; of another one its id.
fn field(id: &str) -> &str {
    let mut found = BUILT_IN_FIELDS.iter().filter(|field| field.id == id);
    found.next().map_or(id, |field| field.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_form_is_sent_again_and_what_people_wrote_is_read() {
        let pairs = [
            ("form_token", "t"),
            ("do", "news"),
            ("secret", "whsec_1"),
            ("new_name", "Shoe size"),
            ("on:str::email", "1"),
            ("unique", "phn::phone"),
            ("unique_was", "str::email"),
            ("new_type", "text"),
            ("blank", " "),
        ];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let sent = Sent::of(&Form::of(pairs.to_vec()));
        assert_eq!(sent.fields.len(), 8);
        let shown = sent
            .shown
            .iter()
            .map(|(name, value)| format!("{name}: {value}"));
        let shown: Vec<_> = shown.collect();
        assert_eq!(
            shown,
            [
                "New name: Shoe size",
                "Ticked, Email: yes",
                "Unique identifier: Phone"
            ]
        );
    }
}
