//! Looks once an hour whether sources are as usual (semantics 7.10), on one replica.
//!
//! What it raises follows from the counts alone, its subject and its day, too: a look that is
//! repeated, by a replica that took over or after a start, tells nobody twice.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use chrono::TimeDelta;
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_postgres::{Failure, Sole};
use weir_reasons::Reason;
use weir_service::Pulse;

use super::{Desk, Error};
use crate::domain::alert::{AlertKind, NewAlert};
use crate::domain::watch::{
    self, ByHour, Hour, WINDOW, hour_of, is_watched, jump, silence, start_of,
};
use crate::store::{self, HourCount};

/// How often it is looked whether an hour is over.
const TICK: Duration = Duration::from_secs(2);
/// What was counted of an hour is in the table so long after its end.
const SETTLED: TimeDelta = TimeDelta::minutes(2);
/// The longest between two beats is one account.
pub const WATCH_WITHIN: Duration = Duration::from_secs(60);
/// A look that failed gives another replica its turn.
const REST: Duration = Duration::from_secs(60);
/// Accounts in one page.
const ACCOUNTS: i64 = 500;

/// Watches for ever, on the replica whose turn it is.
pub async fn watch(desk: Desk, mut sole: Sole, pulse: Pulse) {
    let mut looked = None;
    loop {
        pulse.beat();
        let hour = hour_of(desk.clock().now() - SETTLED) - 1;
        if !sole.is_mine().await {
            looked = None;
        } else if looked != Some(hour) {
            match desk.look(hour, &pulse).await {
                Ok(()) => looked = Some(hour),
                Err(error) => {
                    tracing::warn!(%error, "sources are not watched");
                    sole.give_up(REST).await;
                }
            }
        }
        tokio::time::sleep(TICK).await;
    }
}

/// What a source received, and was answered or had ignored, by the hour.
#[derive(Default)]
struct Counts {
    received: ByHour,
    given: HashMap<Reason, ByHour>,
}

impl Desk {
    /// All accounts, for an hour that is over.
    async fn look(&self, hour: Hour, pulse: &Pulse) -> Result<(), Error> {
        let mut last = AccountId(Uuid::nil());
        loop {
            let accounts = {
                let client = self.connection().await?;
                store::accounts_after(&client, last, ACCOUNTS).await?
            };
            let Some(newest) = accounts.last() else {
                return Ok(());
            };
            last = *newest;
            for account in accounts {
                pulse.beat();
                match self.look_at(account, hour).await {
                    // It was deleted meanwhile.
                    Err(Error::NotFound(_)) => {}
                    looked => looked?,
                }
            }
        }
    }

    async fn look_at(&self, account: AccountId, hour: Hour) -> Result<(), Error> {
        let sources = self.counts_of(account, hour).await?;
        let mut news = Vec::new();
        let mut sending = Vec::new();
        for (source, counts) in &sources {
            let silent = silence(&counts.received, hour + 1);
            news.extend(silent.map(|silent| NewAlert {
                kind: AlertKind::SourceSilent,
                // Of each silence one, however long it is.
                subject: format!("{source}/{}", start_of(silent.last + 1).to_rfc3339()),
                source_id: Some(*source),
                message: watch::silence_message(&silent),
                value: String::new(),
                raise_time: start_of(silent.last + 1),
            }));
            if counts.received.range(hour..).any(|(_, count)| *count > 0) {
                sending.push(*source);
            }
            for (reason, given) in &counts.given {
                let Some(jumped) = jump(given, &counts.received, hour) else {
                    continue;
                };
                let subject = self.most_about(account, *source, hour, *reason).await?;
                news.push(NewAlert {
                    kind: AlertKind::ReasonJumped,
                    subject: format!("{source}/{reason}"),
                    source_id: Some(*source),
                    message: watch::jump_message(*reason, &jumped, hour, &subject),
                    value: String::new(),
                    raise_time: start_of(hour + 1),
                });
            }
        }
        if !news.is_empty() {
            self.raise(account, &news).await?;
        }
        self.resolve_silences(account, &sending).await?;
        Ok(())
    }

    async fn counts_of(
        &self,
        account: AccountId,
        hour: Hour,
    ) -> Result<BTreeMap<SourceId, Counts>, Failure> {
        let client = self.scoped(account).await?;
        let counts = store::hourly_counts(&client, account, start_of(hour - WINDOW)).await?;
        let mut sources: BTreeMap<SourceId, Counts> = BTreeMap::new();
        for HourCount {
            source_id,
            hour,
            status,
            code,
            count,
        } in counts
        {
            let hour = hour_of(hour);
            let source = sources.entry(source_id).or_default();
            // Each event has one answer; a value that was ignored has none.
            if status > 0 {
                *source.received.entry(hour).or_default() += count;
            }
            let reason = Reason::of_code(&code).filter(|reason| is_watched(*reason));
            if let Some(reason) = reason {
                let given = source.given.entry(reason).or_default();
                *given.entry(hour).or_default() += count;
            }
        }
        Ok(sources)
    }

    async fn most_about(
        &self,
        account: AccountId,
        source: SourceId,
        hour: Hour,
        reason: Reason,
    ) -> Result<String, Failure> {
        let client = self.scoped(account).await?;
        let (start, code) = (start_of(hour), reason.code());
        let subject = store::most_counted(&client, account, source, start, code).await?;
        Ok(subject.unwrap_or_default())
    }

    /// Who sends again has nothing to see to.
    async fn resolve_silences(
        &self,
        account: AccountId,
        sending: &[SourceId],
    ) -> Result<(), Failure> {
        if sending.is_empty() {
            return Ok(());
        }
        let client = self.scoped(account).await?;
        let silent = store::unresolved_alerts(&client, account, AlertKind::SourceSilent).await?;
        for (source, alert) in silent {
            if sending.contains(&source) {
                let now = self.clock().now();
                store::resolve_alert(&client, account, alert, now).await?;
            }
        }
        Ok(())
    }
}
