//! What a file of configuration would change, before anybody applies it.

use askama::Template;

use super::failure::Page;
use super::frame::Frame;
use super::visit::{Post, Visit};
use super::{html, respond};
use crate::domain::Trouble;
use crate::domain::model::Planned;

const SECTION: &str = "settings";

#[derive(Template)]
#[template(path = "plan.html")]
struct PlanPage {
    frame: Frame,
    text: String,
    prune: bool,
    planned: Option<Planned>,
    fault: String,
}

pub async fn form(visit: Visit) -> Page {
    if !visit.me.all_accounts {
        let says = "a file names accounts, which are looked for among all there are, so that it \
                    takes a token for all accounts"
            .to_owned();
        return Err(visit.failed(SECTION, Trouble::Forbidden { says }).await);
    }
    show(&visit, "", false, None, String::new()).await
}

pub async fn look(post: Post) -> Page {
    let Post { visit, form } = post;
    let (text, prune) = (form.raw("text"), form.has("prune"));
    if text.trim().is_empty() {
        let fault = "Choose a file, or write one below.".to_owned();
        return show(&visit, text, prune, None, fault).await;
    }
    match visit.calls.plan(text, prune).await {
        Ok(planned) => show(&visit, text, prune, Some(planned), String::new()).await,
        Err(trouble) => {
            let says = visit.told(SECTION, trouble).await?;
            show(&visit, text, prune, None, says).await
        }
    }
}

async fn show(
    visit: &Visit,
    text: &str,
    prune: bool,
    planned: Option<Planned>,
    fault: String,
) -> Page {
    let frame = visit.frame("Plan of a file", SECTION).await;
    let base = frame.base();
    let status = respond::status_of(&fault);
    let page = PlanPage {
        frame: frame.under("Settings", &format!("{base}/settings")),
        text: text.to_owned(),
        prune,
        planned,
        fault,
    };
    Ok(respond::with_status(status, &page))
}
