//! Whose data are looked at.

use askama::Template;
use axum::response::Response;

use super::failure::{Page, Part};
use super::frame::Frame;
use super::visit::{Post, Visit};
use super::{html, respond};
use crate::domain::model::{Account, Page as List};

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage {
    frame: Frame,
    list: Part<List<Account>>,
    /// What was looked for; empty: all are shown.
    search: String,
}

/// The only account there is; else all of them.
pub async fn home(visit: Visit) -> Page {
    let frame = visit.frame("Accounts", "accounts").await;
    if let Some(account) = frame.accounts.first() {
        return Ok(respond::go(&format!("/accounts/{}/sources", account.id)));
    }
    Ok(shown(frame, Ok(List::default()).into(), ""))
}

pub async fn list(visit: Visit) -> Page {
    let (frame, list) = tokio::join!(
        visit.frame("Accounts", "accounts"),
        visit.calls.accounts(visit.query.get("page"))
    );
    Ok(shown(frame, list.into(), ""))
}

pub async fn find(post: Post) -> Page {
    let Post { visit, form } = post;
    let search = form.get("q");
    if search.is_empty() {
        return Ok(respond::go("/accounts"));
    }
    let (frame, found) = tokio::join!(
        visit.frame("Accounts", "accounts"),
        visit.calls.accounts_named(search)
    );
    let found = found.map(|items| List {
        items,
        next: String::new(),
    });
    Ok(shown(frame, found.into(), search))
}

fn shown(frame: Frame, list: Part<List<Account>>, search: &str) -> Response {
    respond::page(&AccountsPage {
        frame,
        list,
        search: search.to_owned(),
    })
}

/// Of an account: its sources.
pub async fn account(visit: Visit) -> Page {
    Ok(respond::go(&format!(
        "/accounts/{}/sources",
        visit.account()
    )))
}
