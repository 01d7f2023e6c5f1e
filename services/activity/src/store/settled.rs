//! Identifiers whose contact is known for good.
//!
//! Once an identifier is linked and its backlog is attached, its tracks go to its contact for
//! ever: a merge leaves an edge that readers follow, and stored activities keep the id they
//! have. So this answer may be kept, by any replica, without asking again. Whoever is active
//! sends many tracks within minutes, and each would cost a probe of the index.

use std::sync::Arc;

use uuid::Uuid;
use weir_cache::Recent;
use weir_ids::{AccountId, ContactId, Fingerprint, fingerprint};

use crate::domain::{Identifier, Link, Standing};

/// Shared by all connections of a process.
#[derive(Clone)]
pub(super) struct Settled(Arc<Recent<2>>);

impl Settled {
    pub fn new(kept: u32) -> Self {
        Self(Arc::new(Recent::new(kept as usize)))
    }

    /// What is kept of these, in their order.
    pub fn get(&self, account: AccountId, identifiers: &[Identifier]) -> Vec<Option<Standing>> {
        let keys: Vec<Fingerprint> = identifiers.iter().map(|one| key(account, one)).collect();
        let standing = |[high, low]: [u64; 2]| Standing {
            contact_id: Some(ContactId(Uuid::from_u64_pair(high, low))),
            ..Standing::UNKNOWN
        };
        let kept = self.0.get_all(&keys).into_iter();
        kept.map(|kept| kept.map(standing)).collect()
    }

    /// Keeps what was read, where it is settled.
    pub fn learn<'a>(
        &self,
        account: AccountId,
        read: impl Iterator<Item = (&'a Identifier, Standing)>,
    ) {
        let settled = read.filter_map(|(identifier, standing)| {
            let contact_id = standing.contact_id.filter(|_| standing.is_settled())?;
            Some(entry(account, identifier, contact_id))
        });
        self.0.insert_all(&settled.collect::<Vec<_>>());
    }

    /// Keeps what was linked and has no backlog any more, but for what is kept already: word
    /// of an older link may come after that of a newer one. Where the newer one is not known
    /// here, the older contact does as well: it was merged into the newer.
    pub fn learn_links(&self, account: AccountId, links: &[Link]) {
        let links = links.iter();
        let links = links.map(|link| entry(account, &link.identifier, link.contact_id));
        self.0.add_all(&links.collect::<Vec<_>>());
    }
}

fn entry(
    account: AccountId,
    identifier: &Identifier,
    contact_id: ContactId,
) -> (Fingerprint, [u64; 2]) {
    let (high, low) = contact_id.0.as_u64_pair();
    (key(account, identifier), [high, low])
}

fn key(account: AccountId, identifier: &Identifier) -> Fingerprint {
    let kind = identifier.kind.letter().as_bytes();
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
            forget_day: None,
        };
        let learn = |standing| settled.learn(account, [(&lana, standing)].into_iter());
        let get = |account, one: &Identifier| settled.get(account, std::slice::from_ref(one))[0];
        learn(Standing::UNKNOWN);
        learn(waits);
        assert_eq!(get(account, &lana), None);
        let known = Standing {
            waiting: false,
            ..waits
        };
        learn(known);
        assert_eq!(get(account, &lana), Some(known));
        assert_eq!(get(AccountId::new(), &lana), None);
        let anonymous = Identifier {
            kind: Kind::AnonymousId,
            ..lana.clone()
        };
        assert_eq!(get(account, &anonymous), None);
    }
}
