//! Whether the services answer, what they reach, and what waits.

use askama::Template;

use super::failure::{Page, Part};
use super::frame::Frame;
use super::visit::Visit;
use super::{html, respond};
use crate::domain::model::{Described, Edge, MailStatus, ServiceHealth};

#[derive(Template)]
#[template(path = "health.html")]
struct HealthPage {
    frame: Frame,
    services: Vec<ServiceHealth>,
    edge: Edge,
    /// Of all accounts: told to whoever may see all of them.
    mail: Option<Part<MailStatus>>,
    backlog: Part<i64>,
    version: &'static str,
}

impl HealthPage {
    /// Whether there is more to be told than to this person.
    fn is_told_less(&self) -> bool {
        let mut replicas = self.services.iter().flat_map(|one| &one.replicas);
        replicas.any(|one| matches!(one.described, Described::NotToYou))
    }
}

pub async fn page(visit: Visit) -> Page {
    let mail = async {
        match visit.me.all_accounts {
            true => Some(visit.calls.mail_status().await),
            false => None,
        }
    };
    let (frame, services, edge, mail, backlog) = tokio::join!(
        visit.frame("Health", "health"),
        visit.calls.health(),
        visit.app.edge.health(),
        mail,
        visit.calls.backlog(visit.account())
    );
    Ok(respond::page(&HealthPage {
        frame,
        services,
        edge,
        mail: mail.map(Part::from),
        backlog: backlog.into(),
        version: env!("CARGO_PKG_VERSION"),
    }))
}
