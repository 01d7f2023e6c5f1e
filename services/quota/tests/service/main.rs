//! The quota service over real gRPC, against a real Redis. The ledgers are small servers
//! that keep usage rows in memory, by the rules that the stores keep them by.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod away;
mod callers;
mod cluster;
mod connections;
mod epochs;
mod harness;
mod leases;
mod ledgers;
mod loss;
mod reserve;
mod tampered;
mod told;
mod unknown;
mod usage;
