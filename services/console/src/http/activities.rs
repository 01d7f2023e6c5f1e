//! Activities of a source: which events are stored, as what, and for how long.

mod edit;
mod unmap;

pub use edit::{change, edit};
pub use unmap::{page as unmap_page, unmap};

use askama::Template;
use chrono::TimeDelta;

use super::failure::{Page, Part};
use super::frame::Frame;
use super::sources::SECTION;
use super::visit::Visit;
use super::{html, respond};
use crate::domain::model::{ActivityMapping, EventName, Outcome, Page as List, Source};

#[derive(Template)]
#[template(path = "activities.html")]
struct ActivitiesPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    activities: Part<List<ActivityMapping>>,
    /// Taken of each within a day.
    rates: Vec<(String, i64)>,
    /// Names that came and are not mapped.
    unmapped: usize,
}

impl ActivitiesPage {
    fn rate(&self, name: &str) -> i64 {
        let of_name = self.rates.iter().filter(|(known, _)| known == name);
        of_name.map(|(_, count)| count).sum()
    }
}

pub async fn list(visit: Visit) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let since = visit.now - TimeDelta::hours(23);
    let (frame, source, activities, names, summary) = tokio::join!(
        visit.frame("Activities", SECTION),
        visit.calls.source(account, id),
        visit
            .calls
            .activities_mapped(account, id, visit.query.get("page")),
        visit.calls.event_names(account, id, ""),
        visit.calls.summary((account, id), since, true)
    );
    let source = visit.need(SECTION, source).await?;
    let names = names.unwrap_or_default();
    Ok(respond::page(&ActivitiesPage {
        frame: frame.under_source(&source),
        source,
        tab: "activities",
        activities: activities.into(),
        rates: rates(summary.unwrap_or_default()),
        unmapped: names.iter().filter(|name| !name.mapped).count(),
    }))
}

/// Events that were taken, by their names.
fn rates(outcome: Outcome) -> Vec<(String, i64)> {
    let taken = outcome.summaries.into_iter();
    let taken = taken.filter(|one| matches!(one.status, 200 | 206));
    taken.map(|one| (one.subject, one.count)).collect()
}

#[derive(Template)]
#[template(path = "add_activity.html")]
struct AddPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    search: String,
    names: Part<Vec<EventName>>,
    /// When a track came last, whatever its name.
    last: Option<crate::domain::Time>,
}

/// Which event is to be mapped: one that came, or one that is entered by hand.
pub async fn add(visit: Visit) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let search = visit.query.get("q");
    let (frame, source, names, all) = tokio::join!(
        visit.frame("Select activity", SECTION),
        visit.calls.source(account, id),
        visit.calls.event_names(account, id, search),
        visit.calls.event_names(account, id, "")
    );
    let source = visit.need(SECTION, source).await?;
    let all = all.unwrap_or_default();
    Ok(respond::page(&AddPage {
        frame: frame.under_source(&source),
        source,
        tab: "activities",
        search: search.to_owned(),
        names: names.into(),
        last: all.first().and_then(|name| name.last),
    }))
}
