//! Every environment name and default, with its reason.

use std::net::SocketAddr;
use std::time::Duration;

/// The front door of Weir: takes batches of events over HTTP and answers for every one.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "weir-edge", version)]
pub struct Config {
    /// Where to listen for HTTP/1.1.
    #[arg(long, env = "WEIR_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// The services behind it.
    #[command(flatten)]
    pub addresses: Addresses,
    /// Namespaces of our own: tracks that carry one are echoes, answered 200 and ignored.
    #[arg(
        long,
        env = "WEIR_OWN_NAMESPACES",
        value_delimiter = ',',
        default_value = "ortto.com"
    )]
    pub own_namespaces: Vec<String>,
    /// Connections at once; more are told to come again. An idle one costs a few KiB.
    #[arg(long, env = "WEIR_MAX_CONNECTIONS", default_value_t = 4_096)]
    pub max_connections: usize,
    /// Requests in work at once; more are told to come again. With batches of hundreds of
    /// events PostgreSQL is busy with a few dozen; the others would wait into their deadline.
    #[arg(long, env = "WEIR_MAX_REQUESTS", default_value_t = 128)]
    pub max_requests: usize,
    /// Of these, how many may be one account's, so that a loud one leaves room for the others.
    #[arg(long, env = "WEIR_MAX_ACCOUNT_REQUESTS", default_value_t = 64)]
    pub max_account_requests: usize,
    /// MiB of bodies and answers in memory at once. None of the accounts may hold more than is
    /// left to all others: one alone gets a half. At least 32, for a body of 16.
    #[arg(long, env = "WEIR_MAX_BODIES_MIB", default_value_t = 96)]
    pub max_bodies_mib: usize,
    /// For how long it goes on serving once it was told to stop (`5s`, `500ms`): not ready any
    /// more, so that whoever chooses among edges turns to others.
    #[arg(long, env = "WEIR_DRAIN", default_value = "5s", value_parser = weir_service::duration)]
    pub drain: Duration,
    /// Logs, metrics, traces.
    #[command(flatten)]
    pub telemetry: weir_telemetry::Options,
}

/// Where the services are (`http://host:port`; all replicas, with commas in between).
#[derive(Debug, Clone, clap::Args)]
pub struct Addresses {
    #[arg(
        long = "mapping-url",
        env = "WEIR_MAPPING_URL",
        default_value = "http://127.0.0.1:7001"
    )]
    pub mapping: String,
    #[arg(
        long = "contact-url",
        env = "WEIR_CONTACT_URL",
        default_value = "http://127.0.0.1:7002"
    )]
    pub contact: String,
    #[arg(
        long = "activity-url",
        env = "WEIR_ACTIVITY_URL",
        default_value = "http://127.0.0.1:7003"
    )]
    pub activity: String,
    #[arg(
        long = "audience-url",
        env = "WEIR_AUDIENCE_URL",
        default_value = "http://127.0.0.1:7004"
    )]
    pub audience: String,
    #[arg(
        long = "quota-url",
        env = "WEIR_QUOTA_URL",
        default_value = "http://127.0.0.1:7005"
    )]
    pub quota: String,
}
