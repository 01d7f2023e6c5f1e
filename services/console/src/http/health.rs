//! Whether the services answer.

use askama::Template;

use super::failure::Page;
use super::frame::Frame;
use super::visit::Visit;
use super::{html, respond};
use crate::clients::ServiceHealth;

#[derive(Template)]
#[template(path = "health.html")]
struct HealthPage {
    frame: Frame,
    services: Vec<ServiceHealth>,
    version: &'static str,
}

pub async fn page(visit: Visit) -> Page {
    let (frame, services) =
        tokio::join!(visit.frame("Health", "health"), visit.app.clients.health());
    Ok(respond::page(&HealthPage {
        frame,
        services,
        version: env!("CARGO_PKG_VERSION"),
    }))
}
