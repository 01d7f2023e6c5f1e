//! Activities: what people did, stored once each on the contact who did it, and the backlog
//! of what was done by somebody not known yet.
//!
//! A batch is one transaction, which also writes the batch's usage row. Which identifier
//! belongs to which contact is a projection of this service's own, fed by contact-upsert's
//! outbox. **Invariant:** storing into the backlog and linking an identifier lock the same
//! row and read after locking, so that no track is stranded.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod app;
mod clients;
mod config;
mod domain;
mod grpc;
mod metrics;
mod store;

use std::future::Future;

use anyhow::Context;
use chrono::{DateTime, Utc};
use tokio::net::TcpListener;
use weir_service::Background;

use app::App;
use clients::{Accounts, Contacts};
pub use config::Config;
use store::{MIGRATIONS, Store};

/// Migrates the schema, makes the partitions that are needed now, and serves until `shutdown`.
///
/// # Errors
/// Where the database can't be reached or migrated, the listener fails, or a background loop
/// ends or hangs.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    serve_at(config, listener, shutdown, Utc::now).await
}

/// As [`serve`], by another clock.
///
/// # Errors
/// As [`serve`].
pub async fn serve_at(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
    now: fn() -> DateTime<Utc>,
) -> anyhow::Result<()> {
    let accounts = Accounts::connect(&config.mapping_url)
        .map_err(|error| anyhow::anyhow!("WEIR_MAPPING_URL: {error}"))?;
    let contacts = Contacts::connect(&config.contact_url)
        .map_err(|error| anyhow::anyhow!("WEIR_CONTACT_URL: {error}"))?;
    let pool = |connections| {
        weir_postgres::connect(&config.database_url, connections, &store::PLAN_BY_KEY)
            .map_err(|error| anyhow::anyhow!("WEIR_DATABASE_URL: {error}"))
    };
    weir_postgres::migrate(&pool(1)?, MIGRATIONS)
        .await
        .context("the database can't be prepared (WEIR_DATABASE_URL)")?;
    metrics::describe();
    let calls = pool(config.database_connections)?;
    let ledger = weir_ledger::Ledger::new(calls.clone(), accounts.clone());
    let store = Store::new(calls, config.link_cache_entries);
    let app = App::new(store, accounts, contacts, now);
    app.prepare()
        .await
        .context("the partitions can't be made")?;

    let background = Background::new();
    background.spawn("housekeeping", app::WITHIN, |pulse| {
        app::keep_house(app.clone(), pulse)
    });
    let serve = |end| grpc::serve(app, ledger, background.clone(), listener, end);
    let served = background.serve(shutdown, serve).await;
    background.stop();
    Ok(served?)
}
