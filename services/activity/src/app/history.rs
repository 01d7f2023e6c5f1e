//! Reading what all contacts did, and what waits (semantics 4.8, 4.12, 4.13).

use chrono::NaiveDate;
use uuid::Uuid;
use weir_ids::{AccountId, ContactId, TimedKey};
use weir_rpc::{Deadline, MAX_PAGE_BYTES, Page, page_limit};
use weir_service::detached;

use super::{App, Error};
use crate::domain::{
    ActivityCount, Contacted, DayCursor, Identifier, KeyCursor, Named, Occurrence, Span,
    WaitingActivity, WaitingIdentifier, day_of,
};
use crate::metrics;
use crate::store::{Found, Sought, Store};

/// What waits for one identifier.
#[derive(Debug)]
pub struct Backlog {
    pub page: Page<WaitingActivity, KeyCursor>,
    /// In all.
    pub waiting: i64,
    /// After which nothing of it waits.
    pub last_day: Option<NaiveDate>,
}

impl App {
    /// By the clock that lists go by.
    pub fn today(&self) -> NaiveDate {
        self.clocks.today()
    }

    /// A page of what all contacts did, newest first.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_account_activities(
        &self,
        account_id: AccountId,
        event_name: Option<String>,
        span: Span,
        cursor: Option<KeyCursor>,
        size: usize,
        deadline: Deadline,
    ) -> Result<Page<Contacted, KeyCursor>, Error> {
        self.require_account(account_id, deadline).await?;
        let (store, today) = (self.store.clone(), self.clocks.today());
        let found = detached(async move {
            account_page(&store, account_id, event_name, span, cursor, size, today).await
        });
        let found = found.await?;
        told_unreadable(found.unreadable);
        Ok(Page {
            items: found.items,
            next: found.next,
        })
    }

    /// A page of the counts by activity and day, these included.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn count_activities(
        &self,
        account_id: AccountId,
        event_name: Option<String>,
        days: (NaiveDate, NaiveDate),
        cursor: Option<DayCursor>,
        size: usize,
        deadline: Deadline,
    ) -> Result<Page<ActivityCount, DayCursor>, Error> {
        self.require_account(account_id, deadline).await?;
        let store = self.store.clone();
        detached(async move {
            let mut connection = store.connection().await?;
            let tx = connection.begin(account_id);
            let names = tx.names().await?.into_iter();
            let is_asked =
                |named: &Named| event_name.as_ref().is_none_or(|n| *n == named.event_name);
            let mut counts: Vec<ActivityCount> = Vec::new();
            for named in names.filter(is_asked) {
                let mut days = days;
                if let Some(last) = cursor.filter(|last| last.activity_id >= named.activity_id) {
                    let (true, Some(next)) =
                        (last.activity_id == named.activity_id, last.day.succ_opt())
                    else {
                        continue;
                    };
                    days.0 = days.0.max(next);
                }
                let missing = size + 1 - counts.len();
                counts.extend(tx.activity_counts(&named, days, missing).await?);
                if counts.len() > size {
                    break;
                }
            }
            tx.commit().await?;
            Ok(cut(counts, size, |count| DayCursor {
                activity_id: count.named.activity_id,
                day: count.day,
            }))
        })
        .await
    }

    /// A page of what a contact, with all that were merged with it, did first and last.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_occurrences(
        &self,
        account_id: AccountId,
        contact_id: ContactId,
        cursor: Option<KeyCursor>,
        size: usize,
        deadline: Deadline,
    ) -> Result<Page<Occurrence, KeyCursor>, Error> {
        self.require_account(account_id, deadline).await?;
        let store = self.store.clone();
        let after = cursor.map_or(Uuid::nil(), |KeyCursor(id)| id);
        let (found, is_known) = detached(async move {
            let mut connection = store.connection().await?;
            let tx = connection.begin(account_id);
            let families = tx.families(&[contact_id]).await?;
            let found = tx.occurrences(&families, after, page_limit(size)).await?;
            tx.commit().await?;
            let is_known = !found.is_empty() || families.has_merges() || cursor.is_some();
            Ok::<_, Error>((found, is_known))
        })
        .await?;
        if !is_known {
            self.ask_for_contact(account_id, contact_id, deadline)
                .await?;
        }
        Ok(cut(found, size, |occurrence| {
            KeyCursor(occurrence.named.activity_id.0)
        }))
    }

    /// A page of what waits for an identifier.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_backlog(
        &self,
        account_id: AccountId,
        identifier: Identifier,
        cursor: Option<KeyCursor>,
        size: usize,
        deadline: Deadline,
    ) -> Result<Backlog, Error> {
        self.require_account(account_id, deadline).await?;
        let (store, today) = (self.store.clone(), self.clocks.today());
        let after = cursor.unwrap_or(KeyCursor(Uuid::nil()));
        let (found, (waiting, last_day)) = detached(async move {
            let mut connection = store.connection().await?;
            let tx = connection.begin(account_id);
            let found = tx
                .waiting_of(&identifier, after, today, size, MAX_PAGE_BYTES)
                .await?;
            let waiting = tx.backlog(Some(&identifier), today).await?;
            tx.commit().await?;
            Ok::<_, Error>((found, waiting))
        })
        .await?;
        told_unreadable(found.unreadable);
        Ok(Backlog {
            page: Page {
                items: found.items,
                next: found.next,
            },
            waiting,
            last_day,
        })
    }

    /// A page of the identifiers for which something waits.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_waiting_identifiers(
        &self,
        account_id: AccountId,
        cursor: Option<Identifier>,
        size: usize,
        deadline: Deadline,
    ) -> Result<Page<WaitingIdentifier, Identifier>, Error> {
        self.require_account(account_id, deadline).await?;
        let (store, today) = (self.store.clone(), self.clocks.today());
        detached(async move {
            let mut connection = store.connection().await?;
            let tx = connection.begin(account_id);
            let limit = i32::try_from(size + 1).unwrap_or(i32::MAX);
            let found = tx
                .waiting_identifiers(cursor.as_ref(), today, limit)
                .await?;
            tx.commit().await?;
            Ok(cut(found, size, |one| one.identifier.clone()))
        })
        .await
    }
}

