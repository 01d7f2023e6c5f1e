//! The map page: traits that came in beside the fields they fill, and what a draft would come to.

mod page;
mod save;
mod versions;

use weir_values::ValueType;

pub use versions::{list as versions, restore};

use super::failure::Page;
use super::sources::SECTION;
use super::visit::{Post, Visit};
use crate::domain::draft::{Draft, row_of};
use crate::domain::model::{Difference, Field, Row};
use crate::domain::{Fault, Trouble};
use page::{Saved, Shown};

pub async fn map(visit: Visit) -> Page {
    let saved = Saved::load(&visit).await?;
    let mut draft = Draft::of_saved(&saved.fields, &saved.rows, saved.unique());
    draft.search(visit.query.get("q"));
    let search = visit.query.get("q").to_owned();
    let shown = Shown {
        search,
        ..Shown::default()
    };
    page::show(&visit, saved, draft, shown).await
}

/// Whatever the form is sent for: each button says what it does.
pub async fn change(post: Post) -> Page {
    let Post { visit, form } = post;
    let saved = Saved::load(&visit).await?;
    let mut draft = Draft::of_form(&saved.fields, &form);
    let mut shown = Shown {
        search: form.get("q").to_owned(),
        version: form.number("version"),
        unique_was: form.has("unique_was").then(|| form.list("unique_was")),
        new_name: form.get("new_name").to_owned(),
        new_type: ValueType::named(form.get("new_type")),
        ..Shown::default()
    };
    draft.search(&shown.search);
    let (what, of) = form
        .get("do")
        .split_once(':')
        .unwrap_or((form.get("do"), ""));
    match what {
        "save" => return Box::pin(save::save(&visit, saved, draft, shown, None)).await,
        "reindex" => {
            let wish = Some(form.get("wish"));
            return Box::pin(save::save(&visit, saved, draft, shown, wish)).await;
        }
        "take" | "take-all" => {
            let suggested = visit
                .calls
                .suggestions(visit.account(), visit.source(), "")
                .await;
            let (suggested, _) = visit.need(SECTION, suggested).await?;
            let wanted = match what {
                "take-all" => draft.takes(&suggested),
                _ => suggested.iter().filter(|one| one.path == of).collect(),
            };
            for one in wanted {
                draft.take(one);
            }
        }
        "unique" => {
            if let Err(says) = draft.make_unique(of) {
                shown
                    .faults
                    .push((String::new(), format!("Unique identifiers: {says}.")));
            }
        }
        "common" => draft.unique.retain(|field| field != of),
        // Enter in the box of a new field's name makes it.
        "enter" if shown.new_name.is_empty() => {}
        "add-field" | "enter" => {
            let (name, of) = (&shown.new_name, shown.new_type.unwrap_or(ValueType::Text));
            match visit.calls.create_field(visit.account(), name, of).await {
                Ok(field) => return show_with_field(&visit, &form, field, shown).await,
                Err(trouble) => shown.faults.push(("new_name".to_owned(), trouble.says())),
            }
        }
        "clear-search" => {
            shown.search.clear();
            draft.search("");
        }
        _ => {}
    }
    page::show(&visit, saved, draft, shown).await
}

/// The draft again, with the new field in its alphabetical place, ticked.
async fn show_with_field(
    visit: &Visit,
    form: &crate::domain::Form,
    (field, is_new): (String, bool),
    mut shown: Shown,
) -> Page {
    let saved = Saved::load(visit).await?;
    let mut draft = Draft::of_form(&saved.fields, form);
    shown.search.clear();
    shown.new_name.clear();
    let line = draft.lines.iter_mut().find(|line| line.field.id == field);
    if let Some(line) = line {
        line.on = true;
        let was = match is_new {
            true => "was made",
            false => "was there already",
        };
        shown.says = format!(
            "The field “{}” {was} and is ticked below: choose the trait that fills it.",
            line.field.name
        );
    }
    shown.focus = field;
    page::show(visit, saved, draft, shown).await
}

/// Differences with the names of fields instead of their ids.
fn named(differences: Vec<Difference>, fields: &[Field]) -> Vec<Difference> {
    let name = |id: String| {
        let found = fields.iter().find(|field| field.id == id);
        found.map_or(id, |field| field.name.clone())
    };
    let all = differences.into_iter().map(|one| Difference {
        target: name(one.target),
        ..one
    });
    all.collect()
}

impl Shown {
    /// What is wrong, at the rows that it is about.
    fn add(&mut self, trouble: &Trouble, rows: &[Row], fields: &[Field]) {
        let Trouble::Invalid(faults) = trouble else {
            self.say(String::new(), trouble.says());
            return;
        };
        for fault in faults {
            let row = row_of(fault).and_then(|place| rows.get(place));
            self.add_one(fault, row, fields);
        }
    }

    /// A fault, of this row.
    fn add_one(&mut self, fault: &Fault, row: Option<&Row>, fields: &[Field]) {
        let Some(row) = row else {
            return self.say(String::new(), fault.sentence());
        };
        let field = fields.iter().find(|field| field.id == row.target);
        let name = field.map_or(&*row.target, |field| &*field.name);
        let says = format!("{name}: {}.", fault.says.trim_end_matches('.'));
        self.say(row.target.clone(), says);
    }

    /// Once, whoever says it: a save and the preview behind it find the same.
    fn say(&mut self, of: String, says: String) {
        let said = (of, says);
        if !self.faults.contains(&said) {
            self.faults.push(said);
        }
    }
}
