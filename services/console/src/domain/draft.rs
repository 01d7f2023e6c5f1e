//! A contact mapping while somebody works at it: one line for each field there is, ticked or
//! not, as the form of the map page says it.

use super::Form;
use super::model::{Difference, Field, Row, Suggestion};
use super::trouble::Fault;

/// More fields do not tell contacts apart (semantics 3.2).
pub const MAX_UNIQUE: usize = 2;

/// A field, and what leads to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub field: Field,
    /// Ticked: it takes part.
    pub on: bool,
    /// Its path may be empty.
    pub row: Row,
    /// What a search asks for is in its name, its id or its paths.
    pub found: bool,
}

impl Line {
    fn new(field: &Field) -> Self {
        Self {
            on: false,
            row: Row::new("", &field.id),
            found: true,
            field: field.clone(),
        }
    }

    /// Whether a row of it needs a format that is none of the usual ones.
    pub fn has_own_format(&self) -> bool {
        let usual = super::words::formats(self.field.of);
        !self.row.format.is_empty() && !usual.contains(&&*self.row.format)
    }

    /// Whether anything but path and format is said.
    pub fn has_options(&self) -> bool {
        let strict = Row {
            format: self.row.format.clone(),
            ..Row::new(&self.row.path, &self.row.target)
        };
        self.row != strict
    }
}

/// All of them, alphabetically as the fields are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub lines: Vec<Line>,
    /// Fields that are to tell contacts apart, in order.
    pub unique: Vec<String>,
}

impl Draft {
    /// What was saved.
    pub fn of_saved(fields: &[Field], rows: &[Row], unique: &[String]) -> Self {
        let line = |field: &Field| {
            let mut line = Line::new(field);
            if let Some(row) = rows.iter().find(|row| row.target == field.id) {
                line.on = true;
                line.row = row.clone();
            }
            line
        };
        Self {
            lines: fields.iter().map(line).collect(),
            unique: unique.to_vec(),
        }
    }

    /// What a form says.
    pub fn of_form(fields: &[Field], form: &Form) -> Self {
        let line = |field: &Field| {
            let id = &field.id;
            let mut line = Line::new(field);
            line.on = form.has(&format!("on:{id}"));
            let row = Row::new(form.get(&format!("path:{id}")), id);
            line.row = with_options(row, form, id);
            line
        };
        let unique = form.all("unique").into_iter().map(str::to_owned).collect();
        Self {
            lines: fields.iter().map(line).collect(),
            unique,
        }
    }

    /// The mapping that it is: those that were saved stand as they stood, new ones behind them.
    pub fn rows(&self, saved: &[Row]) -> Vec<Row> {
        let of = |target: &str| {
            let mut lines = self.lines.iter();
            lines.find(|line| line.field.id == target && line.on && !line.row.path.is_empty())
        };
        let old = saved.iter().filter_map(|row| of(&row.target));
        let is_old = |line: &&Line| saved.iter().any(|row| row.target == line.field.id);
        let new = self
            .lines
            .iter()
            .filter(|line| line.on && !line.row.path.is_empty() && !is_old(line));
        old.chain(new).map(|line| line.row.clone()).collect()
    }

    /// Ticked fields that nothing leads to, and fields to which something leads now that are not
    /// ticked: their ids, and what to do. What was saved may stay beside a tick that is taken away.
    pub fn faults(&self, saved: &[Row]) -> Vec<(String, String)> {
        let was = |line: &Line| {
            let mut rows = saved.iter();
            rows.any(|row| row.target == line.field.id && row.path == line.row.path)
        };
        let lines = self.lines.iter();
        let faults = lines.filter_map(|line| {
            let says = match (line.on, &*line.row.path) {
                (true, "") => {
                    "it is ticked, and no trait leads to it: choose one, or take the tick away."
                        .to_owned()
                }
                (false, path) if !path.is_empty() && !was(line) => {
                    format!(
                        "{path} stands beside it, and it is not ticked: tick it, or empty its box."
                    )
                }
                _ => return None,
            };
            let field = &line.field;
            Some((field.id.clone(), format!("{}: {says}", field.name)))
        });
        faults.collect()
    }

    /// Hides what does not match, and nothing else: ticks stay (semantics 7.9).
    pub fn search(&mut self, text: &str) {
        let text = text.trim().to_lowercase();
        for line in &mut self.lines {
            let mut texts = vec![&line.field.name, &line.field.id, &line.row.path];
            texts.extend(&line.row.more_paths);
            line.found = texts.iter().any(|one| one.to_lowercase().contains(&text));
        }
    }

    /// Takes a suggestion: its field is ticked, and its path leads there.
    pub fn take(&mut self, suggestion: &Suggestion) {
        let mut lines = self.lines.iter_mut();
        let Some(line) = lines.find(|line| line.field.id == suggestion.field) else {
            return;
        };
        let path = &suggestion.path;
        if line.row.path.is_empty() || !line.on {
            line.row.path.clone_from(path);
            if let Some(format) = suggestion.formats.first()
                && line.row.format.is_empty()
            {
                line.row.format.clone_from(format);
            }
        } else if line.row.path != *path && !line.row.more_paths.contains(path) {
            line.row.more_paths.push(path.clone());
        }
        line.on = true;
    }