async fn account_page(
    store: &Store,
    account_id: AccountId,
    event_name: Option<String>,
    span: Span,
    cursor: Option<KeyCursor>,
    size: usize,
    today: NaiveDate,
) -> Result<Found, Error> {
    if span.is_empty() {
        return Ok(Found::default());
    }
    let mut connection = store.connection().await?;
    let tx = connection.begin(account_id);
    let mut sought = Sought::of(span, None, today);
    if let Some(KeyCursor(before)) = cursor {
        sought.high = sought.high.min(before);
    }
    if let Some(name) = event_name {
        let names = tx.names().await?;
        let Some(named) = names.into_iter().find(|named| named.event_name == name) else {
            return Ok(Found::default());
        };
        sought.activity = Some(named.activity_id);
        let (first, last) = span.days();
        let days = (first, last.min(day_of(TimedKey(sought.high))));
        // What lies between is not even looked at.
        let Some(KeyCursor(end)) = tx.last_stored(named.activity_id, days).await? else {
            return Ok(Found::default());
        };
        sought.high = sought.high.min(end);
    }
    let mut found = tx.account_activities(sought, size, MAX_PAGE_BYTES).await?;
    tx.follow_merges(&mut found.items).await?;
    tx.commit().await?;
    Ok(found)
}

pub(super) fn told_unreadable(rows: usize) {
    if rows > 0 {
        metrics::unreadable(rows);
        tracing::error!(rows, "activities can't be read");
    }
}

/// A page of what was found with one more than it has.
fn cut<T, K>(mut found: Vec<T>, size: usize, key: impl Fn(&T) -> K) -> Page<T, K> {
    let is_more = found.len() > size;
    found.truncate(size);
    let next = found.last().filter(|_| is_more).map(key);
    Page { items: found, next }
}
