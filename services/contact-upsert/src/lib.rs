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

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use weir_service::{Background, Clock, Serving, Shutdown};

pub use config::Config;

/// Migrates, then serves until `shutdown`, then finishes what was accepted.
///
/// # Errors
/// When an address or URL can't be used, the schema can't be brought up to date, or a loop in
/// the background ended or hung.
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
        let Pools {
            calls,
            beside,
            exports,
        } = Pools::connect(&config)?;
        let away = Notify::new();
        let others = calls.status().max_size + exports.status().max_size;
        let migrating = async {
            let (files, open) = (&store::MIGRATIONS, store::OPEN);
            let migrated = weir_postgres::migrate_beside(&beside, others, files, open, &away).await;
            migrated.context("the schema can't be brought up to date")
        };
        let begun = weir_service::begin(&listener, tls.as_ref(), &mut shutdown, &away, migrating);
        let Some(()) = begun.await? else {
            return Ok(());
        };
        let jobs = weir_postgres::Jobs::new(&beside);
        let (rest, aged) = (jobs.sole("outbox"), jobs.sole("purge"));
        let (reindexed, gone) = (jobs.sole("reindex"), jobs.sole("erasures"));
        let searched = jobs.sole("search");
        // The relay and the purge ask for no links.
        let beside = store::Store::new(beside, 0);
        let accounts = weir_accounts::Accounts::connect(&config.mapping_url)?;
        let mapping = clients::Mapping::connect(&config.mapping_url)?;
        let (activity, audience) = (&config.activity_url, &config.audience_url);
        let erasing = &config.mapping_url;
        let peers = clients::Peers::connect(activity, audience, mapping.clone(), erasing)?;
        let exports = store::Store::new(exports, 0);
        let rows = clients::Rows::connect(&config.mapping_url, &config.quota_url)?;
        let ledger = weir_ledger::Ledger::new(calls.clone(), accounts.clone(), clock.clone());
        let erasure =
            weir_erasure::Erasure::new(calls.clone(), accounts.clone(), weir_erasure::ALL);
        let changes = weir_changes::Log::new(calls.clone());
        let calls = store::Store::new(calls, config.link_cache_entries);
        let (app, written) = app::App::new(calls, beside.clone(), accounts, mapping, clock.clone());

        let bulk = grpc::Bulk {
            exports: app::Exports::new(app.clone(), exports),
            imports: app::Imports::new(app.clone(), rows),
        };
        let background = Background::new();
        weir_service::know_tokens(&background, &access, tokens, &clock);
        background.spawn("erasures", app::ERASURE_BEATS, |pulse| {
            app::erase(app.clone(), peers.clone(), gone, pulse)
        });
        background.spawn("relay", app::RELAY_BEATS, |pulse| {
            app::relay(app.clone(), peers, written, rest, pulse)
        });
        background.spawn("reindex", app::REINDEX_BEATS, |pulse| {
            app::reindexing(app.clone(), reindexed, pulse)
        });
        background.spawn("search", app::SEARCHABLE_BEATS, |pulse| {
            app::searchable(app.clone(), searched, pulse)
        });
        background.spawn("purge", app::PURGE_BEATS, |pulse| {
            app::purge(beside, clock, aged, pulse)
        });
        let server = grpc::server(app, bulk, ledger, erasure, changes)
            .access(access)
            .tls(tls)
            .cors_origins(config.browsers.cors_origins);
        background.serve(server, listener, shutdown).await
    })
}

/// Those of PostgreSQL. Nobody takes a connection from another kind of work.
struct Pools {
    calls: weir_postgres::Pool,
    beside: weir_postgres::Pool,
    exports: weir_postgres::Pool,
}

impl Pools {
    fn connect(config: &Config) -> anyhow::Result<Self> {
        let connect = |connections| {
            weir_postgres::connect(
                &config.database_url,
                connections,
                weir_postgres::PLAN_BY_KEY,
            )
            .context("WEIR_DATABASE_URL")
        };
        Ok(Self {
            calls: connect(config.database_connections.into())?,
            beside: connect(config::BACKGROUND_CONNECTIONS)?,
            exports: connect(app::EXPORTS)?,
        })
    }
}
