//! The service over gRPC, on a real PostgreSQL.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod access;
mod backlog;
mod callers;
mod clocks;
mod corrections;
mod counts;
mod export;
mod grants;
mod harness;
mod history;
mod identifier;
mod interleaved;
mod ledger;
mod lifetimes;
mod listing;
mod occurrences;
mod outage;
mod recording;
mod second_lock;
mod storm;
mod values;
mod waiting;
