//! The quota service: grants the units of an account's rate limits to batches (semantics 6).
//!
//! Redis coordinates and PostgreSQL holds the truth: a grant is a reservation with a lease,
//! made in one atomic step in Redis; the stores write what a batch used in the transaction
//! that stores its events. Where a lease runs out, or Redis loses its memory, the stores'
//! ledgers decide. So a limit is never overrun, whatever restarts, and nothing is charged
//! that was not stored.
//!
//! Reading order: [`domain`] (what a plan allows, what a window is), [`app`] (reserve, settle,
//! rebuild, sweep), [`store`] (Redis), [`clients`] (ledgers and plans), [`grpc`].

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod app;
pub mod clients;
pub mod config;
pub mod domain;
pub mod grpc;
pub mod metrics;
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

/// Serves until `shutdown`.
///
/// # Errors
/// A configuration that can't be used, a listener that fails, or a loop that ended or hung.
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
    let store = store::Store::connect(&config.redis_url).context("WEIR_REDIS_URL")?;
    let ledgers = clients::Ledgers::connect(&config.ledgers()).map_err(anyhow::Error::msg)?;
    let plans = clients::Plans::connect(&config.mapping_url).map_err(anyhow::Error::msg)?;
    let accounts = clients::Accounts::connect(&config.mapping_url).map_err(anyhow::Error::msg)?;
    let others = app::Others {
        ledgers,
        plans,
        accounts,
    };
    let probe = store.clone();
    let app = Arc::new(app::App::new(store, others, clock, config.lease()));
    let background = Background::new();
    let interval = config.sweep_interval();
    background.spawn("sweep", app::longest_sweep(interval), |pulse| {
        Arc::clone(&app).sweep_for_ever(interval, pulse)
    });
    let loops = background.clone();
    let server = weir_rpc::Server::new("weir.quota.v1.QuotaService")
        .service(grpc::service(app))
        .probe(move || {
            let (store, loops) = (probe.clone(), loops.clone());
            async move { loops.is_healthy() && store.healthy().await }
        });
    let served = background.serve(shutdown, |end| server.serve(listener, end));
    let served = served.await;
    background.stop();
    Ok(served?)
}
