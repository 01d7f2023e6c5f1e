//! Runs of reindexing: what stands, how far they are, and what they leave (semantics 3.2).

use std::pin::pin;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_changes::{Author, Before, Change, Thing};
use weir_ids::{AccountId, ContactId};
use weir_postgres::{Failure, PAGE_STORED_BYTES, Tx, work};

use super::Store;
use super::identifiers::{LOCK, code_of, rule, unique_identifiers};
use crate::domain::{KeyRule, Run, RunState, StoredContact};

mod ending;

const READ: &str = "
    SELECT reindex_id, state, unique_identifiers, key_strategy, old_unique_identifiers,
           old_key_strategy, caseless_identifiers, after_contact, last_contact, contacts, seen,
           merged, lost, lost_contacts, start_time, update_time, finish_time
    FROM reindexes WHERE account_id = $1";

const LOCK_RUN: &str = "
    SELECT reindex_id, state, unique_identifiers, key_strategy, old_unique_identifiers,
           old_key_strategy, caseless_identifiers, after_contact, last_contact, contacts, seen,
           merged, lost, lost_contacts, start_time, update_time, finish_time
    FROM reindexes WHERE account_id = $1 FOR UPDATE";

const COUNT: &str = "
    SELECT count(*) AS contacts FROM contacts WHERE account_id = $1 AND redirect_to IS NULL";

/// Redirects count: they have their place in the order.
const LAST: &str = "
    SELECT contact_id FROM contacts WHERE account_id = $1 ORDER BY contact_id DESC LIMIT 1";

/// In the order of their ids; fewer, where much is kept of them.
const PAGE: &str = "
    SELECT contact_id, has_user_id, fields, registers, false AS redirected
    FROM (
        SELECT c.*, sum(c.own) OVER (ORDER BY c.contact_id ROWS UNBOUNDED PRECEDING) AS stored
        FROM (
            SELECT contact_id, has_user_id, fields, registers, pg_column_size(fields) AS own
            FROM contacts
            WHERE account_id = $1 AND contact_id > $2 AND redirect_to IS NULL
            ORDER BY contact_id LIMIT $3
        ) c
    ) c
    WHERE stored - own < $4
    ORDER BY contact_id";

/// As [`work`] names it.
const REINDEX: &str = "reindex";

const PUT: &str = "
    INSERT INTO reindexes (account_id, reindex_id, state, unique_identifiers, key_strategy,
        old_unique_identifiers, old_key_strategy, caseless_identifiers, after_contact,
        last_contact, contacts, seen, merged, lost, lost_contacts, start_time, update_time,
        finish_time)
    SELECT a.account_id, $2::uuid, $3::text, $4::text[], $5::text, $6::text[], $7::text,
           $8::text[], $9::uuid, $10::uuid, $11::bigint, $12::bigint, $13::bigint, $14::bigint,
           $15::uuid[], $16::timestamptz, $17::timestamptz, $18::timestamptz
    FROM accounts a
    WHERE a.account_id = $1
    ON CONFLICT (account_id) DO UPDATE
    SET reindex_id = excluded.reindex_id, state = excluded.state,
        unique_identifiers = excluded.unique_identifiers, key_strategy = excluded.key_strategy,
        old_unique_identifiers = excluded.old_unique_identifiers,
        old_key_strategy = excluded.old_key_strategy,
        caseless_identifiers = excluded.caseless_identifiers,
        after_contact = excluded.after_contact, last_contact = excluded.last_contact,
        contacts = excluded.contacts, seen = excluded.seen, merged = excluded.merged,
        lost = excluded.lost, lost_contacts = excluded.lost_contacts,
        start_time = excluded.start_time, update_time = excluded.update_time,
        finish_time = excluded.finish_time";

const BEGIN: &str = "
    UPDATE accounts
    SET unique_identifiers = $2, key_strategy = $3, next_unique_identifiers = $4,
        next_key_strategy = $5, identifiers_version = identifiers_version + 1
    WHERE account_id = $1";

const STAND: &str = "
    UPDATE accounts
    SET unique_identifiers = $2, key_strategy = $3, next_unique_identifiers = NULL,
        next_key_strategy = NULL, identifiers_version = identifiers_version + 1
    WHERE account_id = $1";

const RUNNING: &str = "running";
const CLEANING: &str = "cleaning";
const DONE: &str = "done";

/// What became of a wish to reindex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// This run is under way, or was the last.
    Run(Box<Run>),
    /// To others.
    UnderWay,
    /// Something else was done under the request's id, or a run to others came since.
    Taken,
}

