//! Contacts: finding them, and all that is known of one.

use askama::Template;
use uuid::Uuid;

use super::failure::{Page, Part};
use super::frame::Frame;
use super::visit::{Post, Visit};
use super::{html, respond};
use crate::clients::Answer;
use crate::domain::Trouble;
use crate::domain::meant::{exact_first, exactly, one_of};
use crate::domain::model::{
    Activity, Audience, Contact, ContactValue, Field, Found, Membership, Merge, Page as List,
    Source,
};

pub const SECTION: &str = "contacts";

#[derive(Template)]
#[template(path = "contacts.html")]
struct ContactsPage {
    frame: Frame,
    query: String,
    contacts: Part<List<Contact>>,
    found: Part<(List<Found>, bool)>,
}

/// By their age.
pub async fn list(visit: Visit) -> Page {
    let (frame, contacts) = tokio::join!(
        visit.frame("Contacts", SECTION),
        visit
            .calls
            .contacts(visit.account(), visit.query.get("page"))
    );
    Ok(respond::page(&ContactsPage {
        frame,
        query: String::new(),
        contacts: contacts.into(),
        found: Part {
            value: None,
            trouble: String::new(),
        },
    }))
}

/// A search is a form: what is looked for is personal, and stands in no address.
pub async fn search(post: Post) -> Page {
    let Post { visit, form } = post;
    let query = form.get("q").to_owned();
    if query.is_empty() {
        return Ok(respond::go(&format!(
            "/accounts/{}/contacts",
            visit.account()
        )));
    }
    let page = form.get("page");
    // Beside the list, not in its stead: where that can't be told the list says why.
    let exact = async {
        match page {
            "" => having(&visit, &query).await.unwrap_or_default(),
            _ => Vec::new(),
        }
    };
    let (frame, found, exact) = tokio::join!(
        visit.frame("Contacts", SECTION),
        visit.calls.search(visit.account(), &query, page),
        exact
    );
    let found = found.map(|(mut list, partial)| {
        list.items = exact_first(exact, list.items);
        (list, partial)
    });
    Ok(respond::page(&ContactsPage {
        frame,
        query,
        contacts: Part {
            value: None,
            trouble: String::new(),
        },
        found: found.into(),
    }))
}

#[derive(Template)]
#[template(path = "contact.html")]
struct ContactPage {
    frame: Frame,
    contact: Contact,
    /// Where it was asked for by the id of one that was merged into it.
    asked: String,
    fields: Vec<Field>,
    sources: Vec<Source>,
    audiences: Vec<Audience>,
    activities: Part<List<Activity>>,
    memberships: Part<Vec<Membership>>,
    merges: Part<Vec<Merge>>,
}

impl ContactPage {
    fn field<'a>(&'a self, id: &'a str) -> &'a str {
        let found = self.fields.iter().find(|field| field.id == id);
        found.map_or(id, |field| &field.name)
    }

    fn source<'a>(&'a self, id: &'a str) -> &'a str {
        let found = self.sources.iter().find(|source| source.id == id);
        found.map_or("another way", |source| &source.name)
    }

    fn audience<'a>(&'a self, id: &'a str) -> &'a str {
        let found = self.audiences.iter().find(|audience| audience.id == id);
        found.map_or(id, |audience| &audience.name)
    }

    /// What a value is followed to: the story of the event that set it.
    fn story(&self, value: &ContactValue) -> String {
        let Some(from) = &value.from else {
            return String::new();
        };
        if from.source_id.is_empty() || from.message_id.is_empty() {
            return String::new();
        }
        format!(
            "{}/sources/{}/events/story?message={}",
            self.frame.base(),
            from.source_id,
            html::query(&from.message_id)
        )
    }
}

pub async fn one(visit: Visit) -> Page {
    let account = visit.account();
    let id = visit.param("contact");
    let answer = visit.calls.contact(account, id).await;
    let contact = visit.need(SECTION, answer).await?;
    let (frame, fields, sources, audiences, activities, memberships, merges) = tokio::join!(
        visit.frame("Contact", SECTION),
        visit.calls.fields(account),
        visit.calls.sources(account),
        visit.calls.all_audiences(account),
        visit
            .calls
            .activities(account, &contact.id, visit.query.get("page")),
        visit.calls.memberships(account, &contact.id),
        visit.calls.merges(account, &contact.id)
    );
    let base = frame.base();
    // Its name is on the page, and not in the title of a window.
    Ok(respond::page(&ContactPage {
        frame: frame.under("Contacts", &format!("{base}/contacts")),
        asked: if contact.id == id {
            String::new()
        } else {
            id.to_owned()
        },
        contact,
        fields: fields.unwrap_or_default(),
        sources: sources.unwrap_or_default(),
        audiences: audiences.unwrap_or_default(),
        activities: activities.into(),
        memberships: memberships.into(),
        merges: merges.into(),
    }))
}

/// Whoever has it as a whole identifier.
async fn having(visit: &Visit, who: &str) -> Answer<Vec<Found>> {
    let account = visit.calls.account(visit.account()).await;
    let unique = account.map(|account| account.unique_identifiers);
    let unique = unique.unwrap_or_default();
    let calls = &visit.calls;
    calls.contacts_called(visit.account(), who, &unique).await
}

const NOT_YET: &str = "The account is made searchable for the first time: ask again in half a \
                       minute.";

/// The contact that somebody means by its id, or by another identifier; a sentence where it is
/// nobody's, or that of several.
pub(super) async fn meant(visit: &Visit, who: &str) -> Result<String, String> {
    // A contact's id is meant as such, whatever else it may be to somebody.
    if Uuid::try_parse(who).is_ok() {
        match visit.calls.contact(visit.account(), who).await {
            Ok(_) => return Ok(who.to_owned()),
            Err(Trouble::Missing { .. }) => {}
            Err(trouble) => return Err(trouble.says()),
        }
    }
    let having = having(visit, who).await.map_err(|trouble| trouble.says())?;
    let ids = having.into_iter().map(|one| one.contact.id);
    if let Some(meant) = exactly(who, ids.collect()) {
        return meant;
    }
    match visit.calls.search(visit.account(), who, "").await {
        Ok((page, partial)) => one_of(who, &page.items).map_err(|says| match partial {
            true => format!("{says} {NOT_YET}"),
            false => says,
        }),
        Err(trouble) => Err(trouble.says()),
    }
}