    /// The suggestions that are taken at once: for each field that nothing leads to yet the first
    /// that fits it. A second one would stand behind the first, which is for somebody to say, as
    /// is what dates mean that can be read two ways.
    pub fn takes<'s>(&self, suggestions: &'s [Suggestion]) -> Vec<&'s Suggestion> {
        let filled = self.lines.iter();
        let filled = filled.filter(|line| line.on && !line.row.path.is_empty());
        let mut fields: Vec<&str> = filled.clone().map(|line| &*line.field.id).collect();
        let mut takes: Vec<&Suggestion> = Vec::new();
        let plain = |one: &&Suggestion| !one.field.is_empty() && !one.is_ambiguous();
        for one in suggestions.iter().filter(plain) {
            let leads =
                |line: &Line| line.row.path == one.path || line.row.more_paths.contains(&one.path);
            if !fields.contains(&&*one.field) && !filled.clone().any(leads) {
                fields.push(&one.field);
                takes.push(one);
            }
        }
        takes
    }

    /// The field of this id.
    pub fn field(&self, id: &str) -> Option<&Field> {
        let mut lines = self.lines.iter();
        lines
            .find(|line| line.field.id == id)
            .map(|line| &line.field)
    }

    /// The path that fills this field already; empty: none does.
    pub fn path_of(&self, field: &str) -> &str {
        let mut lines = self.lines.iter();
        let line = lines.find(|line| line.field.id == field && line.on);
        line.map_or("", |line| &line.row.path)
    }

    /// Lets a field tell contacts apart.
    ///
    /// # Errors
    /// There are two already, or its type is none that may.
    pub fn make_unique(&mut self, field: &str) -> Result<(), String> {
        let found = self.lines.iter().find(|line| line.field.id == field);
        let Some(line) = found else {
            return Err("there is no such field".to_owned());
        };
        if self.unique.iter().any(|one| one == field) {
            return Ok(());
        }
        if !line.field.of.may_be_unique_identifier() {
            return Err(format!(
                "{} can't tell contacts apart: only texts, e-mail addresses and phone numbers do",
                line.field.name
            ));
        }
        if self.unique.len() >= MAX_UNIQUE {
            return Err(format!(
                "at most {MAX_UNIQUE} fields tell contacts apart: take one away first"
            ));
        }
        self.unique.push(field.to_owned());
        Ok(())
    }
}

/// The choice among formats that stands for one of one's own.
pub const OWN: &str = "own";

/// With what its part of a form says of it: the inputs whose names end in `:KEY`.
pub fn with_options(row: Row, form: &Form, key: &str) -> Row {
    let named = |name: &str| format!("{name}:{key}");
    let format = match form.get(&named("format")) {
        OWN => form.get(&named("own")),
        chosen => chosen,
    };
    Row {
        format: format.to_owned(),
        more_paths: form.list(&named("else")),
        more_formats: form.list(&named("formats")),
        phone_country: form.get(&named("country")).to_uppercase(),
        round: form.has(&named("round")),
        words: form.has(&named("words")),
        truncate: form.has(&named("cut")),
        blank_clears: form.has(&named("blank")),
        ..row
    }
}

/// The place of the row that a fault of a draft is about (`mappings[3].date_format`); none: it is of
/// the draft as a whole.
pub fn row_of(fault: &Fault) -> Option<usize> {
    let (_, behind) = fault.field.split_once('[')?;
    behind.split_once(']')?.0.parse().ok()
}

/// What differs between two mappings, by their rows.
pub fn differences(before: &[Row], after: &[Row]) -> Vec<Difference> {
    let find = |rows: &[Row], target: &str| {
        let found = rows.iter().find(|row| row.target == target);
        found.map_or_else(String::new, Row::summary)
    };
    let mut targets: Vec<&str> = Vec::new();
    for row in before.iter().chain(after) {
        if !targets.contains(&&*row.target) {
            targets.push(&row.target);
        }
    }
    let all = targets.into_iter().map(|target| Difference {
        target: target.to_owned(),
        before: find(before, target),
        after: find(after, target),
    });
    all.filter(|one| one.before != one.after).collect()
}

#[cfg(test)]
mod tests {
    use weir_values::ValueType;

    use super::*;

    fn fields() -> Vec<Field> {
        [
            ("dtz::b", "Birthday", ValueType::Date),
            ("str::email", "E-mail", ValueType::Email),
            ("str::first", "First name", ValueType::Text),
            ("phn::phone", "Phone", ValueType::Phone),
        ]
        .map(|(id, name, of)| Field {
            id: id.to_owned(),
            name: name.to_owned(),
            of,
            custom: false,
        })
        .to_vec()
    }

