//! The quota service: grants the units of an account's rate limits to batches (semantics 6).
//!
//! Redis coordinates and PostgreSQL holds the truth: a grant is a reservation with a lease,
//! made in one atomic step in Redis; the stores write what a batch used in the transaction
//! that stores its events. Where a lease runs out, or Redis loses its memory, the stores'
//! ledgers decide. While it is away, they grant themselves. So a limit is never overrun, whatever
//! restarts, and nothing is charged that was not stored.
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

use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use weir_service::{Background, Clock, Serving, Shutdown};

pub use config::Config;

/// Serves until `shutdown`.
///
/// # Errors
/// A configuration or a Redis that can't be used, a listener that fails, or a loop that ended or hung.
pub fn serve(config: Config, clock: Clock, listener: TcpListener, shutdown: Shutdown) -> Serving {
    Box::pin(async move {
        metrics::describe();
        let tls = config.tls.enter()?;
        let by_certificate = config.tls.know_services();
        let access = config
            .access
            .enter(listener.local_addr()?, &clock, by_certificate)?;
        let tokens = weir_service::MappingTokens::connect(&config.mapping_url)?;
        let store = store::Store::connect(&config.redis_url, &config.redis)?;
        let may_use_redis = may_use(&store).await?;
        let others = app::Others {
            ledgers: clients::Ledgers::connect(&config.ledgers())?,
            plans: clients::Plans::connect(&config.mapping_url)?,
            accounts: clients::Accounts::connect(&config.mapping_url)?,
            news: clients::Alerts::connect(&config.mapping_url)?,
            rejections: clients::Rejections::connect(&config.mapping_url)?,
        };
        let (app, news) = app::App::new(store, others, clock.clone(), config.lease);
        let app = Arc::new(app);
        if !may_use_redis {
            app.note_miss();
        }
        let background = Background::new();
        weir_service::know_tokens(&background, &access, tokens, &clock);
        let interval = config.sweep_interval;
        background.spawn("sweep", app::longest_sweep(interval), |pulse| {
            Arc::clone(&app).sweep_for_ever(interval, pulse)
        });
        background.spawn("alerts", app::TELL_WITHIN, |pulse| {
            Arc::clone(&app).tell_for_ever(news, pulse)
        });
        background.spawn("near", app::LOOKS_NEAR_WITHIN, |pulse| {
            Arc::clone(&app).look_near_for_ever(pulse)
        });
        background.spawn("sight", app::LOOKS_WITHIN, |pulse| {
            Arc::clone(&app).look_for_ever(pulse)
        });
        background.spawn("returns", app::RETURNS_WITHIN, |pulse| {
            Arc::clone(&app).return_for_ever(pulse)
        });
        let server = grpc::server(Arc::clone(&app))
            .access(access)
            .tls(tls)
            .cors_origins(config.browsers.cors_origins);
        let served = background.serve(server, listener, shutdown).await;
        app.tell_last().await;
        served
    })
}

/// Whether all may be done in Redis that is. Where a right is missing, the ledgers grant until it is
/// there, as they do where it is taken away later: otherwise whoever starts all replicas anew
/// meanwhile had nobody left who grants.
async fn may_use(store: &store::Store) -> anyhow::Result<bool> {
    match store.check().await {
        Err(unfit @ weir_redis::Unfit::Forbidden(_)) => {
            tracing::error!("Redis can't be used, and the ledgers grant: {unfit}");
            Ok(false)
        }
        checked => {
            checked.context("Redis can't be used")?;
            Ok(true)
        }
    }
}
