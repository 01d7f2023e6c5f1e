//! What every service is made of besides its rules: a process around it, whom it lets in, a clock, work that
//! outlives its caller, tries of it, the search for what the database refuses, and loops that
//! must not end unseen.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod access;
mod background;
mod beginning;
mod clock;
mod culprits;
mod outage;
mod retry;
mod run;
mod secret;
mod tls;
mod tokens;

use std::pin::Pin;

pub use access::{AccessOptions, CallerOptions, Mode};
pub use background::{Background, Pulse};
pub use beginning::begin;
pub use clock::Clock;
pub use culprits::{MAX_CULPRITS, culprits};
pub use outage::Outage;
pub use retry::{Fault, Policy, behind_the_answer, detached, retry};
pub use run::{Browsers, Further, duration, millis, run, run_with_two};
pub use secret::{Hidden, hidden, path, read_secret};
pub use tls::MutualTlsOptions;
pub use tokens::{Current, MappingTokens, TokenSource, know_tokens};

/// Resolves when serving should end.
pub type Shutdown = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A service that serves until it is told to end, or can't go on. In a box, so that nothing of
/// a service is compiled once more in its binary.
pub type Serving = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// Batches are many small allocations that live as long as their request. It is the allocator of
/// whatever is linked with this crate.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
