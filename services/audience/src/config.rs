//! Every environment name and default of the audience service.

use std::net::SocketAddr;
use std::time::Duration;

/// Keeps audiences and who belongs to them.
#[derive(Debug, Clone, clap::Parser)]
#[command(version)]
pub struct Config {
    /// Where to serve gRPC.
    #[arg(long, env = "WEIR_LISTEN", default_value = "127.0.0.1:7004")]
    pub listen: SocketAddr,
    /// PostgreSQL, as the role that owns this service's schema:
    /// `postgres://user:password@host:port/database`.
    #[arg(long, env = "WEIR_DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// Connections at most; few saturate the database, and batches wait for one another anyway.
    #[arg(long, env = "WEIR_DATABASE_CONNECTIONS", default_value_t = 4)]
    pub database_connections: usize,
    /// The mapping service, which is asked whether there is an account that has no row here yet.
    #[arg(
        long,
        env = "WEIR_MAPPING_URL",
        default_value = "http://127.0.0.1:7001"
    )]
    pub mapping_url: String,
    /// How often accounts are looked for whose daily sync is due, in milliseconds.
    #[arg(long, env = "WEIR_AUDIENCE_SYNC_MS", default_value_t = 30_000,
          value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    pub sync_ms: u64,
    /// Logs, metrics, traces.
    #[command(flatten)]
    pub telemetry: weir_telemetry::Options,
}

impl Config {
    /// See `sync_ms`.
    pub fn sync_interval(&self) -> Duration {
        Duration::from_millis(self.sync_ms)
    }
}
