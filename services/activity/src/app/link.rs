//! Links and merges come in; backlog goes to its contact (semantics 4.9, 4.10).

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use weir_ids::{AccountId, ContactId};
use weir_rpc::Deadline;
use weir_service::{detached, retry};
use weir_tombstones::Erased;

use super::{App, Error, POLICY};
use crate::domain::{
    Attached, Discards, Link, Merge, Moves, Tally, days_of, decide_fates, newest_links, slot_of,
    whole_milliseconds,
};
use crate::metrics;
use crate::store::{Families, Linked, NotDone, Store, Tx};

/// Rows of the backlog that are held in memory at a time.
const PAGE: usize = 5_000;
/// Pages in one transaction. Beyond that it commits, so that what waits behind a busy
/// identifier (a device id that everybody sends) neither holds its locks for long nor is
/// lost when the caller's deadline passes; the next call takes up where this one ended.
const PAGES_A_TRANSACTION: usize = 4;

/// What the outbox brought.
#[derive(Debug)]
pub struct Changes {
    /// Whose.
    pub account_id: AccountId,
    /// In any order; versions decide.
    pub links: Vec<Link>,
    /// In any order as well.
    pub merges: Vec<Merge>,
}

impl App {
    /// Notes merges, then links, and attaches the backlog of what is linked.
    ///
    /// # Errors
    /// See [`Error`]. What was attached before stays so; the call may be repeated.
    pub async fn link_identifiers(
        &self,
        changes: Changes,
        deadline: Deadline,
    ) -> Result<Attached, Error> {
        // In one order in every call, so that two of them don't wait for each other.
        let mut merges = changes.merges;
        merges.sort_unstable();
        // The newest of each.
        merges.reverse();
        merges.dedup_by_key(|merge| merge.contact_id);
        merges.reverse();
        let changes = Arc::new(Changes {
            links: newest_links(changes.links),
            merges,
            ..changes
        });
        let app = self.clone();
        let account_id = changes.account_id;
        detached(async move {
            let mut total = Attached::default();
            loop {
                let attempt = || app.link_some(&changes, deadline);
                let done = app.with_row(account_id, deadline, attempt).await;
                let done = done?;
                metrics::attached(done.attached);
                app.source_log
                    .discarded(account_id, &done.discards, app.clocks.now());
                total += done.attached;
                if done.complete {
                    return Ok(total);
                }
            }
        })
        .await
    }

    async fn link_some(&self, changes: &Arc<Changes>, deadline: Deadline) -> Result<Done, Error> {
        let (app, changes) = (self.clone(), Arc::clone(changes));
        retry(deadline, POLICY, move |_| {
            let (app, changes) = (app.clone(), Arc::clone(&changes));
            async move {
                let today = app.clocks.earlier_today();
                let now = app.clocks.now();
                let done = link(&app.store, &changes, today, now).await;
                app.make_what_is_missing(done).await
            }
        })
        .await
    }
}

/// What one transaction did about the backlog.
#[derive(Default)]
struct Done {
    attached: Attached,
    discards: Vec<Discards>,
    /// Whether nothing is left of it.
    complete: bool,
}

/// One transaction.
async fn link(
    store: &Store,
    changes: &Changes,
    today: NaiveDate,
    now: DateTime<Utc>,
) -> Result<Done, Error> {
    let mut connection = store.connection().await?;
    let tx = connection.begin(changes.account_id);
    let fence = tx.fence(now).await?.ok_or(Error::NoRow)?;
    let without;
    let changes = match &fence.erased {
        Some(erased) => {
            without = without_deleted(&tx, changes, erased).await?;
            &without
        }
        None => changes,
    };
    if !changes.merges.is_empty() {
        tx.merge_contacts(&changes.merges).await?;
    }
    let mut done = Done {
        complete: true,
        ..Done::default()
    };
    if !changes.links.is_empty() {
        let linked = tx.link(&changes.links).await?;
        if !linked.is_empty() {
            done = attach(&tx, &linked, today).await?;
        }
    }
    tx.commit().await?;
    if done.complete {
        // None of them has backlog any more.
        store.keep_links(changes.account_id, &changes.links);
    }
    Ok(done)
}

/// Word of people who were deleted meanwhile is not taken: it would name them once more.
async fn without_deleted(
    tx: &Tx<'_>,
    changes: &Changes,
    erased: &Erased,
) -> Result<Changes, NotDone> {
    let linked = changes.links.iter().map(|link| link.contact_id);
    let merged = changes.merges.iter();
    let merged = merged.flat_map(|merge| [merge.contact_id, merge.survivor_id]);
    let contacts: BTreeSet<ContactId> = linked.chain(merged).collect();
    let contacts: Vec<ContactId> = contacts.into_iter().collect();
    let deleted = tx.deleted_contacts(&contacts, &erased.key).await?;
    let links = changes.links.iter();
    let merges = changes.merges.iter();
    Ok(Changes {
        account_id: changes.account_id,
        links: links
            .filter(|link| !deleted.contains(&link.contact_id))
            .cloned()
            .collect(),
        merges: merges
            .filter(|merge| {
                let both = [merge.contact_id, merge.survivor_id];
                !both.iter().any(|contact| deleted.contains(contact))
            })
            .copied()
            .collect(),
    })
}

async fn attach(tx: &Tx<'_>, linked: &[Linked], today: NaiveDate) -> Result<Done, NotDone> {
    let contacts: Vec<ContactId> = linked.iter().map(|linked| linked.contact_id).collect();
    let families = tx.lock_counts(&contacts).await?;
    let mut tally = Tally::default();
    let done = attach_pages(tx, linked, &families, today, &mut tally).await?;
    tx.unlock_counts(&families).await?;
    let slot = contacts.first().map_or(1, |contact| slot_of(contact.0));
    tx.count_activities(&tally, slot).await?;
    Ok(done)
}

async fn attach_pages(
    tx: &Tx<'_>,
    linked: &[Linked],
    families: &Families,
    today: NaiveDate,
    tally: &mut Tally,
) -> Result<Done, NotDone> {
    let mut done = Done::default();
    let mut limit = PAGE;
    for _ in 0..PAGES_A_TRANSACTION {
        let mut page = tx.waiting_page(linked, families, limit).await?;
        let is_last = page.len() < limit;
        let ready = whole_milliseconds(&page, limit);
        if ready == 0 && !is_last {
            // More of one millisecond than a page holds: they must be seen together.
            limit = limit.saturating_mul(8);
            continue;
        }
        page.truncate(ready);
        if let Some((first, last)) = days_of(&page) {
            let mut counts = tx.counts(families, first, last).await?;
            let fates = decide_fates(&mut page, &mut counts, today);
            let moves = Moves::of(&page, &fates);
            done.attached += moves.attached();
            done.discards.extend(tx.discards(linked, &moves).await?);
            let attached = tx.move_page(linked, &page, &moves).await?;
            tally.add_page(&moves, &attached);
        }
        if is_last {
            tx.end_waiting(linked).await?;
            done.complete = true;
            return Ok(done);
        }
    }
    Ok(done)
}
