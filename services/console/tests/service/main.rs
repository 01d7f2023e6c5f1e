//! The console over real HTTP, with services whose answers the tests choose.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod activities;
mod away;
mod drafts;
mod escapes;
mod forms;
mod glances;
mod harness;
mod links;
mod lists;
mod numbers;
mod passwords;
mod people;
mod plans;
mod posts;
mod refusals;
mod replays;
mod saves;
mod sessions;
mod single;
mod stub;
mod suggestions;
mod told;
mod wizard;
