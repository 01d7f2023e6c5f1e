//! The pool of connections.

use std::time::Duration;

use deadpool_postgres::{Config, ManagerConfig, PoolConfig, RecyclingMethod, Runtime, Timeouts};
use tokio_postgres::NoTls;

pub use deadpool_postgres::Pool;

/// How long a request waits for a free connection before it is told "unavailable":
/// well under the edge's deadline of 8 s.
const WAIT: Duration = Duration::from_secs(4);
/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// No statement of ours takes longer, unless something is wrong.
const STATEMENT_TIMEOUT: &str = "10s";

/// For a service whose every statement finds rows by their keys. The statistics of a young
/// table would talk the planner into reading all of it instead, and a prepared plan outlives
/// that youth.
pub const PLAN_BY_KEY: &[&str] = &[
    "enable_seqscan=off",
    "enable_hashjoin=off",
    "enable_mergejoin=off",
];

/// Makes a pool for `url`, of at most `connections`; connects on first use. Each connection
/// begins with these `settings`, whoever uses it first.
///
/// # Errors
/// Where the URL is not one.
pub fn connect(url: &str, connections: usize, settings: &[&str]) -> Result<Pool, String> {
    let mut config = Config::new();
    config.url = Some(url.to_owned());
    config.application_name = Some(application_name());
    let mut options = format!("-c statement_timeout={STATEMENT_TIMEOUT}");
    for setting in settings {
        options.push_str(" -c ");
        options.push_str(setting);
    }
    config.options = Some(options);
    config.manager = Some(ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    });
    config.pool = Some(PoolConfig {
        max_size: connections.max(1),
        timeouts: Timeouts {
            wait: Some(WAIT),
            create: Some(CONNECT),
            recycle: Some(CONNECT),
        },
        ..PoolConfig::default()
    });
    config
        .create_pool(Some(Runtime::Tokio1), NoTls)
        .map_err(|error| format!("the database URL can't be used: {error}"))
}

/// The binary's name, so that `pg_stat_activity` tells who is connected.
fn application_name() -> String {
    std::env::args()
        .next()
        .and_then(|path| path.rsplit('/').next().map(str::to_owned))
        .unwrap_or_else(|| "weir".to_owned())
}