/// How far the end of a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Contacts took over others meanwhile.
    NotYet,
    Now,
}

pub(super) fn read_run(row: &Row) -> Result<Run, Failure> {
    let rule = |fields, strategy| rule(row, fields, strategy).ok_or(Failure::Internal);
    let lost: Vec<Uuid> = row.get("lost_contacts");
    Ok(Run {
        id: row.get("reindex_id"),
        state: match row.get("state") {
            RUNNING => RunState::Running,
            CLEANING => RunState::Cleaning,
            _ => RunState::Done,
        },
        old: rule("old_unique_identifiers", "old_key_strategy")?,
        new: rule("unique_identifiers", "key_strategy")?,
        caseless: row.get("caseless_identifiers"),
        after: ContactId(row.get("after_contact")),
        last: ContactId(row.get("last_contact")),
        contacts: row.get("contacts"),
        seen: row.get("seen"),
        merged: row.get("merged"),
        lost: row.get("lost"),
        lost_contacts: lost.into_iter().map(ContactId).collect(),
        start_time: row.get("start_time"),
        update_time: row.get("update_time"),
        finish_time: row.get("finish_time"),
    })
}

/// Waits for batches that hold the account's row, and keeps later ones waiting.
async fn lock_account(tx: &Tx<'_>, account: AccountId) -> Result<Option<Row>, Failure> {
    let lock = tx.prepare_cached(LOCK).await?;
    Ok(tx.query_opt(&lock, &[&account.0]).await?)
}

/// The account's last run, whose row nobody else writes until the transaction ends.
pub(super) async fn lock_run(tx: &Tx<'_>, account: AccountId) -> Result<Option<Run>, Failure> {
    let lock = tx.prepare_cached(LOCK_RUN).await?;
    let row = tx.query_opt(&lock, &[&account.0]).await?;
    row.as_ref().map(read_run).transpose()
}

pub(super) async fn put_run(tx: &Tx<'_>, account: AccountId, run: &Run) -> Result<(), Failure> {
    let state = match run.state {
        RunState::Running => RUNNING,
        RunState::Cleaning => CLEANING,
        RunState::Done => DONE,
    };
    let lost: Vec<Uuid> = run.lost_contacts.iter().map(|id| id.0).collect();
    let put = tx.prepare_cached(PUT).await?;
    let parameters = &[
        &account.0 as _,
        &run.id as _,
        &state as _,
        &run.new.fields as _,
        &code_of(run.new.strategy) as _,
        &run.old.fields as _,
        &code_of(run.old.strategy) as _,
        &run.caseless as _,
        &run.after.0 as _,
        &run.last.0 as _,
        &run.contacts as _,
        &run.seen as _,
        &run.merged as _,
        &run.lost as _,
        &lost as _,
        &run.start_time as _,
        &run.update_time as _,
        &run.finish_time as _,
    ];
    tx.execute(&put, parameters).await?;
    Ok(())
}

/// A run that begins at `now`, of so many contacts up to `last`.
fn run_to(
    new: &KeyRule,
    old: KeyRule,
    caseless: &[String],
    last: ContactId,
    contacts: i64,
    now: DateTime<Utc>,
) -> Run {
    let is_same = old == *new;
    let is_settled = last.0.is_nil() || new.fields.iter().all(|field| old.has(field));
    Run {
        id: weir_ids::fresh(),
        state: match (is_same, is_settled) {
            (true, _) => RunState::Done,
            (false, true) => RunState::Cleaning,
            (false, false) => RunState::Running,
        },
        old,
        new: new.clone(),
        caseless: caseless.to_vec(),
        after: ContactId(Uuid::nil()),
        last,
        contacts,
        seen: 0,
        merged: 0,
        lost: 0,
        lost_contacts: Vec::new(),
        start_time: now,
        update_time: now,
        finish_time: is_same.then_some(now),
    }
}

fn change_of(run: &Run) -> Change {
    let shown = |rule: &KeyRule| {
        weir_changes::shown([
            ("unique_identifiers", rule.fields.clone().into()),
            ("key_strategy", code_of(rule.strategy).into()),
        ])
    };
    Change::between(Thing::Reindex, run.id, &shown(&run.old), &shown(&run.new))
}

