//! Every environment name and default, with its reason.

use std::net::SocketAddr;
use std::time::Duration;

use chrono::NaiveTime;

/// Keeps audiences and who belongs to them.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "weir-audience", version)]
pub struct Config {
    /// Where to serve gRPC.
    #[arg(long, env = "WEIR_LISTEN", default_value = "127.0.0.1:7004")]
    pub listen: SocketAddr,
    /// PostgreSQL, as the role that owns this service's schema:
    /// `postgres://user:password@host:port/database`.
    #[arg(long, env = "WEIR_DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// Connections at most; few saturate the database, and batches wait for one another anyway.
    #[arg(
        long,
        env = "WEIR_DATABASE_CONNECTIONS",
        default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(1..=100)
    )]
    pub database_connections: u16,
    /// The mapping service, which is asked whether there is an account that has no row here yet.
    #[arg(
        long,
        env = "WEIR_MAPPING_URL",
        default_value = "http://127.0.0.1:7001"
    )]
    pub mapping_url: String,
    /// How often accounts are looked for whose daily sync is due, in milliseconds.
    #[arg(long = "sync-ms", env = "WEIR_AUDIENCE_SYNC_MS", default_value = "30000", value_parser = weir_service::millis)]
    pub sync_interval: Duration,
    /// When the daily sync of an account is due, as a time of UTC days such as `04:30`.
    #[arg(long = "sync-at", env = "WEIR_AUDIENCE_SYNC_AT", default_value = "00:00", value_parser = time_of_day)]
    pub sync_at: NaiveTime,
    /// Who may call, and as whom it calls.
    #[command(flatten)]
    pub access: weir_service::AccessOptions,
    /// TLS.
    #[command(flatten)]
    pub tls: weir_service::MutualTlsOptions,
    /// Who may call from a browser.
    #[command(flatten)]
    pub browsers: weir_service::Browsers,
    /// Logs, metrics, traces.
    #[command(flatten)]
    pub telemetry: weir_telemetry::Options,
}

fn time_of_day(text: &str) -> Result<NaiveTime, String> {
    let read = NaiveTime::parse_from_str(text, "%H:%M");
    read.map_err(|_| "must be a time such as 04:30".to_owned())
}
