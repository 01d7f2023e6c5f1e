//! A call's work: in a task of its own, and again where it lost against another transaction.

use std::future::Future;
use std::time::Duration;

use tracing::Instrument;
use weir_rpc::Deadline;

const PANICS: &str = "work_panics_total";
const RETRIES: &str = "work_retries_total";

/// Tells what each is, to whoever reads them.
pub(crate) fn describe() {
    metrics::describe_counter!(PANICS, "Work of calls that ended by a panic.");
    // Whoever asks for an increase has to see it from 0 on.
    metrics::counter!(PANICS).increment(0);
    metrics::describe_counter!(
        RETRIES,
        "Work that lost against another transaction and began anew."
    );
}

/// An error of a service, as far as trying again goes.
pub trait Fault: Send + 'static {
    /// Whether the same again may succeed at once: it lost against another transaction.
    fn is_conflict(&self) -> bool;
    /// No time is left.
    fn late() -> Self;
    /// Ours to mend; it is logged already.
    fn internal() -> Self;
}

/// How often something is tried, and with what pauses in between.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// The first one included.
    pub tries: u32,
    /// Before the second try; each further one waits that much longer, so that the losers of
    /// one race come again at different moments.
    pub pause: Duration,
}

impl Policy {
    /// How long to wait before the next try, where one is left after so many, and its pause
    /// ends within the deadline.
    pub fn pause(self, tried: u32, deadline: Deadline) -> Option<Duration> {
        let pause = self.pause * tried;
        (tried < self.tries && pause < deadline.remaining()).then_some(pause)
    }

    /// Waits for it; whether there is one.
    pub async fn again(self, tried: u32, deadline: Deadline) -> bool {
        let Some(pause) = self.pause(tried, deadline) else {
            return false;
        };
        tokio::time::sleep(pause).await;
        true
    }
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
        metrics::counter!(PANICS).increment(1);
        Err(E::internal())
    })
}

/// Runs `work` in a task of its own, under the caller's span, and does not wait for it: what a
/// call goes on sending behind the head of its answer.
pub fn behind_the_answer(work: impl Future<Output = ()> + Send + 'static) {
    let task = tokio::spawn(work.in_current_span());
    tokio::spawn(async move {
        if task.await.is_err() {
            metrics::counter!(PANICS).increment(1);
        }
    });
}

/// As [`detached`]; and again, by the policy and within the deadline, where it was a conflict.
/// `work` gets the number of the try, from 0. At the deadline it is dropped, wherever it is:
/// the pool closes a connection that is left in the middle of something.
///
/// # Errors
/// That of the last try; [`Fault::late`] where no time was left: what was done is not known.
pub async fn retry<T, E, F, W>(deadline: Deadline, policy: Policy, work: F) -> Result<T, E>
where
    T: Send + 'static,
    E: Fault,
    F: Fn(u32) -> W + Send + 'static,
    W: Future<Output = Result<T, E>> + Send,
{
    detached(async move {
        let mut tried = 0;
        loop {
            if deadline.passed() {
                return Err(E::late());
            }
            let in_time = tokio::time::timeout(deadline.remaining(), work(tried));
            let done = in_time.await.unwrap_or_else(|_| Err(E::late()));
            tried += 1;
            let lost = done.as_ref().is_err_and(E::is_conflict);
            if !lost || !policy.again(tried, deadline).await {
                return done;
            }
            metrics::counter!(RETRIES).increment(1);
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

    const POLICY: Policy = Policy {
        tries: 3,
        pause: Duration::from_millis(1),
    };

    async fn tried(time: Duration, succeeds_at: u32) -> (Result<u32, Error>, u32) {
        let count = Arc::new(AtomicU32::new(0));
        let counted = count.clone();
        let done = retry(Deadline::after(time), POLICY, move |number| {
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
        let done = retry(Deadline::after(time), POLICY, hangs).await;
        assert_eq!(done, Err(Error::Late));
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_of_ours() {
        let done: Result<(), Error> = detached(async { panic!("for the test") }).await;
        assert_eq!(done, Err(Error::Internal));
    }
}
