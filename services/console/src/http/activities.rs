//! Activities of a source: which events are stored, as what, and for how long.

mod edit;
mod unmap;

pub use edit::{change, edit};
pub use unmap::{page as unmap_page, unmap};

use std::collections::HashMap;

use askama::Template;
use chrono::TimeDelta;
use futures_util::future::join_all;

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
    rates: Option<Rates>,
    /// Names that came and are not mapped.
    unmapped: usize,
}

/// How many events of each name were taken within a day.
struct Rates(HashMap<String, i64>);

impl Rates {
    fn of(&self, name: &str) -> i64 {
        self.0.get(name).copied().unwrap_or_default()
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
        rates: summary.ok().map(rates),
        unmapped: names.iter().filter(|name| !name.mapped).count(),
    }))
}

fn rates(outcome: Outcome) -> Rates {
    let mut rates = HashMap::new();
    for one in outcome.summaries {
        if matches!(one.status, 200 | 206) {
            *rates.entry(one.subject).or_default() += one.count;
        }
    }
    Rates(rates)
}

#[derive(Template)]
#[template(path = "all_activities.html")]
struct AllPage {
    frame: Frame,
    sources: Part<Vec<OfSource>>,
}

/// What one source stores.
struct OfSource {
    source: Source,
    activities: Part<List<ActivityMapping>>,
    rates: Option<Rates>,
}

/// Of all sources of an account.
pub async fn of_account(visit: Visit) -> Page {
    let account = visit.account();
    let (frame, sources) = tokio::join!(
        visit.frame("Activities", "activities"),
        visit.calls.sources(account)
    );
    let since = visit.now - TimeDelta::hours(23);
    let sources = match sources {
        Err(trouble) => Err(trouble),
        Ok(sources) => Ok(join_all(sources.into_iter().map(async |source| {
            let (activities, summary) = tokio::join!(
                visit.calls.activities_mapped(account, &source.id, ""),
                visit.calls.summary((account, &source.id), since, true)
            );
            OfSource {
                source,
                activities: activities.into(),
                rates: summary.ok().map(rates),
            }
        }))
        .await),
    };
    Ok(respond::page(&AllPage {
        frame,
        sources: sources.into(),
    }))
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
