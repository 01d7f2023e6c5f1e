//! Contacts of an account that was never searched before, made searchable: piece by piece.
//!
//! **Invariant:** once an account is marked as searched, every batch writes the texts of the
//! contacts that it writes; a piece writes those of contacts that it holds, as they are then. So
//! whichever comes later has the last word, and it is true.

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::{AccountId, ContactId};
use weir_postgres::{Failure, JsonText, Tx, work};

use super::TextColumns;
use crate::domain::search::SearchTexts;
use crate::store::Store;
use crate::store::batch::sql::WRITE_TEXTS;

/// Contacts of a piece: batches that concern them wait for some milliseconds.
const PIECE: i64 = 500;
/// Accounts that are looked for at once.
const ACCOUNTS: i64 = 100;
/// Behind it come all.
const FIRST: AccountId = AccountId(Uuid::nil());

const STATE: &str = "SELECT is_done FROM searches WHERE account_id = $1";

/// Waits for batches that are being stored.
const MARK: &str = "UPDATE accounts SET is_searched = true WHERE account_id = $1";

const BEGIN: &str = "
    INSERT INTO searches (account_id, after, is_done)
    SELECT a.account_id, '00000000-0000-0000-0000-000000000000', false
    FROM accounts a WHERE a.account_id = $1
    ON CONFLICT (account_id) DO NOTHING";

/// One piece of an account at a time.
const LOCK: &str = "SELECT after, is_done FROM searches WHERE account_id = $1 FOR UPDATE";

/// In the order of the ids, as batches lock them.
const HOLD: &str = "
    SELECT contact_id, fields, redirect_to IS NOT NULL AS redirected FROM contacts
    WHERE account_id = $1 AND contact_id > $2
    ORDER BY contact_id LIMIT $3 FOR SHARE";

const ADVANCE: &str = "UPDATE searches SET after = $2, is_done = $3 WHERE account_id = $1";

/// As [`work`] names it.
const SEARCH: &str = "search";

/// How far an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// It was never searched.
    None,
    UnderWay,
    Done,
}

impl Store {
    /// How far the account is.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn build_state(&self, account: AccountId) -> Result<Build, Failure> {
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, account);
        let state = tx.prepare_cached(STATE).await?;
        let row = tx.query_opt(&state, &[&account.0]).await?;
        Ok(match row.map(|row| row.get("is_done")) {
            None => Build::None,
            Some(false) => Build::UnderWay,
            Some(true) => Build::Done,
        })
    }

    /// From now on the account is searched.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn begin_build(&self, account: AccountId, now: DateTime<Utc>) -> Result<(), Failure> {
        self.anchor(account).await?;
        let mut client = self.client().await?;
        let whose: [&(dyn ToSql + Sync); 1] = [&account.0];
        // Batches that begin now write texts; those before are waited for. Their contacts are
        // seen by the pieces, which come later.
        let tx = Tx::begin(&mut client, account);
        let mark = tx.prepare_cached(MARK).await?;
        tx.commit_with(&mark, &whose).await?;
        let tx = Tx::begin(&mut client, account);
        let begin = tx.prepare_cached(BEGIN).await?;
        if tx.execute(&begin, &whose).await? > 0 {
            work::note(&tx, account, SEARCH, now).await?;
        }
        Ok(tx.commit().await?)
    }

    /// The next contacts of an account.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn build_piece(&self, account: AccountId) -> Result<Build, Failure> {
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, account);
        let lock = tx.prepare_cached(LOCK).await?;
        let Some(state) = tx.query_opt(&lock, &[&account.0]).await? else {
            return Ok(Build::None);
        };
        if state.get("is_done") {
            return Ok(Build::Done);
        }
        let after: Uuid = state.get("after");
        let hold = tx.prepare_cached(HOLD).await?;
        let parameters: [&(dyn ToSql + Sync); 3] = [&account.0, &after, &PIECE];
        let held = tx.query_raw(&hold, &parameters).await?;
        // Their rows may be large, and are looked at one by one.
        let texts: Vec<_> = held.map_ok(|row| texts_of(&row)).try_collect().await?;
        if !texts.is_empty() {
            let columns = TextColumns::of(&texts);
            let write = tx.prepare_cached(WRITE_TEXTS).await?;
            tx.execute(&write, &columns.parameters(&account.0)).await?;
        }
        let is_done = i64::try_from(texts.len()).unwrap_or(PIECE) < PIECE;
        let after = texts.last().map_or(after, |(id, _)| id.0);
        let advance = tx.prepare_cached(ADVANCE).await?;
        tx.execute(&advance, &[&account.0, &after, &is_done])
            .await?;
        if is_done {
            work::strike(&tx, account, SEARCH).await?;
        }
        tx.commit().await?;
        Ok(if is_done {
            Build::Done
        } else {
            Build::UnderWay
        })
    }

    /// Some of the accounts that are not searchable as a whole yet.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn undone_builds(&self) -> Result<Vec<AccountId>, Failure> {
        let client = self.client().await?;
        let undone = work::after(&client, SEARCH, FIRST, ACCOUNTS).await?;
        Ok(undone.into_iter().map(|(account, _)| account).collect())
    }
}

fn texts_of(row: &Row) -> (ContactId, SearchTexts) {
    let texts = match row.get("redirected") {
        true => SearchTexts::default(),
        false => SearchTexts::of_fields(row.get::<_, JsonText<'_>>("fields").0),
    };
    (ContactId(row.get("contact_id")), texts)
}
