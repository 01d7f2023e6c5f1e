//! The rules of the edge: pure functions over bytes, values and what the stages said.
//!
//! The receive time and new ids come in as arguments; nothing here waits or looks anything up.

pub mod audience;
pub mod classic;
pub mod crowd;
pub mod envelope;
pub mod grants;
pub mod keep;
pub mod log;
pub mod outcome;
pub mod pace;
pub mod reading;
pub mod recent;
pub mod schedule;
pub mod shares;
pub mod split;
pub mod stages;
pub mod text;
pub mod time;
