//! The edge over real HTTP and real gRPC, with services whose answers the tests choose.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod admission;
mod classic;
mod connections;
mod counts;
mod description;
mod drain;
mod faults;
mod harness;
mod journeys;
mod kept;
mod log;
mod parts;
mod privacy;
mod readings;
mod recent;
mod repeats;
mod requests;
mod stub;
mod together;
mod units;
