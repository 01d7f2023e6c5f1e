//! Journeys through the six real processes, PostgreSQL and Redis.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod access;
mod audiences;
mod batches;
mod classic;
mod clients;
mod configuration;
mod corrections;
mod counts;
mod crashes;
mod deletion;
mod doctor;
mod efficiency;
mod exports;
mod fuzz;
mod hands;
mod histories;
mod identity;
mod imports;
mod kept;
mod lifetimes;
mod limits;
mod metrics;
mod news;
mod odd_requests;
mod people;
mod poison;
mod privacy;
mod replicas;
mod requests;
mod samples;
mod sdks;
mod setup;
mod storms;
mod tokens;
