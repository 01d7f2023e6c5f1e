//! Reading all contacts of an account, as they are at one moment.

use std::pin::pin;

use futures_util::TryStreamExt;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::{AccountId, ContactId};
use weir_postgres::{Client, Failure, JsonText, Tx};

use super::Store;
use crate::domain::export::Exported;
use crate::domain::{ANONYMOUS_ID, USER_ID};

/// Contacts that are asked for at once: many enough that the way there and back does not count,
/// few enough that a page is there in no time.
const PAGE_ROWS: i64 = 2_000;
/// Of a page, in bytes of fields: the rest of one that has more is asked for again.
const PAGE_BYTES: usize = 8 * 1024 * 1024;
/// Ids of a contact that are read: of either kind a thousand are shown.
const MAX_IDS: i64 = 2_000;
const MAX_SHOWN: usize = 1_000;

const PAGE: &str = "
    SELECT contact_id, fields, create_time, update_time
    FROM contacts
    WHERE account_id = $1 AND contact_id > $2 AND redirect_to IS NULL
    ORDER BY contact_id
    LIMIT $3";

/// User ids first, of each kind the one that was linked last. What is fenced off would else be
/// looked for among all ids of the account, by PostgreSQL 18 at least.
const IDS: &str = "
    SELECT k.ordinal, i.kind, i.value
    FROM unnest($2::uuid[]) WITH ORDINALITY AS k (contact_id, ordinal)
    CROSS JOIN LATERAL (
        SELECT kind, value FROM (
            SELECT kind, value, link_time FROM identifiers
            WHERE account_id = $1 AND contact_id = k.contact_id
            OFFSET 0
        ) AS held
        WHERE kind IN ('u', 'a')
        ORDER BY kind DESC, link_time DESC, value
        LIMIT $3
    ) AS i";

/// All contacts of an account, over one moment.
pub struct Exporting<'c> {
    account: AccountId,
    needs_ids: bool,
    snapshot: Tx<'c>,
}

/// The next contacts, by age.
pub struct ExportPage {
    rows: Vec<Row>,
    ids: Vec<Row>,
    is_last: bool,
}

impl Store {
    /// Begins, on this connection.
    pub fn export<'c>(
        &self,
        client: &'c mut Client,
        account: AccountId,
        needs_ids: bool,
    ) -> Exporting<'c> {
        let snapshot = Tx::snapshot(client, account);
        Exporting {
            account,
            needs_ids,
            snapshot,
        }
    }
}

impl Exporting<'_> {
    /// Those behind `after`.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn page(&self, after: Option<ContactId>) -> Result<ExportPage, Failure> {
        let (rows, is_last) = self.rows(after).await?;
        let mut ids = Vec::new();
        if self.needs_ids && !rows.is_empty() {
            let of_contacts = self.snapshot.prepare_cached(IDS).await?;
            let contacts = rows.iter().map(|row| row.get("contact_id"));
            let contacts: Vec<Uuid> = contacts.collect();
            let parameters: [&(dyn ToSql + Sync); 3] = [&self.account.0, &contacts, &MAX_IDS];
            ids = self.snapshot.query(&of_contacts, &parameters).await?;
        }
        Ok(ExportPage { rows, ids, is_last })
    }

    /// The rows of a page, and whether none are behind them. Their answer is let go of where this
    /// ends: as long as somebody holds it and takes nothing, whatever is asked next on the
    /// connection waits behind it.
    async fn rows(&self, after: Option<ContactId>) -> Result<(Vec<Row>, bool), Failure> {
        let page = self.snapshot.prepare_cached(PAGE).await?;
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let parameters: [&(dyn ToSql + Sync); 3] = [&self.account.0, &after, &PAGE_ROWS];
        let found = self.snapshot.query_raw(&page, &parameters).await?;
        let mut found = pin!(found);
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while let Some(row) = found.try_next().await? {
            bytes += row.get::<_, JsonText<'_>>("fields").0.len();
            rows.push(row);
            if bytes > PAGE_BYTES {
                // What is left of the answer is thrown away as it arrives.
                return Ok((rows, false));
            }
        }
        let is_last = i64::try_from(rows.len()).unwrap_or(i64::MAX) < PAGE_ROWS;
        Ok((rows, is_last))
    }
}

impl ExportPage {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// The last of them, where more may follow.
    pub fn next(&self) -> Option<ContactId> {
        let last = self.rows.last().filter(|_| !self.is_last);
        last.map(|row| ContactId(row.get("contact_id")))
    }

    /// As they are written.
    pub fn contacts(&self) -> impl Iterator<Item = Exported<'_>> {
        let mut ids = self.ids.iter().peekable();
        self.rows.iter().zip(1_i64..).map(move |(row, ordinal)| {
            let mut contact = Exported {
                id: ContactId(row.get("contact_id")),
                fields: row.get::<_, JsonText<'_>>("fields").0,
                create_time: row.get("create_time"),
                update_time: row.get("update_time"),
                user_ids: Vec::new(),
                anonymous_ids: Vec::new(),
            };
            while let Some(id) = ids.next_if(|id| id.get::<_, i64>("ordinal") == ordinal) {
                let shown = match id.get("kind") {
                    USER_ID => &mut contact.user_ids,
                    ANONYMOUS_ID => &mut contact.anonymous_ids,
                    _ => continue,
                };
                if shown.len() < MAX_SHOWN {
                    shown.push(id.get("value"));
                }
            }
            contact
        })
    }
}
