//! Reading activities of an account, oldest first, as they are at one moment.

use std::pin::pin;

use futures_util::TryStreamExt;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::history::{Arguments, Sought, contacted, of_span};
use super::{Connection, NotDone, Tx};
use crate::domain::Contacted;
use weir_ids::AccountId;

/// Rows that are read at once: many enough that the way there and back does not count, few enough
/// that a page is there in no time.
const PAGE_ROWS: i64 = 2_000;
/// Of a page, in bytes of attributes: the rest of one that has more is asked for again.
const PAGE_BYTES: usize = 8 * 1024 * 1024;

// The last row that was read comes along, and says where the next page begins.
pub(super) const PAGE: &str = concat!(
    "SELECT * FROM (",
    of_span!("ASC"),
    ") s
    WHERE s.is_shown OR s.n = $19
    ORDER BY s.activity_key"
);

/// The next activities, oldest first.
#[derive(Debug, Default)]
pub struct ExportPage {
    pub items: Vec<Contacted>,
    /// Behind which key the next page begins, where there is one.
    pub next: Option<Uuid>,
    /// So many can't be read, and are left out.
    pub unreadable: usize,
}

impl Connection {
    /// As [`begin`](Self::begin), to read as all is at one moment.
    pub fn snapshot(&mut self, account_id: AccountId) -> Tx<'_> {
        Tx {
            inner: weir_postgres::Tx::snapshot(&mut self.client, account_id),
            account_id,
            settled: &self.settled,
        }
    }
}

impl Tx<'_> {
    /// The oldest of what is sought, with who is left of those who did it.
    ///
    /// # Errors
    /// Of the database.
    pub async fn export_page(&self, sought: Sought) -> Result<ExportPage, NotDone> {
        let arguments = Arguments::new(self.account_id.0, sought);
        let mut params = arguments.params();
        params.push(&PAGE_ROWS as &(dyn ToSql + Sync));
        let statement = self.prepare(PAGE).await?;
        let mut page = self.read_page(&statement, &params).await?;
        self.follow_merges(&mut page.items).await?;
        Ok(page)
    }

    /// The rows of a page. Its answer is let go of where this ends: as long as somebody holds it
    /// and takes nothing, whatever is asked next on the connection waits behind it.
    async fn read_page(
        &self,
        statement: &Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<ExportPage, NotDone> {
        let rows = self.inner.query_raw(statement, params).await?;
        let mut rows = pin!(rows);
        let (mut page, mut bytes) = (ExportPage::default(), 0);
        while let Some(row) = rows.try_next().await? {
            let key: Uuid = row.get("activity_key");
            if row.get("is_shown") {
                match contacted(&row) {
                    Some(item) => {
                        bytes += item.activity.attributes.len();
                        page.items.push(item);
                    }
                    None => page.unreadable += 1,
                }
            }
            if row.get::<_, i64>("n") == PAGE_ROWS || bytes > PAGE_BYTES {
                // What is left of the answer is thrown away as it arrives.
                page.next = Some(key);
                break;
            }
        }
        Ok(page)
    }
}
