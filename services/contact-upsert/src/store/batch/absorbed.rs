//! What contacts took over on a day (semantics 3.1). Read and written by batches that merge, and
//! by no other.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::ContactId;
use weir_postgres::JsonText;

use super::{BatchTx, NotStored, sql};
use crate::domain::{Absorbed, Merge};

impl BatchTx<'_> {
    /// Of those that take part in merges: their contacts are locked.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn absorbed(
        &self,
        merges: &[Merge<'_>],
    ) -> Result<BTreeMap<ContactId, Absorbed>, NotStored> {
        if merges.is_empty() {
            return Ok(BTreeMap::new());
        }
        let contacts = merges
            .iter()
            .flat_map(|merge| [merge.merged.0, merge.survivor.0]);
        let mut contacts: Vec<Uuid> = contacts.collect();
        contacts.sort_unstable();
        contacts.dedup();
        let read = self.tx.prepare_cached(sql::ABSORBED).await?;
        let parameters = &[&self.batch.account.0 as _, &contacts as _, &self.day() as _];
        let rows = self.tx.query(&read, parameters).await?;
        let absorbed = |row: &Row| {
            let found_by = row.get::<_, JsonText<'_>>("found_by").0;
            let absorbed = Absorbed {
                count: row.get("absorbed"),
                is_told: row.get("is_told"),
                // Only what is suggested hangs on it.
                found_by: serde_json::from_str(found_by).unwrap_or_default(),
            };
            (ContactId(row.get("contact_id")), absorbed)
        };
        Ok(rows.iter().map(absorbed).collect())
    }

    /// As it is after this batch.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn put_absorbed(
        &self,
        absorbed: &BTreeMap<ContactId, Absorbed>,
    ) -> Result<(), NotStored> {
        if absorbed.is_empty() {
            return Ok(());
        }
        let contacts: Vec<Uuid> = absorbed.keys().map(|id| id.0).collect();
        let counts: Vec<i64> = absorbed.values().map(|one| one.count).collect();
        let told: Vec<bool> = absorbed.values().map(|one| one.is_told).collect();
        let found_by = absorbed.values().map(|one| {
            serde_json::to_string(&one.found_by).expect("texts and numbers are always JSON")
        });
        let found_by: Vec<String> = found_by.collect();
        let parameters = &[
            &self.batch.account.0 as _,
            &contacts as _,
            &self.day() as _,
            &counts as _,
            &told as _,
            &found_by as _,
        ];
        self.run(sql::PUT_ABSORBED, parameters).await?;
        Ok(())
    }

    fn day(&self) -> NaiveDate {
        self.now.date_naive()
    }
}
