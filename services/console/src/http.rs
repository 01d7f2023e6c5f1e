//! Routes and pages.
//!
//! **Invariant:** whoever is not signed in sees the sign-in alone; nothing is changed but by a
//! form of this very console, which brings back what only its own page can know.

mod accounts;
mod activities;
mod assets;
mod audiences;
mod bars;
mod contacts;
mod events;
mod failure;
mod faults;
mod frame;
mod guard;
mod health;
mod html;
mod kept;
mod logs;
mod map;
mod people;
mod plan;
mod reindex;
mod resend;
mod respond;
mod routes;
mod samples;
mod secure;
mod settings;
mod sign_in;
mod single;
mod sources;
mod sure;
mod tokens;
mod usage;
mod visit;
mod wizard;

use std::sync::Arc;

use tokio::net::TcpListener;
use weir_service::{Serving, Shutdown};
use weir_tls::Acceptor;

use crate::app::App;
use secure::Secure;

/// Serves until `until`, and finishes what was asked before.
pub fn serve(
    app: Arc<App>,
    listener: TcpListener,
    tls: Option<Acceptor>,
    until: Shutdown,
) -> Serving {
    Box::pin(async move {
        let router = routes::all(app);
        match tls {
            Some(tls) => {
                let secure = Secure::new(listener, tls)?;
                axum::serve(secure, router)
                    .with_graceful_shutdown(until)
                    .await?;
            }
            None => {
                axum::serve(listener, router)
                    .with_graceful_shutdown(until)
                    .await?;
            }
        }
        Ok(())
    })
}
