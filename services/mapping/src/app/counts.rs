//! Counts come in, and are summed up (semantics 7.3a).

use chrono::NaiveDate;
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_rpc::Deadline;

use super::{App, Error};
use crate::domain::Listed;
use crate::domain::counts::{Added, Answers, Flush, Summary, SummaryFilter, SummaryKey, admit};
use crate::domain::log::LogEntry;
use crate::domain::spending::{self, Range, Spender, Spent};
use crate::store;

/// A page of summaries.
#[derive(Debug)]
pub struct Summaries {
    pub found: Vec<Listed<SummaryKey, (Summary, Option<LogEntry>)>>,
    pub answers: Answers,
}

impl App {
    /// Adds what a process counted: account by account, each once for each sequence. What fails
    /// for one of them leaves what was added for others, and the same again completes it.
    pub async fn add_counts(
        &self,
        process_id: Uuid,
        sequence: i64,
        flush: Flush,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let mut accounts: Vec<_> = flush.accounts.into_iter().collect();
        accounts.sort_unstable_by_key(|(account_id, _)| *account_id);
        for (account_id, added) in accounts {
            self.run(deadline, move |app| {
                let added = added.clone();
                async move {
                    app.add_counts_of(account_id, process_id, sequence, added)
                        .await
                }
            })
            .await?;
        }
        Ok(())
    }

    async fn add_counts_of(
        &self,
        account_id: AccountId,
        process_id: Uuid,
        sequence: i64,
        added: Added,
    ) -> Result<(), Error> {
        let Added {
            mut counts,
            mut spending,
        } = added;
        let mut client = self.client().await?;
        let tx = store::begin(&mut client, account_id);
        let now = self.now();
        if !store::begin_flush(&tx, account_id, process_id, sequence, now).await? {
            // It was added before, or there is no such account.
            return Ok(());
        }
        let of_spending = spending.keys().map(|key| key.source_id.0);
        let sources = counts.keys().map(|key| key.source_id.0);
        let mut sources: Vec<Uuid> = sources.chain(of_spending).collect();
        sources.sort_unstable();
        sources.dedup();
        let there = store::lock_sources(&tx, account_id, &sources).await?;
        counts.retain(|key, _| there.contains(&key.source_id));
        spending.retain(|key, _| there.contains(&key.source_id));
        if !counts.is_empty() {
            let stored = store::stored_subjects(&tx, account_id, &counts).await?;
            store::add_counts(&tx, account_id, &admit(counts, &stored)).await?;
        }
        if !spending.is_empty() {
            let known = store::known_subjects(&tx, account_id, &spending).await?;
            let spending = spending::admit(spending, &known);
            store::add_spending(&tx, account_id, &spending).await?;
        }
        Ok(store::commit(tx).await?)
    }

    /// What spends an account's units, and what all events did by window (semantics 6.8).
    pub async fn list_spending(
        &self,
        account_id: AccountId,
        range: Range,
        skip: i64,
        limit: i64,
    ) -> Result<(Vec<Spender>, Vec<(NaiveDate, Spent)>), Error> {
        self.get_account(Some(account_id), "").await?;
        let client = self.scoped(account_id).await?;
        let spenders = store::spenders(&client, account_id, range, skip, limit).await?;
        let windows = store::spent_by_window(&client, account_id, range).await?;
        Ok((spenders, windows))
    }

    /// What happened to a source's events, each with an example where the log has one.
    pub async fn summarize_log(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        filter: &SummaryFilter,
        after: Option<&SummaryKey>,
        limit: i64,
    ) -> Result<Summaries, Error> {
        self.get_source(account_id, source_id).await?;
        let (found, answers) = {
            let client = self.scoped(account_id).await?;
            let range = (filter.start, filter.end);
            let answers = store::count_answers(&client, account_id, source_id, range).await?;
            let found =
                store::summarize(&client, account_id, source_id, filter, after, limit).await?;
            (found, answers)
        };
        // They are a help, and no more.
        let mut lines = self.rings.log(account_id, source_id).await;
        if let Ok(lines) = &mut lines {
            lines.sort_unstable_by_key(|(id, entry)| std::cmp::Reverse((entry.time, *id)));
        }
        let lines = lines.unwrap_or_default();
        let example = |key: &SummaryKey| {
            let of = lines.iter().find(|(_, entry)| key.is_of(entry));
            of.map(|(_, entry)| entry.clone())
        };
        let found = found.into_iter().map(|(key, summary)| {
            let summary = summary.map(|summary| (summary, example(&key)));
            (key, summary)
        });
        Ok(Summaries {
            found: found.collect(),
            answers,
        })
    }
}
