//! What tells an account's contacts apart: the copy that counts (semantics 3.2).

use tokio_postgres::Row;
use weir_ids::AccountId;
use weir_postgres::{Client, Failure};

use super::Store;
use crate::domain::KeyStrategy;

const READ: &str = "
    SELECT unique_identifiers, key_strategy, identifiers_version
    FROM accounts WHERE account_id = $1";

/// Waits for the batches that hold the row, and keeps later ones waiting.
const LOCK: &str = "
    SELECT unique_identifiers, key_strategy, identifiers_version
    FROM accounts WHERE account_id = $1 FOR UPDATE";

/// Redirects count: they were contacts.
const HAS_CONTACTS: &str = "SELECT EXISTS (SELECT FROM contacts WHERE account_id = $1)";

const CHANGE: &str = "
    UPDATE accounts
    SET unique_identifiers = $2, key_strategy = $3, identifiers_version = identifiers_version + 1
    WHERE account_id = $1
    RETURNING identifiers_version";

const CASELESS: &str = "
    SELECT $2 = ANY (caseless_identifiers) FROM accounts WHERE account_id = $1";

/// Of many batches that would, the first.
const KEEP_CASELESS: &str = "
    UPDATE accounts SET caseless_identifiers = $2
    WHERE account_id = $1 AND caseless_identifiers <> $2";

const ANY: &str = "any";
const NEXT_IF_EMPTY: &str = "next_if_empty";

/// Unique identifiers and key strategy under a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueIdentifiers {
    /// Field ids, in order.
    pub fields: Vec<String>,
    pub strategy: KeyStrategy,
    pub version: i64,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// These stand now.
    To(UniqueIdentifiers),
    /// Refused.
    ContactsExist,
}

impl UniqueIdentifiers {
    /// None where they were never changed.
    fn of(row: &Row) -> Option<Self> {
        let strategy: Option<&str> = row.get(1);
        Some(Self {
            fields: row.get::<_, Option<_>>(0)?,
            strategy: match strategy? {
                NEXT_IF_EMPTY => KeyStrategy::NextIfEmpty,
                _ => KeyStrategy::Any,
            },
            version: row.get(2),
        })
    }
}

impl Store {
    /// Makes the account's row, if it is not there.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn anchor(&self, account: AccountId) -> Result<(), Failure> {
        let client = self.client().await?;
        weir_ledger::anchor(&client, account).await
    }

    /// Those that stand.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn unique_identifiers(
        &self,
        account: AccountId,
    ) -> Result<Option<UniqueIdentifiers>, Failure> {
        let client = self.client().await?;
        let read = client.prepare_cached(READ).await?;
        let row = client.query_opt(&read, &[&account.0]).await?;
        Ok(row.as_ref().and_then(UniqueIdentifiers::of))
    }

    /// Whether values of this field are compared without case, as the account's batches said.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn is_caseless(&self, account: AccountId, field: &str) -> Result<bool, Failure> {
        let client = self.client().await?;
        let caseless = client.prepare_cached(CASELESS).await?;
        let row = client.query_opt(&caseless, &[&account.0, &field]).await?;
        Ok(row.is_some_and(|row| row.get(0)))
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
        let transaction = client.transaction().await?;
        let lock = transaction.prepare_cached(LOCK).await?;
        let row = transaction.query_one(&lock, &[&account.0]).await?;
        if let Some(stand) = UniqueIdentifiers::of(&row)
            && (&stand.fields, stand.strategy) == (&wanted.fields, wanted.strategy)
        {
            return Ok(Changed::To(stand));
        }
        // A statement of its own, behind the lock: it sees what the batches before had stored.
        let has_contacts = transaction.prepare_cached(HAS_CONTACTS).await?;
        let found = transaction.query_one(&has_contacts, &[&account.0]).await?;
        if found.get(0) {
            return Ok(Changed::ContactsExist);
        }
        let strategy = match wanted.strategy {
            KeyStrategy::Any => ANY,
            KeyStrategy::NextIfEmpty => NEXT_IF_EMPTY,
        };
        let change = transaction.prepare_cached(CHANGE).await?;
        let parameters = &[&account.0 as _, &wanted.fields as _, &strategy as _];
        let changed = transaction.query_one(&change, parameters).await?;
        transaction.commit().await?;
        Ok(Changed::To(UniqueIdentifiers {
            version: changed.get(0),
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
    client: &Client,
    account: AccountId,
    fields: &[&str],
) -> Result<(), Failure> {
    let keep = client.prepare_cached(KEEP_CASELESS).await?;
    client.execute(&keep, &[&account.0, &fields]).await?;
    Ok(())
}
