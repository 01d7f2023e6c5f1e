//! The service against real PostgreSQL, over real gRPC.

#![allow(clippy::unwrap_used)]

mod identity;
mod support;
mod upsert;