    fn form(pairs: &[(&str, &str)]) -> Form {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Form::of(pairs.collect())
    }

    #[test]
    fn what_was_saved_comes_back_from_its_form() {
        let rows = vec![
            Row {
                format: "DD-MM-YYYY".to_owned(),
                ..Row::new("birthday", "dtz::b")
            },
            Row::new("email", "str::email"),
        ];
        let saved = Draft::of_saved(&fields(), &rows, &["str::email".to_owned()]);
        let form = form(&[
            ("on:dtz::b", "1"),
            ("path:dtz::b", "birthday"),
            ("format:dtz::b", "DD-MM-YYYY"),
            ("on:str::email", "1"),
            ("path:str::email", "email"),
            ("unique", "str::email"),
        ]);
        assert_eq!(Draft::of_form(&fields(), &form), saved);
        assert_eq!(saved.rows(&rows), rows);
        assert!(differences(&rows, &saved.rows(&rows)).is_empty());
    }

    // Semantics 2.1, 7.9.
    #[test]
    fn a_search_hides_and_keeps_ticks() {
        let rows = vec![Row::new("mail", "str::email")];
        let mut draft = Draft::of_saved(&fields(), &rows, &[]);
        draft.search("NAME");
        let shown: Vec<_> = draft.lines.iter().filter(|line| line.found).collect();
        assert_eq!(shown.len(), 1);
        assert_eq!(draft.rows(&rows), rows);
        draft.search("mail");
        assert!(draft.lines[1].found);
        draft.search("");
        assert!(draft.lines.iter().all(|line| line.found));
    }

    #[test]
    fn a_ticked_field_without_a_trait_is_a_fault() {
        let form = form(&[("on:str::first", "1"), ("path:str::email", "email")]);
        let draft = Draft::of_form(&fields(), &form);
        let saved = [Row::new("email", "str::email")];
        assert_eq!(draft.faults(&saved).len(), 1, "what was saved may stay");
        let (field, says) = &draft.faults(&saved)[0];
        assert_eq!(field, "str::first");
        assert!(says.starts_with("First name: it is ticked"), "{says}");
        // What is not ticked is no row, whatever stands beside it.
        assert!(draft.rows(&[]).is_empty());
    }

    #[test]
    fn a_trait_that_was_written_beside_a_field_without_a_tick_is_a_fault() {
        let form = form(&[("path:str::email", "mail")]);
        let draft = Draft::of_form(&fields(), &form);
        for saved in [vec![], vec![Row::new("email", "str::email")]] {
            let faults = draft.faults(&saved);
            assert_eq!(faults.len(), 1);
            assert_eq!(faults[0].0, "str::email");
            assert!(faults[0].1.contains("mail stands beside it"), "{faults:?}");
        }
    }

    #[test]
    fn a_fault_says_which_row_it_is_about() {
        for (field, row) in [
            ("mappings[3].date_format", Some(3)),
            ("attributes[0]", Some(0)),
            ("mappings", None),
            ("retention_days", None),
            ("", None),
            ("mappings[x]", None),
        ] {
            let fault = Fault {
                field: field.to_owned(),
                says: String::new(),
            };
            assert_eq!(row_of(&fault), row, "{field}");
        }
    }

    // Semantics 7.7.
    #[test]
    fn a_suggestion_fills_its_field_or_stands_behind_what_does() {
        let suggestion = |path: &str, field: &str, formats: &[&str]| Suggestion {
            path: path.to_owned(),
            seen: 1,
            kinds: String::new(),
            examples: Vec::new(),
            of: None,
            formats: formats.iter().map(ToString::to_string).collect(),
            field: field.to_owned(),
            field_is_mapped: false,
            values: 1,
            misfits: 0,
        };
        let mut draft = Draft::of_saved(&fields(), &[], &[]);
        draft.take(&suggestion("birthday", "dtz::b", &["DD-MM-YYYY"]));
        draft.take(&suggestion("mail", "str::email", &[]));
        draft.take(&suggestion("email", "str::email", &[]));
        draft.take(&suggestion("nothing", "", &[]));
        let rows = draft.rows(&[]);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].format, "DD-MM-YYYY");
        assert_eq!(rows[1].more_paths, ["email"]);
    }

    // Semantics 3.2.
    #[test]
    fn two_fields_at_most_tell_contacts_apart() {
        let mut draft = Draft::of_saved(&fields(), &[], &[]);
        assert!(draft.make_unique("dtz::b").is_err());
        assert!(draft.make_unique("str::email").is_ok());
        assert!(draft.make_unique("str::email").is_ok());
        assert!(draft.make_unique("phn::phone").is_ok());
        let says = draft.make_unique("str::first").unwrap_err();
        assert!(says.contains("at most 2"), "{says}");
        assert_eq!(draft.unique, ["str::email", "phn::phone"]);
    }
}
