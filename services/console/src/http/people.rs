//! What is done to contacts by hand: merged, split, deleted. Each says first what it comes to.

use askama::Template;
use weir_reasons::Reason;

use super::contacts::{SECTION, meant};
use super::failure::{Page, Part};
use super::frame::Frame;
use super::visit::{Post, Visit};
use super::{html, respond};
use crate::domain::changed;
use crate::domain::model::{Contact, Deletion, Field, Merge, MergePreview};

#[derive(Template)]
#[template(path = "merge.html")]
struct MergePage {
    frame: Frame,
    contact: Contact,
    /// As it was asked for: by id, or by another identifier.
    who: String,
    other: Option<Contact>,
    preview: Option<MergePreview>,
    fields: Vec<Field>,
    fault: String,
    wish: String,
}

impl MergePage {
    fn field<'a>(&'a self, id: &'a str) -> &'a str {
        let found = self.fields.iter().find(|field| field.id == id);
        found.map_or(id, |field| &field.name)
    }
}

pub async fn merge_form(visit: Visit) -> Page {
    if !visit.me.may_write() {
        return Err(visit.not_for_this_role(SECTION, "write").await);
    }
    let other = visit.query.get("with").to_owned();
    let wish = weir_ids::random().to_string();
    show_merge(&visit, &other, String::new(), wish).await
}

async fn show_merge(visit: &Visit, who: &str, fault: String, wish: String) -> Page {
    let account = visit.account();
    let answer = visit.calls.contact(account, visit.param("contact")).await;
    let contact = visit.need(SECTION, answer).await?;
    let (frame, fields) = tokio::join!(visit.frame("Merge", SECTION), visit.calls.fields(account));
    let (mut other, mut preview, mut fault) = (None, None, fault);
    if !who.is_empty() {
        let found = match meant(visit, who).await {
            Ok(other) if other == contact.id => Err("That is this very contact.".to_owned()),
            Ok(other) => would_be(visit, &contact.id, &other).await,
            Err(nobody) => Err(nobody),
        };
        match found {
            Ok((found, would)) => (other, preview) = (Some(found), Some(would)),
            Err(says) if fault.is_empty() => fault = says,
            Err(_) => {}
        }
    }
    let base = frame.base();
    let above = format!("{base}/contacts/{}", contact.id);
    let status = respond::status_of(&fault);
    let page = MergePage {
        frame: frame
            .under("Contacts", &format!("{base}/contacts"))
            .under("Contact", &above),
        contact,
        who: who.to_owned(),
        other,
        preview,
        fields: fields.unwrap_or_default(),
        fault,
        wish,
    };
    Ok(respond::with_status(status, &page))
}

/// The other one, and what merging both comes to.
async fn would_be(
    visit: &Visit,
    contact: &str,
    other: &str,
) -> Result<(Contact, MergePreview), String> {
    let account = visit.account();
    let (found, would) = tokio::join!(
        visit.calls.contact(account, other),
        visit.calls.preview_merge(account, contact, other)
    );
    let found = found.map_err(|trouble| trouble.says())?;
    Ok((found, would.map_err(|trouble| trouble.says())?))
}

/// The word that is typed where there is no name to type.
const MERGE_WORD: &str = "merge";
const DELETE_WORD: &str = "delete";
/// Where the box for that was not ticked.
const TWO_USER_IDS: &str = "Nothing was merged: both contacts have user ids, as two people have. \
                            Where they are one person all the same, tick that below.";

pub async fn merge(post: Post) -> Page {
    let Post { visit, form } = post;
    let (account, contact) = (visit.account(), visit.param("contact"));
    let other = form.get("with");
    let wish = form.get("wish");
    // What it comes to, of whom is personal as well: no address says it.
    if form.get("do") == "ask" {
        return show_merge(&visit, other, String::new(), visit.wish()).await;
    }
    if form.get("typed").to_lowercase() != MERGE_WORD {
        let says = "Nothing was merged: type the word merge to confirm it.".to_owned();
        return show_merge(&visit, other, says, visit.wish()).await;
    }
    let allowed = form.has("two_user_ids");
    let merged = visit
        .calls
        .merge((account, wish), contact, other, allowed)
        .await;
    match merged {
        Ok(survivor) => Ok(respond::go(&format!(
            "/accounts/{account}/contacts/{survivor}?done=merged"
        ))),
        Err(trouble) => {
            let says = match trouble.is(Reason::BothHaveUserIds) {
                true => TWO_USER_IDS.to_owned(),
                false => visit.told(SECTION, trouble).await?,
            };
            show_merge(&visit, other, says, visit.wish()).await
        }
    }
}

#[derive(Template)]
#[template(path = "split.html")]
struct SplitPage {
    frame: Frame,
    contact: Contact,
    merge: Merge,
    fields: Vec<Field>,
    fault: String,
}

impl SplitPage {
    fn field<'a>(&'a self, id: &'a str) -> &'a str {
        let found = self.fields.iter().find(|field| field.id == id);
        found.map_or(id, |field| &field.name)
    }
}

