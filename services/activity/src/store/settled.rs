//! Identifiers whose contact is known for good.
//!
//! Once an identifier is linked and its backlog is attached, its tracks go to its contact for
//! ever: a join leaves an edge that readers follow, and stored activities keep the id they
//! have. So this answer may be kept, by any replica, without asking again. Whoever is active
//! sends many tracks within minutes, and each would cost a probe of the index.

use std::sync::Arc;

use quick_cache::sync::Cache;
use weir_ids::{AccountId, ContactId, fingerprint};

use super::letter;
use crate::domain::{Identifier, Standing};

/// Shared by all connections of a process.
#[derive(Clone)]
pub(super) struct Settled(Arc<Cache<[u8; 16], ContactId>>);

impl Settled {
    pub fn new(kept: u32) -> Self {
        Self(Arc::new(Cache::new(kept as usize)))
    }

    pub fn get(&self, account: AccountId, identifier: &Identifier) -> Option<Standing> {
        let contact_id = self.0.get(&key(account, identifier))?;
        Some(Standing {
            contact_id: Some(contact_id),
            waiting: false,
        })
    }

    /// Keeps what was read, where it is settled.
    pub fn learn(&self, account: AccountId, identifier: &Identifier, standing: Standing) {
        if let (Some(contact_id), true) = (standing.contact_id, standing.is_settled()) {
            self.0.insert(key(account, identifier), contact_id);
        }
    }
}

fn key(account: AccountId, identifier: &Identifier) -> [u8; 16] {
    let kind = letter(identifier.kind).as_bytes();
    fingerprint(&[account.0.as_bytes(), kind, identifier.value.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Kind;

    #[test]
    fn only_what_is_settled_is_kept() {
        let (settled, account) = (Settled::new(100), AccountId::new());
        let lana = Identifier {
            kind: Kind::UserId,
            value: "lana".into(),
        };
        let waits = Standing {
            contact_id: Some(ContactId::new()),
            waiting: true,
        };
        settled.learn(account, &lana, Standing::UNKNOWN);
        settled.learn(account, &lana, waits);
        assert_eq!(settled.get(account, &lana), None);
        let known = Standing {
            waiting: false,
            ..waits
        };
        settled.learn(account, &lana, known);
        assert_eq!(settled.get(account, &lana), Some(known));
        assert_eq!(settled.get(AccountId::new(), &lana), None);
        let anonymous = Identifier {
            kind: Kind::AnonymousId,
            ..lana
        };
        assert_eq!(settled.get(account, &anonymous), None);
    }
}
