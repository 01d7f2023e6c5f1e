//! What is written behind `./weir up` and `./weir test`: what they run on.

use clap::Args;

use crate::arguments::{DataOptions, RolePasswords};

/// On one machine more of them only share its cores among more processes.
const MOST_REPLICAS: i64 = 8;
/// 17 ports fit behind it.
const LAST_BASE: i64 = 65_519;

/// Start PostgreSQL, Redis and the seven services, and stay until Ctrl-C.
///
/// Installs PostgreSQL and Redis through apt where they are missing (or works with somebody else's:
/// --postgres, --redis), applies the demo configuration (weir.yaml), sends sample events through the
/// edge, and prints what each of them was answered and where everything listens. Data are kept for
/// the next time.
#[derive(Debug, Clone, Args)]
pub struct UpOptions {
    /// Return when everything runs; `./weir down` stops it.
    #[arg(long)]
    pub detach: bool,
    /// Start so many processes of each service, and two edges on one socket where it is more
    /// than one; each listens on ports of its own (`./weir status`).
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=MOST_REPLICAS))]
    pub replicas: u16,
    /// Listen on BASE and the 16 ports behind it, instead of on 8080 (edge), 8090 (the same for
    /// classic sources), 8000 (console), 7001 to 7005 (gRPC) and 7100 to 7106 (metrics) or, where
    /// one of those is taken, on the next free one. Each further replica takes ten more, and the
    /// second edge one.
    #[arg(long, value_name = "BASE", value_parser = clap::value_parser!(u16).range(1024..=LAST_BASE))]
    pub ports: Option<u16>,
    /// Speak TLS everywhere, with certificates that are made in the data folder: between the
    /// services, which know each other by them, to PostgreSQL and Redis, and to whoever calls.
    #[arg(long, env = "WEIR_UP_TLS", value_parser = clap::builder::FalseyValueParser::new())]
    pub tls: bool,
    /// Work in a PostgreSQL that somebody else runs, in the place of one of our own: the URL of an
    /// administrator, who may make roles, and the database (`weir`, where none is named; it is made
    /// where it is not there): postgres://postgres:…@host/weir. Roles that are there already keep
    /// their passwords: give them. Others see the arguments of programs, and not their variables.
    #[arg(
        long,
        value_name = "URL",
        env = "WEIR_UP_POSTGRES",
        hide_env_values = true
    )]
    pub postgres: Option<String>,
    /// Work with a Redis that somebody else runs (redis:// or rediss://), or a cluster
    /// (redis+cluster://), which nobody else writes to.
    #[arg(
        long,
        value_name = "URL",
        env = "WEIR_UP_REDIS",
        hide_env_values = true
    )]
    pub redis: Option<String>,
    #[command(flatten)]
    pub passwords: RolePasswords,
    /// We are what `--detach` started: Ctrl-C does not reach us.
    #[arg(long, hide = true)]
    pub in_background: bool,
    #[command(flatten)]
    pub data: DataOptions,
}

/// Build everything and run every test, against real servers and processes.
///
/// Ends with a line `N passed, N failed`. Storms and fuzzing are short here; `./weir test long`
/// runs everything with them at full length, which takes hours.
#[derive(Debug, Args)]
pub struct TestOptions {
    /// Run the tests on a PostgreSQL that somebody else runs, as an administrator who may make roles
    /// and databases: each test has a database of its own, and all are dropped at the end. Tests that
    /// stop, kill or measure an engine start one of their own all the same.
    #[arg(
        long,
        value_name = "URL",
        env = "WEIR_TEST_POSTGRES",
        hide_env_values = true
    )]
    pub postgres: Option<String>,
    /// As well, on a Redis (redis://, rediss://) or a cluster (redis+cluster://), which is written
    /// to and never emptied.
    #[arg(
        long,
        value_name = "URL",
        env = "WEIR_TEST_REDIS",
        hide_env_values = true
    )]
    pub redis: Option<String>,
    /// Only tests whose name contains this; `long`: all of them, at full length; `compose`: the
    /// containers, with a Docker engine of its own where none runs.
    pub filter: Option<String>,
}
