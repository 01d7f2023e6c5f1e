//! Data sources: the list, one of them, its samples and its settings.

use askama::Template;
use chrono::TimeDelta;
use futures_util::future::join_all;

use super::failure::{Page, Part};
use super::frame::Frame;
use super::visit::{Post, Visit};
use super::{html, respond};
use crate::domain::model::{Kind, Merging, Outcome, Sample, Source, SourceKey, Status};

pub const SECTION: &str = "sources";
const DAY: usize = 24;

/// A source in the list.
struct Listed {
    source: Source,
    /// What was answered within a day; none where nobody can say.
    outcome: Option<Outcome>,
    spark: Option<html::Markup>,
}

#[derive(Template)]
#[template(path = "sources.html")]
struct SourcesPage {
    frame: Frame,
    sources: Part<Vec<Listed>>,
}

pub async fn list(visit: Visit) -> Page {
    let account = visit.account();
    let (frame, sources) = tokio::join!(
        visit.frame("Data sources", SECTION),
        visit.calls.sources(account)
    );
    let since = visit.now - TimeDelta::hours(DAY as i64 - 1);
    let sources = match sources {
        Err(trouble) => Err(trouble),
        Ok(sources) => Ok(join_all(sources.into_iter().map(async |source| {
            let outcome = visit
                .calls
                .summary((account, &source.id), since, false)
                .await;
            let outcome = outcome.ok();
            let spark = outcome.as_ref().map(|outcome| {
                let (taken, refused) = outcome.series(visit.now, DAY);
                html::spark(&taken, &refused)
            });
            Listed {
                source,
                outcome,
                spark,
            }
        }))
        .await),
    };
    Ok(respond::page(&SourcesPage {
        frame,
        sources: sources.into(),
    }))
}

/// Where its work goes on: the waiting page as long as nothing came, else the map.
pub async fn one(visit: Visit) -> Page {
    let answer = visit.calls.source(visit.account(), visit.source()).await;
    let source = visit.need(SECTION, answer).await?;
    let base = format!("/accounts/{}/sources/{}", visit.account(), source.id);
    Ok(respond::go(&match source.status {
        Status::WaitingForEvents => format!("{base}/waiting"),
        _ => format!("{base}/map"),
    }))
}

#[derive(Template)]
#[template(path = "samples.html")]
struct SamplesPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    name: String,
    names: Part<Vec<String>>,
    samples: Part<Vec<Sample>>,
}

pub async fn samples(visit: Visit) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let name = visit.query.get("name");
    let (frame, source, names, samples) = tokio::join!(
        visit.frame("Samples", SECTION),
        visit.calls.source(account, id),
        visit.calls.event_names(account, id, ""),
        visit.calls.samples(account, id, name)
    );
    let source = visit.need(SECTION, source).await?;
    let names = names.map(|names| names.into_iter().take(50).map(|name| name.name).collect());
    Ok(respond::page(&SamplesPage {
        frame: frame.under_source(&source),
        source,
        tab: "samples",
        name: name.to_owned(),
        names: names.into(),
        samples: samples.into(),
    }))
}

#[derive(Template)]
#[template(path = "source_settings.html")]
struct SettingsPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    keys: Part<Vec<SourceKey>>,
    others: Vec<Source>,
    merging: [Merging; 3],
    faults: Vec<String>,
    /// Shown once.
    new_key: String,
}

pub async fn settings(visit: Visit) -> Page {
    show_settings(&visit, Vec::new(), String::new()).await
}

async fn show_settings(visit: &Visit, faults: Vec<String>, new_key: String) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let (frame, source, keys, others) = tokio::join!(
        visit.frame("Settings", SECTION),
        visit.calls.source(account, id),
        visit.calls.keys(account, id),
        visit.calls.sources(account)
    );
    let source = visit.need(SECTION, source).await?;
    let mut others = others.unwrap_or_default();
    others.retain(|other| other.id != source.id && other.mapping_version > 1);
    Ok(respond::page(&SettingsPage {
        frame: frame.under_source(&source),
        source,
        tab: "settings",
        keys: keys.into(),
        others,
        merging: Merging::ALL,
        faults,
        new_key,
    }))
}

/// Everything that is set about a source, one at a time.
pub async fn change(post: Post) -> Page {
    let Post { visit, form } = post;
    let (account, id) = (visit.account(), visit.source());
    let here = format!("/accounts/{account}/sources/{id}/settings");
    let wish = form.get("wish");
    let done = match form.get("do") {
        "merge" => {
            let answer = visit.calls.source(account, id).await;
            let mut source = visit.need(SECTION, answer).await?;
            source.merging = Merging::of_code(form.get("merging")).unwrap_or_default();
            source.existing_only = form.has("existing_only") && source.merging != Merging::Ignore;
            source.allowed_origins = form.list("origins");
            let saved = visit.calls.put_source(account, &source, wish).await;
            saved.map(|_| "saved")
        }
        "rename" => {
            let renamed = visit
                .calls
                .rename_source(account, id, form.get("name"))
                .await;
            renamed.map(|()| "renamed")
        }
        "pause" => visit
            .calls
            .pause_source(account, id)
            .await
            .map(|()| "paused"),
        "resume" => visit
            .calls
            .resume_source(account, id)
            .await
            .map(|()| "resumed"),
        "copy" => {
            let copied = visit
                .calls
                .copy_mapping(account, form.get("from"), id)
                .await;
            copied.map(|()| "copied")
        }
        "revoke" => {
            let revoked = visit.calls.revoke_key(account, form.get("key")).await;
            revoked.map(|()| "key-revoked")
        }
        "rotate" => {
            let hours = form.number("overlap").unwrap_or(24);
            let made = visit.calls.rotate_key(account, id, hours, wish).await;
            match made {
                Ok(key) if key.is_empty() => Ok("same"),
                Ok(key) => return show_settings(&visit, Vec::new(), key).await,
                Err(trouble) => Err(trouble),
            }
        }
        "delete" => {
            let answer = visit.calls.source(account, id).await;
            let source = visit.need(SECTION, answer).await?;
            if form.raw("typed") != source.name {
                let says = "Nothing was deleted: what you typed is not the name of the source.";
                return show_settings(&visit, vec![says.to_owned()], String::new()).await;
            }
            match visit.calls.delete_source(account, id).await {
                Ok(()) => {
                    return Ok(respond::go(&format!(
                        "/accounts/{account}/sources?done=deleted"
                    )));
                }
                Err(trouble) => Err(trouble),
            }
        }
        _ => Ok("same"),
    };
    match done {
        Ok(done) => Ok(respond::go(&format!("{here}?done={done}"))),
        Err(trouble) => show_settings(&visit, vec![trouble.says()], String::new()).await,
    }
}
