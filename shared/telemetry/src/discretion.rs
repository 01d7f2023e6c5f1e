//! What no setting lets through: values.
//!
//! At their finer levels the libraries write what they carry: statements with their parameters,
//! headers with their keys, frames. So whatever `WEIR_LOG` says, of code that is not ours only
//! what it warns of gets through, to the lines as well as to exported spans. And a panic is
//! told by its place: its message may quote a value.

use std::panic::PanicHookInfo;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Crates of ours; what they write is ours to answer for.
const OURS: &str = "weir_";

/// Lets pass what is ours, and the warnings of others.
pub(crate) struct Discretion;

impl<S: Subscriber> Layer<S> for Discretion {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target().starts_with(OURS) || *metadata.level() <= Level::WARN
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
