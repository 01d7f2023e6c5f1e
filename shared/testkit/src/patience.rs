//! Waiting for what happens by itself.

use std::time::{Duration, Instant};

/// How long it may take: a lease of 30 s that runs out and is swept is the longest of all.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(10);

/// What a look may find.
pub trait Answer {
    /// What is there when it is there.
    type Found;
    /// None as long as it is not.
    fn found(self) -> Option<Self::Found>;
}

impl Answer for bool {
    type Found = ();
    fn found(self) -> Option<()> {
        self.then_some(())
    }
}

impl<T> Answer for Option<T> {
    type Found = T;
    fn found(self) -> Self {
        self
    }
}

/// Looks until it is so, and answers what was found.
///
/// # Panics
/// It never is; says `what`.
pub async fn eventually<A: Answer>(what: &str, mut look: impl AsyncFnMut() -> A) -> A::Found {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await.found() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
