//! Every environment name and default, with its reason.

use std::net::SocketAddr;

/// Knows who it is, and what is known of them.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "weir-contact-upsert", version)]
pub struct Config {
    /// Where to serve gRPC. Loopback, unless someone decides otherwise.
    #[arg(long, env = "WEIR_LISTEN", default_value = "127.0.0.1:7002")]
    pub listen: SocketAddr,
    /// PostgreSQL, as a role of its own that owns the schema it works in.
    #[arg(
        long,
        env = "WEIR_DATABASE_URL",
        default_value = "postgresql://weir_contact@127.0.0.1:5432/weir",
        hide_env_values = true
    )]
    pub database_url: String,
    /// Connections for calls; two to four saturate two cores, more only queue in PostgreSQL.
    #[arg(
        long,
        env = "WEIR_DATABASE_CONNECTIONS",
        default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(1..=100)
    )]
    pub database_connections: u16,
    /// Links from ids to contacts that are kept in memory, about 60 bytes each. As many as
    /// ids are active at a time; those that are not kept are looked up.
    #[arg(
        long,
        env = "WEIR_LINK_CACHE_ENTRIES",
        default_value_t = 1_000_000,
        value_parser = clap::value_parser!(u32).range(1_000..)
    )]
    pub link_cache_entries: u32,
    /// The mapping service, which knows whether there is an account.
    #[arg(
        long,
        env = "WEIR_MAPPING_URL",
        default_value = "http://127.0.0.1:7001"
    )]
    pub mapping_url: String,
    /// The activity service, which is told of links and merges.
    #[arg(
        long,
        env = "WEIR_ACTIVITY_URL",
        default_value = "http://127.0.0.1:7003"
    )]
    pub activity_url: String,
    /// The audience service, which is told of merges.
    #[arg(
        long,
        env = "WEIR_AUDIENCE_URL",
        default_value = "http://127.0.0.1:7004"
    )]
    pub audience_url: String,
    /// The quota service, which grants units to imports that are to be charged.
    #[arg(long, env = "WEIR_QUOTA_URL", default_value = "http://127.0.0.1:7005")]
    pub quota_url: String,
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

/// The relay and the purge work beside calls and never take a connection from them.
pub const BACKGROUND_CONNECTIONS: usize = 2;
