//! What is set for an account as a whole, and who changed what.

mod change;

use std::collections::HashMap;
use std::fmt::Display;

use ::http::{HeaderValue, header};
use askama::Template;
use axum::response::IntoResponse;

use super::failure::{Page, Part};
use super::faults::Faults;
use super::frame::Frame;
use super::visit::Visit;
use super::{html, respond};
use crate::domain::configuration::{self, Described};
use crate::domain::model::{
    Account, Blocked, Change, Delivery, Field, MailStatus, Page as List, Reindex,
};
use crate::domain::{Form, changed};

pub use change::change;

pub const SECTION: &str = "settings";

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    frame: Frame,
    account: Account,
    /// Of all accounts: told to whoever may see all of them.
    mail: Option<Part<MailStatus>>,
    deliveries: Part<Vec<Delivery>>,
    fields: Part<Vec<Field>>,
    /// What tells contacts apart is about to become something else.
    under_way: Option<Reindex>,
    shown: Shown,
}

/// What a page says beside what stands.
#[derive(Default)]
struct Shown {
    /// What was written, where that is not saved.
    sent: Form,
    faults: Faults,
    /// Of a test that was just made.
    tested: Vec<Delivery>,
}

impl SettingsPage {
    /// What is in a field: what somebody wrote, or what stands.
    fn written(&self, part: &str, name: &str, stands: impl Display) -> String {
        if self.is_of(part) {
            self.shown.sent.raw(name).to_owned()
        } else {
            stands.to_string()
        }
    }

    fn is_ticked(&self, part: &str, name: &str, stands: &bool) -> bool {
        if self.is_of(part) {
            self.shown.sent.has(name)
        } else {
            *stands
        }
    }

    /// A test is sent from among the news.
    fn is_of(&self, part: &str) -> bool {
        let sent = self.shown.sent.get("do");
        sent == part || part == "news" && sent == "test"
    }

    /// What a form brings back of what its page showed.
    fn seen(&self, part: &str) -> html::Markup {
        html::hidden("seen", &change::stands_as(&self.account, part))
    }

    fn field(&self, id: &str) -> String {
        changed::field(id, self.fields.value.as_deref().unwrap_or_default())
    }

    fn of_ones_own<'a>(&self, fields: &'a [Field]) -> Vec<&'a Field> {
        fields.iter().filter(|field| field.custom).collect()
    }

    fn strategies(&self) -> html::Markup {
        let choices = [
            ("any", "any: try them in their order"),
            ("next_if_empty", "the second only where the first is empty"),
        ];
        let stands = self.account.strategy.code();
        html::options(&choices, &self.written("strategy", "strategy", stands))
    }

    fn blocked(&self) -> String {
        let lines: Vec<_> = self.account.blocked.iter().map(Blocked::line).collect();
        lines.join("\n")
    }
}

pub async fn page(visit: Visit) -> Page {
    let answer = visit.calls.account(visit.account()).await;
    let account = visit.need(SECTION, answer).await?;
    show(&visit, account, Shown::default()).await
}

async fn show(visit: &Visit, account: Account, mut shown: Shown) -> Page {
    let id = visit.account();
    // An account has a name, too, which is not changed here.
    shown.faults.without_link_to("name");
    let mail = async {
        match visit.me.all_accounts {
            true => Some(visit.calls.mail_status().await),
            false => None,
        }
    };
    let (frame, mail, deliveries, fields, reindex) = tokio::join!(
        visit.frame("Settings", SECTION),
        mail,
        visit.calls.deliveries(id),
        visit.calls.fields(id),
        visit.calls.reindex(id)
    );
    let status = shown.faults.status();
    let page = SettingsPage {
        frame,
        account,
        mail: mail.map(Part::from),
        deliveries: deliveries.into(),
        fields: fields.into(),
        under_way: reindex.ok().filter(Reindex::is_under_way),
        shown,
    };
    Ok(respond::with_status(status, &page))
}

#[derive(Template)]
#[template(path = "changes.html")]
struct ChangesPage {
    frame: Frame,
    changes: Part<List<Change>>,
    /// Services whose part of it is missing.
    missing: String,
    fields: Vec<Field>,
    /// Of accounts and sources, by id.
    names: HashMap<String, String>,
}

impl ChangesPage {
    fn act(&self, change: &Change) -> String {
        changed::act(&change.method)
    }

    fn called(&self, field: &str) -> String {
        changed::called(field, &self.fields)
    }

    fn said(&self, json: &str) -> html::Markup {
        html::value(&changed::said(json, &self.fields, &self.names))
    }

    /// What was changed: by its name, where it has one that is known here.
    fn thing(&self, change: &Change) -> html::Markup {
        match self.names.get(&change.thing_id) {
            Some(name) => html::value(name),
            None => html::id(&change.thing_id),
        }
    }
}

/// Who changed what (semantics 9.5).
pub async fn changes(visit: Visit) -> Page {
    let (frame, changes, fields, sources) = tokio::join!(
        visit.frame("Change record", SECTION),
        visit
            .calls
            .changes(visit.account(), visit.query.get("page")),
        visit.calls.fields(visit.account()),
        visit.calls.sources(visit.account())
    );
    let base = frame.base();
    let accounts = frame.accounts.iter().chain(&frame.account);
    let accounts = accounts.map(|one| (one.id.clone(), one.name.clone()));
    let sources = sources.unwrap_or_default().into_iter();
    let sources = sources.map(|one| (one.id, one.name));
    let names = sources.chain(accounts).collect();
    let (changes, missing) = match changes {
        Ok((changes, missing)) => (Ok(changes), missing),
        Err(trouble) => (Err(trouble), Vec::new()),
    };
    Ok(respond::page(&ChangesPage {
        missing: missing.join(" and "),
        frame: frame.under("Settings", &format!("{base}/settings")),
        changes: changes.into(),
        fields: fields.unwrap_or_default(),
        names,
    }))
}

/// The account as a file that `./weir apply` takes.
pub async fn download(visit: Visit) -> Page {
    let id = visit.account();
    let (account, fields, sources, audiences) = tokio::join!(
        visit.calls.account(id),
        visit.calls.fields(id),
        visit.calls.sources(id),
        visit.calls.all_audiences(id)
    );
    let account = visit.need(SECTION, account).await?;
    let mut described = Vec::new();
    for source in visit.need(SECTION, sources).await? {
        let mapping = visit.calls.contact_mapping(id, &source.id).await;
        let (rows, _) = visit.need(SECTION, mapping).await?;
        let mut activities = Vec::new();
        let mut token = String::new();
        loop {
            let page = visit.calls.activities_mapped(id, &source.id, &token).await;
            let page = visit.need(SECTION, page).await?;
            activities.extend(page.items);
            token = page.next;
            if token.is_empty() {
                break;
            }
        }
        described.push(Described {
            source,
            rows,
            activities,
        });
    }
    let fields = visit.need(SECTION, fields).await?;
    let audiences = visit.need(SECTION, audiences).await?;
    let text = configuration::of(&account, &fields, &described, &audiences);
    let known = |text| HeaderValue::from_static(text);
    let headers = [
        (header::CONTENT_TYPE, known("text/yaml; charset=utf-8")),
        (
            header::CONTENT_DISPOSITION,
            known("attachment; filename=\"weir.yaml\""),
        ),
    ];
    Ok((headers, text).into_response())
}
