//! Data sources: the list, one of them, and its settings.

use askama::Template;
use chrono::TimeDelta;
use futures_util::future::join_all;
use weir_reasons::Reason;

use super::failure::{Page, Part};
use super::faults::Faults;
use super::frame::Frame;
use super::visit::{Post, Visit};
use super::{html, respond};
use crate::clients::Answer;
use crate::domain::model::{Kind, Merging, Outcome, Source, SourceKey, Status};
use crate::domain::{Fault, Form, Trouble, words};

pub const SECTION: &str = "sources";
const DAY: usize = 24;
/// As of mapping: 30 days.
const MAX_OVERLAP: i64 = 720;
/// As of the settings of an account.
const TRIES: usize = 5;
pub const MERGING: &str = "When a contact is there already";

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
#[template(path = "source_settings.html")]
struct SettingsPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    keys: Part<Vec<SourceKey>>,
    others: Vec<Source>,
    merging: [Merging; 3],
    /// Events that were answered in the last 24 hours: what its keys, a pause and a deletion concern.
    came: Option<i64>,
    faults: Faults,
    /// Shown once.
    new_key: String,
    /// What was written, where that is not saved.
    sent: Form,
}

impl SettingsPage {
    /// The name as somebody wrote it, or as it stands.
    fn name(&self) -> &str {
        match self.sent.get("do") {
            "rename" => self.sent.raw("name"),
            _ => &self.source.name,
        }
    }

    fn is_chosen(&self, one: &Merging) -> bool {
        match self.sent.get("do") {
            "merge" => self.sent.get("merging") == one.code(),
            _ => *one == self.source.merging,
        }
    }

    fn is_existing_only(&self) -> bool {
        match self.sent.get("do") {
            "merge" => self.sent.has("existing_only"),
            _ => self.source.existing_only,
        }
    }

    fn origins(&self) -> String {
        match self.sent.get("do") {
            "merge" => self.sent.raw("origins").to_owned(),
            _ => self.source.allowed_origins.join("\n"),
        }
    }

    /// What the form of the merge settings brings back of what its page showed.
    fn seen(&self) -> html::Markup {
        html::hidden("seen", &self.source.merging_stands_as())
    }

    /// What an end of it concerns.
    fn concerns(&self) -> String {
        let came = |came| format!("{} came in the last 24 hours.", words::count(came, "event"));
        self.came.map(came).unwrap_or_default()
    }

    fn overlap(&self) -> html::Markup {
        let choices = [
            ("24", "in a day"),
            ("1", "in an hour"),
            ("168", "in a week"),
            ("0", "now"),
        ];
        html::options(&choices, self.sent.get("overlap"))
    }
}

pub async fn settings(visit: Visit) -> Page {
    show_settings(&visit, Faults::default(), String::new()).await
}

async fn show_settings(visit: &Visit, mut faults: Faults, new_key: String) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let since = visit.now - TimeDelta::hours(DAY as i64 - 1);
    let (frame, source, keys, others, outcome) = tokio::join!(
        visit.frame("Settings", SECTION),
        visit.calls.source(account, id),
        visit.calls.keys(account, id),
        visit.calls.sources(account),
        visit.calls.summary((account, id), since, false)
    );
    let source = visit.need(SECTION, source).await?;
    let mut others = others.unwrap_or_default();
    others.retain(|other| other.id != source.id && other.mapping_version > 1);
    if source.kind != Kind::Classic {
        faults.without_link_to("origins");
    }
    if others.is_empty() {
        faults.without_link_to("from");
    }
    let status = faults.status();
    let page = SettingsPage {
        frame: frame.under_source(&source),
        source,
        tab: "settings",
        keys: keys.into(),
        others,
        merging: Merging::ALL,
        came: outcome.ok().map(|outcome| outcome.answered),
        sent: match faults.is_empty() {
            true => Form::default(),
            false => visit.sent.clone(),
        },
        faults,
        new_key,
    };
    Ok(respond::with_status(status, &page))
}

/// Everything that is set about a source, one at a time.
pub async fn change(post: Post) -> Page {
    let Post { visit, form } = post;
    let (account, id) = (visit.account(), visit.source());
    let done = match form.get("do") {
        "merge" => return merge(&visit, &form).await,
        "rotate" => return rotate(&visit, &form).await,
        "delete" => return delete(&visit, &form).await,
        "rename" => {
            let name = form.get("name");
            let renamed = visit.calls.rename_source(account, id, name).await;
            renamed.map(|()| "renamed")
        }
        "pause" => {
            let paused = visit.calls.pause_source(account, id).await;
            paused.map(|()| "paused")
        }
        "resume" => {
            let resumed = visit.calls.resume_source(account, id).await;
            resumed.map(|()| "resumed")
        }
        "copy" => {
            let from = form.get("from");
            let seen = form.number("version");
            let copied = visit.calls.copy_mapping(account, from, id, seen).await;
            copied.map(|()| "copied")
        }
        "revoke" => {
            let revoked = visit.calls.revoke_key(account, form.get("key")).await;
            revoked.map(|()| "key-revoked")
        }
        _ => Ok("same"),
    };
    end(&visit, done).await
}

