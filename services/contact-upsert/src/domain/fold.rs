//! The fold: events one after another, over the contacts they concern.
//!
//! **Invariant:** a fold of a batch comes to the same as the folds of its events alone, one
//! after another. An event whose outcome is not `Stored` changes nothing but registers.

use std::collections::HashMap;

use uuid::Uuid;
use weir_ids::ContactId;

use super::changes::Changes;
use super::contact::{Contact, InvalidContact, Stamp};
use super::event::{EventFacts, Facts, KeyId, KeyStrategy, MergeStrategy, Mode, Settings};
use super::key::{Key, is_merge_key};

mod difference;
mod fields;
mod joining;
mod matching;
mod repeats;
mod snapshot;

use fields::{Effect, Plan};
use joining::JoinState;
use matching::Matches;
pub use snapshot::{Care, Snapshot, StoredLink};

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<'a> {
    pub status: Status,
    /// Alive at the end of the batch.
    pub contact: Option<ContactId>,
    pub ignored: Vec<IgnoredField<'a>>,
}

/// As in the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Stored,
    Repeated,
    NothingNew,
    NotFunded,
    Refused,
    NotFound,
    /// PostgreSQL does not take a value of it.
    Unstorable,
}

/// A field that could not be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IgnoredField<'a> {
    pub field: &'a str,
    /// For the person who maps; says what to do, and no value.
    pub reason: &'static str,
}

/// The result of a fold.
#[derive(Debug, Clone)]
pub struct Folded<'a> {
    /// In the order of the events.
    pub outcomes: Vec<Outcome<'a>>,
    pub changes: Changes<'a>,
    /// Some event can only be judged with its receipt: load all of them and fold again.
    pub needs_all_receipts: bool,
}

/// Why a snapshot can't be folded over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Identifiers were read before their contacts were locked, and moved in between: load
    /// again.
    #[error("the snapshot is out of date")]
    Stale,
    /// A row is broken.
    #[error(transparent)]
    Invalid(#[from] InvalidContact),
}

/// Folds the events over what was loaded for them. `new_id` makes ids that grow.
pub fn fold<'a>(
    settings: &'a Settings,
    facts: &'a Facts<'a>,
    snapshot: Snapshot<'a>,
    new_id: impl FnMut() -> ContactId,
) -> Folded<'a> {
    let mut state = State::of(settings, facts, snapshot, new_id);
    let drafts: Vec<_> = facts.events.iter().map(|facts| state.step(facts)).collect();
    let outcomes = drafts
        .into_iter()
        .map(|draft| Outcome {
            status: draft.status,
            contact: draft.contact.map(|whose| state.live_id(whose)),
            ignored: draft.ignored,
        })
        .collect();
    let needs_all_receipts = state.needs_all_receipts;
    let changes = state.into_changes();
    Folded {
        outcomes,
        changes,
        needs_all_receipts,
    }
}

/// A merge key stands for a contact only as long as it is the field's current value.
fn is_current(contact: &Contact<'_>, key: &Key<'_>) -> bool {
    !is_merge_key(key.kind)
        || contact
            .value(key.kind)
            .and_then(|json| Key::merge(key.kind, json))
            .is_some_and(|current| current == *key)
}

/// Everything that the batch's events may touch, as it is after the events so far.
struct State<'a, N> {
    settings: &'a Settings,
    keys: &'a [Key<'a>],
    /// Keys that no event names: what contacts were found by before. Numbered on.
    more_keys: Vec<Key<'a>>,
    contacts: Vec<Contact<'a>>,
    /// By key; none = nothing is known of it.
    links: Vec<Option<Link<'a>>>,
    receipts: HashMap<Uuid, Whose>,
    new_receipts: Vec<(Uuid, usize)>,
    joins: Vec<JoinState<'a>>,
    all_receipts: bool,
    needs_all_receipts: bool,
    units: i32,
    new_id: N,
}

