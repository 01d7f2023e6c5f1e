//! The database of places, kept as it is in its file.
//!
//! **Invariant:** a batch never waits for it, and what can't be read never takes the place of
//! what could: a file that is being written is looked at again when it is whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use weir_service::{Background, Pulse};

use crate::domain::places::Places;
use crate::metrics;

/// Between two looks at the file: these databases change once or twice a week.
const LOOK: Duration = Duration::from_secs(5);
/// Between two beats: a pause, and a file of a hundred megabytes from a slow disk.
const WITHIN: Duration = Duration::from_secs(60);
/// The largest that MaxMind gives out has half of this.
const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// What is known of places now; nothing without a database.
pub type Known = Arc<ArcSwapOption<Places>>;

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    length: u64,
    changed: SystemTime,
}

/// Reads the database, and again whenever its file changes. Without a path there is none.
///
/// A file that is missing or broken is no reason not to serve: addresses are not resolved until
/// it is there, and the log says so.
pub async fn watch(file: Option<PathBuf>, background: &Background) -> Known {
    let known = Known::default();
    if let Some(file) = file.filter(|file| !file.as_os_str().is_empty()) {
        let seen = look(&file, None, &known).await;
        let kept = known.clone();
        background.spawn("places", WITHIN, |pulse| async move {
            keep(&file, seen, &kept, pulse).await;
        });
    }
    known
}

async fn keep(file: &Path, mut seen: Option<State>, known: &Known, pulse: Pulse) {
    loop {
        pulse.beat();
        tokio::time::sleep(LOOK).await;
        seen = look(file, seen, known).await;
    }
}

/// Reads the file where it is not as it was; answers how it is. One that went away leaves what
/// was read of it.
async fn look(file: &Path, seen: Option<State>, known: &Known) -> Option<State> {
    let state = match state_of(file).await {
        Ok(state) => state,
        Err(error) => {
            if seen.is_some() || known.load().is_none() {
                complain(file, &error);
            }
            return None;
        }
    };
    if seen == Some(state) {
        return seen;
    }
    match read(file, state).await {
        Ok(places) => {
            let (name, build_time) = places.about();
            tracing::info!(file = %file.display(), name, build_time, "places were read");
            metrics::place_loads("read").increment(1);
            known.store(Some(Arc::new(places)));
        }
        Err(error) => complain(file, &error),
    }
    Some(state)
}

async fn state_of(file: &Path) -> std::io::Result<State> {
    let metadata = tokio::fs::metadata(file).await?;
    Ok(State {
        length: metadata.len(),
        changed: metadata.modified()?,
    })
}

async fn read(file: &Path, state: State) -> anyhow::Result<Places> {
    anyhow::ensure!(
        state.length <= MAX_BYTES,
        "it is larger than {MAX_BYTES} bytes"
    );
    let bytes = tokio::fs::read(file).await?;
    // Reading it through takes a moment of a processor, which serves batches otherwise.
    let places = tokio::task::spawn_blocking(|| Places::read(bytes)).await??;
    Ok(places)
}

fn complain(file: &Path, error: &dyn std::fmt::Display) {
    tracing::warn!(
        file = %file.display(),
        %error,
        "WEIR_GEOIP_DATABASE can't be read: what was known of places stays"
    );
    metrics::place_loads("failed").increment(1);
}

#[cfg(test)]
mod tests {
    use weir_testkit::{Network, mmdb};

    use super::*;

    fn of(city: &'static str) -> Vec<u8> {
        mmdb(&[Network {
            network: "203.0.113.0/24",
            country: "",
            region: "",
            city,
            postal: "",
        }])
    }

    fn city(known: &Known) -> Option<String> {
        let places = known.load();
        let place = places.as_ref()?.find(b"203.0.113.9")?;
        place.part("city").map(str::to_owned)
    }

    #[tokio::test]
    async fn what_can_not_be_read_takes_nothing_away() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("places.mmdb");
        let known = Known::default();
        assert_eq!(look(&file, None, &known).await, None);
        assert_eq!(city(&known), None);

        std::fs::write(&file, of("Melbourne")).unwrap();
        let seen = look(&file, None, &known).await;
        assert_eq!(city(&known).as_deref(), Some("Melbourne"));
        let read = known.load_full();
        assert_eq!(look(&file, seen, &known).await, seen);
        assert!(Arc::ptr_eq(&read.unwrap(), &known.load_full().unwrap()));

        // Half of a file that is being written.
        let whole = of("Geelong West");
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        let seen = look(&file, seen, &known).await;
        assert_eq!(city(&known).as_deref(), Some("Melbourne"));
        std::fs::write(&file, &whole).unwrap();
        let seen = look(&file, seen, &known).await;
        assert_eq!(city(&known).as_deref(), Some("Geelong West"));

        std::fs::remove_file(&file).unwrap();
        let seen = look(&file, seen, &known).await;
        assert_eq!(seen, None);
        assert_eq!(city(&known).as_deref(), Some("Geelong West"));
        std::fs::write(&file, of("Perth")).unwrap();
        look(&file, seen, &known).await;
        assert_eq!(city(&known).as_deref(), Some("Perth"));
    }
}
