//! What a turn sends, and how.

use crate::drive::Pace;
use crate::http::Manner;
use crate::options::Options;
use crate::workload::Recipe;

/// Of saturation: how latencies are when there is room.
pub const SHARE_OF_SATURATION: f64 = 0.7;
/// Of the load at a pace; a case that has more of its own keeps them.
const ENOUGH_CONNECTIONS: u64 = 256;

/// What a turn sends, and how.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub recipe: Recipe,
    pub events: u64,
    pub batch: u64,
    pub connections: u64,
    pub pace: Pace,
    /// What becomes of a request that is refused.
    pub manner: Manner,
}

impl Plan {
    /// At saturation, in the sizes of the command line.
    pub fn usual(options: &Options, recipe: Recipe) -> Self {
        Self {
            recipe,
            events: options.events,
            batch: options.batch,
            connections: options.connections,
            pace: Pace::Saturate,
            manner: Manner::Strict,
        }
    }

    /// The same at 70 % of this rate of events. There are more connections than the pace
    /// needs, so that a slow answer does not hold back the next request.
    pub fn below_saturation(self, events_per_second: f64) -> Self {
        let requests_per_second = events_per_second / self.batch as f64;
        self.at(requests_per_second * SHARE_OF_SATURATION)
    }

    /// The same at so many requests a second, in the same way.
    pub fn at(self, requests_per_second: f64) -> Self {
        let enough = ENOUGH_CONNECTIONS.max(self.connections);
        Self {
            pace: Pace::JobsPerSecond(requests_per_second),
            connections: (self.connections * 4).min(enough),
            ..self
        }
    }
}
