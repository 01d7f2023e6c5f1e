//! What is told of batches once they are stored (semantics 6.4).

use weir_ids::BatchId;

use super::Units;

/// Of one call: a script keeps all others waiting.
pub const MAX_SETTLEMENTS: usize = 100;

/// What a batch stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    pub batch: BatchId,
    /// Of its reservation.
    pub epoch: i64,
    pub stored: Units,
}
