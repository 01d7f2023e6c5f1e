//! How long batches take, by those of late.

use std::time::Duration;

use super::{FULL, Size};

/// A store that hangs must not have everything refused that it could take once it is back.
const MOST: Duration = Duration::from_secs(2);
/// How much one batch says of the next ones: a sixteenth.
const SHARE: u32 = 16;

#[derive(Debug, Default)]
pub(super) struct Pace(Duration);

/// What is in front of a request.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Queued {
    pub size: Size,
    /// How many batches at once this account may hope for; 0 where it need not wait at all.
    pub slots: u32,
}

impl Pace {
    pub fn learn(&mut self, took: Duration) {
        let took = took.min(MOST);
        self.0 = match self.0 {
            Duration::ZERO => took,
            pace => (pace * (SHARE - 1) + took) / SHARE,
        };
    }

    /// How long one takes.
    pub fn batch(&self) -> Duration {
        self.0
    }

    /// How long it takes until what comes behind these is done.
    pub fn until_done(&self, queued: Queued) -> Duration {
        if queued.slots == 0 {
            return self.0;
        }
        let Size { events, bytes } = queued.size;
        let batches = (events / FULL.events).max(bytes / FULL.bytes);
        let batches = u32::try_from(batches).unwrap_or(u32::MAX);
        self.0
            .saturating_mul(batches / queued.slots)
            .saturating_add(self.0)
    }
}
