//! Placeholder while the rooms are built.
#![cfg_attr(test, allow(clippy::unwrap_used))]
pub mod domain;
