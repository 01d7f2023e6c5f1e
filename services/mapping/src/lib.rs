//! The mapping service: configuration of accounts, and the conversion of raw events into
//! typed values.
//!
//! It owns accounts, plans, data sources, keys, fields, mappings, and the samples and the
//! log that help the person who maps. A batch is mapped under one version of the mapping,
//! from memory; a change takes effect on all replicas within a second (semantics 7.4).

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod config;
pub mod domain;

mod app;
mod clients;
mod grpc;
mod metrics;
mod store;

use std::future::Future;

use tokio::net::TcpListener;
use weir_service::Background;

pub use config::Config;

/// Brings the schema up to date, then serves until `shutdown`.
///
/// # Errors
/// Where the configuration can't be used, PostgreSQL is away at the start, the listener fails,
/// or a background loop ended.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    metrics::describe();
    let pool = weir_postgres::connect(&config.database_url, config.database_connections, &[])
        .map_err(anyhow::Error::msg)?;
    store::migrate(&pool).await?;
    let rings = store::Rings::connect(&config.redis_url)?;
    let contacts = clients::Contacts::connect(&config.contact_url).map_err(anyhow::Error::msg)?;
    let background = Background::new();
    let (app, flusher) = app::App::new(pool, rings, config.key_secret, contacts, &background);
    let (probed, loops) = (app.clone(), background.clone());
    let server = weir_rpc::Server::new("weir.mapping.v1.MappingService")
        .service(grpc::server(app))
        .probe(move || {
            let (app, loops) = (probed.clone(), loops.clone());
            async move { loops.is_healthy() && app.is_healthy().await }
        });
    let served = background.serve(shutdown, |end| server.serve(listener, end));
    let served = served.await;
    flusher.finish().await;
    background.stop();
    Ok(served?)
}
