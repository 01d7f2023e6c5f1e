//! Mappings that were saved before: compared, and brought back. Of the contact mapping, or of an
//! activity's.

use askama::Template;

use super::super::failure::Page;
use super::super::frame::Frame;
use super::super::sources::SECTION;
use super::super::visit::{Post, Visit};
use super::super::{html, respond};
use crate::domain::draft::differences;
use crate::domain::model::{Difference, Field, Source, Version};
use crate::domain::{Trouble, changed};

/// Older ones are not kept (semantics 7.4).
const KEPT: usize = 100;
/// A source's before anything was saved.
const FIRST: i64 = 1;

#[derive(Template)]
#[template(path = "versions.html")]
struct VersionsPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    /// Of an activity; empty: the contact mapping.
    name: String,
    versions: Vec<Version>,
    /// The first of them is the first there ever was.
    begins_with_nothing: bool,
    /// Which two are compared, and what differs.
    compared: Option<(i64, i64, Vec<Difference>)>,
    fields: Vec<Field>,
    fault: String,
}

impl VersionsPage {
    /// A field by its name; attributes have no other.
    fn called(&self, target: &str) -> String {
        match self.name.is_empty() {
            true => changed::field(target, &self.fields),
            false => target.to_owned(),
        }
    }
}

pub async fn list(visit: Visit) -> Page {
    let name = visit.query.get("name").to_owned();
    show(&visit, &name, String::new()).await
}

async fn show(visit: &Visit, name: &str, mut fault: String) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let (frame, source, versions, fields) = tokio::join!(
        visit.frame("Versions", SECTION),
        visit.calls.source(account, id),
        visit.calls.versions(account, id, name),
        visit.calls.fields(account)
    );
    let source = visit.need(SECTION, source).await?;
    let versions = visit.need(SECTION, versions).await?;
    let begins_with_nothing = versions.len() < KEPT && !versions.is_empty();
    let (from, to) = (visit.query.number("from"), visit.query.number("to"));
    let mut compared = None;
    if let (Some(from), Some(to)) = (from, to) {
        let first = versions.last().map_or(0, |first| first.version);
        let found = match versions.iter().find(|one| one.version == to) {
            // Of before the first save there is no version.
            Some(to) if begins_with_nothing && from < first => Ok(of_all(to)),
            _ => {
                let found = visit.calls.compare((account, id), name, from, to).await;
                found.map(|(rows, retention)| rows.into_iter().chain(retention).collect())
            }
        };
        match found {
            Err(trouble @ Trouble::Missing { .. }) if fault.is_empty() => fault = trouble.says(),
            found => compared = Some((from, to, visit.need(SECTION, found).await?)),
        }
    }
    Ok(respond::page(&VersionsPage {
        frame: frame.under_source(&source),
        source,
        tab: if name.is_empty() { "map" } else { "activities" },
        name: name.to_owned(),
        versions,
        begins_with_nothing,
        compared,
        fields: fields.unwrap_or_default(),
        fault,
    }))
}

/// Held against a source in which nothing was saved.
fn of_all(version: &Version) -> Vec<Difference> {
    let mut found = differences(&[], &version.rows);
    found.extend(version.retention_days.map(|days| Difference {
        target: "Retention".to_owned(),
        before: String::new(),
        after: format!("{days} days"),
    }));
    found
}

pub async fn restore(post: Post) -> Page {
    let Post { visit, form } = post;
    let (account, id) = (visit.account(), visit.source());
    let name = form.get("name");
    let version = form.number("restore").unwrap_or_default();
    let expected = form.number("version").unwrap_or_default();
    match visit
        .calls
        .restore((account, id), name, version, expected)
        .await
    {
        Ok(is_new) => {
            let done = if is_new { "restored" } else { "same" };
            let page = match name.is_empty() {
                true => format!("map?done={done}"),
                false => format!("activities/edit?name={}&done={done}", html::query(name)),
            };
            Ok(respond::go(&format!(
                "/accounts/{account}/sources/{id}/{page}"
            )))
        }
        Err(trouble) => {
            let says = visit.told(SECTION, trouble).await?;
            show(&visit, name, says).await
        }
    }
}
