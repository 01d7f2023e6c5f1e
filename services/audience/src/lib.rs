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

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use weir_service::{Background, Clock, Serving, Shutdown};

pub use config::Config;

/// Migrates, then serves until `shutdown`.
///
/// # Errors
/// A database that can't be used or migrated, a listener that fails, or a loop that ended or
/// hung.
pub fn serve(config: Config, clock: Clock, listener: TcpListener, shutdown: Shutdown) -> Serving {
    Box::pin(async move {
        let mut shutdown = shutdown;
        metrics::describe();
        let tls = config.tls.enter()?;
        let by_certificate = config.tls.know_services();
        let access = config
            .access
            .enter(listener.local_addr()?, &clock, by_certificate)?;
        let tokens = weir_service::MappingTokens::connect(&config.mapping_url)?;
        let connect = |connections| {
            let settings = weir_postgres::PLAN_BY_KEY;
            weir_postgres::connect(&config.database_url, connections, settings)
                .context("WEIR_DATABASE_URL")
        };
        let pool = connect(config.database_connections.into())?;
        let away = Notify::new();
        let migrating = async {
            let migrated =
                weir_postgres::migrate_once_there(&pool, store::MIGRATIONS, store::OPEN, &away)
                    .await;
            migrated.context("the schema can't be brought up to date")
        };
        let begun = weir_service::begin(&listener, tls.as_ref(), &mut shutdown, &away, migrating);
        let Some(()) = begun.await? else {
            return Ok(());
        };
        let accounts = weir_accounts::Accounts::connect(&config.mapping_url)?;
        let jobs = weir_postgres::Jobs::new(&pool);
        let (aged, gone) = (jobs.sole("forgetting"), jobs.sole("deleting"));
        let erasure = weir_erasure::Erasure::new(pool.clone(), accounts.clone(), weir_erasure::ALL);
        let changes = weir_changes::Log::new(pool.clone());
        let days = domain::SyncDays::from(config.sync_at);
        let app = app::App::new(store::Store::new(pool), accounts, clock.clone(), days);
        let exports = store::Store::new(connect(app::EXPORTS)?);
        let exports = app::Exports::new(app.clone(), exports);
        let background = Background::new();
        weir_service::know_tokens(&background, &access, tokens, &clock);
        let interval = config.sync_interval;
        background.spawn("forgetting", app::FORGETTING_BEATS, |pulse| {
            app.clone().forget_for_ever(aged, pulse)
        });
        background.spawn("deleting", app::DELETING_BEATS, |pulse| {
            app.clone().delete_for_ever(gone, pulse)
        });
        background.spawn("daily sync", app::longest_sync(interval), |pulse| {
            app.clone().sync_for_ever(interval, pulse)
        });
        let server = grpc::server(app, exports, erasure, changes)
            .access(access)
            .tls(tls)
            .cors_origins(config.browsers.cors_origins);
        background.serve(server, listener, shutdown).await
    })
}
