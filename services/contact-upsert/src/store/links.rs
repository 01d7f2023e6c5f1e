//! The cache of links: what was read before.
//!
//! A user id or anonymous id moves to another contact in one way: its contact is merged
//! into that one, and says so itself from then on. In the other way, a split, the generation of
//! the account's links grows, which each batch reads with the account's row. So a link that is kept here is as good as
//! one that is read, once its contact is locked and found alive; the fold looks at that in
//! any case, and an attempt that finds otherwise is followed by one that reads everything.
//! Whoever is active sends many events within minutes, and each would cost a probe of the
//! index for each of its ids.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use uuid::Uuid;
use weir_cache::Recent;
use weir_ids::{AccountId, ContactId, Fingerprint, fingerprint};

use crate::domain::{Changes, Facts, Key, KeyId, Stamp, StoredLink, is_unique_key};

/// Shared by all connections of a process.
#[derive(Clone)]
pub(super) struct Links {
    recent: Arc<Recent<{ Kept::WORDS }>>,
    /// Of the few accounts in which somebody was split or deleted.
    generations: Arc<RwLock<HashMap<AccountId, i64>>>,
}

/// An account, and how often links of it were taken back: those of another generation may lead
/// to a contact that is alive, and no longer theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Era {
    pub account: AccountId,
    pub generation: i64,
}

/// A link without the message that made it, which would take more room than all the rest.
#[derive(Debug, Clone, Copy)]
struct Kept {
    contact: ContactId,
    version: i64,
    linked_micros: i64,
    event_micros: i64,
}

impl Links {
    pub fn new(entries: u32) -> Self {
        Self {
            recent: Arc::new(Recent::new(entries as usize)),
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

    /// Those of `sought` that are kept; the others stay in it. Which message made a link is
    /// asked only for events of the same moment: for them the link is read.
    pub fn take(
        &self,
        era: Era,
        facts: &Facts<'_>,
        sought: &mut Vec<KeyId>,
    ) -> Vec<(KeyId, StoredLink<'static>)> {
        let ids = || sought.iter().map(|id| (*id, facts.key(*id)));
        let prints: Vec<Fingerprint> = ids()
            .filter(|(_, key)| !is_unique_key(key.kind))
            .map(|(_, key)| print(era, key))
            .collect();
        let mut found = self.recent.get_all(&prints).into_iter();
        let moments = facts.moments();
        let mut kept = Vec::with_capacity(prints.len());
        sought.retain(|id| {
            if is_unique_key(facts.key(*id).kind) {
                return true;
            }
            match found.next().flatten().map(Kept::of_words) {
                Some(link) if moments.binary_search(&link.event_micros).is_err() => {
                    kept.push((*id, link.into()));
                    false
                }
                _ => true,
            }
        });
        kept
    }

    /// Keeps what was read.
    pub fn learn<'a>(&self, era: Era, links: impl Iterator<Item = (&'a Key<'a>, StoredLink<'a>)>) {
        let links = links.filter(|(key, _)| !is_unique_key(key.kind));
        let entries = links.map(|(key, link)| {
            let kept = Kept {
                contact: link.contact,
                version: link.version,
                linked_micros: link.linked_micros,
                event_micros: link.stamp.micros,
            };
            (print(era, key), kept.words())
        });
        self.recent.insert_all(&entries.collect::<Vec<_>>());
    }

    pub fn forget<'a>(&self, era: Era, keys: impl Iterator<Item = &'a Key<'a>>) {
        let prints = keys.map(|key| print(era, key));
        self.recent.remove_all(&prints.collect::<Vec<_>>());
    }

    /// Keeps what was written and committed at `now_micros`.
    pub fn learn_changes(&self, era: Era, changes: &Changes<'_>, now_micros: i64) {
        let rows = changes.announced_links().chain(&changes.links_signed);
        let entries = rows.map(|row| {
            let kept = Kept {
                contact: row.contact,
                version: row.version,
                linked_micros: row.linked_micros.unwrap_or(now_micros),
                event_micros: row.stamp.micros,
            };
            (print(era, &row.key), kept.words())
        });
        self.recent.insert_all(&entries.collect::<Vec<_>>());
    }
}

impl Kept {
    const WORDS: usize = 5;

    fn words(self) -> [u64; Self::WORDS] {
        let (high, low) = self.contact.0.as_u64_pair();
        let numbers = [self.version, self.linked_micros, self.event_micros];
        let [version, linked, event] = numbers.map(i64::cast_unsigned);
        [high, low, version, linked, event]
    }

    fn of_words([high, low, version, linked, event]: [u64; Self::WORDS]) -> Self {
        Self {
            contact: ContactId(Uuid::from_u64_pair(high, low)),
            version: version.cast_signed(),
            linked_micros: linked.cast_signed(),
            event_micros: event.cast_signed(),
        }
    }
}

impl From<Kept> for StoredLink<'static> {
    fn from(kept: Kept) -> Self {
        Self {
            contact: kept.contact,
            version: kept.version,
            stamp: Stamp::new(kept.event_micros, ""),
            linked_micros: kept.linked_micros,
        }
    }
}

fn print(era: Era, key: &Key<'_>) -> Fingerprint {
    fingerprint(&[
        era.account.0.as_bytes(),
        &era.generation.to_be_bytes(),
        key.kind.as_bytes(),
        key.value.as_bytes(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event, KeyStrategy, MergeStrategy, Mode, Settings};

    fn event(micros: i64) -> Event {
        Event {
            mode: Mode::Identify,
            user_id: "u1".into(),
            anonymous_id: "a1".into(),
            fields_json: r#"{"str::email":"lana@x.org"}"#.into(),
            event_micros: micros,
            message_id: "m1".into(),
            update: None,
            undated: false,
            no_values: false,
            never_creates: false,
            funded: true,
            key: Uuid::nil(),
            correction: false,
        }
    }

    #[test]
    fn ids_are_kept_but_for_events_of_the_moment_that_linked_them() {
        let settings = Settings {
            unique_identifiers: vec!["str::email".into()],
            caseless_identifiers: Vec::new(),
            key_strategy: KeyStrategy::Any,
            merge_strategy: MergeStrategy::Overwrite,
            existing_only: false,
            keep_user_ids_apart: false,
            transition: None,
        };
        let links = Links::new(100);
        let era = Era {
            account: AccountId::new(),
            generation: 0,
        };
        let events = [event(7)];
        let facts = Facts::of(&events, &settings).unwrap();
        let all = || -> Vec<KeyId> { facts.events[0].keys().collect() };
        let read = all().into_iter().map(|id| {
            let key = facts.key(id);
            let link = StoredLink {
                contact: ContactId::new(),
                version: 3,
                stamp: Stamp::new(if key.kind == "u" { 7 } else { 5 }, "m0"),
                linked_micros: 9,
            };
            (key, link)
        });
        links.learn(era, read);
        let mut sought = all();
        let kept = links.take(era, &facts, &mut sought);
        let kinds = |ids: &[KeyId]| -> Vec<&str> {
            let mut kinds: Vec<&str> = ids.iter().map(|id| facts.key(*id).kind).collect();
            kinds.sort_unstable();
            kinds
        };
        assert_eq!(kinds(&sought), ["str::email", "u"]);
        assert_eq!(kinds(&[kept[0].0]), ["a"]);
        assert_eq!((kept[0].1.version, kept[0].1.linked_micros), (3, 9));

        links.forget(era, [facts.key(kept[0].0)].into_iter());
        assert!(links.take(era, &facts, &mut all()).is_empty());
    }
}
