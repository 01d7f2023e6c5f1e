//! Mappings that were saved before: compared, and brought back. Of the contact mapping, or of an
//! activity's.

use askama::Template;

use super::super::failure::Page;
use super::super::frame::Frame;
use super::super::sources::SECTION;
use super::super::visit::{Post, Visit};
use super::super::{html, respond};
use crate::domain::model::{Difference, Source, Version};

#[derive(Template)]
#[template(path = "versions.html")]
struct VersionsPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    /// Of an activity; empty: the contact mapping.
    name: String,
    versions: Vec<Version>,
    /// Which two are compared, and what differs.
    compared: Option<(i64, i64, Vec<Difference>)>,
    fault: String,
}

pub async fn list(visit: Visit) -> Page {
    let name = visit.query.get("name").to_owned();
    show(&visit, &name, String::new()).await
}

async fn show(visit: &Visit, name: &str, fault: String) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let (frame, source, versions) = tokio::join!(
        visit.frame("Versions", SECTION),
        visit.calls.source(account, id),
        visit.calls.versions(account, id, name)
    );
    let source = visit.need(SECTION, source).await?;
    let versions = visit.need(SECTION, versions).await?;
    let (from, to) = (visit.query.number("from"), visit.query.number("to"));
    let mut compared = None;
    if let (Some(from), Some(to)) = (from, to) {
        let found = visit.calls.compare((account, id), name, from, to).await;
        compared = Some((from, to, visit.need(SECTION, found).await?));
    }
    Ok(respond::page(&VersionsPage {
        frame: frame.under_source(&source),
        source,
        tab: if name.is_empty() { "map" } else { "activities" },
        name: name.to_owned(),
        versions,
        compared,
        fault,
    }))
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
