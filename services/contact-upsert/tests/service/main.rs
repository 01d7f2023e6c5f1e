//! The service against real PostgreSQL, over real gRPC.

#![allow(clippy::unwrap_used)]

#[path = "../../../../tests/src/identifiers.rs"]
mod identifiers;
mod identity;
mod ledger;
mod mapping;
mod outage;
mod plans;
mod purge;
mod races;
mod reads;
mod refused;
mod relay;
mod removes;
mod storm;
mod support;
mod undated;
mod upsert;
