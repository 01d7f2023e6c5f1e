//! The record of changes: who changed what, when, from what to what (semantics 9.5).
//!
//! Every service whose calls change something keeps its part of it in its own schema:
//!
//! - its [`migration`] makes the table `changes`;
//! - a call's [`Author`] travels from the wire to where the transaction is, and [`record`] writes
//!   the [`Change`] there, before the commit;
//! - [`purge`] drops what is older than [`KEPT`];
//! - [`Log::service`] serves it to mapping, which puts the parts together ([`merged`]).
//!
//! **Invariant:** a change that was committed has its row, and a row that is there was a change:
//! both are one transaction.
//!
//! **Invariant:** of a secret it is said that it changed, of a contact its id and counts. Whoever
//! makes a [`Shown`] sees to it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod change;
mod grpc;
mod merge;
mod store;

use chrono::TimeDelta;
use weir_ids::AccountId;
use weir_postgres::Migration;

pub use change::{Actor, Author, Change, Entry, Field, Shown, Thing, shown};
pub use grpc::{Log, author, change_of, entry_of, filter_of};
pub use merge::{Part, merged};
pub use store::{Before, Counted, Filter, changed_before, count, done_before, list, purge, record};

/// How long a change is kept.
pub const KEPT: TimeDelta = TimeDelta::days(90);

/// Whose changes are those that belong to no account, or to all.
pub const NO_ACCOUNT: AccountId = AccountId(uuid::Uuid::nil());

/// Makes the table, as the service's file of that number.
pub const fn migration(number: i32) -> Migration {
    Migration {
        number,
        oldest: number,
        name: "changes",
        sql: include_str!("../migrations/changes.sql"),
    }
}