impl Store {
    /// Some contacts behind `after`, in order, `limit` at most. Answers the last one; none where
    /// there are no more.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn contacts_to_preview(
        &self,
        account: AccountId,
        after: ContactId,
        limit: i64,
        mut take: impl FnMut(&StoredContact<'_>),
    ) -> Result<Option<ContactId>, Failure> {
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, account);
        let page = tx.prepare_cached(PAGE).await?;
        let parameters: [&(dyn ToSql + Sync); 4] =
            [&account.0, &after.0, &limit, &PAGE_STORED_BYTES];
        let rows = tx.query_raw(&page, &parameters).await?;
        let mut rows = pin!(rows);
        let mut last = None;
        // They may be large, and are looked at one by one.
        while let Some(row) = rows.try_next().await? {
            let contact = StoredContact::from(&row);
            take(&contact);
            last = Some(contact.id);
        }
        Ok(last)
    }

    /// Begins a run, unless another is under way. `old` counts where nothing was ever changed
    /// here.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn begin_reindex(
        &self,
        account: AccountId,
        (old, new): (KeyRule, &KeyRule),
        caseless: &[String],
        author: &Author,
        now: DateTime<Utc>,
    ) -> Result<Begun, Failure> {
        self.anchor(account).await?;
        let mut client = self.client().await?;
        // Not under the lock: it takes its time, and only tells how far a run is.
        let tx = Tx::begin(&mut client, account);
        let count = tx.prepare_cached(COUNT).await?;
        let contacts = tx.query_one(&count, &[&account.0]).await?;
        drop(tx);
        let tx = Tx::begin(&mut client, account);
        let row = lock_account(&tx, account).await?;
        let old = row
            .as_ref()
            .and_then(unique_identifiers)
            .map_or(old, |stand| KeyRule {
                fields: stand.fields,
                strategy: stand.strategy,
            });
        let last_run = lock_run(&tx, account).await?;
        match (
            weir_changes::done_before(&tx, account, author).await?,
            &last_run,
        ) {
            (Before::Nothing, _) => {}
            (Before::Done(_), Some(run)) if run.is_to(new) => {
                return Ok(Begun::Run(Box::new(run.clone())));
            }
            (Before::Done(_) | Before::Taken, _) => return Ok(Begun::Taken),
        }
        if let Some(run) = last_run.filter(|run| run.state != RunState::Done || run.is_to(&old)) {
            if run.is_to(new) {
                return Ok(Begun::Run(Box::new(run)));
            }
            if run.state != RunState::Done {
                return Ok(Begun::UnderWay);
            }
        }
        let last = tx.prepare_cached(LAST).await?;
        let last = tx.query_opt(&last, &[&account.0]).await?;
        let last = ContactId(last.map_or(Uuid::nil(), |row| row.get("contact_id")));
        let run = run_to(new, old, caseless, last, contacts.get("contacts"), now);
        match run.state {
            RunState::Running => {
                let begin = tx.prepare_cached(BEGIN).await?;
                let parameters = &[
                    &account.0 as _,
                    &run.old.fields as _,
                    &code_of(run.old.strategy) as _,
                    &run.new.fields as _,
                    &code_of(run.new.strategy) as _,
                ];
                tx.execute(&begin, parameters).await?;
            }
            RunState::Cleaning => make_stand(&tx, account, &run.new).await?,
            RunState::Done => {}
        }
        put_run(&tx, account, &run).await?;
        let change = change_of(&run);
        weir_changes::record(&tx, account, author, &change, now).await?;
        if run.state != RunState::Done {
            work::note(&tx, account, REINDEX, now).await?;
        }
        tx.commit().await?;
        Ok(Begun::Run(Box::new(run)))
    }

    /// The account's last run.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn reindex(&self, account: AccountId) -> Result<Option<Run>, Failure> {
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, account);
        let read = tx.prepare_cached(READ).await?;
        let row = tx.query_opt(&read, &[&account.0]).await?;
        row.as_ref().map(read_run).transpose()
    }

    /// Accounts with a run that is not done.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn reindexes_under_way(&self, limit: i64) -> Result<Vec<AccountId>, Failure> {
        let client = self.client().await?;
        let under_way = work::after(&client, REINDEX, AccountId(Uuid::nil()), limit).await?;
        Ok(under_way.into_iter().map(|(account, _)| account).collect())
    }
}

async fn make_stand(tx: &Tx<'_>, account: AccountId, new: &KeyRule) -> Result<(), Failure> {
    let stand = tx.prepare_cached(STAND).await?;
    let parameters = &[
        &account.0 as _,
        &new.fields as _,
        &code_of(new.strategy) as _,
    ];
    tx.execute(&stand, parameters).await?;
    Ok(())
}
