//! contact-upsert: who is it, and what is known of them.
//!
//! One batch of one account comes in, is resolved and folded in memory, and is written in one
//! transaction together with the units it costs and with what other services must be told.
//! Answers are per event; a batch as a whole either is stored or is not.
//!
//! In reading order: [`domain`] holds the rules, [`app`] orders load, fold and commit,
//! [`store`] knows PostgreSQL, [`clients`] the services that are told, [`grpc`] speaks the contract.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod app;
mod clients;
pub mod config;
pub mod domain;
pub mod grpc;
mod metrics;
pub mod store;

use std::future::Future;

use anyhow::Context;
use tokio::net::TcpListener;
use weir_service::Background;

pub use config::Config;

/// Migrates, then serves until `shutdown`, then finishes what was accepted.
///
/// # Errors
/// When an address or URL can't be used, the schema can't be brought up to date, or a loop in
/// the background ended or hung.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    metrics::describe();
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
    let accounts = weir_accounts::Accounts::connect(&config.mapping_url)
        .map_err(anyhow::Error::msg)
        .context("WEIR_MAPPING_URL")?;
    let calls = connect(config.database_connections.into())?;
    let ledger = weir_ledger::Ledger::new(calls.clone(), accounts.clone());
    let (app, written) = app::App::new(
        store::Store::new(calls, config.link_cache_entries),
        background.clone(),
        accounts,
    );
    let peers = clients::Peers::connect(&config.activity_url, &config.audience_url)
        .map_err(anyhow::Error::msg)?;

    let loops = Background::new();
    let relayed = app.clone();
    loops.spawn("relay", app::RELAY_BEATS, |pulse| {
        app::relay(relayed, peers, written, pulse)
    });
    loops.spawn("purge", app::PURGE_BEATS, |pulse| {
        app::purge(background, pulse)
    });
    let serve = |end| grpc::serve(app, ledger, loops.clone(), listener, end);
    let served = loops.serve(shutdown, serve).await;
    // Both are safe to stop anywhere: what is not delivered or purged waits in its table.
    loops.stop();
    Ok(served?)
}
