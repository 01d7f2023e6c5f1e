//! Which contacts have a value of a field.

use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::{AccountId, ContactId};
use weir_postgres::{Client, Failure, Tx};

use super::Store;

const PAGE: &str = "
    SELECT contact_id, (fields->>$3::text) IS NOT NULL AS has_value
    FROM contacts
    WHERE account_id = $1 AND contact_id > $2 AND redirect_to IS NULL
    ORDER BY contact_id
    LIMIT $4";

/// The contacts of an account, looked at one after the other over one moment.
pub struct Counting<'c> {
    account: AccountId,
    snapshot: Tx<'c>,
}

/// What was found in a piece.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    pub with_value: usize,
    pub seen: usize,
    pub last: Option<ContactId>,
}

impl Store {
    /// Begins, on this connection.
    pub fn counting<'c>(&self, client: &'c mut Client, account: AccountId) -> Counting<'c> {
        let snapshot = Tx::snapshot(client, account);
        Counting { account, snapshot }
    }
}

impl Counting<'_> {
    /// The next contacts behind `after`; at most `limit`.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn piece(
        &self,
        field: &str,
        after: Option<ContactId>,
        limit: usize,
    ) -> Result<Counted, Failure> {
        let page = self.snapshot.prepare_cached(PAGE).await?;
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let parameters: [&(dyn ToSql + Sync); 4] = [&self.account.0, &after, &field, &limit];
        let rows = self.snapshot.query(&page, &parameters).await?;
        let has_value = rows.iter().filter(|row| row.get("has_value"));
        Ok(Counted {
            with_value: has_value.count(),
            seen: rows.len(),
            last: rows.last().map(|row| ContactId(row.get("contact_id"))),
        })
    }
}
