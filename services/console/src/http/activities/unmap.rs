//! An activity is stored no more: says first what that comes to.

use askama::Template;
use chrono::TimeDelta;

use super::super::failure::{Page, Part};
use super::super::frame::Frame;
use super::super::sources::SECTION;
use super::super::visit::{Post, Visit};
use super::super::{html, respond};
use super::edit::all;
use super::rates;
use crate::domain::Trouble;
use crate::domain::model::Source;

#[derive(Template)]
#[template(path = "unmap.html")]
struct UnmapPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    name: String,
    attributes: usize,
    /// Events of the last 24 hours that were taken.
    rate: Part<i64>,
    fault: String,
}

pub async fn page(visit: Visit) -> Page {
    let name = visit.query.get("name").to_owned();
    show(&visit, &name, String::new()).await
}

async fn show(visit: &Visit, name: &str, fault: String) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let since = visit.now - TimeDelta::hours(23);
    let (frame, source, activity, summary) = tokio::join!(
        visit.frame("Stop storing it", SECTION),
        visit.calls.source(account, id),
        visit.calls.activity_mapped(account, id, name),
        visit.calls.summary((account, id), since, true)
    );
    let source = visit.need(SECTION, source).await?;
    let Some(activity) = visit.need(SECTION, activity).await? else {
        return Ok(respond::go(&all(visit)));
    };
    let rate = summary.map(|outcome| rates(outcome).of(name));
    let above = format!("{}/edit?name={}", all(visit), html::query(name));
    let frame = frame
        .under_source(&source)
        .under("Activities", &all(visit))
        .under("Activity", &above);
    Ok(respond::page(&UnmapPage {
        frame,
        source,
        tab: "activities",
        name: name.to_owned(),
        attributes: activity.attributes.len(),
        rate: rate.into(),
        fault,
    }))
}

pub async fn unmap(post: Post) -> Page {
    let Post { visit, form } = post;
    let (account, id) = (visit.account(), visit.source());
    let name = form.get("name");
    match visit.calls.unmap_activity(account, id, name).await {
        Ok(()) => Ok(respond::go(&format!("{}?done=unmapped", all(&visit)))),
        Err(trouble @ Trouble::Forbidden { .. }) => Err(visit.failed(SECTION, trouble).await),
        Err(trouble) => show(&visit, name, trouble.says()).await,
    }
}
