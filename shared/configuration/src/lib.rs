//! Configuration as code: a file is read and checked as a whole (`file`), compared with what stands
//! at the services (`plan`), and shown; or what stands is written as such a file.
//!
//! For `./weir plan` and `./weir apply`, and for the console, which shows what a file would change.
//! What is done is the front door's: nothing in here changes anything.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod file;
pub mod plan;
