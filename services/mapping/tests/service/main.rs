//! The service over gRPC, on a real PostgreSQL and a real Redis.

#![allow(clippy::unwrap_used)]

mod configuration;
mod events;
mod harness;
mod help;
mod keys;
mod versions;
