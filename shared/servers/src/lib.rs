//! A PostgreSQL and a Redis of one's own: for tests, and for the stack behind `./weir up`.
//!
//! They listen on the loopback interface alone, have passwords of their own, and die with the
//! process that started them, however that ends.
//!
//! ```no_run
//! use weir_servers::TestServers;
//!
//! # async fn example() {
//! // Started by the first test of the binary, in about a second; gone when it exits.
//! let servers = TestServers::shared().await;
//! // A database of this test alone, with the roles and empty schemas of all services.
//! let database = servers.fresh_database().await;
//! let database_url = database.url_for("contact"); // or mapping, activity, audience
//! let superuser = weir_servers::postgres::connect(&database.superuser_url).await;
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

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod binaries;
pub mod child;
mod pgbouncer;
mod ports;
pub mod postgres;
pub mod redis;
mod redis_cluster;
pub mod secrets;
mod temporary;
mod test_servers;
mod theirs;
mod tls;
pub mod user;

pub use binaries::{Binaries, clock_library};
pub use pgbouncer::{PgBouncer, Pooling};
pub use ports::{free_port, is_free};
pub use redis_cluster::RedisCluster;
pub use temporary::TemporaryFolder;
pub use test_servers::{
    SharedServers, TEST_RUN, TestDatabase, TestServers, is_clash, test_engines, test_system,
};
pub use theirs::Theirs;
pub use tls::ServerTls;
