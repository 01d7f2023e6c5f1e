//! The front door of Weir: batches of Segment events come in over HTTP, and every event is
//! answered for.
//!
//! It authenticates the key, splits the body, checks each event's envelope and drives the
//! batch through mapping, quota, contact-upsert, activity and audience, one call for each.
//! It owns no tables; what it remembers are caches that may be lost.
//!
//! **Invariant:** one outcome for each event of a batch, and a success only for what is
//! stored. No value of an event, no identifier and no key is ever logged.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod config;
pub mod domain;

mod app;
mod clients;
mod http;
mod metrics;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use weir_counts::Counts;
use weir_service::{Clock, Serving, Shutdown};

pub use config::Config;

/// What is counted of the last second must not wait longer for mapping.
const DRAIN_COUNTS: Duration = Duration::from_secs(2);

/// Serves until `shutdown`, then finishes what it accepted. The events of classic sources come to
/// `main` as well, below `/classic`.
///
/// # Errors
/// Where an address of a service is not one.
pub fn serve(
    config: Config,
    clock: Clock,
    main: TcpListener,
    classic: Option<TcpListener>,
    shutdown: Shutdown,
) -> Serving {
    Box::pin(async move {
        metrics::describe();
        // Its own callers show keys of sources; as a service it calls the others.
        config.caller.enter()?;
        let clients = clients::Clients::connect(&config.addresses)?;
        let counts = Counts::connect(&config.addresses.mapping)?;
        let telling = tokio::spawn({
            let counts = counts.clone();
            async move { counts.tell(|| ()).await }
        });
        let app = app::App::new(
            clients,
            counts.clone(),
            config.own_namespaces.clone(),
            config.queues.limits(),
            clock,
        );
        let app = Arc::new(app);
        let stopping = CancellationToken::new();
        let replaying = tokio::spawn(app.clone().replay_until(stopping.clone()));
        let shutdown = async move {
            let _stopping = stopping.drop_guard();
            shutdown.await;
        };
        http::serve(&config, app, http::Listeners { main, classic }, shutdown).await;
        // What it had begun went through with all else; what it could not tell comes again.
        replaying.abort();
        telling.abort();
        counts.drain(DRAIN_COUNTS).await;
        Ok(())
    })
}
