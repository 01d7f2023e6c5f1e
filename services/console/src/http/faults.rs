//! What is wrong with what somebody wrote into a form of settings: said on top, with links to the
//! fields, and once more at each of them.

use std::fmt::Write;

use ::http::StatusCode;
use axum::response::Response;
use weir_reasons::Reason;

use super::html::{Markup, escaped};
use super::respond;
use super::visit::Visit;
use crate::domain::{Fault, Trouble, trouble, words};

/// What fields are called, with their ids on the pages of settings, of sources and of tokens.
const FIELDS: [(&str, &str); 20] = [
    ("Included contacts", "included"),
    ("Additional contacts", "additional"),
    ("Activity slots", "slots"),
    ("Identifies per contact and day", "profile_factor"),
    ("Tracks per contact, activity and day", "activity_factor"),
    ("Notification address", "address"),
    ("Webhook", "webhook"),
    ("The webhook's secret", "secret"),
    ("Its secret", "secret"),
    ("Values that mean nobody", "blocked"),
    ("Defaults that mean somebody here", "allowed"),
    ("Key strategy", "strategy"),
    ("Name", "name"),
    ("When a contact is there already", "merging"),
    ("Only contacts that are there already", "existing_only"),
    ("Origins that browsers may send from", "origins"),
    ("Copy a mapping", "from"),
    ("Role", "role"),
    ("May touch", "accounts"),
    ("Ends", "days"),
];

/// What is told of a form that was not taken.
#[derive(Default)]
pub struct Faults {
    /// Of the whole of it.
    says: String,
    /// Each with the id of the field that it is about; empty: of none.
    each: Vec<(&'static str, String)>,
}

impl Faults {
    /// About no field in particular.
    pub fn whole(says: impl Into<String>) -> Self {
        Self {
            says: says.into(),
            each: Vec::new(),
        }
    }

    /// Of what was read here, with what did not come of it.
    pub fn of(faults: &[Fault], undone: &str) -> Self {
        let each = faults.iter();
        Self {
            says: undone.to_owned(),
            each: each.map(|one| (id(&one.field), one.sentence())).collect(),
        }
    }

    /// The same about one field.
    pub fn at(field: &'static str, says: &str) -> Self {
        Self {
            says: String::new(),
            each: vec![(field, says.to_owned())],
        }
    }

    /// Of a service that did not take it; a page of its own where nobody mends it by writing
    /// something else.
    pub async fn told(
        visit: &Visit,
        section: &'static str,
        trouble: Trouble,
    ) -> Result<Self, Response> {
        if let Trouble::Invalid(faults) = &trouble {
            return Ok(Self::of(faults, ""));
        }
        let field = [(Reason::SlotsInUse, "slots"), (Reason::NameTaken, "name")];
        let field = field.iter().find(|(reason, _)| trouble.is(*reason));
        let field = field.map(|(_, field)| *field);
        let says = visit.told(section, trouble).await?;
        Ok(match field {
            Some(field) => Self::at(field, &says),
            None => Self::whole(says),
        })
    }

    /// Of a page that has no such field: what is said of it leads nowhere.
    pub fn without_link_to(&mut self, field: &str) {
        for (of, _) in self.each.iter_mut().filter(|(of, _)| *of == field) {
            *of = "";
        }
    }

    pub fn is_empty(&self) -> bool {
        self.says.is_empty() && self.each.is_empty()
    }

    /// Of the page that shows them.
    pub fn status(&self) -> StatusCode {
        respond::status_of(if self.is_empty() { "" } else { "wrong" })
    }

    /// The top of the page, where whoever sent the form goes on.
    pub fn summary(&self) -> Markup {
        if self.is_empty() {
            return Markup::default();
        }
        let mut html = String::from(
            r#"<div id="faults" class="notice wrong" role="alert" tabindex="-1" autofocus>"#,
        );
        if self.each.is_empty() {
            let _ = write!(html, "<bdi>{}</bdi></div>", escaped(&self.says));
            return Markup(html);
        }
        let things = i64::try_from(self.each.len()).unwrap_or(i64::MAX);
        let _ = write!(
            html,
            "<p>{} to put right. {}</p><ul>",
            words::count(things, "thing"),
            escaped(&self.says)
        );
        for (field, says) in &self.each {
            let says = escaped(says);
            let _ = match *field {
                "" => write!(html, "<li><bdi>{says}</bdi></li>"),
                field => write!(
                    html,
                    r##"<li><a href="#{field}"><bdi>{says}</bdi></a></li>"##
                ),
            };
        }
        html.push_str("</ul></div>");
        Markup(html)
    }

    /// What the tag of a field says where something is wrong with it.
    pub fn marks(&self, field: &str) -> Markup {
        match self.of_field(field).next() {
            Some(_) => Markup(format!(
                r#" aria-invalid="true" aria-describedby="fault-{field}""#
            )),
            None => Markup::default(),
        }
    }

    /// The words under a field.
    pub fn under(&self, field: &str) -> Markup {
        let all: Vec<_> = self.of_field(field).map(escaped).collect();
        if all.is_empty() {
            return Markup::default();
        }
        let all = all.join(" ");
        Markup(format!(
            r#"<span class="outcome fail" id="fault-{field}"><span aria-hidden="true">!</span> <bdi>{all}</bdi></span>"#
        ))
    }

    fn of_field<'a>(&'a self, field: &'a str) -> impl Iterator<Item = &'a str> {
        let each = self.each.iter().filter(move |(of, _)| *of == field);
        each.map(|(_, says)| &**says)
    }
}

/// Of the field that a fault is about, by whatever it is called.
fn id(field: &str) -> &'static str {
    let called = trouble::called(field);
    // `Values that mean nobody, line 2`; `When the others end, in hours`.
    let called = called.split(", line ").next().unwrap_or_default();
    if called.starts_with("When the others end") {
        return "overlap";
    }
    let mut found = FIELDS.iter().filter(|(name, _)| *name == called);
    found.next().map_or("", |(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(field: &str, says: &str) -> Fault {
        Fault {
            field: field.to_owned(),
            says: says.to_owned(),
        }
    }

    #[test]
    fn a_fault_leads_to_its_field_and_stands_at_it() {
        let faults = [
            fault("plan.activity_slots", "must be from 0 to 10000"),
            fault("Included contacts", "must be a whole number"),
            fault("blocked_values.blocked[1].pattern", "would block <all>"),
            fault("something", "is wrong"),
        ];
        let faults = Faults::of(&faults, "Nothing was saved.");
        let summary = faults.summary().to_string();
        for part in [
            "4 things to put right. Nothing was saved.",
            "<a href=\"#slots\"><bdi>Activity slots: must be from 0 to 10000.",
            "<a href=\"#included\">",
            "<a href=\"#blocked\"><bdi>Values that mean nobody, line 2: would block &lt;all&gt;.",
            "<li><bdi>Something: is wrong.</bdi></li>",
            "role=\"alert\" tabindex=\"-1\" autofocus",
        ] {
            assert!(summary.contains(part), "{part}: {summary}");
        }
        let marks = faults.marks("slots").to_string();
        assert!(marks.contains("aria-invalid=\"true\" aria-describedby=\"fault-slots\""));
        let under = faults.under("slots").to_string();
        assert!(under.contains("id=\"fault-slots\"") && under.contains("from 0 to 10000"));
        assert_eq!(faults.marks("additional").to_string(), "");
        assert_eq!(faults.under("additional").to_string(), "");
        assert_eq!(Faults::default().summary().to_string(), "");
        assert_eq!(id("When the others end, in hours"), "overlap");
        assert_eq!(id("expire_time"), "days");
    }
}
