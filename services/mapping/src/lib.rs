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

use anyhow::Context;
use chrono::TimeDelta;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use weir_service::{Background, Clock, Serving, Shutdown};

pub use config::Config;

/// Brings the schema up to date, then serves until `shutdown`.
///
/// # Errors
/// Where the configuration can't be used, the schema can't be brought up to date, the listener
/// fails, or a background loop ended.
pub fn serve(config: Config, clock: Clock, listener: TcpListener, shutdown: Shutdown) -> Serving {
    Box::pin(async move {
        let mut shutdown = shutdown;
        metrics::describe();
        let tls = config.tls.enter()?;
        let by_certificate = config.tls.know_services();
        let access = config
            .access
            .enter(listener.local_addr()?, &clock, by_certificate)?;
        let mail = config.mail.read()?;
        let pool = weir_postgres::connect(
            &config.database_url,
            config.database_connections.into(),
            &[],
        )
        .context("WEIR_DATABASE_URL")?;
        let away = Notify::new();
        let migrating = migrate(&pool, &away);
        let begun = weir_service::begin(&listener, tls.as_ref(), &mut shutdown, &away, migrating);
        let Some(()) = begun.await? else {
            return Ok(());
        };
        let rings = store::Rings::connect(&config.redis_url, &config.redis)?;
        let contacts = clients::Contacts::connect(&config.contact_url)?;
        let keepers = clients::Keepers::connect(clients::Urls {
            contacts: &config.contact_url,
            activities: &config.activity_url,
            audiences: &config.audience_url,
            quota: &config.quota_url,
        })?;
        let record = clients::Record::connect(&config.contact_url, &config.audience_url)?;
        let background = Background::new();
        let own = app::OwnTokens {
            pool: pool.clone(),
            key: config.key_secret.token_key(),
            clock: clock.clone(),
        };
        weir_service::know_tokens(&background, &access, own, &clock);
        let (recorder, flusher) = app::start_recorder(&pool, &rings, clock.clone(), &background);
        let (uses, uses_flusher) = app::start_uses(&pool, &background);
        let eraser = app::Eraser {
            pool: pool.clone(),
            rings: rings.clone(),
            keepers,
            clock: clock.clone(),
        };
        let jobs = weir_postgres::Jobs::new(&pool);
        let sole = jobs.sole("housekeeping");
        background.spawn("housekeeping", app::HOUSE_BEATS, |pulse| {
            app::keep_house(pool.clone(), clock.clone(), sole, pulse)
        });
        let places = app::watch_places(config.geoip_database, &background).await;
        let desk = start_desk(&pool, mail, &clock, &jobs, &background);
        let parts = app::Parts {
            pool,
            rings,
            secret: config.key_secret,
            contacts,
            desk,
            recorder,
            uses,
            erasure_delay: TimeDelta::seconds(config.erasure_delay_seconds.into()),
            places,
            record,
            clock,
        };
        background.spawn("erasure", app::ERASURE_BEATS, |pulse| {
            eraser.erase_for_ever(pulse)
        });
        let server = grpc::server(app::App::new(parts))
            .access(access)
            .tls(tls)
            .cors_origins(config.browsers.cors_origins);
        let served = background.serve(server, listener, shutdown).await;
        flusher.finish().await;
        uses_flusher.finish().await;
        served
    })
}

/// What tells people, and watches whether there is something to tell.
fn start_desk(
    pool: &weir_postgres::Pool,
    mail: clients::MailOptions,
    clock: &Clock,
    jobs: &weir_postgres::Jobs,
    background: &Background,
) -> app::Desk {
    let (mailer, webhooks) = (clients::Mailer::new(mail), clients::Webhooks::new());
    let desk = app::Desk::new(pool.clone(), mailer, webhooks, clock.clone());
    let (delivering, sole) = (desk.clone(), jobs.sole("deliveries"));
    background.spawn("deliveries", app::DESK_WITHIN, |pulse| {
        app::deliver(delivering, sole, pulse)
    });
    let (watching, sole) = (desk.clone(), jobs.sole("watch"));
    background.spawn("watch", app::WATCH_WITHIN, |pulse| {
        app::watch(watching, sole, pulse)
    });
    desk
}

async fn migrate(pool: &weir_postgres::Pool, away: &Notify) -> anyhow::Result<()> {
    let migrated = store::migrate(pool, away).await;
    migrated.context("the schema can't be brought up to date")?;
    let renewed = app::renew_list(pool).await;
    renewed.context("the list of tokens can't be renewed")
}
