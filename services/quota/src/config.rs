//! Every environment name and default, with its reason.

use std::net::SocketAddr;
use std::time::Duration;

use weir_rpc::Peer;

use crate::domain::UnitKind;

/// Grants units of the rate limits to batches.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "weir-quota", version)]
pub struct Config {
    /// Where to serve gRPC.
    #[arg(long, env = "WEIR_LISTEN", default_value = "127.0.0.1:7005")]
    pub listen: SocketAddr,
    /// The Redis that holds counters and reservations, `redis://user:password@host:port`,
    /// or `redis+cluster://user:password@host:port,host:port` for a cluster, by some of its nodes;
    /// `rediss` speaks TLS.
    #[arg(long, env = "WEIR_REDIS_URL", hide_env_values = true)]
    pub redis_url: String,
    /// Its certificates.
    #[command(flatten)]
    pub redis: weir_redis::RedisOptions,
    /// The mapping service, for the plans behind `GetUsage`.
    #[arg(
        long,
        env = "WEIR_MAPPING_URL",
        default_value = "http://127.0.0.1:7001"
    )]
    pub mapping_url: String,
    /// The contact-upsert service: the ledger of profile units.
    #[arg(
        long,
        env = "WEIR_CONTACT_URL",
        default_value = "http://127.0.0.1:7002"
    )]
    pub contact_url: String,
    /// The activity service: the ledger of activity units.
    #[arg(
        long,
        env = "WEIR_ACTIVITY_URL",
        default_value = "http://127.0.0.1:7003"
    )]
    pub activity_url: String,
    /// How long a batch may take from its reservation to its settling, in milliseconds.
    /// Longer than the edge's deadline of 8 s, or batches that are still alive are closed.
    #[arg(long = "lease-ms", env = "WEIR_QUOTA_LEASE_MS", default_value = "30000", value_parser = weir_service::millis)]
    pub lease: Duration,
    /// How often leases that ran out are looked for, in milliseconds. Until then their units
    /// are missing, so not long.
    #[arg(long = "sweep-ms", env = "WEIR_QUOTA_SWEEP_MS", default_value = "5000", value_parser = weir_service::millis)]
    pub sweep_interval: Duration,
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

impl Config {
    /// The services that charge units, with the kind that each charges, and their addresses.
    pub fn ledgers(&self) -> [(&'static str, UnitKind, Peer, &str); 2] {
        let (contact, activity) = (&self.contact_url, &self.activity_url);
        [
            ("contact-upsert", UnitKind::Profile, Peer::CONTACT, contact),
            ("activity", UnitKind::Activity, Peer::ACTIVITY, activity),
        ]
    }
}
