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
use weir_postgres::{PAGE_BYTES, PAGE_STORED_BYTES, Portion};

// The last row that was read comes along, and says where the next page begins. Attributes are read
// of the rows of the page alone, and not where nobody asked for them ($21): how much of them is
// kept PostgreSQL knows without.
pub(super) const PAGE: &str = concat!(
    "SELECT activity_key, contact_id, event_time, activity_id, event_name, receive_time,
        message_id, expire_day, is_shown, n, stored,
        CASE WHEN is_shown AND $21 THEN attributes ELSE '{}' END AS attributes
    FROM (
        SELECT s.*, sum(s.own) OVER (ORDER BY s.activity_key ROWS UNBOUNDED PRECEDING) AS stored
        FROM (
            SELECT s.*, CASE WHEN s.is_shown AND $21 THEN COALESCE(pg_column_size(s.attributes), 0)
                ELSE 0 END AS own
            FROM (",
    of_span!("ASC"),
    ") s
        ) s
    ) s
    WHERE s.stored - s.own < $20 AND (s.is_shown OR s.n = $19)
    ORDER BY s.activity_key"
);

/// Where a page begins, and how much it reads.
#[derive(Debug, Clone, Copy)]
pub struct Following {
    /// Behind this key.
    pub low: Uuid,
    portion: Portion,
}

impl Following {
    /// The first page of what is sought.
    pub fn first(sought: &Sought) -> Self {
        Self {
            low: sought.low,
            portion: Portion::FIRST,
        }
    }
}

/// The next activities, oldest first.
#[derive(Debug, Default)]
pub struct ExportPage {
    pub items: Vec<Contacted>,
    /// The next page, where there is one.
    pub following: Option<Following>,
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
    /// The oldest of what is sought from there on, with who is left of those who did it.
    ///
    /// # Errors
    /// Of the database.
    pub async fn export_page(
        &self,
        sought: Sought,
        from: Following,
        with_attributes: bool,
    ) -> Result<ExportPage, NotDone> {
        let low = from.low;
        let arguments = Arguments::new(self.account_id.0, Sought { low, ..sought });
        let asked = from.portion.rows();
        let mut params = arguments.params();
        params.extend([
            &asked as &(dyn ToSql + Sync),
            &PAGE_STORED_BYTES,
            &with_attributes,
        ]);
        let statement = self.prepare(PAGE).await?;
        let mut page = self.read_page(&statement, &params, asked).await?;
        self.follow_merges(&mut page.items).await?;
        Ok(page)
    }

    /// The rows of a page. Its answer is let go of where this ends: as long as somebody holds it
    /// and takes nothing, whatever is asked next on the connection waits behind it.
    async fn read_page(
        &self,
        statement: &Statement,
        params: &[&(dyn ToSql + Sync)],
        asked: i64,
    ) -> Result<ExportPage, NotDone> {
        let rows = self.inner.query_raw(statement, params).await?;
        let mut rows = pin!(rows);
        let (mut page, mut bytes, mut last) = (ExportPage::default(), 0, 0);
        while let Some(row) = rows.try_next().await? {
            let low: Uuid = row.get("activity_key");
            if row.get("is_shown") {
                match contacted(&row) {
                    Some(item) => {
                        last = item.activity.attributes.len();
                        bytes += last;
                        page.items.push(item);
                    }
                    None => page.unreadable += 1,
                }
            }
            let read: i64 = row.get("n");
            // Of a page that ends by what is stored this row is the last one.
            let is_full = row.get::<_, i64>("stored") >= PAGE_STORED_BYTES;
            if read == asked || is_full || bytes > PAGE_BYTES {
                let read = usize::try_from(read).unwrap_or(usize::MAX);
                let portion = Portion::behind(read, bytes, last);
                page.following = Some(Following { low, portion });
                // What is left of the answer is thrown away as it arrives.
                break;
            }
        }
        Ok(page)
    }
}
