//! What journeys are written with: a running system, accounts in it, and ways to send,
//! read back and wait.
//!
//! One system is started per test binary and shared; every test makes an account of its own
//! and can't see the others'. Tests that break things start a system of their own.

// A test that can't go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod account;
mod answer;
mod browser;
mod check;
pub mod events;
pub mod front_door;
pub mod fuzz;
pub mod model;
mod running;

pub use account::{Account, Plan};
pub use answer::{Answer, reason_of};
pub use browser::Browser;
pub use running::{Weir, full_length, journey, journey_alone, journey_alone_with};
pub use weir_testkit::eventually;
