//! A call's work: in a task of its own, and again where it lost against another transaction.

use std::future::Future;
use std::time::Duration;

use tracing::Instrument;
use weir_rpc::Deadline;

/// An error of a service, as far as trying again goes.
pub trait Fault: Send + 'static {
    /// Whether the same again may succeed at once: it lost against another transaction.
    fn is_conflict(&self) -> bool;
    /// No time is left.
    fn late() -> Self;
    /// Ours to mend; it is logged already.
    fn internal() -> Self;
}

/// How often, and with what pause in between.
#[derive(Debug, Clone, Copy)]
pub struct Tries {
    /// The first one included.
    pub most: u32,
    /// Before the second; each further one waits that much longer, so that the losers of one
    /// race come again at different moments.
    pub pause: Duration,
}

/// Runs `work` in a task of its own, under the caller's span: what was begun is not left in the
/// middle because its caller went away.
///
/// # Errors
/// That of the work; [`Fault::internal`] where it panicked.
pub async fn detached<T, E: Fault>(
    work: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
{
    let task = tokio::spawn(work.in_current_span());
    task.await.unwrap_or_else(|_panic| {
        // The hook of panics (weir-telemetry) has logged where.
        metrics::counter!("work_panics_total").increment(1);
        Err(E::internal())
    })
}

/// As [`detached`]; and again, up to `tries` and within the deadline, where it was a conflict.
/// `work` gets the number of the try, from 0. At the deadline it is dropped, wherever it is:
/// the pool closes a connection that is left in the middle of something.
///
/// # Errors
/// That of the last try; [`Fault::late`] where no time was left: what was done is not known.
pub async fn persistently<T, E, F, W>(deadline: Deadline, tries: Tries, work: F) -> Result<T, E>
where
    T: Send + 'static,
    E: Fault,
    F: Fn(u32) -> W + Send + 'static,
    W: Future<Output = Result<T, E>> + Send,
{
    detached(async move {
        let mut number = 0;
        loop {
            if deadline.passed() {
                return Err(E::late());
            }
            let in_time = tokio::time::timeout(deadline.remaining(), work(number));
            match in_time.await.unwrap_or_else(|_| Err(E::late())) {
                Err(error) if error.is_conflict() && number + 1 < tries.most => {
                    number += 1;
                    metrics::counter!("work_retries_total").increment(1);
                    tokio::time::sleep((tries.pause * number).min(deadline.remaining())).await;
                }
                done => return done,
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    enum Error {
        Conflict,
        Late,
        Internal,
    }

    impl Fault for Error {
        fn is_conflict(&self) -> bool {
            *self == Self::Conflict
        }
        fn late() -> Self {
            Self::Late
        }
        fn internal() -> Self {
            Self::Internal
        }
    }

    const TRIES: Tries = Tries {
        most: 3,
        pause: Duration::from_millis(1),
    };

    async fn tried(time: Duration, succeeds_at: u32) -> (Result<u32, Error>, u32) {
        let count = Arc::new(AtomicU32::new(0));
        let counted = count.clone();
        let done = persistently(Deadline::after(time), TRIES, move |number| {
            counted.fetch_add(1, Ordering::Relaxed);
            let done = if number == succeeds_at {
                Ok(number)
            } else {
                Err(Error::Conflict)
            };
            std::future::ready(done)
        })
        .await;
        (done, count.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_conflict_is_tried_again_and_not_for_ever() {
        let time = Duration::from_secs(5);
        assert_eq!(tried(time, 2).await, (Ok(2), 3));
        assert_eq!(tried(time, 3).await, (Err(Error::Conflict), 3));
        assert_eq!(tried(Duration::ZERO, 0).await, (Err(Error::Late), 0));
    }

    #[tokio::test]
    async fn work_ends_at_the_deadline() {
        let time = Duration::from_millis(50);
        let hangs = |_| std::future::pending::<Result<(), Error>>();
        let began = std::time::Instant::now();
        let done = persistently(Deadline::after(time), TRIES, hangs).await;
        assert_eq!(done, Err(Error::Late));
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_of_ours() {
        let done: Result<(), Error> = detached(async { panic!("for the test") }).await;
        assert_eq!(done, Err(Error::Internal));
    }
}
