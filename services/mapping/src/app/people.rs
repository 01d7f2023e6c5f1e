//! Deletion of people (semantics 3.9): what holds their identifiers goes.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_json::Person;

use super::{App, Error};
use crate::store::{self, KeptRaw, Owner};

/// Kept events that are read at once: some megabytes at most.
const EVENTS: i64 = 200;
/// Kept events that are dropped at once.
const AT_ONCE: usize = 200;
/// Alerts that are read at once.
const ALERTS: i64 = 1_000;
/// Sources that are looked up at once.
const SOURCES: usize = 500;

/// How much went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    pub samples: i64,
    pub log_entries: i64,
    pub kept_events: i64,
}

impl App {
    /// Takes everything out that names the person and was received by `time`.
    pub async fn erase_person(
        &self,
        account_id: AccountId,
        person: Arc<Person>,
        time: DateTime<Utc>,
    ) -> Result<Erased, Error> {
        self.hide_in_alerts(account_id, &person).await?;
        let mut erased = Erased::default();
        let mut after: Option<SourceId> = None;
        loop {
            let limit = i64::try_from(SOURCES).unwrap_or(i64::MAX);
            let sources = self.list_sources(account_id, after, limit).await?;
            let Some((last, _)) = sources.last() else {
                return Ok(erased);
            };
            after = Some(*last);
            for (source, _) in &sources {
                let micros = time.timestamp_micros();
                let owner = (account_id, *source);
                // Events that are kept name him, and lines about them may show what else he said:
                // so the events go last.
                let (mut messages, mut events) = (HashSet::new(), Vec::new());
                self.kept_of(owner, &person, time, |event| {
                    events.push(event.key);
                    messages.insert(event.message_id);
                })
                .await?;
                messages.remove("");
                let (samples, lines) = self
                    .rings
                    .erase_person(account_id, *source, &person, &messages, micros)
                    .await?;
                erased.samples += samples;
                erased.log_entries += lines;
                erased.kept_events += self.erase_kept(owner, &events).await?;
            }
        }
    }

    /// An alert stays, since it is about more than one person; the value by which it names him
    /// goes, and so do files of mails that tell it.
    async fn hide_in_alerts(&self, account_id: AccountId, person: &Person) -> Result<(), Error> {
        let mut after = Uuid::nil();
        loop {
            let mut client = self.client().await?;
            let transaction = store::begin(&mut client, account_id);
            let page = store::shown_values(&transaction, account_id, after, ALERTS).await?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = *last;
            let his = page.iter().filter(|(_, value)| person.is_named(value));
            let his: Vec<Uuid> = his.map(|(alert, _)| *alert).collect();
            if !his.is_empty() {
                store::hide_values(&transaction, account_id, &his).await?;
                let files = store::forget_files(&transaction, account_id, &his).await?;
                store::commit(transaction).await?;
                for file in &files {
                    self.desk.mailer().discard(file).await;
                }
            }
        }
    }

    /// What is kept of a source and names him: all of it at most, whose ids take some megabytes.
    async fn kept_of(
        &self,
        owner: Owner,
        person: &Person,
        until: DateTime<Utc>,
        mut take: impl FnMut(KeptRaw),
    ) -> Result<(), Error> {
        let mut after = (DateTime::UNIX_EPOCH, Uuid::nil());
        loop {
            let mut client = self.client().await?;
            let reading = store::begin(&mut client, owner.0);
            let page = store::kept_raw(&reading, owner, after, until, EVENTS).await?;
            drop(reading);
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = (last.receive_time, last.key);
            let his = page.into_iter().filter(|event| {
                let text = String::from_utf8_lossy(&event.raw);
                person.is_in(&text)
            });
            his.for_each(&mut take);
        }
    }

    async fn erase_kept(&self, owner: Owner, events: &[Uuid]) -> Result<i64, Error> {
        let mut erased = 0;
        for some in events.chunks(AT_ONCE) {
            let mut client = self.client().await?;
            let transaction = store::begin(&mut client, owner.0);
            let mut room = store::lock_kept(&transaction, owner.0).await?;
            let (gone, deferred) = store::drop_kept(&transaction, owner, some).await?;
            if deferred.events > 0 {
                room.events -= deferred.events;
                room.bytes -= deferred.bytes;
                store::set_room(&transaction, owner.0, room).await?;
            }
            store::commit(transaction).await?;
            erased += i64::try_from(gone).unwrap_or(i64::MAX);
        }
        Ok(erased)
    }
}
