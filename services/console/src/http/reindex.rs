//! What tells contacts apart while it changes over those that are there: how far it is. It goes on
//! by itself, and the new identifiers stand alone once every contact was looked at (semantics 3.2).

use askama::Template;
use uuid::Uuid;

use super::failure::Page;
use super::frame::Frame;
use super::settings::SECTION;
use super::visit::Visit;
use super::{html, respond};
use crate::domain::changed;
use crate::domain::model::{Field, Reindex};

#[derive(Template)]
#[template(path = "reindex.html")]
struct ReindexPage {
    frame: Frame,
    reindex: Reindex,
    fields: Vec<Field>,
    /// Whose map led here; empty: none.
    source: String,
}

impl ReindexPage {
    fn percent(&self) -> i64 {
        match self.is_less() {
            true => 100,
            false => crate::domain::chart::percent(self.reindex.seen, self.reindex.contacts),
        }
    }

    /// Identifiers are only taken away: no contact has to be looked at for them.
    fn is_less(&self) -> bool {
        let (old, new) = (&self.reindex.old, &self.reindex.new);
        let is_less = new.len() < old.len() && new.iter().all(|id| old.contains(id));
        is_less && self.reindex.seen == 0
    }

    fn named(&self, ids: &[String]) -> String {
        let names: Vec<_> = ids
            .iter()
            .map(|id| changed::field(id, &self.fields))
            .collect();
        match names.is_empty() {
            true => "user id and anonymous id alone".to_owned(),
            false => names.join(" and "),
        }
    }
}

pub async fn page(visit: Visit) -> Page {
    let account = visit.account();
    let (frame, reindex, fields) = tokio::join!(
        visit.frame("What tells contacts apart", SECTION),
        visit.calls.reindex(account),
        visit.calls.fields(account)
    );
    let reindex = visit.need(SECTION, reindex).await?;
    let base = frame.base();
    let source = visit.query.get("source");
    let source = Uuid::try_parse(source).map(|id| id.to_string());
    Ok(respond::page(&ReindexPage {
        frame: frame.under("Settings", &format!("{base}/settings")),
        reindex,
        fields: fields.unwrap_or_default(),
        source: source.unwrap_or_default(),
    }))
}