async fn end(visit: &Visit, done: Answer<&str>) -> Page {
    match done {
        Ok(done) => {
            let (account, id) = (visit.account(), visit.source());
            let path = format!("/accounts/{account}/sources/{id}/settings?done={done}");
            Ok(respond::go(&path))
        }
        Err(trouble) => refuse(visit, trouble).await,
    }
}

/// The page again, with what was written.
async fn refuse(visit: &Visit, trouble: Trouble) -> Page {
    let faults = Faults::told(visit, SECTION, trouble).await?;
    show_settings(visit, faults, String::new()).await
}

/// As of the settings of an account: what others saved meanwhile is shown before it is replaced,
/// and what stands already is not said to be saved.
async fn merge(visit: &Visit, form: &Form) -> Page {
    let merging = match form.choice("merging", MERGING, Merging::of_code) {
        Ok(merging) => merging,
        Err(fault) => return not_saved(visit, &fault).await,
    };
    for _ in 0..TRIES {
        let answer = visit.calls.source(visit.account(), visit.source()).await;
        let stands = visit.need(SECTION, answer).await?;
        let mut wanted = stands.clone();
        wanted.merging = merging;
        wanted.existing_only = form.has("existing_only") && merging != Merging::Ignore;
        if wanted.kind == Kind::Classic {
            wanted.allowed_origins = form.list("origins");
        }
        let (now, wants) = (stands.merging_stands_as(), wanted.merging_stands_as());
        if visit.me.may_write() && wants == now {
            return end(visit, Ok("same")).await;
        }
        if visit.me.may_write() && form.get("seen") != now {
            let says = format!(
                "This was changed since the page was shown, by somebody else or by yourself: now \
                 it is {now}. Nothing was saved yet: what you wrote stands below, and takes the \
                 place of that if you save it now."
            );
            return show_settings(visit, Faults::whole(says), String::new()).await;
        }
        let wish = form.get("wish");
        match visit.calls.put_source(visit.account(), &wanted, wish).await {
            // Something was changed in between: these settings, or others.
            Err(trouble) if trouble.is(Reason::MappingChanged) => {}
            saved => return end(visit, saved.map(|_| "saved")).await,
        }
    }
    let says = "Other settings of the account are being changed all the time: nothing was saved. \
                Try again.";
    show_settings(visit, Faults::whole(says), String::new()).await
}

async fn not_saved(visit: &Visit, fault: &Fault) -> Page {
    let faults = Faults::of(std::slice::from_ref(fault), "Nothing was changed.");
    show_settings(visit, faults, String::new()).await
}

async fn rotate(visit: &Visit, form: &Form) -> Page {
    const MADE: &str = "The new key was made already, when the button was pressed first: that \
                        answer alone showed it, and the keys before end when you chose. It is the \
                        newest in the list below. Where nobody has it, rotate once more: this \
                        page makes another key then.";
    let hours = match form.whole("overlap", "When the others end, in hours", 0..=MAX_OVERLAP) {
        Ok(hours) => hours,
        Err(fault) => return not_saved(visit, &fault).await,
    };
    let (account, id) = (visit.account(), visit.source());
    let wish = form.get("wish");
    match visit.calls.rotate_key(account, id, hours, wish).await {
        Ok(key) if key.is_empty() => show_settings(visit, Faults::whole(MADE), key).await,
        Ok(key) => show_settings(visit, Faults::default(), key).await,
        Err(trouble) => refuse(visit, trouble).await,
    }
}

async fn delete(visit: &Visit, form: &Form) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let answer = visit.calls.source(account, id).await;
    let source = visit.need(SECTION, answer).await?;
    if form.raw("typed") != source.name {
        let says = "Nothing was deleted: what you typed is not the name of the source.";
        return show_settings(visit, Faults::at("typed", says), String::new()).await;
    }
    match visit.calls.delete_source(account, id).await {
        Ok(()) => {
            let path = format!("/accounts/{account}/sources?done=deleted");
            Ok(respond::go(&path))
        }
        Err(trouble) => refuse(visit, trouble).await,
    }
}
