//! PostgreSQL as every service uses it: a small pool, migrations, and what an error means.
//!
//! - [`connect`] makes a pool of few connections (2-4 of them saturate two cores), each of them
//!   watched: one that PostgreSQL is silent on, or that its last user left in the middle of
//!   something, is closed. The URL says whether TLS is spoken, in the words of libpq.
//! - [`migrate`] runs a service's numbered SQL files in its own schema, as the owner of it, and
//!   locks its tables by account.
//! - [`check`] says why a PostgreSQL that somebody else runs can't be worked with.
//! - [`Tx`] begins and commits without round trips of its own, and sees one account's rows.
//! - [`work`] tells which accounts there are, and which have work.
//! - [`JsonText`] takes JSON in and out without a cast.
//! - [`Portion`] says how many rows the next page of a file asks for.
//! - [`Sole`] keeps a job in the background to one replica at a time.
//! - [`Failure`] tells what to do about an error: try again, answer "unavailable", or report a bug.
//!
//! Rows are read by name, `row.get("contact_id")`, so that a statement and its reader can't
//! drift apart: a number would go on to find some other column. Some 20 ns each, which no batch
//! notices. A name that is not there is a bug of ours, and panics: whoever serves the call logs
//! it and answers "internal".

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod citus;
mod dial;
mod failure;
mod fitness;
mod isolation;
mod json;
mod link;
mod migrate;
mod pool;
mod portion;
mod secure;
mod sole;
mod statements;
mod target;
mod transaction;
pub mod work;

pub use dial::{DialError, connect_once};
pub use failure::{Failure, failure_of};
pub use fitness::{Unfit, check};
pub use isolation::{Open, as_owner, lock};
pub use json::JsonText;
pub use migrate::{MigrateError, Migration, migrate, migrate_beside, migrate_once_there};
pub use pool::{Client, Connection, Manager, PLAN_BY_KEY, Pool, PoolError, connect};
pub use portion::{PAGE_BYTES, PAGE_STORED_BYTES, Portion};
pub use sole::{Jobs, Sole};
pub use statements::Statements;
pub use target::UrlError;
pub use transaction::{Scoped, Tx};
