//! The service against real PostgreSQL, over real gRPC.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod callers;
mod changes;
mod exports;
mod harness;
mod identity;
mod json;
mod ledger;
mod nul;
mod outage;
mod people;
mod plans;
mod purge;
mod races;
mod reads;
mod refused;
mod reindex;
mod relay;
mod removes;
mod search;
mod second_lock;
mod start;
mod storm;
mod transfer;
mod undated;
mod upsert;
mod values;
