//! An activity is stored no more: says first what that comes to.

use askama::Template;
use chrono::TimeDelta;

use super::super::failure::{Page, Part};
use super::super::frame::Frame;
use super::super::sources::SECTION;
use super::super::visit::{Post, Visit};
use super::super::{html, respond};
use super::edit::all;
use crate::domain::Trouble;
use crate::domain::model::{Outcome, Source};

#[derive(Template)]
#[template(path = "unmap.html")]
struct UnmapPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    name: String,
    attributes: usize,
    /// Events of the last 24 hours: those that were taken, and the others.
    rate: Part<(i64, i64)>,
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
    let rate = summary.map(|outcome| came(&outcome, name));
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

/// How many events of this name were taken, and how many not.
fn came(outcome: &Outcome, name: &str) -> (i64, i64) {
    // The subjects of values that were ignored are fields.
    let own = outcome.summaries.iter();
    let own = own.filter(|one| one.status != 0 && one.subject == name);
    own.fold((0, 0), |(taken, not), one| match one.status {
        200 | 206 => (taken + one.count, not),
        _ => (taken, not + one.count),
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::Summary;

    #[test]
    fn what_was_refused_is_counted_as_well_as_what_was_taken() {
        let of = |status, subject: &str, count| Summary {
            status,
            code: String::new(),
            subject: subject.to_owned(),
            count,
            first: None,
            last: None,
            hours: Vec::new(),
            example: None,
        };
        let outcome = Outcome {
            summaries: vec![
                of(200, "a", 5),
                of(206, "a", 1),
                of(422, "a", 64),
                of(400, "a", 2),
                of(0, "a", 9),
                of(422, "b", 3),
            ],
            ..Outcome::default()
        };
        assert_eq!(came(&outcome, "a"), (6, 66));
        assert_eq!(came(&outcome, "b"), (0, 3));
        assert_eq!(came(&outcome, "c"), (0, 0));
    }
}
