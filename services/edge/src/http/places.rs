//! The places of connections: how many there are, and who is sent away for a newcomer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::stall::Signs;
use crate::domain::crowd::{Crowd, Entry};
use crate::metrics;

/// How many that were sent away may still be on their way out.
const MOST_LEAVING: usize = 1_024;

pub struct Places(Mutex<Crowd<Arc<Line>>>);

/// A connection, as far as others need to know it.
pub struct Line {
    pub signs: Arc<Signs>,
    places: Arc<Places>,
    turn: AtomicU64,
    is_busy: AtomicBool,
    has_served: AtomicBool,
    is_sent_away: AtomicBool,
    away: Notify,
}

/// The place of a connection; given back when dropped.
pub struct Place(Arc<Line>);

impl Places {
    pub fn new(most: usize) -> Self {
        Self(Mutex::new(Crowd::new(most, MOST_LEAVING)))
    }

    /// A place for a newcomer. None where all others are at work.
    pub fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut crowd = self.crowd();
        match crowd.enter() {
            Entry::Room => {}
            Entry::InsteadOf(line) => line.send_away(),
            Entry::Full => return None,
        }
        let line = Arc::new(Line {
            signs: Arc::default(),
            places: self.clone(),
            turn: AtomicU64::new(0),
            is_busy: AtomicBool::new(false),
            has_served: AtomicBool::new(false),
            is_sent_away: AtomicBool::new(false),
            away: Notify::new(),
        });
        line.turn.store(crowd.wait(line.clone()), Ordering::Relaxed);
        Some(Place(line))
    }

    /// Sends away the one that has waited longest for a head, where there is one.
    pub fn make_room(&self) {
        if let Some(line) = self.crowd().send_away() {
            line.send_away();
        }
    }

    fn crowd(&self) -> MutexGuard<'_, Crowd<Arc<Line>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub fn line(&self) -> Arc<Line> {
        self.0.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let line = &self.0;
        let mut crowd = line.places.crowd();
        crowd.leave(line.turn.load(Ordering::Relaxed), line.is_sent_away());
    }
}

impl Line {
    /// A head is there.
    pub fn begin(&self) {
        self.is_busy.store(true, Ordering::Relaxed);
        let turn = self.turn.load(Ordering::Relaxed);
        self.places.crowd().begin(turn);
    }

    /// It was answered, and waits for the next.
    pub fn wait(self: &Arc<Self>) {
        self.signs.begun.store(false, Ordering::Relaxed);
        self.has_served.store(true, Ordering::Relaxed);
        self.is_busy.store(false, Ordering::Relaxed);
        let mut crowd = self.places.crowd();
        if !self.is_sent_away() {
            self.turn.store(crowd.wait(self.clone()), Ordering::Relaxed);
        }
    }

    /// Resolves when its place is somebody else's.
    pub async fn sent_away(&self) {
        self.away.notified().await;
    }

    pub fn is_sent_away(&self) -> bool {
        self.is_sent_away.load(Ordering::Relaxed)
    }

    /// Whether nothing came but, at most, a piece of its first head.
    pub fn is_fresh(&self) -> bool {
        !self.is_busy.load(Ordering::Relaxed) && !self.has_served.load(Ordering::Relaxed)
    }

    /// Whether nothing came since it was opened, or since the last answer.
    pub fn is_silent(&self) -> bool {
        !self.signs.begun.load(Ordering::Relaxed)
    }

    /// Under the lock of all places.
    fn send_away(&self) {
        metrics::shed("slow_heads");
        self.is_sent_away.store(true, Ordering::Relaxed);
        self.away.notify_one();
    }
}
