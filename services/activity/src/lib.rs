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
pub mod config;
mod domain;
mod grpc;
mod metrics;
mod store;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use weir_service::{Background, Clock, Serving, Shutdown};

use app::App;
use clients::{Accounts, Contacts, SourceLog};
pub use config::Config;
use store::{MIGRATIONS, Store};

/// Migrates the schema, makes the partitions that are needed now, and serves until `shutdown`.
///
/// # Errors
/// Where the database can't be migrated, the listener fails, or a background loop
/// ends or hangs.
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
        let accounts = Accounts::connect(&config.mapping_url)?;
        let contacts = Contacts::connect(&config.contact_url)?;
        let source_log = SourceLog::connect(&config.mapping_url)?;
        let pool = |connections| {
            weir_postgres::connect(&config.database_url, connections, &store::PLAN_BY_KEY)
                .context("WEIR_DATABASE_URL")
        };
        let calls = pool(config.database_connections.into())?;
        let away = Notify::new();
        let migrating = async {
            let migrated =
                weir_postgres::migrate_once_there(&calls, MIGRATIONS, store::OPEN, &away).await;
            migrated.context("the schema can't be brought up to date")
        };
        let begun = weir_service::begin(&listener, tls.as_ref(), &mut shutdown, &away, migrating);
        let Some(()) = begun.await? else {
            return Ok(());
        };
        let sole = weir_postgres::Jobs::new(&calls).sole("housekeeping");
        let exports = Store::new(pool(app::EXPORTS)?, 0);
        let ledger = weir_ledger::Ledger::new(calls.clone(), accounts.clone(), clock.clone());
        let erasure =
            weir_erasure::Erasure::new(calls.clone(), accounts.clone(), weir_erasure::ALL);
        let store = Store::new(calls, config.link_cache_entries);
        let app = App::new(store, accounts, contacts, source_log.clone(), clock.clone());
        app.prepare()
            .await
            .context("the partitions can't be made")?;
        let background = Background::new();
        weir_service::know_tokens(&background, &access, tokens, &clock);
        background.spawn("housekeeping", app::WITHIN, |pulse| {
            app::keep_house(app.clone(), sole, pulse)
        });
        background.spawn("source log", clients::ROUND, |pulse| {
            let source_log = source_log.clone();
            async move { source_log.tell(|| pulse.beat()).await }
        });
        let exports = app::Exports::new(app.clone(), exports);
        let server = grpc::server(app, exports, ledger, erasure)
            .access(access)
            .tls(tls)
            .cors_origins(config.browsers.cors_origins);
        let served = background.serve(server, listener, shutdown).await;
        source_log.drain().await;
        served
    })
}
