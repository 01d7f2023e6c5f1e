//! A form that somebody sent and that came to nothing yet: it is kept on the page that says why, to
//! be sent once more by a press of a button.

use super::html::{self, Markup};
use crate::domain::Form;

/// What nobody wrote, or is not for eyes beside theirs.
const HIDDEN: [&str; 9] = [
    "wish", "version", "do", "seen", "sure", "is_new", "secret", "password", "token",
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
                .map(|(name, value)| (called(name), value.clone()))
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
        other => other,
    };
    let words = what.replace('_', " ");
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    let said = first.unwrap_or_default() + letters.as_str();
    match of {
        "" => said,
        of => format!("{said}, {of}"),
    }
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
            ("blank", " "),
        ];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let sent = Sent::of(&Form::of(pairs.to_vec()));
        assert_eq!(sent.fields.len(), 5);
        let shown: Vec<_> = sent.shown.iter().map(|(name, _)| &**name).collect();
        assert_eq!(shown, ["New name", "Ticked, str::email"]);
    }
}
