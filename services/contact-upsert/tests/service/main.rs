//! The service against real PostgreSQL, over real gRPC.

#![allow(clippy::unwrap_used)]

#[path = "../../../../tests/src/identifiers.rs"]
mod identifiers;
mod identity;
mod outage;
mod races;
mod relay;
mod removes;
mod storm;
mod support;
mod undated;
mod upsert;
