//! What a batch asks for, gets and stores.

use std::time::Duration;

use weir_ids::BatchId;

use super::{Units, Window};

/// Of one call: a script keeps all others waiting.
pub const MAX_SETTLEMENTS: usize = 100;

/// How far a state has come: it only ever grows, so that one which is behind was put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Progress {
    // The order of the fields is the order of progress.
    pub epoch: i64,
    /// Grants made in it.
    pub grants: i64,
}

impl Progress {
    /// So far no state has come.
    pub const BEYOND_ALL: Self = Self {
        epoch: i64::MAX,
        grants: 0,
    };
}

/// What a batch asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub batch: BatchId,
    pub window: Window,
    pub units: Units,
    pub limits: Units,
    pub lease: Duration,
    /// A state that has not come as far counts for nothing.
    pub least: Progress,
}

/// What a batch stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    pub batch: BatchId,
    /// Of its reservation.
    pub epoch: i64,
    pub stored: Units,
}

/// What it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// Of the first call with this batch id.
    pub window: Window,
    /// Of the state, this grant included.
    pub progress: Progress,
    pub granted: Units,
    pub used: Units,
    /// This grant included.
    pub reserved: Units,
    /// What is left of the lease.
    pub lease: Duration,
    /// How many of the settlements that came along found a reservation.
    pub settled: usize,
}

/// Units of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    pub used: Units,
    pub reserved: Units,
}
