//! The fold: events one after another, over the contacts they concern.
//!
//! **Invariant:** a fold of a batch comes to the same as the folds of its events alone, one
//! after another. An event whose outcome is not `Stored` changes nothing but registers.

use std::collections::HashMap;

use uuid::Uuid;
use weir_ids::ContactId;

use super::changes::Changes;
use super::contact::{Contact, InvalidContact, Stamp, StoredContact};
use super::event::{Facts, KeyStrategy, MergeStrategy, Mode, Settings};
use super::key::{Key, is_merge_key};

mod difference;
mod fields;
mod joining;
mod matching;
mod repeats;

use fields::Effect;
use joining::JoinState;
use matching::Matches;

/// What was loaded for a batch.
#[derive(Debug, Clone, Default)]
pub struct Snapshot<'a> {
    /// The contacts of `links`, locked.
    pub contacts: Vec<StoredContact<'a>>,
    /// Every identifier of the batch's events that is known.
    pub links: Vec<StoredLink<'a>>,
    /// Receipts that were found.
    pub receipts: Vec<(Uuid, ContactId)>,
    /// Receipts were looked up for every event, not only for those that need one.
    pub all_receipts: bool,
    /// Take a merge key that is not its contact's current value for nobody's, rather than for
    /// a sign that the contact changed between the two reads.
    pub heal: bool,
}

/// An identifier's row.
#[derive(Debug, Clone)]
pub struct StoredLink<'a> {
    pub key: Key<'a>,
    pub contact: ContactId,
    pub version: i64,
    pub stamp: Stamp<'a>,
    /// When it was linked, by our clock.
    pub linked_micros: i64,
}

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

/// Why there is nothing to fold over.
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

/// Folds `events` over `snapshot`. `new_id` makes ids that grow.
///
/// # Errors
/// Where the snapshot is not of one moment, or a contact's row can't be read.
pub fn fold<'a>(
    settings: &'a Settings,
    events: &'a [Facts<'a>],
    snapshot: Snapshot<'a>,
    new_id: impl FnMut() -> ContactId,
) -> Result<Folded<'a>, Unusable> {
    let mut state = State::of(settings, snapshot, new_id)?;
    let drafts: Vec<_> = events.iter().map(|facts| state.step(facts)).collect();
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
    Ok(Folded {
        outcomes,
        changes,
        needs_all_receipts,
    })
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
    contacts: Vec<Contact<'a>>,
    links: HashMap<Key<'a>, Link<'a>>,
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
    fn of(settings: &'a Settings, snapshot: Snapshot<'a>, new_id: N) -> Result<Self, Unusable> {
        let contacts = snapshot
            .contacts
            .iter()
            .map(Contact::read)
            .collect::<Result<Vec<_>, _>>()?;
        let slots: HashMap<ContactId, usize> = snapshot
            .contacts
            .iter()
            .enumerate()
            .filter(|(_, row)| !row.redirected)
            .map(|(slot, row)| (row.id, slot))
            .collect();
        let mut links = HashMap::with_capacity(snapshot.links.len() * 2);
        for link in snapshot.links {
            let slot = *slots.get(&link.contact).ok_or(Unusable::Stale)?;
            let stands = is_current(&contacts[slot], &link.key);
            if !stands && !snapshot.heal {
                return Err(Unusable::Stale);
            }
            let stored = Some(StoredAs {
                contact: link.contact,
                version: link.version,
                linked_micros: link.linked_micros,
            });
            let now = stands.then_some(LinkedTo {
                contact: slot,
                stamp: link.stamp,
            });
            links.insert(link.key, Link { stored, now });
        }
        let receipts = snapshot.receipts.into_iter();
        Ok(Self {
            settings,
            contacts,
            links,
            receipts: receipts.map(|(key, id)| (key, Whose::Id(id))).collect(),
            new_receipts: Vec::new(),
            joins: Vec::new(),
            all_receipts: snapshot.all_receipts,
            needs_all_receipts: false,
            units: 0,
            new_id,
        })
    }

    fn step(&mut self, facts: &'a Facts<'a>) -> Draft<'a> {
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
        let effects = self.effects(matches.target, facts);
        let news = facts.event.mode == Mode::Track
            || facts.event.has_wish
            || matches.target.is_none()
            || !matches.joined.is_empty()
            || self.unlinked(facts)
            || effects
                .iter()
                .any(|effect| matches!(effect, Effect::Changes));
        if let (false, Some(slot)) = (news, matches.target) {
            let ignored = self.apply(slot, facts, effects);
            return Draft {
                ignored,
                ..end(Status::NothingNew)
            };
        }
        if !facts.event.funded {
            return end(Status::NotFunded);
        }
        if matches.target.is_some() && self.may_have_been_partial(facts, &effects) {
            self.needs_all_receipts |= !self.all_receipts;
        }
        let draft = self.store(facts, &matches, effects);
        self.charge(draft)
    }

    fn charge(&mut self, draft: Draft<'a>) -> Draft<'a> {
        self.units += 1;
        draft
    }

    /// The event is stored: its contact is made or joined, then gets fields and identifiers.
    fn store(
        &mut self,
        facts: &'a Facts<'a>,
        matches: &Matches,
        effects: Vec<Effect>,
    ) -> Draft<'a> {
        let mut effects = effects;
        let slot = match matches.target {
            Some(target) if matches.joined.is_empty() => target,
            Some(target) => {
                let survivor = matches
                    .joined
                    .iter()
                    .fold(target, |into, other| self.join(into, *other));
                // What the others knew may be newer than the event.
                effects = self.effects(Some(survivor), facts);
                survivor
            }
            None => {
                self.contacts.push(Contact::new((self.new_id)()));
                self.contacts.len() - 1
            }
        };
        let ignored = self.apply(slot, facts, effects);
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

    fn leave_receipt(&mut self, facts: &Facts<'a>, slot: usize) {
        self.receipts.insert(facts.event.key, Whose::Slot(slot));
        self.new_receipts.push((facts.event.key, slot));
    }

    /// Links those of the event's ids that are nobody's.
    fn link(&mut self, slot: usize, facts: &'a Facts<'a>) {
        if let Some(key) = &facts.user
            && self.linked(key).is_none()
        {
            self.point(key.clone(), slot, facts.stamp.clone());
            if !self.contacts[slot].has_user_id {
                self.contacts[slot].has_user_id = true;
                self.contacts[slot].changed = true;
            }
        }
        if let Some(key) = &facts.anonymous
            && self.linked(key).is_none()
        {
            self.point(key.clone(), slot, facts.stamp.clone());
        }
    }

    fn point(&mut self, key: Key<'a>, contact: usize, stamp: Stamp<'a>) {
        let link = self.links.entry(key).or_insert(Link {
            stored: None,
            now: None,
        });
        link.now = Some(LinkedTo { contact, stamp });
    }

    fn linked(&self, key: &Key<'a>) -> Option<&LinkedTo<'a>> {
        self.links.get(key).and_then(|link| link.now.as_ref())
    }

    /// Whether one of the event's ids is nobody's.
    fn unlinked(&self, facts: &Facts<'a>) -> bool {
        let mut ids = facts.user.iter().chain(&facts.anonymous);
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
