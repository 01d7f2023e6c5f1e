//! Whose data are looked at.

use askama::Template;

use super::failure::Page;
use super::frame::Frame;
use super::visit::Visit;
use super::{html, respond};

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage {
    frame: Frame,
}

/// The only account there is; else all of them.
pub async fn home(visit: Visit) -> Page {
    let frame = visit.frame("Accounts", "accounts").await;
    if let Some(account) = frame.accounts.first() {
        return Ok(respond::go(&format!("/accounts/{}/sources", account.id)));
    }
    Ok(respond::page(&AccountsPage { frame }))
}

pub async fn list(visit: Visit) -> Page {
    let frame = visit.frame("Accounts", "accounts").await;
    Ok(respond::page(&AccountsPage { frame }))
}

/// Of an account: its sources.
pub async fn account(visit: Visit) -> Page {
    Ok(respond::go(&format!(
        "/accounts/{}/sources",
        visit.account()
    )))
}
