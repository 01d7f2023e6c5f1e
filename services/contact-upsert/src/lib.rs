//! contact-upsert: who is it, and what is known of them.
//!
//! One batch of one account comes in, is resolved and folded in memory, and is written in one
//! transaction together with the units it costs and with what other services must be told.
//! Answers are per event; a batch as a whole either is stored or is not.
//!
//! In reading order: [`domain`] holds the rules, [`app`] orders load, fold and commit,
//! [`store`] knows PostgreSQL, [`grpc`] speaks the contract and runs the relay.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod app;
pub mod config;
pub mod domain;
pub mod grpc;
mod metrics;
pub mod store;

use std::future::Future;

use anyhow::Context;
use tokio::net::TcpListener;

pub use config::Config;

/// Migrates, then serves until `shutdown`, then finishes what was accepted.
///
/// # Errors
/// When an address or URL can't be used, or the schema can't be brought up to date.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let connect = |connections| {
        weir_postgres::connect(
            &config.database_url,
            connections,
            weir_postgres::PLAN_BY_KEY,
        )
        .map_err(anyhow::Error::msg)
        .context("WEIR_DATABASE_URL")
    };
    let background = connect(config::BACKGROUND_CONNECTIONS)?;
    weir_postgres::migrate(&background, &store::MIGRATIONS)
        .await
        .context("the schema could not be brought up to date")?;
    // The relay and the purge ask for no links.
    let background = store::Store::new(background, 0);
    let calls = connect(config.database_connections.into())?;
    let (app, written) = app::App::new(
        store::Store::new(calls, config.kept_links),
        background.clone(),
    );
    let peers = grpc::Peers::connect(&config.activity_url, &config.audience_url)
        .map_err(anyhow::Error::msg)?;

    let relay = tokio::spawn(grpc::relay(app.clone(), peers, written));
    let purge = tokio::spawn(app::purge_receipts(background));
    let served = grpc::serve(app, listener, shutdown).await;
    // Both are safe to stop anywhere: what is not delivered or purged waits in its table.
    relay.abort();
    purge.abort();
    Ok(served?)
}
