//! What is made of files, and made anew when they change.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::certificate::{facts, now};
use crate::{Fault, File, Kind, Text, certificates};

/// How often they are looked at. What is there twice alike is taken: a certificate and its key
/// are not written in one moment.
const EACH: Duration = Duration::from_secs(2);
/// From so few days on it is said, once a day.
const SOON: f64 = 14.0;
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

const FAILURES: &str = "tls_reload_failures_total";
const DAYS_LEFT: &str = "tls_certificate_days_left";

/// The files' digest; another one where they can't be read.
type Mark = [u8; 32];

/// Something that is made of files, as they were when they were last good. Clones are the same.
pub struct Reloaded<T> {
    current: Arc<ArcSwap<T>>,
    _looking: Arc<AbortOnDropHandle<()>>,
}

impl<T> Clone for Reloaded<T> {
    fn clone(&self) -> Self {
        Self {
            current: Arc::clone(&self.current),
            _looking: Arc::clone(&self._looking),
        }
    }
}

impl<T: Send + Sync + 'static> Reloaded<T> {
    /// Makes it, and from now on again whenever the files are others, within the runtime. `make`
    /// is given what is in them, in their order.
    ///
    /// # Errors
    /// They can't be read, or used.
    pub fn load(
        files: Vec<File>,
        make: impl Fn(&[Text<'_>]) -> Result<T, Fault> + Send + Sync + 'static,
    ) -> Result<Self, Fault> {
        metrics::describe_counter!(
            FAILURES,
            "Looks at changed certificate files that can't be used, by variable."
        );
        metrics::describe_gauge!(
            DAYS_LEFT,
            "Days until a certificate (of authorities, the last of them) ends, by variable."
        );
        let read = read(&files)?;
        let made = make(&texts(&files, &read))?;
        tell_days(&files, &read, true);
        let current = Arc::new(ArcSwap::from_pointee(made));
        let looking = look(files, mark(&Ok(read)), Arc::clone(&current), make);
        Ok(Self {
            current,
            _looking: Arc::new(AbortOnDropHandle::new(tokio::spawn(looking))),
        })
    }

    /// As it is now.
    pub fn get(&self) -> Arc<T> {
        self.current.load_full()
    }
}

async fn look<T>(
    files: Vec<File>,
    mut in_use: Mark,
    current: Arc<ArcSwap<T>>,
    make: impl Fn(&[Text<'_>]) -> Result<T, Fault>,
) {
    let files = Arc::new(files);
    let (mut last, mut said) = (in_use, None);
    let (mut told, mut warned) = (Instant::now(), Instant::now());
    loop {
        tokio::time::sleep(EACH).await;
        let reading = Arc::clone(&files);
        let Ok(found) = tokio::task::spawn_blocking(move || read(&reading)).await else {
            continue;
        };
        let mark = mark(&found);
        // Of what is in use alone.
        if let Ok(found) = &found
            && mark == in_use
            && told.elapsed() >= MINUTE
        {
            told = Instant::now();
            let is_due = warned.elapsed() >= DAY;
            if is_due {
                warned = told;
            }
            tell_days(&files, found, is_due);
        }
        let is_settled = std::mem::replace(&mut last, mark) == mark;
        if mark == in_use || !is_settled {
            continue;
        }
        let made = found.and_then(|found| {
            let made = make(&texts(&files, &found))?;
            tell_days(&files, &found, true);
            Ok(made)
        });
        let variable = files.first().map_or("", |file| file.variable);
        match made {
            Ok(made) => {
                current.store(Arc::new(made));
                (in_use, said) = (mark, None);
                tracing::info!(
                    variable,
                    "the certificate files have changed, and are in use"
                );
            }
            Err(fault) => {
                metrics::counter!(FAILURES, "variable" => variable).increment(1);
                if said.replace(mark) != Some(mark) {
                    tracing::error!(
                        %fault,
                        "the certificate files have changed and can't be used: those of before \
                         stay in use"
                    );
                }
            }
        }
    }
}

fn read(files: &[File]) -> Result<Vec<Vec<u8>>, Fault> {
    files.iter().map(File::read).collect()
}

fn texts<'a>(files: &'a [File], read: &'a [Vec<u8>]) -> Vec<Text<'a>> {
    let both = files.iter().zip(read);
    both.map(|(file, bytes)| Text { file, bytes }).collect()
}

fn mark(read: &Result<Vec<Vec<u8>>, Fault>) -> Mark {
    let mut digest = Sha256::new();
    match read {
        Ok(texts) => {
            for text in texts {
                digest.update((text.len() as u64).to_be_bytes());
                digest.update(text);
            }
        }
        Err(fault) => digest.update(fault.to_string()),
    }
    digest.finalize().into()
}

/// Of certificates of one's own the first that ends counts, of authorities the last.
fn tell_days(files: &[File], read: &[Vec<u8>], and_say: bool) {
    let now = now();
    for text in texts(files, read) {
        let all = certificates(text).unwrap_or_default();
        let days = all
            .iter()
            .filter_map(|one| Some(facts(one)?.days_left(now)));
        let days = match text.file.kind {
            Kind::Certificate => days.reduce(f64::min),
            Kind::Authorities => days.reduce(f64::max),
            Kind::Key => None,
        };
        let Some(days) = days else { continue };
        let variable = text.file.variable;
        metrics::gauge!(DAYS_LEFT, "variable" => variable).set(days);
        if and_say && days < SOON {
            let days = days.floor();
            tracing::warn!(variable, days, "the certificate ends soon: renew it");
        }
    }
}
