//! Every environment name and default, with its reason.

use std::net::SocketAddr;

/// Stores activities, and the backlog of those whose contact is not known yet.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "weir-activity", version)]
pub struct Config {
    /// Where to serve gRPC.
    #[arg(long, env = "WEIR_LISTEN", default_value = "127.0.0.1:7003")]
    pub listen: SocketAddr,
    /// PostgreSQL, as a role whose search_path is a schema of this service alone:
    /// `postgres://weir_activity:…@host/weir`.
    #[arg(long, env = "WEIR_DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// Connections at most. A batch is one transaction, and few at once saturate PostgreSQL.
    #[arg(
        long,
        env = "WEIR_DATABASE_CONNECTIONS",
        default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(1..=100)
    )]
    pub database_connections: u16,
    /// The mapping service, which knows which accounts there are.
    #[arg(
        long,
        env = "WEIR_MAPPING_URL",
        default_value = "http://127.0.0.1:7001"
    )]
    pub mapping_url: String,
    /// contact-upsert, which knows which contacts there are.
    #[arg(
        long,
        env = "WEIR_CONTACT_URL",
        default_value = "http://127.0.0.1:7002"
    )]
    pub contact_url: String,
    /// Links from ids to contacts that are kept in memory, about 40 bytes each. As many as
    /// ids are active at a time; those that are not kept are looked up.
    #[arg(
        long,
        env = "WEIR_LINK_CACHE_ENTRIES",
        default_value_t = 1_000_000,
        value_parser = clap::value_parser!(u32).range(1_000..)
    )]
    pub link_cache_entries: u32,
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
