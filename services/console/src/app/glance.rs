//! What the navigation tells of an account beside the names of its sections. Looked for beside
//! the page, once for all who look at the account within some seconds; no page waits for it long.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures_util::{StreamExt, TryStreamExt};
use moka::sync::Cache;
use tokio::sync::watch;

use crate::clients::Calls;
use crate::domain::model::Used;
use crate::domain::{Glance, Time, chart};

/// How long what was found is told.
const FRESH: Duration = Duration::from_secs(5);
/// How long a page waits for it; what was found before is told else.
const PATIENCE: Duration = Duration::from_millis(150);
/// Who does not answer in this time is not well.
const LONGEST: Duration = Duration::from_secs(2);
const ACCOUNTS: u64 = 1_000;
/// Where an account has more sources their logs are not asked for; else so many side by side.
const SOURCES: usize = 50;
const SIDE_BY_SIDE: usize = 8;

/// What was found, by account.
pub struct Glances(Cache<String, Looking>);

#[derive(Clone)]
struct Looking {
    begun: Instant,
    /// Never marked as seen: what came since it was begun is news to each who asks.
    found: watch::Receiver<Glance>,
}

impl Default for Glances {
    fn default() -> Self {
        Self(Cache::new(ACCOUNTS))
    }
}

impl Glances {
    /// Of an account that this person may look at; anew after they changed something.
    pub async fn of(&self, calls: &Calls, account: &str, now: Time, is_changed: bool) -> Glance {
        let last = self.0.get(account);
        let is_fresh = |one: &Looking| !is_changed && one.begun.elapsed() < FRESH;
        let mut looking = match last {
            Some(last) if is_fresh(&last) => last,
            last => {
                let last = last.map_or_else(Glance::default, |last| *last.found.borrow());
                let looking = Looking::begin(calls.clone(), account.to_owned(), now, last);
                self.0.insert(account.to_owned(), looking.clone());
                looking
            }
        };
        // Neither too late nor at an end is anything but what was found last.
        let _ = tokio::time::timeout(PATIENCE, looking.found.changed()).await;
        *looking.found.borrow()
    }
}

impl Looking {
    fn begin(calls: Calls, account: String, now: Time, last: Glance) -> Self {
        let (tell, found) = watch::channel(last);
        weir_service::behind_the_answer(async move {
            let _ = tell.send(look(&calls, &account, now).await);
        });
        Self {
            begun: Instant::now(),
            found,
        }
    }
}

/// What can't be told in time is left out.
async fn look(calls: &Calls, account: &str, now: Time) -> Glance {
    let logs = async {
        let sources = within(calls.sources(account)).await?.ok()?;
        let since = now - TimeDelta::hours(23);
        // A sum without some of them would be too small, and nobody could tell.
        if sources.len() > SOURCES {
            return Some((sources.len(), None));
        }
        let asked = sources.iter().map(async |source| {
            let outcome = calls.summary((account, &source.id), since, false).await;
            outcome.map(|outcome| outcome.answered - outcome.taken)
        });
        let asked: Vec<_> = asked.collect();
        let refused = futures_util::stream::iter(asked).buffer_unordered(SIDE_BY_SIDE);
        let refused = within(refused.try_fold(0, async |sum: i64, one| Ok(sum + one))).await;
        Some((sources.len(), refused.and_then(Result::ok)))
    };
    let (logs, usage, well) = tokio::join!(logs, within(calls.usage(account)), calls.are_well());
    let used = usage.and_then(Result::ok).map(|usage| {
        let percent = |of: &Used| chart::percent(of.used, of.limit);
        percent(&usage.profile).max(percent(&usage.activity))
    });
    Glance {
        sources: logs.map(|(sources, _)| sources),
        not_stored: logs.and_then(|(_, refused)| refused),
        used,
        well: Some(well),
    }
}

async fn within<T>(asking: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(LONGEST, asking).await.ok()
}
