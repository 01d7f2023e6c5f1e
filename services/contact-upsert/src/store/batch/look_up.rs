//! Links and contacts, read and locked.

use super::*;

impl BatchTx<'_> {
    pub(super) async fn links(
        &self,
        facts: &Facts<'_>,
        sought: &[KeyId],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        if sought.is_empty() {
            return Ok(Vec::new());
        }
        let (kinds, values): (Vec<&str>, Vec<&str>) = sought
            .iter()
            .map(|id| facts.key(*id))
            .map(|key| (key.kind, &*key.value))
            .unzip();
        let by_key = self.tx.prepare_cached(sql::LINKS).await?;
        let sought: [&(dyn ToSql + Sync); 3] = [&self.batch.account.0, &kinds, &values];
        self.tx.query(&by_key, &sought).await
    }

    /// Where these events were stored, as their receipts say; none where the contact is gone.
    pub(super) async fn corrected(
        &self,
        events: &[Uuid],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let by_event = self.tx.prepare_cached(sql::CORRECTED).await?;
        let sought: [&(dyn ToSql + Sync); 2] = [&self.batch.account.0, &events];
        self.tx.query(&by_event, &sought).await
    }

    /// `rows` lead to contacts, as the cached links do.
    pub(super) async fn lock_contacts(
        &self,
        cached: &[(KeyId, StoredLink<'_>)],
        rows: impl Iterator<Item = &Row>,
        sql: &str,
        known: impl Fn(ContactId) -> bool,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let cached = cached.iter().map(|(_, link)| link.contact.0);
        let contacts = cached.chain(rows.map(|row| row.get("contact_id")));
        let contacts = contacts.filter(|id| *id != NOBODY.0 && !known(ContactId(*id)));
        let mut contacts: Vec<Uuid> = contacts.collect();
        contacts.sort_unstable();
        contacts.dedup();
        if contacts.is_empty() {
            return Ok(Vec::new());
        }
        let lock = self.tx.prepare_cached(sql).await?;
        let sought: [&(dyn ToSql + Sync); 2] = [&self.batch.account.0, &contacts];
        self.tx.query(&lock, &sought).await
    }

    /// Every identifier of these contacts, which are locked.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn held_links(&self, contacts: &[ContactId]) -> Result<HeldLinks, NotStored> {
        if contacts.is_empty() {
            return Ok(HeldLinks(Vec::new()));
        }
        let ids: Vec<Uuid> = contacts.iter().map(|id| id.0).collect();
        let held = self.tx.prepare_cached(sql::HELD_LINKS).await?;
        let account = &self.batch.account.0;
        Ok(HeldLinks(self.tx.query(&held, &[account, &ids]).await?))
    }
}
