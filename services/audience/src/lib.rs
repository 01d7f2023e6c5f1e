//! The audience service: audiences of an account, and which contacts belong to them (semantics 5).
//!
//! Events bring updates; the newest one stands, whatever the order of arrival. A contact that
//! left comes back at the earliest a minute later: an update that comes sooner is kept, and the
//! daily sync, or any later update, applies it.
//!
//! Reading order: `domain` (updates, merges, names), `app` (load, decide, commit; the sync),
//! `store` (PostgreSQL), `grpc`.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod app;
pub mod config;
mod domain;
mod grpc;
mod metrics;
pub mod store;

use std::future::Future;
use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, Utc};
use tokio::net::TcpListener;
use weir_service::Background;

pub use config::Config;

/// Tells the time; the tests bring their own.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Migrates, then serves until `shutdown`.
///
/// # Errors
/// A database that can't be used or migrated, a listener that fails, or a loop that ended or
/// hung.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    serve_with_clock(config, Arc::new(Utc::now), listener, shutdown).await
}

/// [`serve`], by another clock.
///
/// # Errors
/// As [`serve`].
pub async fn serve_with_clock(
    config: Config,
    clock: Clock,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    metrics::describe();
    let pool = weir_postgres::connect(
        &config.database_url,
        config.database_connections,
        weir_postgres::PLAN_BY_KEY,
    )
    .map_err(anyhow::Error::msg)
    .context("WEIR_DATABASE_URL")?;
    weir_postgres::migrate(&pool, store::MIGRATIONS)
        .await
        .context("the schema can't be migrated")?;
    let store = store::Store::new(pool);
    let probe = store.clone();
    let accounts = weir_accounts::Accounts::connect(&config.mapping_url)
        .map_err(anyhow::Error::msg)
        .context("WEIR_MAPPING_URL")?;
    let app = app::App::new(store, accounts, clock);
    let background = Background::new();
    let interval = config.sync_interval();
    background.spawn("daily sync", app::longest_sync(interval), |pulse| {
        app.clone().sync_for_ever(interval, pulse)
    });
    let loops = background.clone();
    let server = weir_rpc::Server::new("weir.audience.v1.AudienceService")
        .service(grpc::service(app))
        .probe(move || {
            let (store, loops) = (probe.clone(), loops.clone());
            async move { loops.is_healthy() && store.is_up().await }
        });
    let served = background.serve(shutdown, |end| server.serve(listener, end));
    let served = served.await;
    background.stop();
    Ok(served?)
}
