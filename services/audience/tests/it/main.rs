//! The audience service over real gRPC, against a real PostgreSQL.

#![allow(clippy::unwrap_used)]

mod audiences;
mod mapping;
mod merges;
mod plans;
mod service;
mod storm;
mod sync;
mod updates;
