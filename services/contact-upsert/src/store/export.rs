//! Reading all contacts of an account, as they are at one moment.

use std::pin::pin;

use futures_util::TryStreamExt;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::{AccountId, ContactId};
use weir_postgres::{Client, Failure, JsonText, PAGE_BYTES, PAGE_STORED_BYTES, Portion, Tx};

use super::Store;
use crate::domain::export::Exported;
use crate::domain::{ANONYMOUS_ID, USER_ID};

/// Ids of a contact that are read: of either kind a thousand are shown.
const MAX_IDS: i64 = 2_000;
const MAX_SHOWN: usize = 1_000;

/// Values are read of the rows of the page alone, and not where nobody asked for one (`$4`): how
/// much of them is kept PostgreSQL knows without.
const PAGE: &str = "
    SELECT contact_id, CASE WHEN $4 THEN fields END AS fields, create_time, update_time, stored
    FROM (
        SELECT c.*, sum(c.own) OVER (ORDER BY c.contact_id ROWS UNBOUNDED PRECEDING) AS stored
        FROM (
            SELECT contact_id, fields, create_time, update_time,
                CASE WHEN $4 THEN pg_column_size(fields) ELSE 0 END AS own
            FROM contacts
            WHERE account_id = $1 AND contact_id > $2 AND redirect_to IS NULL
            ORDER BY contact_id
            LIMIT $3
        ) c
    ) c
    WHERE stored - own < $5
    ORDER BY contact_id";

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

/// What of a contact is read.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    pub ids: bool,
    pub fields: bool,
}

/// All contacts of an account, over one moment.
pub struct Exporting<'c> {
    account: AccountId,
    needs: Needs,
    snapshot: Tx<'c>,
}

/// The next contacts, by age.
pub struct ExportPage {
    rows: Vec<Row>,
    ids: Vec<Row>,
    following: Option<Following>,
}

/// Where the page behind one begins, and how many rows it asks for.
#[derive(Debug, Clone, Copy)]
pub struct Following {
    after: ContactId,
    portion: Portion,
}

impl Following {
    /// The first page.
    pub const FIRST: Self = Self {
        after: ContactId(Uuid::nil()),
        portion: Portion::FIRST,
    };
}

impl Store {
    /// Begins, on this connection.
    pub fn export<'c>(
        &self,
        client: &'c mut Client,
        account: AccountId,
        needs: Needs,
    ) -> Exporting<'c> {
        let snapshot = Tx::snapshot(client, account);
        Exporting {
            account,
            needs,
            snapshot,
        }
    }
}

impl Exporting<'_> {
    /// The contacts from there on.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn page(&self, from: Following) -> Result<ExportPage, Failure> {
        let (rows, following) = self.rows(from).await?;
        let mut ids = Vec::new();
        if self.needs.ids && !rows.is_empty() {
            let of_contacts = self.snapshot.prepare_cached(IDS).await?;
            let contacts = rows.iter().map(|row| row.get("contact_id"));
            let contacts: Vec<Uuid> = contacts.collect();
            let parameters: [&(dyn ToSql + Sync); 3] = [&self.account.0, &contacts, &MAX_IDS];
            ids = self.snapshot.query(&of_contacts, &parameters).await?;
        }
        Ok(ExportPage {
            rows,
            ids,
            following,
        })
    }

    /// The rows of a page, and what is behind them. Their answer is let go of where this ends: as
    /// long as somebody holds it and takes nothing, whatever is asked next on the connection waits
    /// behind it.
    async fn rows(&self, from: Following) -> Result<(Vec<Row>, Option<Following>), Failure> {
        let page = self.snapshot.prepare_cached(PAGE).await?;
        let asked = from.portion.rows();
        let parameters: [&(dyn ToSql + Sync); 5] = [
            &self.account.0,
            &from.after.0,
            &asked,
            &self.needs.fields,
            &PAGE_STORED_BYTES,
        ];
        let found = self.snapshot.query_raw(&page, &parameters).await?;
        let mut found = pin!(found);
        let (mut rows, mut bytes, mut stored) = (Vec::new(), 0, 0);
        while let Some(row) = found.try_next().await? {
            bytes += weight(&row);
            stored = row.get("stored");
            rows.push(row);
            if bytes > PAGE_BYTES {
                // What is left of the answer is thrown away as it arrives.
                break;
            }
        }
        let is_last = bytes <= PAGE_BYTES
            && stored < PAGE_STORED_BYTES
            && i64::try_from(rows.len()).unwrap_or(i64::MAX) < asked;
        let last = rows.last().filter(|_| !is_last);
        let following = last.map(|row| Following {
            after: ContactId(row.get("contact_id")),
            portion: Portion::behind(rows.len(), bytes, weight(row)),
        });
        Ok((rows, following))
    }
}

/// Its values, where they were asked for.
fn fields(row: &Row) -> Option<&str> {
    let fields: Option<JsonText<'_>> = row.get("fields");
    fields.map(|JsonText(text)| text)
}

fn weight(row: &Row) -> usize {
    fields(row).map_or(0, str::len)
}

impl ExportPage {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// What is behind them, where more may follow.
    pub fn following(&self) -> Option<Following> {
        self.following
    }

    /// As they are written.
    pub fn contacts(&self) -> impl Iterator<Item = Exported<'_>> {
        let mut ids = self.ids.iter().peekable();
        self.rows.iter().zip(1_i64..).map(move |(row, ordinal)| {
            let mut contact = Exported {
                id: ContactId(row.get("contact_id")),
                fields: fields(row).unwrap_or("{}"),
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