/// An identifier: what its row says, and what is true now.
struct Link<'a> {
    /// Version and first linking; none = it has no row.
    stored: Option<StoredAs>,
    now: Option<LinkedTo<'a>>,
}
#[derive(Clone, Copy)]
struct StoredAs {
    contact: ContactId,
    version: i64,
    linked_micros: i64,
}
#[derive(Clone)]
struct LinkedTo<'a> {
    contact: usize,
    stamp: Stamp<'a>,
}

impl Link<'_> {
    /// The contact that it leads to now.
    fn slot(&self) -> Option<usize> {
        self.now.as_ref().map(|to| to.contact)
    }

    /// That of a merge key which is a contact's current value and was not loaded: that it has
    /// a row follows from the contact's having one.
    fn of_current_key(contact: &Contact<'_>, slot: usize) -> Self {
        Self {
            stored: StoredAs::by(contact),
            now: Some(LinkedTo {
                contact: slot,
                stamp: Stamp::new(0, ""),
            }),
        }
    }
}

impl StoredAs {
    /// How the row of a contact's merge key that was not loaded stands.
    fn by(contact: &Contact<'_>) -> Option<Self> {
        contact.stored.then_some(Self {
            contact: contact.id,
            version: 0,
            linked_micros: 0,
        })
    }
}

/// The contact of an outcome or receipt.
#[derive(Clone, Copy)]
enum Whose {
    Slot(usize),
    /// Known by its receipt only.
    Id(ContactId),
}

struct Draft<'a> {
    status: Status,
    contact: Option<Whose>,
    ignored: Vec<IgnoredField<'a>>,
}

impl<'a, N: FnMut() -> ContactId> State<'a, N> {
    fn of(settings: &'a Settings, facts: &'a Facts<'a>, snapshot: Snapshot<'a>, new_id: N) -> Self {
        let receipts = snapshot.receipts.into_iter();
        Self {
            settings,
            keys: &facts.keys,
            more_keys: Vec::new(),
            contacts: snapshot.contacts,
            links: snapshot.links,
            receipts: receipts.map(|(key, id)| (key, Whose::Id(id))).collect(),
            new_receipts: Vec::new(),
            joins: Vec::new(),
            all_receipts: snapshot.all_receipts,
            needs_all_receipts: false,
            units: 0,
            new_id,
        }
    }

