//! The audience service over real gRPC, against a real PostgreSQL.

#![allow(clippy::unwrap_used)]

mod audiences;
mod joins;
mod service;
mod sync;
mod wishes;
