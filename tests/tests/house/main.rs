//! The rules of the house, as tests: which room may know what, how long things get, what is
//! cited where. They read the sources as text; a rule that is broken names the file and the line.

#![allow(clippy::unwrap_used)]

mod building;
mod catalogue;
mod containers;
mod documents;
mod kubernetes;
mod links;
mod metrics;
mod observability;
mod rooms;
mod sizes;
mod sources;
