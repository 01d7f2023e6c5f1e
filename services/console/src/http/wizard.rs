//! A new data source: kind, name, merge settings, its key, and waiting for the first event.

use askama::Template;
use chrono::TimeDelta;

use super::failure::{Page, Part};
use super::frame::Frame;
use super::sources::{MERGING, SECTION};
use super::visit::{Post, Visit};
use super::{html, respond};
use crate::domain::model::{Kind, LogEntry, LogFilter, Merging, Source, Status};
use crate::domain::{steps, words};

#[derive(Template)]
#[template(path = "new_source.html")]
struct NewSourcePage {
    frame: Frame,
    /// None: it is still to be chosen.
    kind: Option<Kind>,
    wanted: Source,
    merging: [Merging; 3],
    /// An account has one of these at most.
    has_actions: bool,
    fault: String,
    wish: String,
}

pub async fn form(visit: Visit) -> Page {
    if !visit.me.may_write() {
        return Err(visit.not_for_this_role(SECTION, "write").await);
    }
    let kind = Kind::of_code(visit.query.get("kind"));
    let wanted = Source {
        kind: kind.unwrap_or_default(),
        ..Source::default()
    };
    let wish = weir_ids::random().to_string();
    show(&visit, kind, wanted, String::new(), wish).await
}

async fn show(
    visit: &Visit,
    kind: Option<Kind>,
    wanted: Source,
    fault: String,
    wish: String,
) -> Page {
    let (frame, sources) = tokio::join!(
        visit.frame("New data source", SECTION),
        visit.calls.sources(visit.account())
    );
    let sources = visit.need(SECTION, sources).await?;
    let base = frame.base();
    let status = respond::status_of(&fault);
    let page = NewSourcePage {
        frame: frame.under("Data sources", &format!("{base}/sources")),
        kind,
        wanted,
        merging: Merging::ALL,
        has_actions: sources.iter().any(|one| one.kind == Kind::Actions),
        fault,
        wish,
    };
    Ok(respond::with_status(status, &page))
}

#[derive(Template)]
#[template(path = "new_key.html")]
struct NewKeyPage {
    frame: Frame,
    source: Source,
    key: String,
    curl: String,
    steps: Vec<String>,
}

pub async fn create(post: Post) -> Page {
    let Post { visit, form } = post;
    let kind = Kind::of_code(form.get("kind"));
    let chosen = form.choice("merging", MERGING, Merging::of_code);
    let merging = chosen.clone().unwrap_or_default();
    let wanted = Source {
        kind: kind.unwrap_or_default(),
        name: form.get("name").to_owned(),
        merging,
        existing_only: form.has("existing_only") && merging != Merging::Ignore,
        ..Source::default()
    };
    let wish = form.get("wish");
    let fault = if kind.is_none() {
        "Choose what kind of source it is.".to_owned()
    } else if wanted.name.is_empty() {
        "Give the source a name: it is for yourselves, and can be changed later.".to_owned()
    } else if let Err(fault) = chosen {
        fault.sentence()
    } else {
        let account = visit.account();
        let made = visit.app.make_source(&visit.me, account, &wanted, wish);
        match made.await {
            Ok(made) => return show_key(&visit, made.source, made.key).await,
            Err(trouble) => visit.told(SECTION, trouble).await?,
        }
    };
    let wish = visit.wish();
    show(&visit, kind, wanted, fault, wish).await
}

/// The key, once; with what to do with it.
async fn show_key(visit: &Visit, source: Source, key: String) -> Page {
    let frame = visit.frame("API key", SECTION).await;
    let doors = &visit.app.doors;
    Ok(respond::page(&NewKeyPage {
        frame: frame.under_source(&source),
        curl: steps::curl(source.kind, doors, &key, visit.now),
        steps: steps::of(source.kind, doors),
        source,
        key,
    }))
}

/// Another key, while no event has come: closing the page of the first one costs nothing.
pub async fn renew(post: Post) -> Page {
    let Post { visit, form } = post;
    let (account, id) = (visit.account(), visit.source());
    let answer = visit.calls.source(account, id).await;
    let source = visit.need(SECTION, answer).await?;
    let made = visit
        .app
        .renew_key(&visit.me, account, id, form.get("wish"));
    let key = visit.need(SECTION, made.await).await?;
    show_key(&visit, source, key).await
}

#[derive(Template)]
#[template(path = "waiting.html")]
struct WaitingPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    has_key: bool,
    refused: Part<Vec<LogEntry>>,
    answered: i64,
}

/// Goes on by itself once an event came.
pub async fn waiting(visit: Visit) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let since = visit.now - TimeDelta::hours(1);
    let filter = LogFilter::default();
    let (frame, source, keys, log, summary) = tokio::join!(
        visit.frame("Waiting for events", SECTION),
        visit.calls.source(account, id),
        visit.calls.keys(account, id),
        visit.calls.log((account, id), &filter, ""),
        visit.calls.summary((account, id), since, false)
    );
    let source = visit.need(SECTION, source).await?;
    if source.status != Status::WaitingForEvents {
        return Ok(respond::go(&format!(
            "/accounts/{account}/sources/{id}/map"
        )));
    }
    let keys = keys.unwrap_or_default();
    let refused = log.map(|log| log.items.into_iter().take(10).collect());
    Ok(respond::page(&WaitingPage {
        frame: frame.under_source(&source),
        has_key: keys.iter().any(|key| key.is_good(&visit.now)),
        tab: "map",
        refused: refused.into(),
        answered: summary.map_or(0, |summary| summary.answered),
        source,
    }))
}
