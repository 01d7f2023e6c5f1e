//! Identifiers whose contact is known for good.
//!
//! Once an identifier is linked and its backlog is attached, its tracks go to its contact for
//! ever: a merge leaves an edge that readers follow, and stored activities keep the id they
//! have. So this answer may be kept, by any replica, without asking again; until a merge is undone
//! or a person deleted, which raises the generation in the account's row, that each batch reads. Whoever is active
//! sends many tracks within minutes, and each would cost a probe of the index.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use uuid::Uuid;
use weir_cache::Recent;
use weir_ids::{AccountId, ContactId, Fingerprint, fingerprint};

use crate::domain::{Identifier, Link, Standing};

/// Shared by all connections of a process.
#[derive(Clone)]
pub(super) struct Settled {
    recent: Arc<Recent<2>>,
    /// Of the few accounts in which somebody was split or deleted.
    generations: Arc<RwLock<HashMap<AccountId, i64>>>,
}

/// An account, and how often identifiers of it went back or away: what was kept in mind before
/// is of another generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Era {
    pub account: AccountId,
    pub generation: i64,
}

impl Settled {
    pub fn new(kept: u32) -> Self {
        Self {
            recent: Arc::new(Recent::new(kept as usize)),
            generations: Arc::default(),
        }
    }

    /// As far as it is known here; the account's row says what stands.
    pub fn generation(&self, account: AccountId) -> i64 {
        let generations = self.generations.read();
        let generations = generations.unwrap_or_else(PoisonError::into_inner);
        generations.get(&account).copied().unwrap_or_default()
    }

    /// Takes the one that stands; generations only grow.
    pub fn renew(&self, era: Era) {
        let generations = self.generations.write();
        let mut generations = generations.unwrap_or_else(PoisonError::into_inner);
        let known = generations.entry(era.account).or_default();
        *known = era.generation.max(*known);
    }

    /// What is kept of these, in their order.
    pub fn get(&self, era: Era, identifiers: &[Identifier]) -> Vec<Option<Standing>> {
        let keys: Vec<Fingerprint> = identifiers.iter().map(|one| key(era, one)).collect();
        let standing = |[high, low]: [u64; 2]| Standing {
            contact_id: Some(ContactId(Uuid::from_u64_pair(high, low))),
            ..Standing::UNKNOWN
        };
        let kept = self.recent.get_all(&keys).into_iter();
        kept.map(|kept| kept.map(standing)).collect()
    }

    /// Keeps what was read, where it is settled.
    pub fn learn<'a>(&self, era: Era, read: impl Iterator<Item = (&'a Identifier, Standing)>) {
        let settled = read.filter_map(|(identifier, standing)| {
            let contact_id = standing.contact_id.filter(|_| standing.is_settled())?;
            Some(entry(era, identifier, contact_id))
        });
        self.recent.insert_all(&settled.collect::<Vec<_>>());
    }

    /// Keeps what was linked and has no backlog any more, but for what is kept already: word
    /// of an older link may come after that of a newer one. Where the newer one is not known
    /// here, the older contact does as well: it was merged into the newer. Not so once a merge
    /// was undone in the account: then they are kept as they are read.
    pub fn learn_links(&self, era: Era, links: &[Link]) {
        if era.generation > 0 {
            return;
        }
        let links = links.iter();
        let links = links.map(|link| entry(era, &link.identifier, link.contact_id));
        self.recent.add_all(&links.collect::<Vec<_>>());
    }
}

fn entry(era: Era, identifier: &Identifier, contact_id: ContactId) -> (Fingerprint, [u64; 2]) {
    let (high, low) = contact_id.0.as_u64_pair();
    (key(era, identifier), [high, low])
}

fn key(era: Era, identifier: &Identifier) -> Fingerprint {
    fingerprint(&[
        era.account.0.as_bytes(),
        &era.generation.to_be_bytes(),
        identifier.kind.letter().as_bytes(),
        identifier.value.as_bytes(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Kind;

    #[test]
    fn only_what_is_settled_is_kept() {
        let settled = Settled::new(100);
        let era = Era {
            account: AccountId::new(),
            generation: 0,
        };
        let lana = Identifier {
            kind: Kind::UserId,
            value: "lana".into(),
        };
        let waits = Standing {
            contact_id: Some(ContactId::new()),
            waiting: true,
            forget_day: None,
        };
        let learn = |standing| settled.learn(era, [(&lana, standing)].into_iter());
        let get = |era, one: &Identifier| settled.get(era, std::slice::from_ref(one))[0];
        learn(Standing::UNKNOWN);
        learn(waits);
        assert_eq!(get(era, &lana), None);
        let known = Standing {
            waiting: false,
            ..waits
        };
        learn(known);
        assert_eq!(get(era, &lana), Some(known));
        let other = Era {
            account: AccountId::new(),
            ..era
        };
        let next = Era {
            generation: 1,
            ..era
        };
        assert_eq!((get(other, &lana), get(next, &lana)), (None, None));
        let anonymous = Identifier {
            kind: Kind::AnonymousId,
            ..lana.clone()
        };
        assert_eq!(get(era, &anonymous), None);
    }
}
