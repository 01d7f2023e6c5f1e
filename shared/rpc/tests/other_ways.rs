//! A server of ours, called otherwise than by gRPC: with JSON, from a browser, by who looks what
//! is here.

#![allow(clippy::unwrap_used)]

#[path = "other_ways/admission.rs"]
mod admission;
#[path = "other_ways/browsers.rs"]
mod browsers;
#[path = "other_ways/clients.rs"]
mod clients;
#[path = "other_ways/refused.rs"]
mod refused;
#[path = "other_ways/server.rs"]
mod server;
#[path = "other_ways/streams.rs"]
mod streams;
#[path = "other_ways/unary.rs"]
mod unary;
