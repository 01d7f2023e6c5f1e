//! What a log says of something that is away: when that begins, now and then, and when it is over.
//!
//! Whoever works without it goes on asking, several times a second, and each answer is the same
//! news. Each kind of error is said at once, and then again after [`QUIET`], with how many were
//! left out; and when nothing has failed for [`STEADY`], for how long something did.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// As often a service says that it waits for PostgreSQL.
const QUIET: Duration = Duration::from_secs(30);
/// One that answers now and then is not back.
const STEADY: Duration = Duration::from_secs(5);
/// Beyond so many kinds of errors the others are one.
const KINDS: usize = 16;

/// One that begins with the first failure.
#[derive(Default)]
pub struct Outage {
    /// Whether anything failed: what works costs no more than to look.
    is_on: AtomicBool,
    failed: Mutex<Option<Failed>>,
}

struct Failed {
    since: Instant,
    last: Instant,
    said: HashMap<String, Said>,
}

struct Said {
    at: Instant,
    left_out: u64,
}

impl Outage {
    /// Takes note of a failure. Where it is to be said: how many of its kind were left out since
    /// the last that was.
    pub fn failed(&self, kind: &str) -> Option<u64> {
        self.failed_at(kind, Instant::now())
    }

    /// Takes note that it worked. Where that is to be said: for how long it did not.
    pub fn worked(&self) -> Option<Duration> {
        if !self.is_on.load(Ordering::Relaxed) {
            return None;
        }
        self.worked_at(Instant::now())
    }

    fn failed_at(&self, kind: &str, now: Instant) -> Option<u64> {
        let mut failed = self.all();
        self.is_on.store(true, Ordering::Relaxed);
        let failed = failed.get_or_insert_with(|| Failed {
            since: now,
            last: now,
            said: HashMap::new(),
        });
        failed.last = now;
        let is_known = failed.said.contains_key(kind) || failed.said.len() < KINDS;
        let kind = if is_known { kind } else { "" };
        let Some(said) = failed.said.get_mut(kind) else {
            let said = Said {
                at: now,
                left_out: 0,
            };
            failed.said.insert(kind.to_owned(), said);
            return Some(0);
        };
        if now.saturating_duration_since(said.at) < QUIET {
            said.left_out += 1;
            return None;
        }
        said.at = now;
        Some(std::mem::take(&mut said.left_out))
    }

    fn worked_at(&self, now: Instant) -> Option<Duration> {
        let mut failed = self.all();
        let over = failed.take_if(|one| now.saturating_duration_since(one.last) >= STEADY)?;
        self.is_on.store(false, Ordering::Relaxed);
        Some(over.last.saturating_duration_since(over.since))
    }

    fn all(&self) -> MutexGuard<'_, Option<Failed>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_said_at_once_twice_a_minute_and_when_it_is_over() {
        let (outage, begun) = (Outage::default(), Instant::now());
        let at = |ms| begun + Duration::from_millis(ms);
        assert_eq!(outage.worked_at(at(0)), None);
        let mut lines = Vec::new();
        for ms in (0..120_000).step_by(250) {
            lines.extend(outage.failed_at("silent", at(ms)));
        }
        assert_eq!(lines, [0, 119, 119, 119]);
        assert_eq!(
            outage.failed_at("refused", at(120_000)),
            Some(0),
            "another kind"
        );
        // One answer is no return.
        assert_eq!(outage.worked_at(at(120_100)), None);
        assert_eq!(outage.failed_at("refused", at(120_200)), None);
        assert_eq!(outage.worked_at(at(125_100)), None);
        let away = outage.worked_at(at(125_200));
        assert_eq!(away, Some(Duration::from_millis(120_200)));
        assert_eq!(outage.worked_at(at(130_000)), None, "said already");
        assert_eq!(
            outage.failed_at("silent", at(131_000)),
            Some(0),
            "another one"
        );
    }

    #[test]
    fn whatever_the_errors_are_called_they_are_few_lines() {
        let (outage, now) = (Outage::default(), Instant::now());
        let said = (0..1_000).filter_map(|kind| outage.failed_at(&kind.to_string(), now));
        assert_eq!(said.count(), KINDS + 1);
    }
}
