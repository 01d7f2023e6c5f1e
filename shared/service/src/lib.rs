//! What every service is made of besides its rules: work that outlives its caller, tries of
//! it, the search for what the database refuses, and loops that must not end unseen.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod background;
mod culprits;
mod work;

pub use background::{Background, Ended, Pulse, Shutdown};
pub use culprits::{MAX_CULPRITS, culprits};
pub use work::{Fault, Tries, detached, persistently};
