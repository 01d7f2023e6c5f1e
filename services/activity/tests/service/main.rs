//! The service over gRPC, on a real PostgreSQL.

#![allow(clippy::unwrap_used)]

mod backlog;
mod harness;
mod ledger;
mod listing;
mod outage;
mod recording;
mod storm;
