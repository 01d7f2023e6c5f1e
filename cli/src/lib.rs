//! The front door's commands.

#![cfg_attr(test, allow(clippy::unwrap_used))]
// What a command prints is its product.
#![allow(clippy::print_stdout)]

pub mod addresses;
pub mod apply;
pub mod call;
pub mod failure;
