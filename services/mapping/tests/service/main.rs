//! The service over gRPC, on a real PostgreSQL and a real Redis.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod alerts;
mod blocked;
mod callers;
mod classic;
mod configuration;
mod contacts;
mod counts;
mod errors;
mod events;
mod harness;
mod help;
mod history;
mod identifiers;
mod ignored;
mod keeping;
mod kept;
mod keys;
mod lists;
mod mail;
mod options;
mod outgrown;
mod places;
mod preview;
mod puts;
mod removal;
mod replays;
mod rings;
mod rows;
mod second_lock;
mod stories;
mod summaries;
mod versions;
mod watch;
mod webhooks;
