//! Exact counts of what a source's events were answered and which of their values were ignored,
//! by reason code, subject and hour (semantics 7.3a): folded per batch, added up in memory, and
//! told to mapping each second.
//!
//! **Invariant:** what is told is told once. A flush has a number, and is told again under the
//! same number until mapping answers; only then comes the next one. What a killed process had
//! not told is lost, a second of it; what does not fit into memory while mapping is away is
//! dropped, and counted.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod flush;
mod fold;
mod pending;

pub use flush::{Counts, ROUND};
pub use fold::{Fold, Key, OK};

/// Subjects of one source and hour (semantics 7.3a); what is beyond is `other`.
pub const MAX_SUBJECTS: usize = 1_000;
/// Counts in one flush, as the contract says.
pub const MAX_COUNTS: usize = 5_000;
