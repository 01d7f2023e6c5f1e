//! Starts what Weir consists of: PostgreSQL, Redis and the six services; one way for
//! `./weir up`, for tests and for measurements.
//!
//! Everything listens on the loopback interface alone, has passwords of its own, and dies
//! with the process that started it, however that ends. Several stacks may run at once.
//!
//! # For the tests of a service
//! ```no_run
//! use weir_stack::TestServers;
//!
//! # async fn example() {
//! // Started by the first test of the binary, in about a second; gone when it exits.
//! let servers = TestServers::shared().await;
//! // A database of this test alone, with the roles and empty schemas of all services.
//! let database = servers.fresh_database().await;
//! let database_url = database.url_for("contact"); // or mapping, activity, audience
//! let superuser = weir_stack::postgres::connect(&database.superuser_url).await;
//! // One Redis for all tests of the binary: keys carry random account ids.
//! let redis_url = servers.redis_url();
//! # drop((database_url, superuser, redis_url));
//!
//! // A pair of one's own, for a test that stops, kills or wipes them.
//! let mut own = TestServers::start().await.expect("PostgreSQL and Redis are installed");
//! own.redis.kill9().await;
//! own.redis.start_again().await.expect("it comes back");
//! # }
//! ```
//!
//! # For journeys and measurements
//! ```no_run
//! use weir_stack::{Service, Stack, StackOptions};
//!
//! # async fn example() -> anyhow::Result<()> {
//! // Six real processes, whose binaries lie beside the running one, on free ports.
//! let stack = Stack::start(StackOptions::temporary()).await?;
//! let (edge, quota) = (stack.edge_url(), stack.url(Service::Quota));
//! stack.kill9("contact-upsert").await?; // is started again by its supervisor
//! stack.wait_ready("contact-upsert").await?;
//! stack.kill9_and_hold("redis").await?; // stays down
//! stack.start_process("redis").await?;
//! stack.stop().await;
//! # drop((edge, quota));
//! # Ok(())
//! # }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod binaries;
pub mod child;
mod install;
mod ports;
pub mod postgres;
pub mod redis;
mod secrets;
mod stack;
mod test_servers;
mod user;

pub use binaries::Binaries;
pub use install::ensure_installed;
pub use ports::{PortPlan, USUAL, free_port};
pub use postgres::Postgres;
pub use redis::Redis;
pub use secrets::Secrets;
pub use stack::{
    Replica, Report, Reporter, Service, Stack, StackFile, StackOptions, holder, leftovers,
    until_ended, until_serving,
};
pub use test_servers::{TemporaryFolder, TestDatabase, TestServers};