    fn step(&mut self, facts: &'a EventFacts<'a>) -> Draft<'a> {
        let matches = self.matches(facts);
        let contact = matches.target.map(Whose::Slot);
        let end = |status| Draft {
            status,
            contact,
            ignored: Vec::new(),
        };
        if let Some(known) = self.repeated(facts) {
            return Draft {
                contact: contact.or(Some(known)),
                ..end(Status::Repeated)
            };
        }
        match (facts.event.mode, matches.target) {
            (Mode::Find, None) => return end(Status::NotFound),
            (Mode::Find, Some(_)) if !facts.event.funded => return end(Status::NotFunded),
            (Mode::Find, Some(slot)) => {
                self.leave_receipt(facts, slot);
                return self.charge(end(Status::Stored));
            }
            (_, None) if self.settings.existing_only => return end(Status::Refused),
            (Mode::Identify | Mode::Track, _) => {}
        }
        let plans = self.plans(matches.target, facts);
        let news = facts.event.mode == Mode::Track
            || facts.event.has_wish
            || matches.target.is_none()
            || !matches.joined.is_empty()
            || self.unlinked(facts)
            || plans
                .iter()
                .any(|plan| matches!(plan.effect, Effect::Changes));
        if let (false, Some(slot)) = (news, matches.target) {
            let ignored = self.apply(slot, facts, plans);
            return Draft {
                ignored,
                ..end(Status::NothingNew)
            };
        }
        if !facts.event.funded {
            return end(Status::NotFunded);
        }
        if matches.target.is_some() && self.may_have_been_partial(facts, &plans) {
            self.needs_all_receipts |= !self.all_receipts;
        }
        let draft = self.store(facts, &matches, plans);
        self.charge(draft)
    }

    fn charge(&mut self, draft: Draft<'a>) -> Draft<'a> {
        self.units += 1;
        draft
    }

    /// The event is stored: its contact is made or joined, then gets fields and identifiers.
    fn store(
        &mut self,
        facts: &'a EventFacts<'a>,
        matches: &Matches,
        plans: Vec<Plan>,
    ) -> Draft<'a> {
        let mut plans = plans;
        let slot = match matches.target {
            Some(target) if matches.joined.is_empty() => target,
            Some(target) => {
                let survivor = matches
                    .joined
                    .iter()
                    .fold(target, |into, other| self.join(into, *other));
                // What the others knew may be newer than the event.
                plans = self.plans(Some(survivor), facts);
                survivor
            }
            None => {
                self.contacts.push(Contact::new((self.new_id)()));
                self.contacts.len() - 1
            }
        };
        let ignored = self.apply(slot, facts, plans);
        self.link(slot, facts);
        // Where something was left out, a repeat is not recognised by what is there.
        let partial = !ignored.is_empty() || matches.left_out;
        if partial || facts.needs_receipt(self.settings) {
            self.leave_receipt(facts, slot);
        }
        Draft {
            status: Status::Stored,
            contact: Some(Whose::Slot(slot)),
            ignored,
        }
    }

    fn leave_receipt(&mut self, facts: &EventFacts<'a>, slot: usize) {
        self.receipts.insert(facts.event.key, Whose::Slot(slot));
        self.new_receipts.push((facts.event.key, slot));
    }

    /// Links those of the event's ids that are nobody's.
    fn link(&mut self, slot: usize, facts: &'a EventFacts<'a>) {
        if let Some(key) = facts.user
            && self.linked(key).is_none()
        {
            self.point(key, slot, facts.stamp.clone());
            if !self.contacts[slot].has_user_id {
                self.contacts[slot].has_user_id = true;
                self.contacts[slot].changed = true;
            }
        }
        if let Some(key) = facts.anonymous
            && self.linked(key).is_none()
        {
            self.point(key, slot, facts.stamp.clone());
        }
    }

    fn point(&mut self, key: KeyId, contact: usize, stamp: Stamp<'a>) {
        let link = self.links[key.0].get_or_insert(Link {
            stored: None,
            now: None,
        });
        link.now = Some(LinkedTo { contact, stamp });
    }

    fn linked(&self, key: KeyId) -> Option<&LinkedTo<'a>> {
        self.links[key.0]
            .as_ref()
            .and_then(|link| link.now.as_ref())
    }

    fn key(&self, id: KeyId) -> &Key<'a> {
        match id.0.checked_sub(self.keys.len()) {
            None => &self.keys[id.0],
            Some(more) => &self.more_keys[more],
        }
    }

    /// The number of a key that stands in a contact rather than in an event.
    fn key_id(&mut self, key: Key<'a>) -> KeyId {
        if let Ok(id) = self.keys.binary_search(&key) {
            return KeyId(id);
        }
        let known = self.more_keys.iter().position(|more| *more == key);
        let more = known.unwrap_or_else(|| {
            self.more_keys.push(key);
            self.links.push(None);
            self.more_keys.len() - 1
        });
        KeyId(self.keys.len() + more)
    }

    /// Whether one of the event's ids is nobody's.
    fn unlinked(&self, facts: &EventFacts<'a>) -> bool {
        let mut ids = facts.user.into_iter().chain(facts.anonymous);
        ids.any(|key| self.linked(key).is_none())
    }

    fn live(&self, mut slot: usize) -> usize {
        while let Some(into) = self.contacts[slot].joined_into {
            slot = into;
        }
        slot
    }

    fn live_id(&self, whose: Whose) -> ContactId {
        match whose {
            Whose::Slot(slot) => self.contacts[self.live(slot)].id,
            Whose::Id(id) => id,
        }
    }
}
