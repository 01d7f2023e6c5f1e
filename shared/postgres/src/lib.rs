//! PostgreSQL as every service uses it: a small pool, migrations, and what an error means.
//!
//! - [`connect`] makes a pool of few connections (2-4 of them saturate two cores).
//! - [`migrate`] runs a service's numbered SQL files in its own schema.
//! - [`Transaction`] begins and commits without round trips of its own.
//! - [`JsonText`] takes JSON in and out without a cast.
//! - [`Failure`] tells what to do about an error: try again, answer "unavailable", or report a bug.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod failure;
mod json;
mod migrate;
mod pool;
mod transaction;

pub use failure::{Failure, failure_of};
pub use json::JsonText;
pub use migrate::{Migration, migrate};
pub use pool::{PLAN_BY_KEY, Pool, connect};
pub use transaction::Transaction;
