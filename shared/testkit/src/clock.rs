//! A clock that a test sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use weir_service::Clock;

/// Clones are one and the same.
#[derive(Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    /// Stands at a time such as `2026-11-24T10:00:00Z`.
    ///
    /// # Panics
    /// It is none.
    pub fn at(time: &str) -> Self {
        let clock = Self(Arc::default());
        clock.set(time);
        clock
    }

    /// Stands at another time from now on.
    ///
    /// # Panics
    /// It is none.
    pub fn set(&self, time: &str) {
        let time: DateTime<Utc> = time.parse().unwrap();
        self.0.store(time.timestamp_micros(), Ordering::SeqCst);
    }

    /// Goes on.
    pub fn advance(&self, millis: i64) {
        self.0.fetch_add(millis * 1_000, Ordering::SeqCst);
    }

    /// For the service.
    pub fn clock(&self) -> Clock {
        let micros = Arc::clone(&self.0);
        Clock::of(move || {
            let now = DateTime::from_timestamp_micros(micros.load(Ordering::SeqCst));
            now.expect("it is set to times")
        })
    }
}
