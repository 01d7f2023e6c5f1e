//! The service against real PostgreSQL, over real gRPC.

#![allow(clippy::unwrap_used)]

mod identifiers;
mod identity;
mod ledger;
mod outage;
mod plans;
mod purge;
mod races;
mod refused;
mod relay;
mod removes;
mod storm;
mod support;
mod undated;
mod upsert;
