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
            let named = |name: &str| format!("{name}:{id}");
            let own = form.get(&named("own"));
            let chosen = form.get(&named("format"));
            let format = if chosen == OWN { own } else { chosen };
            let mut line = Line::new(field);
            line.on = form.has(&named("on"));
            line.row = Row {
                format: format.to_owned(),
                more_paths: form.list(&named("else")),
                more_formats: form.list(&named("formats")),
                phone_country: form.get(&named("country")).to_uppercase(),
                round: form.has(&named("round")),
                words: form.has(&named("words")),
                truncate: form.has(&named("cut")),
                blank_clears: form.has(&named("blank")),
                ..Row::new(form.get(&named("path")), id)
            };
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

    /// Ticked fields that nothing leads to.
    pub fn faults(&self) -> Vec<Fault> {
        let lines = self.lines.iter();
        let lines = lines.filter(|line| line.on && line.row.path.is_empty());
        lines
            .map(|line| Fault {
                field: line.field.name.clone(),
                says: "it is ticked, and no trait leads to it: choose one, or take the tick away"
                    .to_owned(),
            })
            .collect()
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

/// A row of an activity's form. It keeps its number as long as somebody works at the form, whatever
/// becomes of the others: buttons and parts that are shown anew name it by that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    pub number: usize,
    /// Its path may be empty.
    pub row: Row,
}

/// With numbers from 0 on.
pub fn numbered(rows: &[Row]) -> Vec<Numbered> {
    let rows = rows.iter().cloned().enumerate();
    rows.map(|(number, row)| Numbered { number, row }).collect()
}

/// Behind all that are there.
pub fn push(lines: &mut Vec<Numbered>, row: Row) {
    let last = lines.iter().map(|line| line.number).max();
    let number = last.map_or(0, |last| last + 1);
    lines.push(Numbered { number, row });
}

/// What is saved of them: those that name a property.
pub fn attributes(lines: &[Numbered]) -> Vec<Row> {
    let rows = lines.iter().map(|line| &line.row);
    rows.filter(|row| !row.path.is_empty()).cloned().collect()
}

/// The rows of an activity's form, blank ones too: one for each number behind `property:`, without
/// that which is taken away.
pub fn attribute_lines(form: &Form) -> Vec<Numbered> {
    let numbers = form.behind("property:").into_iter();
    let numbers = numbers.filter_map(|number| number.parse().ok());
    let dropped = form.get("do").strip_prefix("drop:");
    let dropped: Option<usize> = dropped.and_then(|number| number.parse().ok());
    let kept = numbers.filter(|number| Some(*number) != dropped);
    kept.map(|number| Numbered {
        number,
        row: attribute_row(form, number),
    })
    .collect()
}

fn attribute_row(form: &Form, number: usize) -> Row {
    let named = |name: &str| format!("{name}:{number}");
    let chosen = form.get(&named("format"));
    let own = form.get(&named("own"));
    let path = form.get(&named("property"));
    let attribute = form.get(&named("attribute"));
    // Named like its property, where nothing else is said.
    let attribute = if attribute.is_empty() {
        path
    } else {
        attribute
    };
    Row {
        of: weir_values::ValueType::named(form.get(&named("type"))),
        format: if chosen == OWN { own } else { chosen }.to_owned(),
        more_paths: form.list(&named("else")),
        more_formats: form.list(&named("formats")),
        phone_country: form.get(&named("country")).to_uppercase(),
        round: form.has(&named("round")),
        words: form.has(&named("words")),
        truncate: form.has(&named("cut")),
        blank_clears: form.has(&named("blank")),
        ..Row::new(path, attribute)
    }
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
        assert_eq!(draft.faults().len(), 1);
        assert_eq!(draft.faults()[0].field, "First name");
        // What is not ticked is no row, whatever stands beside it.
        assert!(draft.rows(&[]).is_empty());
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

    #[test]
    fn attributes_are_read_from_their_form() {
        let form = form(&[
            ("property:0", "cart.total"),
            ("attribute:0", "total"),
            ("type:0", "currency"),
            ("round:0", "1"),
            ("property:1", ""),
            ("property:2", "items"),
            ("type:2", "integer"),
            ("property:x", "of nobody"),
        ]);
        let rows = attributes(&attribute_lines(&form));
        assert_eq!(rows.len(), 2);
        assert!(rows[0].round);
        assert_eq!(rows[0].of, Some(ValueType::Currency));
        assert_eq!(rows[1].target, "items");
    }

    #[test]
    fn the_attribute_goes_whose_button_it_is() {
        let form = form(&[
            ("property:0", ""),
            ("property:1", "first"),
            ("property:2", "second"),
            ("do", "drop:1"),
        ]);
        let mut lines = attribute_lines(&form);
        let left = attributes(&lines);
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].path, "second");
        // Numbers stay, and a new one is nobody's.
        push(&mut lines, Row::new("third", "third"));
        let numbers: Vec<_> = lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [0, 2, 3]);
    }
}
