//! Whether this replica sees Redis, and for how long.

use std::time::{Duration, Instant};

/// Redis is missed when it has answered nothing for so long, though it was asked (semantics 6.6a).
pub const MISSED_AFTER: Duration = Duration::from_millis(300);
/// Redis grants again when it has answered everything for so long.
pub const STEADY_AFTER: Duration = Duration::from_secs(5);

/// What was seen of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sight {
    /// Since when nothing was answered.
    failing: Option<Instant>,
    /// Since when everything was.
    answering: Option<Instant>,
    /// When it answered last.
    last: Option<Instant>,
}

impl Sight {
    /// It answered.
    pub fn answered(&mut self, now: Instant) {
        self.failing = None;
        self.last = Some(now);
        self.answering.get_or_insert(now);
    }

    /// It was asked at `since`, and has not answered. Where it answered anything meanwhile, that
    /// was the trouble of one call.
    pub fn failed(&mut self, since: Instant) {
        if self.last.is_some_and(|last| last > since) {
            return;
        }
        self.answering = None;
        let failing = self.failing.get_or_insert(since);
        *failing = since.min(*failing);
    }

    /// Whether it is missed.
    pub fn is_missed(&self, now: Instant) -> bool {
        let missed = |since: Instant| now.saturating_duration_since(since) >= MISSED_AFTER;
        self.failing.is_some_and(missed)
    }

    /// Whether it may grant again.
    pub fn is_steady(&self, now: Instant) -> bool {
        let steady = |since: Instant| now.saturating_duration_since(since) >= STEADY_AFTER;
        self.answering.is_some_and(steady)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_answer_that_fails_is_no_loss_and_one_that_comes_no_return() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut sight = Sight::default();
        assert!(!sight.is_missed(at(0)) && !sight.is_steady(at(60_000)));
        sight.failed(at(1_000));
        assert!(!sight.is_missed(at(1_299)));
        assert!(sight.is_missed(at(1_300)));
        sight.answered(at(1_400));
        assert!(!sight.is_missed(at(1_400)) && !sight.is_steady(at(6_399)));
        assert!(sight.is_steady(at(6_400)));
        sight.failed(at(6_500));
        assert!(!sight.is_missed(at(6_500)) && !sight.is_steady(at(6_500)));
        // One of several calls.
        sight.answered(at(7_000));
        sight.failed(at(6_800));
        assert!(!sight.is_missed(at(9_000)) && sight.is_steady(at(12_000)));
    }

    proptest! {
        #[test]
        fn it_is_never_missed_and_steady_and_steady_only_after_five_seconds_of_answers(
            asked in prop::collection::vec((any::<bool>(), 1..3_000_u64), 1..60),
        ) {
            let mut now = Instant::now();
            let (mut sight, mut since) = (Sight::default(), None);
            for (is_answered, pause) in asked {
                now += Duration::from_millis(pause);
                if is_answered {
                    sight.answered(now);
                    since = since.or(Some(now));
                } else {
                    sight.failed(now);
                    since = None;
                }
                prop_assert!(!(sight.is_missed(now) && sight.is_steady(now)));
                let steady = since.is_some_and(|since| now - since >= STEADY_AFTER);
                prop_assert_eq!(sight.is_steady(now), steady);
            }
        }
    }
}
