//! Every environment name and default, with its reason.

use std::net::SocketAddr;
use std::time::Duration;

use weir_service::Further;

use crate::domain::schedule::{Limits, Size};

/// The front door of Weir: takes batches of events over HTTP and answers for every one.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "weir-edge", version)]
pub struct Config {
    /// Where to listen for HTTP/1.1.
    #[arg(long, env = "WEIR_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where to listen for what Segment's SDKs send to classic sources; `off`: nowhere, and they
    /// send to `/classic` of the other one.
    #[arg(long, env = "WEIR_CLASSIC_LISTEN", default_value = "127.0.0.1:8090")]
    pub classic_listen: Further,
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
    /// Connections at once. For one more, the one goes that waits longest for a head; where all
    /// are at work it is told to come again. An idle one costs a few KiB.
    #[arg(long, env = "WEIR_MAX_CONNECTIONS", default_value_t = 4_096)]
    pub max_connections: usize,
    /// MiB of bodies and answers in memory at once. None of the accounts may hold more than is
    /// left to all others: one alone gets a half. At least 32, for a body of 16.
    #[arg(long, env = "WEIR_MAX_BODIES_MIB", default_value_t = 96)]
    pub max_bodies_mib: usize,
    /// For how long it goes on serving once it was told to stop (`5s`, `500ms`): not ready any
    /// more, so that whoever chooses among edges turns to others.
    #[arg(long, env = "WEIR_DRAIN", default_value = "5s", value_parser = weir_service::duration)]
    pub drain: Duration,
    /// How much goes on at once, and waits.
    #[command(flatten)]
    pub queues: Queues,
    /// As whom it calls the services.
    #[command(flatten)]
    pub caller: weir_service::CallerOptions,
    /// Logs, metrics, traces.
    #[command(flatten)]
    pub telemetry: weir_telemetry::Options,
}

/// How much goes through the services at once, and how much waits for it.
#[derive(Debug, Clone, clap::Args)]
pub struct Queues {
    /// Batches under way at once. Two to four keep two cores of a database busy; with more, all
    /// take longer.
    #[arg(long, env = "WEIR_PIPELINE_SLOTS", default_value_t = 16)]
    pub pipeline_slots: usize,
    /// Of these, one account's, so that a loud one leaves room for the others.
    #[arg(long, env = "WEIR_ACCOUNT_PIPELINE_SLOTS", default_value_t = 4)]
    pub account_pipeline_slots: usize,
    /// Of these, how many may be of less than half of 500 events (and 4 MiB): while they are
    /// under way what comes makes a larger batch, which costs less for each event.
    #[arg(long, env = "WEIR_ACCOUNT_SMALL_SLOTS", default_value_t = 2)]
    pub account_small_slots: usize,
    /// Events that wait; half of them may be one account's. More are told to come again. A
    /// second's worth or two: who waits longer is too late for its deadline.
    #[arg(long, env = "WEIR_MAX_QUEUED_EVENTS", default_value_t = 65_536)]
    pub max_queued_events: usize,
    /// MiB of bodies that wait; half of them may be one account's.
    #[arg(long, env = "WEIR_MAX_QUEUED_MIB", default_value_t = 64)]
    pub max_queued_mib: usize,
}

impl Queues {
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            slots: self.pipeline_slots,
            account_slots: self.account_pipeline_slots,
            small_slots: self.account_small_slots,
            waiting: Size {
                events: self.max_queued_events,
                bytes: self.max_queued_mib * 1024 * 1024,
            },
        }
    }
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
