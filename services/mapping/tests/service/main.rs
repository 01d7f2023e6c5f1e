//! The service over gRPC, on a real PostgreSQL and a real Redis.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod blocked;
mod configuration;
mod contacts;
mod errors;
mod events;
mod harness;
mod help;
mod identifiers;
mod keys;
mod lists;
mod outgrown;
mod puts;
mod rings;
mod versions;
