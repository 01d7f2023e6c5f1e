//! Where events were stored that are taken anew.

use uuid::Uuid;
use weir_ids::ContactId;

use super::Tables;
use crate::domain::Facts;

impl Tables {
    /// By their receipts, redirects followed.
    pub(super) fn corrected(&self, facts: &Facts<'_>) -> Vec<(Uuid, ContactId)> {
        let events = facts.corrections().into_iter();
        let stored_on = |key: &Uuid| self.receipts.get(key)?.contact;
        events
            .filter_map(|key| Some((key, self.live(stored_on(&key)?))))
            .collect()
    }
}