pub async fn split_form(visit: Visit) -> Page {
    if !visit.me.may_write() {
        return Err(visit.not_for_this_role(SECTION, "write").await);
    }
    let merge = visit.query.get("merge").to_owned();
    show_split(&visit, &merge, String::new()).await
}

async fn show_split(visit: &Visit, merge: &str, fault: String) -> Page {
    let account = visit.account();
    let answer = visit.calls.contact(account, visit.param("contact")).await;
    let contact = visit.need(SECTION, answer).await?;
    let merges = visit.calls.merges(account, &contact.id).await;
    let merges = visit.need(SECTION, merges).await?;
    let Some(merge) = merges.into_iter().find(|one| one.id == merge) else {
        return Ok(respond::go(&format!(
            "/accounts/{account}/contacts/{}",
            contact.id
        )));
    };
    let (frame, fields) = tokio::join!(
        visit.frame("Undo a merge", SECTION),
        visit.calls.fields(account)
    );
    let base = frame.base();
    let above = format!("{base}/contacts/{}", contact.id);
    let status = respond::status_of(&fault);
    let page = SplitPage {
        frame: frame
            .under("Contacts", &format!("{base}/contacts"))
            .under("Contact", &above),
        contact,
        merge,
        fields: fields.unwrap_or_default(),
        fault,
    };
    Ok(respond::with_status(status, &page))
}

pub async fn split(post: Post) -> Page {
    let Post { visit, form } = post;
    let account = visit.account();
    let merge = form.get("merge");
    match visit.calls.split(account, merge).await {
        Ok(_) => {
            let path = format!(
                "/accounts/{account}/contacts/{}?done=split",
                visit.param("contact")
            );
            Ok(respond::go(&path))
        }
        Err(trouble) => {
            let says = visit.told(SECTION, trouble).await?;
            show_split(&visit, merge, says).await
        }
    }
}

#[derive(Template)]
#[template(path = "delete_contact.html")]
struct DeletePage {
    frame: Frame,
    contact: Contact,
    /// Activities of the first page, and whether there are more.
    activities: Part<(usize, bool)>,
    memberships: Part<usize>,
    fault: String,
    wish: String,
}

pub async fn delete_form(visit: Visit) -> Page {
    if !visit.me.may_write() {
        return Err(visit.not_for_this_role(SECTION, "write").await);
    }
    let wish = weir_ids::random().to_string();
    show_delete(&visit, String::new(), wish).await
}

async fn show_delete(visit: &Visit, fault: String, wish: String) -> Page {
    let account = visit.account();
    let answer = visit.calls.contact(account, visit.param("contact")).await;
    let contact = visit.need(SECTION, answer).await?;
    let (frame, activities, memberships) = tokio::join!(
        visit.frame("Delete", SECTION),
        visit.calls.activities(account, &contact.id, ""),
        visit.calls.memberships(account, &contact.id)
    );
    let activities = activities.map(|list| (list.items.len(), !list.next.is_empty()));
    let base = frame.base();
    let above = format!("{base}/contacts/{}", contact.id);
    let status = respond::status_of(&fault);
    let page = DeletePage {
        frame: frame
            .under("Contacts", &format!("{base}/contacts"))
            .under("Contact", &above),
        contact,
        activities: activities.into(),
        memberships: memberships.map(|list| list.len()).into(),
        fault,
        wish,
    };
    Ok(respond::with_status(status, &page))
}

pub async fn delete(post: Post) -> Page {
    let Post { visit, form } = post;
    let account = visit.account();
    let wish = form.get("wish");
    if form.get("typed").to_lowercase() != DELETE_WORD {
        let says = "Nothing was deleted: type the word delete to confirm it.".to_owned();
        return show_delete(&visit, says, visit.wish()).await;
    }
    let contact = visit.param("contact");
    match visit.calls.delete_contact(account, contact, wish).await {
        Ok(deletion) => Ok(respond::go(&format!(
            "/accounts/{account}/deletions/{}",
            deletion.id
        ))),
        Err(trouble) => {
            let says = visit.told(SECTION, trouble).await?;
            show_delete(&visit, says, visit.wish()).await
        }
    }
}

#[derive(Template)]
#[template(path = "deletion.html")]
struct DeletionPage {
    frame: Frame,
    deletion: Deletion,
}

impl DeletionPage {
    fn gone(&self, what: &str) -> String {
        changed::gone(what)
    }
}

/// The receipt.
pub async fn deletion(visit: Visit) -> Page {
    let answer = visit
        .calls
        .deletion(visit.account(), visit.param("deletion"))
        .await;
    let deletion = visit.need(SECTION, answer).await?;
    let frame = visit.frame("Receipt of a deletion", SECTION).await;
    let base = frame.base();
    Ok(respond::page(&DeletionPage {
        frame: frame.under("Contacts", &format!("{base}/contacts")),
        deletion,
    }))
}
