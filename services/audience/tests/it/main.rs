//! The audience service over real gRPC, against a real PostgreSQL.

#![allow(clippy::unwrap_used)]

mod audiences;
mod joins;
mod mapping;
mod plans;
mod service;
mod storm;
mod sync;
mod wishes;
