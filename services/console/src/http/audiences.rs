//! Audiences and who belongs to them.

mod why;

use askama::Template;

use super::failure::{Page, Part};
use super::frame::Frame;
use super::visit::{Post, Visit};
use super::{html, respond};
use crate::domain::model::{Audience, AudienceDay, Contact, Member, Origin, Page as List, Sync};
use crate::domain::{Form, Trouble};
use why::Asked;

const SECTION: &str = "audiences";

#[derive(Template)]
#[template(path = "audiences.html")]
struct AudiencesPage {
    frame: Frame,
    audiences: Part<List<Audience>>,
    syncs: Part<Vec<Sync>>,
    name: String,
    fault: String,
    wish: String,
}

pub async fn list(visit: Visit) -> Page {
    show(&visit, "", String::new()).await
}

async fn show(visit: &Visit, name: &str, fault: String) -> Page {
    let account = visit.account();
    let (frame, audiences, syncs) = tokio::join!(
        visit.frame("Audiences", SECTION),
        visit.calls.audiences(account, visit.query.get("page")),
        visit.calls.syncs(account)
    );
    let status = respond::status_of(&fault);
    let page = AudiencesPage {
        frame,
        audiences: audiences.into(),
        syncs: syncs.into(),
        name: name.to_owned(),
        fault,
        wish: weir_ids::random().to_string(),
    };
    Ok(respond::with_status(status, &page))
}

/// Makes one, or has all of them synced.
pub async fn change_all(post: Post) -> Page {
    let Post { visit, form } = post;
    match form.get("do") {
        "sync" => sync(&visit, form.get("wish")).await,
        _ => create(&visit, &form).await,
    }
}

async fn sync(visit: &Visit, wish: &str) -> Page {
    let account = visit.account();
    match visit.calls.start_sync(account, wish).await {
        Ok(()) => Ok(respond::go(&format!(
            "/accounts/{account}/audiences?done=sync"
        ))),
        Err(trouble) => {
            let says = visit.told(SECTION, trouble).await?;
            show(visit, "", says).await
        }
    }
}

async fn create(visit: &Visit, form: &Form) -> Page {
    let account = visit.account();
    let name = form.get("name");
    let origin = match form.choice("origin", "What it is for", Origin::of_choice) {
        Ok(origin) => origin,
        Err(fault) => return show(visit, name, fault.sentence()).await,
    };
    let made = visit
        .calls
        .create_audience(account, name, origin, form.get("wish"))
        .await;
    match made {
        Ok((id, is_new)) => {
            let done = if is_new { "audience" } else { "audience-there" };
            Ok(respond::go(&format!(
                "/accounts/{account}/audiences/{id}?done={done}"
            )))
        }
        Err(trouble) => {
            let says = visit.told(SECTION, trouble).await?;
            show(visit, name, says).await
        }
    }
}

#[derive(Template)]
#[template(path = "audience.html")]
struct AudiencePage {
    frame: Frame,
    audience: Audience,
    members: Part<List<(Member, Option<Contact>)>>,
    days: Part<Vec<AudienceDay>>,
    trend: html::Markup,
    fault: String,
    asked: Asked,
}

pub async fn one(visit: Visit) -> Page {
    let who = visit.query.get("contact");
    let asked = why::ask(&visit, visit.param("audience"), who).await;
    show_one(&visit, String::new(), asked).await
}

async fn refuse(visit: &Visit, fault: String) -> Page {
    show_one(visit, fault, Asked::default()).await
}

async fn refused(visit: &Visit, trouble: Trouble) -> Page {
    let says = visit.told(SECTION, trouble).await?;
    refuse(visit, says).await
}

async fn show_one(visit: &Visit, fault: String, asked: Asked) -> Page {
    let account = visit.account();
    let id = visit.param("audience");
    let answer = visit.calls.audience(account, id).await;
    let audience = visit.need(SECTION, answer).await?;
    let (frame, members, days) = tokio::join!(
        visit.frame("Audience", SECTION),
        visit.calls.members(account, id, visit.query.get("page")),
        visit.calls.audience_days(account, id)
    );
    let members = match members {
        Err(trouble) => Err(trouble),
        Ok(list) => {
            let items = list.items.into_iter().map(async |member| {
                let contact = visit.calls.contact(account, &member.contact_id).await;
                (member, contact.ok())
            });
            Ok(List {
                items: futures_util::future::join_all(items).await,
                next: list.next,
            })
        }
    };
    let base = frame.base();
    let days = Part::from(days);
    let counts = days.value.iter().flatten().rev().map(|day| day.members);
    let counts: Vec<_> = counts.collect();
    let status = respond::status_of(&fault);
    let page = AudiencePage {
        frame: frame.under("Audiences", &format!("{base}/audiences")),
        audience,
        trend: html::trend(&counts, "ok"),
        days,
        fault,
        members: members.into(),
        asked,
    };
    Ok(respond::with_status(status, &page))
}

pub async fn change(post: Post) -> Page {
    let Post { visit, form } = post;
    let account = visit.account();
    let id = visit.param("audience");
    let here = format!("/accounts/{account}/audiences");
    match form.get("do") {
        // A form: by whom somebody is found is personal, and stands in no address.
        "ask" => {
            let asked = why::ask(&visit, id, form.get("contact")).await;
            show_one(&visit, String::new(), asked).await
        }
        "delete" => {
            let answer = visit.calls.audience(account, id).await;
            let audience = visit.need(SECTION, answer).await?;
            if form.raw("typed") != audience.name {
                let says = "Nothing was deleted: what you typed is not its name.".to_owned();
                return refuse(&visit, says).await;
            }
            let deleted = visit
                .calls
                .delete_audience(account, id, form.get("wish"))
                .await;
            match deleted {
                Ok(()) => Ok(respond::go(&format!("{here}?done=deleted"))),
                Err(trouble) => refused(&visit, trouble).await,
            }
        }
        _ => match visit
            .calls
            .rename_audience(account, id, form.get("name"))
            .await
        {
            Ok(()) => Ok(respond::go(&format!("{here}/{id}?done=saved"))),
            Err(trouble) => refused(&visit, trouble).await,
        },
    }
}
