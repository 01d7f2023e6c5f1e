//! Routes and pages.
//!
//! **Invariant:** whoever is not signed in sees the sign-in alone; nothing is changed but by a
//! form of this very console, which brings back what only its own page can know.

mod accounts;
mod activities;
mod assets;
mod audiences;
mod contacts;
mod events;
mod failure;
mod frame;
mod guard;
mod health;
mod html;
mod kept;
mod logs;
mod map;
mod people;
mod respond;
mod routes;
mod settings;
mod sign_in;
mod single;
mod sources;
mod tokens;
mod usage;
mod visit;
mod wizard;

use std::sync::Arc;

use tokio::net::TcpListener;
use weir_service::{Serving, Shutdown};

use crate::app::App;

/// Serves until `until`, and finishes what was asked before.
pub fn serve(app: Arc<App>, listener: TcpListener, until: Shutdown) -> Serving {
    Box::pin(async move {
        let router = routes::all(app);
        axum::serve(listener, router)
            .with_graceful_shutdown(until)
            .await?;
        Ok(())
    })
}
