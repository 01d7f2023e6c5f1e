//! What no setting lets through: values.
//!
//! At their finer levels the libraries write what they carry: statements with their parameters,
//! headers with their keys, frames. So whatever `WEIR_LOG` says, of code that is not ours only
//! what it warns of gets through, to the lines as well as to exported spans. And a panic is
//! told by its place: its message may quote a value.
//!
//! A library that tries again without a pause warns as often: a cluster of Redis that is away made
//! 15,000 lines a second. So of each place in a library only some lines in ten seconds get through;
//! before the next one that does stands how many did not.

use std::collections::HashMap;
use std::panic::PanicHookInfo;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{Event, Level, Metadata, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Crates of ours; what they write is ours to answer for.
const OURS: &str = "weir_";

/// So many lines of one place in a library get through in so long.
const MOST: u32 = 10;
const WHILE: Duration = Duration::from_secs(10);

/// Lets pass what is ours, and some warnings of others.
pub(crate) struct Discretion {
    /// By target and line.
    told: Mutex<HashMap<(String, u32), Told>>,
    /// After so long a place is heard again.
    rests: Duration,
}

impl Default for Discretion {
    fn default() -> Self {
        Self {
            told: Mutex::default(),
            rests: WHILE,
        }
    }
}

struct Told {
    since: Instant,
    lines: u32,
}

impl Discretion {
    /// How many lines of the place were left out since one got through, where this one does.
    fn may_tell(&self, place: (String, u32), now: Instant) -> Option<u32> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let told = told.entry(place).or_insert(Told {
            since: now,
            lines: 0,
        });
        let mut left_out = 0;
        if now.saturating_duration_since(told.since) >= self.rests {
            left_out = told.lines.saturating_sub(MOST);
            *told = Told {
                since: now,
                lines: 0,
            };
        }
        told.lines = told.lines.saturating_add(1);
        (told.lines <= MOST).then_some(left_out)
    }
}

impl<S: Subscriber> Layer<S> for Discretion {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target().starts_with(OURS) || *metadata.level() <= Level::WARN
    }

    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        // What comes from the crate `log` says only within where it is from.
        let normal = event.normalized_metadata();
        let metadata = normal.as_ref().unwrap_or_else(|| event.metadata());
        let (target, line) = (metadata.target(), metadata.line().unwrap_or_default());
        if target.starts_with(OURS) {
            return true;
        }
        match self.may_tell((target.to_owned(), line), Instant::now()) {
            None => false,
            Some(0) => true,
            Some(left_out) => {
                tracing::warn!(left_out, of = target, "lines as the next one were left out");
                true
            }
        }
    }
}

/// Panics are logged here, once, for whatever task they happen in.
pub(crate) fn hook_panics() {
    std::panic::set_hook(Box::new(tell));
}

fn tell(panic: &PanicHookInfo<'_>) {
    // A literal is the code's own; a text that was put together may hold anything.
    let message = panic.payload().downcast_ref::<&'static str>();
    let message = message
        .copied()
        .unwrap_or("(not shown: it may hold values)");
    let place = panic.location();
    tracing::error!(
        file = place.map(std::panic::Location::file),
        line = place.map(std::panic::Location::line),
        said = message,
        "a panic"
    );
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    struct Count(Arc<AtomicU32>);

    impl<S: Subscriber> Layer<S> for Count {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn lines(tell: impl Fn()) -> u32 {
        let count = Arc::new(AtomicU32::new(0));
        let layers = tracing_subscriber::registry()
            .with(Discretion::default())
            .with(Count(Arc::clone(&count)));
        tracing::subscriber::with_default(layers, || (0..1_000).for_each(|_| tell()));
        count.load(Ordering::Relaxed)
    }

    #[test]
    fn a_library_that_warns_without_end_is_heard_some_times() {
        let library = || tracing::warn!(target: "redis::cluster", "away");
        assert_eq!(lines(library), MOST);
        assert_eq!(
            lines(|| tracing::info!(target: "redis::cluster", "a key")),
            0
        );
        assert_eq!(
            lines(|| tracing::warn!(target: "weir_quota", "away")),
            1_000
        );
    }

    /// In a process of its own: within a subscriber of one thread no line begets another.
    #[test]
    fn the_line_behind_those_that_were_left_out_says_how_many() {
        const INNER: &str = "WEIR_TEST_INNER";
        let name = "discretion::tests::the_line_behind_those_that_were_left_out_says_how_many";
        if std::env::var_os(INNER).is_none() {
            let mut inner = std::process::Command::new(std::env::current_exe().unwrap());
            inner.args([name, "--exact", "--nocapture"]).env(INNER, "1");
            let told = inner.output().unwrap();
            let told = String::from_utf8(told.stdout).unwrap();
            let said = "lines as the next one were left out left_out=5 of=\"redis::cluster\"";
            assert_eq!(told.matches("left out").count(), 1, "{told}");
            let (_, behind) = told.split_once(said).expect(&told);
            assert_eq!(behind.matches("it is away").count(), 1, "{told}");
            return;
        }
        let rests = Duration::from_millis(400);
        let discretion = Discretion {
            rests,
            ..Discretion::default()
        };
        let lines = tracing_subscriber::fmt::layer().with_ansi(false);
        let layers = tracing_subscriber::registry().with(discretion).with(lines);
        tracing::subscriber::set_global_default(layers).unwrap();
        let most = usize::try_from(MOST).unwrap();
        for line in 0..most + 6 {
            if line == most + 5 {
                std::thread::sleep(rests);
            }
            tracing::warn!(target: "redis::cluster", "it is away");
        }
    }

    #[test]
    fn each_place_is_heard_again_after_a_while_and_says_what_was_left_out() {
        let discretion = Discretion::default();
        let begun = Instant::now();
        let tell =
            |line: u32, at: Duration| discretion.may_tell(("redis".to_owned(), line), begun + at);
        for _ in 0..MOST {
            assert_eq!(tell(1, Duration::ZERO), Some(0));
        }
        for _ in 0..3 {
            assert_eq!(tell(1, WHILE / 2), None);
        }
        assert_eq!(tell(2, WHILE / 2), Some(0), "another place");
        assert_eq!(tell(1, WHILE), Some(3));
        assert_eq!(tell(1, WHILE), Some(0));
        assert_eq!(tell(1, WHILE * 2), Some(0), "nothing was left out");
    }
}
