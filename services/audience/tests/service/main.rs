//! The audience service over real gRPC, against a real PostgreSQL.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod audiences;
mod callers;
mod changes;
mod harness;
mod memberships;
mod merges;
mod plans;
mod second_lock;
mod storm;
mod sync;
mod updates;
