//! The service against real PostgreSQL, over real gRPC.

#![allow(clippy::unwrap_used)]

mod identity;
mod outage;
mod relay;
mod storm;
mod support;
mod upsert;
