//! The audience service over real gRPC, against a real PostgreSQL.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod audiences;
mod callers;
mod changes;
mod counts;
mod curation;
mod exports;
mod harness;
mod history;
mod memberships;
mod merges;
mod plans;
mod second_lock;
mod storm;
mod sync;
mod syncs;
mod updates;
