//! What tells an account's contacts apart: the copy that counts (semantics 3.2).

use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_postgres::{Client, Failure, Tx};

use super::Store;
use crate::domain::{KeyRule, KeyStrategy, Transition, UniqueIdentifiers};

const READ: &str = "
    SELECT unique_identifiers, key_strategy, identifiers_version, next_unique_identifiers,
           next_key_strategy
    FROM accounts WHERE account_id = $1";

/// Waits for the batches that hold the row, and keeps later ones waiting.
pub(super) const LOCK: &str = "
    SELECT unique_identifiers, key_strategy, identifiers_version, next_unique_identifiers,
           next_key_strategy
    FROM accounts WHERE account_id = $1 FOR UPDATE";

/// Redirects count: they were contacts.
const HAS_CONTACTS: &str =
    "SELECT EXISTS (SELECT FROM contacts WHERE account_id = $1) AS has_contacts";

const CHANGE: &str = "
    UPDATE accounts
    SET unique_identifiers = $2, key_strategy = $3, identifiers_version = identifiers_version + 1
    WHERE account_id = $1
    RETURNING identifiers_version";

const CASELESS: &str = "
    SELECT $2 = ANY (caseless_identifiers) AS is_caseless FROM accounts WHERE account_id = $1";

/// Of many batches that would, the first.
const KEEP_CASELESS: &str = "
    UPDATE accounts SET caseless_identifiers = $2
    WHERE account_id = $1 AND caseless_identifiers <> $2";

/// The place of a source in the list is its number, and stays it. Of many batches that would, the
/// first.
const NUMBER_SOURCE: &str = "
    UPDATE accounts SET source_ids = array_append(source_ids, $2)
    WHERE account_id = $1 AND $2 <> ALL (source_ids)";

const SOURCES: &str = "SELECT source_ids FROM accounts WHERE account_id = $1";

const ANY: &str = "any";
const NEXT_IF_EMPTY: &str = "next_if_empty";

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// These stand now.
    To(UniqueIdentifiers),
    /// Refused.
    ContactsExist,
}

/// Unique identifiers in two columns, where they are not null.
pub(super) fn rule(row: &Row, fields: &str, strategy: &str) -> Option<KeyRule> {
    let fields = row.get::<_, Option<_>>(fields)?;
    let strategy = match row.get::<_, Option<&str>>(strategy)? {
        NEXT_IF_EMPTY => KeyStrategy::NextIfEmpty,
        _ => KeyStrategy::Any,
    };
    Some(KeyRule { fields, strategy })
}

/// Both rules, while contacts are reindexed.
pub(super) fn transition(row: &Row) -> Option<Transition> {
    let new = rule(row, "next_unique_identifiers", "next_key_strategy")?;
    let old = rule(row, "unique_identifiers", "key_strategy")?;
    Some(Transition { old, new })
}

/// As it is stored.
pub(super) fn code_of(strategy: KeyStrategy) -> &'static str {
    match strategy {
        KeyStrategy::Any => ANY,
        KeyStrategy::NextIfEmpty => NEXT_IF_EMPTY,
    }
}

/// None where they were never changed.
pub(super) fn unique_identifiers(row: &Row) -> Option<UniqueIdentifiers> {
    let stand = rule(row, "unique_identifiers", "key_strategy")?;
    Some(UniqueIdentifiers {
        fields: stand.fields,
        strategy: stand.strategy,
        next: rule(row, "next_unique_identifiers", "next_key_strategy"),
        version: row.get("identifiers_version"),
    })
}

impl Store {
    /// Makes the account's row, if it is not there.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn anchor(&self, account: AccountId) -> Result<(), Failure> {
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, account);
        weir_ledger::anchor(&tx, account).await?;
        Ok(tx.commit().await?)
    }

    /// Gives a source a number in its account, unless it has one.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn number_source(
        &self,
        account: AccountId,
        source: Option<SourceId>,
    ) -> Result<(), Failure> {
        let Some(source) = source else { return Ok(()) };
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, account);
        let number = tx.prepare_cached(NUMBER_SOURCE).await?;
        tx.commit_with(&number, &[&account.0, &source.0]).await?;
        Ok(())
    }

    /// The sources of an account that have numbers, in their order, from one on.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn sources(&self, account: AccountId) -> Result<Vec<SourceId>, Failure> {
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, account);
        let sources = tx.prepare_cached(SOURCES).await?;
        let row = tx.query_opt(&sources, &[&account.0]).await?;
        let ids: Vec<Uuid> = row.map(|row| row.get("source_ids")).unwrap_or_default();
        Ok(ids.into_iter().map(SourceId).collect())
    }

    /// Those that stand.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn unique_identifiers(
        &self,
        account: AccountId,
    ) -> Result<Option<UniqueIdentifiers>, Failure> {
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, account);
        let read = tx.prepare_cached(READ).await?;
        let row = tx.query_opt(&read, &[&account.0]).await?;
        Ok(row.as_ref().and_then(unique_identifiers))
    }

    /// Whether values of this field are compared without case, as the account's batches said.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn is_caseless(&self, account: AccountId, field: &str) -> Result<bool, Failure> {
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, account);
        let caseless = tx.prepare_cached(CASELESS).await?;
        let row = tx.query_opt(&caseless, &[&account.0, &field]).await?;
        Ok(row.is_some_and(|row| row.get("is_caseless")))
    }

    /// Sets them under the next version, unless they stand already.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn change_unique_identifiers(
        &self,
        account: AccountId,
        wanted: UniqueIdentifiers,
    ) -> Result<Changed, Failure> {
        self.anchor(account).await?;
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, account);
        let lock = tx.prepare_cached(LOCK).await?;
        let row = tx.query_one(&lock, &[&account.0]).await?;
        if let Some(stand) = unique_identifiers(&row)
            && stand.next.is_none()
            && (&stand.fields, stand.strategy) == (&wanted.fields, wanted.strategy)
        {
            return Ok(Changed::To(stand));
        }
        // A statement of its own, behind the lock: it sees what the batches before had stored.
        let has_contacts = tx.prepare_cached(HAS_CONTACTS).await?;
        let found = tx.query_one(&has_contacts, &[&account.0]).await?;
        if found.get("has_contacts") {
            return Ok(Changed::ContactsExist);
        }
        let strategy = code_of(wanted.strategy);
        let change = tx.prepare_cached(CHANGE).await?;
        let parameters = &[&account.0 as _, &wanted.fields as _, &strategy as _];
        let changed = tx.query_one(&change, parameters).await?;
        tx.commit().await?;
        Ok(Changed::To(UniqueIdentifiers {
            version: changed.get("identifiers_version"),
            ..wanted
        }))
    }
}

/// Writes down which identifiers are compared without case. Not within a batch: it waits for
/// those that hold the row.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn keep_caseless(
    client: &mut Client,
    account: AccountId,
    fields: &[&str],
) -> Result<(), Failure> {
    let tx = Tx::begin(client, account);
    let keep = tx.prepare_cached(KEEP_CASELESS).await?;
    tx.commit_with(&keep, &[&account.0, &fields]).await?;
    Ok(())
}
