//! Kept events, and their replay: a dry run first, then for real, which can be watched.

use askama::Template;

use super::failure::{Page, Part};
use super::frame::Frame;
use super::sources::SECTION;
use super::visit::{Post, Visit};
use super::{html, respond};
use crate::domain::model::{Field, Kept, KeptFilter, Page as List, Replay, ReplayPreview, Source};
use crate::domain::{Fault, Form, Trouble, changed, words};

#[derive(Template)]
#[template(path = "kept.html")]
struct KeptPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    filter: KeptFilter,
    events: Part<List<Kept>>,
    replays: Vec<Replay>,
    query: String,
}

fn filter(form: &Form) -> KeptFilter {
    let all = |name: &str| form.all(name).into_iter().map(str::to_owned).collect();
    // Codes have no spaces: what a field shows of two of them is read as two.
    let codes = form.all("code").into_iter().flat_map(str::split_whitespace);
    KeptFilter {
        codes: codes.map(str::to_owned).collect(),
        event_names: all("event"),
        ids: all("id"),
        include_done: form.has("done_too"),
    }
}

/// The same filter, in an address.
fn encoded(filter: &KeptFilter) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(filter.codes.iter().map(|code| ("code", code)));
    query.extend_pairs(filter.event_names.iter().map(|name| ("event", name)));
    query.extend_pairs(filter.ids.iter().map(|id| ("id", id)));
    if filter.include_done {
        query.append_pair("done_too", "1");
    }
    query.finish()
}

pub async fn list(visit: Visit) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let filter = filter(&visit.query);
    let (frame, source, events, replays) = tokio::join!(
        visit.frame("Kept events", SECTION),
        visit.calls.source(account, id),
        visit
            .calls
            .kept(account, id, &filter, visit.query.get("page")),
        visit.calls.replays(account)
    );
    let source = visit.need(SECTION, source).await?;
    let mut replays = replays.unwrap_or_default();
    replays.retain(|replay| replay.source_id == source.id);
    replays.truncate(10);
    Ok(respond::page(&KeptPage {
        frame: frame.under_source(&source),
        source,
        tab: "logs",
        query: encoded(&filter),
        filter,
        events: events.into(),
        replays,
    }))
}

#[derive(Template)]
#[template(path = "replay_preview.html")]
struct PreviewPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    filter: KeptFilter,
    preview: Part<ReplayPreview>,
    fields: Vec<Field>,
    fault: String,
    /// The replay that is in the way of another one.
    running: Option<String>,
    wish: String,
    query: String,
}

impl PreviewPage {
    /// Of what a value would be ignored: a field by its name, else where it stands in the event.
    fn called(&self, ignored: &str) -> String {
        changed::field(ignored, &self.fields)
    }
}

/// What would become of them now.
pub async fn preview(visit: Visit) -> Page {
    let filter = filter(&visit.query);
    let wish = weir_ids::random().to_string();
    show_preview(&visit, filter, String::new(), wish).await
}

async fn show_preview(visit: &Visit, filter: KeptFilter, fault: String, wish: String) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let running = async {
        match fault.is_empty() {
            true => None,
            false => running(visit).await,
        }
    };
    let (frame, source, preview, fields, running) = tokio::join!(
        visit.frame("Replay", SECTION),
        visit.calls.source(account, id),
        visit.calls.preview_replay(account, id, &filter),
        visit.calls.fields(account),
        running
    );
    let source = visit.need(SECTION, source).await?;
    let above = format!("/accounts/{account}/sources/{id}/kept");
    let status = respond::status_of(&fault);
    let page = PreviewPage {
        frame: frame.under_source(&source).under("Kept events", &above),
        source,
        tab: "logs",
        query: encoded(&filter),
        filter,
        preview: preview.into(),
        fields: fields.unwrap_or_default(),
        fault,
        running,
        wish,
    };
    Ok(respond::with_status(status, &page))
}

/// The replay of the source that has not ended, be it somebody else's.
async fn running(visit: &Visit) -> Option<String> {
    let replays = visit.calls.replays(visit.account()).await.ok()?;
    let mut own = replays
        .into_iter()
        .filter(|one| one.source_id == visit.source());
    own.find(|one| one.state == "running").map(|one| one.id)
}

pub async fn start(post: Post) -> Page {
    let Post { visit, form } = post;
    let (account, id) = (visit.account(), visit.source());
    let filter = filter(&form);
    let wish = form.get("wish");
    match visit.calls.start_replay(account, id, &filter, wish).await {
        Ok(replay) => {
            let path = format!("/accounts/{account}/sources/{id}/replays/{}", replay.id);
            Ok(respond::go(&path))
        }
        Err(trouble) => {
            let says = visit.told(SECTION, trouble).await?;
            show_preview(&visit, filter, says, visit.wish()).await
        }
    }
}

#[derive(Template)]
#[template(path = "replay.html")]
struct ReplayPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    replay: Replay,
}

impl ReplayPage {
    fn percent(&self) -> i64 {
        let done = self.replay.events - self.replay.waiting;
        crate::domain::chart::percent(done, self.replay.events)
    }
}

pub async fn progress(visit: Visit) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let (frame, source, replay) = tokio::join!(
        visit.frame("Replay", SECTION),
        visit.calls.source(account, id),
        visit.calls.replay(account, visit.param("replay"))
    );
    let source = visit.need(SECTION, source).await?;
    let replay = visit.need(SECTION, replay).await?;
    let above = format!("/accounts/{account}/sources/{id}/kept");
    Ok(respond::page(&ReplayPage {
        frame: frame.under_source(&source).under("Kept events", &above),
        source,
        tab: "logs",
        replay,
    }))
}

pub async fn steer(post: Post) -> Page {
    let Post { visit, form } = post;
    let account = visit.account();
    let replay = visit.param("replay");
    let stands = visit.calls.replay(account, replay).await;
    let stands = visit.need(SECTION, stands).await?;
    let done = match (form.get("do"), stands.state) {
        // It came to its end while somebody looked at the button.
        ("stop" | "resume", "ended") => "replay-ended",
        ("stop", _) => {
            let stopped = visit.calls.stop_replay(account, replay).await;
            visit.need(SECTION, stopped).await?;
            "replay-stopped"
        }
        ("resume", _) => {
            let resumed = visit.calls.resume_replay(account, replay).await;
            visit.need(SECTION, resumed).await?;
            "replay-resumed"
        }
        _ => {
            let fault = Trouble::Invalid(vec![Fault {
                field: "do".to_owned(),
                says: "must be stop or resume. Nothing was done".to_owned(),
            }]);
            return Err(visit.failed(SECTION, fault).await);
        }
    };
    let path = format!(
        "/accounts/{account}/sources/{}/replays/{replay}?done={done}",
        visit.source()
    );
    Ok(respond::go(&path))
}
