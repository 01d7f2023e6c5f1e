//! Every environment name and default, with its reason.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::domain::key::KeySecret;

/// Configuration of accounts, and the conversion of raw events into typed values.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "weir-mapping", version)]
pub struct Config {
    /// Where to serve gRPC.
    #[arg(long, env = "WEIR_LISTEN", default_value = "127.0.0.1:7001")]
    pub listen: SocketAddr,
    /// Of the role that owns the schema `mapping`.
    #[arg(long, env = "WEIR_DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// Connections to PostgreSQL, at most. A batch needs none but twice a second and source.
    #[arg(
        long,
        env = "WEIR_DATABASE_CONNECTIONS",
        default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(1..=100)
    )]
    pub database_connections: u16,
    /// Holds samples, event names and log lines.
    #[arg(long, env = "WEIR_REDIS_URL", hide_env_values = true)]
    pub redis_url: String,
    /// With what API keys are hashed; at least 16 characters. Keys are lost when it changes.
    #[arg(long, env = "WEIR_KEY_SECRET", hide_env_values = true, value_parser = key_secret)]
    pub key_secret: KeySecret,
    /// The contact-upsert service, which holds the copy of the unique identifiers that counts.
    #[arg(
        long,
        env = "WEIR_CONTACT_URL",
        default_value = "http://127.0.0.1:7002"
    )]
    pub contact_url: String,
    /// The activity service; of an account that is deleted it erases what it keeps, as the two
    /// below.
    #[arg(
        long,
        env = "WEIR_ACTIVITY_URL",
        default_value = "http://127.0.0.1:7003"
    )]
    pub activity_url: String,
    /// The audience service.
    #[arg(
        long,
        env = "WEIR_AUDIENCE_URL",
        default_value = "http://127.0.0.1:7004"
    )]
    pub audience_url: String,
    /// The quota service.
    #[arg(long, env = "WEIR_QUOTA_URL", default_value = "http://127.0.0.1:7005")]
    pub quota_url: String,
    /// When an account that was deleted begins to be erased: no key opens the door for longer
    /// than 60 s, a batch that was under way ends within 10 s, its lease and what it left in an
    /// outbox within 30 s.
    #[arg(
        long,
        env = "WEIR_ERASURE_DELAY_SECONDS",
        default_value_t = 90,
        value_parser = clap::value_parser!(u32).range(0..=86_400)
    )]
    pub erasure_delay_seconds: u32,
    /// A database in MaxMind's format (GeoLite2-City, or another of cities or countries), by which
    /// `ip` becomes a place; read again when it changes. Without one `ip` is ignored.
    #[arg(long, env = "WEIR_GEOIP_DATABASE", value_parser = path)]
    pub geoip_database: Option<PathBuf>,
    /// Logs, metrics, traces.
    #[command(flatten)]
    pub telemetry: weir_telemetry::Options,
}

/// An empty one is none: so an environment says it that always names it.
fn path(text: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(text))
}

fn key_secret(text: &str) -> Result<KeySecret, String> {
    KeySecret::new(text).ok_or_else(|| "must have at least 16 characters".to_owned())
}
