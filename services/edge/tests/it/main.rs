//! The edge over real HTTP and real gRPC, with services whose answers the tests choose.

#![allow(clippy::unwrap_used)]

mod faults;
mod journeys;
mod requests;
mod running;
mod stub;
