//! Recent events, and the story of one.

use askama::Template;

use super::failure::{Page, Part};
use super::frame::Frame;
use super::sources::SECTION;
use super::visit::Visit;
use super::{html, respond};
use crate::domain::model::{Page as List, Recent, Source, Stage, Story};
use crate::domain::words;

#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    status: String,
    name: String,
    events: Part<(List<Recent>, i64)>,
}

pub async fn recent(visit: Visit) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let status = visit.query.get("status");
    let statuses = match status {
        "refused" => vec![206, 400, 422, 429, 500],
        "" => Vec::new(),
        one => one.parse().map(|one| vec![one]).unwrap_or_default(),
    };
    let name = visit.query.get("event");
    let (frame, source, events) = tokio::join!(
        visit.frame("Recent events", SECTION),
        visit.calls.source(account, id),
        visit
            .calls
            .recent((account, id), statuses, name, visit.query.get("page"))
    );
    let source = visit.need(SECTION, source).await?;
    Ok(respond::page(&EventsPage {
        frame: frame.under_source(&source),
        source,
        tab: "events",
        status: status.to_owned(),
        name: name.to_owned(),
        events: events.into(),
    }))
}

#[derive(Template)]
#[template(path = "story.html")]
struct StoryPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    message: String,
    story: Part<Story>,
}

impl StoryPage {
    fn stops(&self, stage: &Stage) -> bool {
        !stage.code.is_empty()
    }
}

/// Of all events with one message id.
pub async fn story(visit: Visit) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let message = visit.query.get("message");
    let (frame, source, story) = tokio::join!(
        visit.frame("One event", SECTION),
        visit.calls.source(account, id),
        visit.calls.story(account, id, message)
    );
    let source = visit.need(SECTION, source).await?;
    Ok(respond::page(&StoryPage {
        frame: frame.under_source(&source),
        source,
        tab: "events",
        message: message.to_owned(),
        story: story.into(),
    }))
}
