//! The fold: events one after another, over the contacts they concern.
//!
//! **Invariant:** a fold of a batch comes to the same as the folds of its events alone, one
//! after another. An event whose outcome is not `Stored` changes no contact but its registers,
//! unless it is a correction.

use std::collections::HashMap;

use uuid::Uuid;
use weir_ids::ContactId;
use weir_reasons::Reason;

use super::changes::{Cause, Changes};
use super::contact::{Contact, Source};
use super::event::{EventFacts, Facts, KeyId, KeyStrategy, MergeStrategy, Mode, Settings};
use super::key::{Key, is_unique_key};

mod by_hand;
mod correcting;
mod difference;
mod fields;
mod keeping;
mod links;
mod matching;
mod merging;
mod reindex;
mod repeats;
mod snapshot;

pub use by_hand::{Joined, JoinedField, merge_by_hand};
use fields::{Effect, Plan};
use keeping::Kept;
use links::Link;
use matching::Matches;
use merging::MergeState;
pub use reindex::{Reindexed, reindex};
pub use snapshot::{Care, Snapshot};

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<'a> {
    pub status: Status,
    /// Alive at the end of the batch.
    pub contact: Option<ContactId>,
    pub ignored: Vec<IgnoredField<'a>>,
    /// Of an event without a timestamp that was judged before: when it came first.
    pub first_micros: Option<i64>,
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
    Kept,
    /// Its person was deleted after it happened (semantics 3.9).
    Deleted,
    /// PostgreSQL does not take a value of it, or its contact can't be read.
    Unstorable,
}

/// A field that could not be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IgnoredField<'a> {
    pub field: &'a str,
    pub reason: Reason,
    /// Canonical JSON; for the source's log alone.
    pub value: &'a str,
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Identifiers were read before their contacts were locked, and moved in between: load
    /// again.
    #[error("the snapshot is out of date")]
    Stale,
    /// Rows are broken.
    #[error("contacts can't be read")]
    Unreadable(Unreadable),
}

/// Contacts whose rows are not as we write them, and the indices of the events that lead to
/// them: there is no saying what those events would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    pub contacts: Vec<ContactId>,
    pub events: Vec<usize>,
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
            first_micros: draft.first_micros,
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

/// A unique identifier stands for a contact only as long as it is the field's current value.
fn is_current(settings: &Settings, contact: &Contact<'_>, key: &Key<'_>) -> bool {
    !is_unique_key(key.kind)
        || contact
            .value(key.kind)
            .and_then(|json| settings.key(key.kind, json))
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
    receipts: HashMap<Uuid, Known>,
    /// Where events were stored that are taken anew, by their receipts.
    corrected: HashMap<Uuid, usize>,
    /// Events whose receipts are to be written.
    new_receipts: Vec<Uuid>,
    receipts_again: bool,
    kept: Kept<'a>,
    merges: Vec<MergeState<'a>>,
    /// Of the batch.
    source: Source,
    /// When the last person was deleted who was found by these keys.
    deleted: HashMap<KeyId, i64>,
    /// Of links that are made.
    first_version: i64,
    all_receipts: bool,
    needs_all_receipts: bool,
    /// Units that were granted up to this event and not needed.
    pool: u32,
    units: i32,
    new_id: N,
}

/// The contact of an outcome or receipt.
#[derive(Clone, Copy)]
enum Whose {
    Slot(usize),
    /// Known by its receipt only.
    Id(ContactId),
}

/// An event's receipt, in this batch.
#[derive(Clone, Copy)]
struct Known {
    whose: Option<Whose>,
    is_stored: bool,
    first_micros: Option<i64>,
}

struct Draft<'a> {
    status: Status,
    contact: Option<Whose>,
    ignored: Vec<IgnoredField<'a>>,
    first_micros: Option<i64>,
}

impl Draft<'_> {
    fn of(status: Status, contact: Option<Whose>) -> Self {
        Self {
            status,
            contact,
            ignored: Vec::new(),
            first_micros: None,
        }
    }
}

impl<'a, N: FnMut() -> ContactId> State<'a, N> {
    fn of(settings: &'a Settings, facts: &'a Facts<'a>, snapshot: Snapshot<'a>, new_id: N) -> Self {
        let corrected = snapshot.corrected_slots();
        let receipts = snapshot.receipts.into_iter().map(|receipt| {
            let known = Known {
                whose: receipt.contact.map(Whose::Id),
                is_stored: receipt.is_stored,
                first_micros: receipt.first_micros,
            };
            (receipt.key, known)
        });
        Self {
            settings,
            keys: &facts.keys,
            more_keys: Vec::new(),
            contacts: snapshot.contacts,
            links: snapshot.links,
            receipts: receipts.collect(),
            corrected,
            new_receipts: Vec::new(),
            receipts_again: false,
            kept: Kept::new(),
            merges: Vec::new(),
            source: snapshot.source,
            deleted: snapshot.deleted,
            first_version: snapshot.first_version,
            all_receipts: snapshot.all_receipts,
            needs_all_receipts: false,
            pool: 0,
            units: 0,
            new_id,
        }
    }

    fn step(&mut self, facts: &EventFacts<'a>) -> Draft<'a> {
        self.pool += u32::from(facts.event.funded);
        let known = self.receipts.get(&facts.event.key).copied();
        let first_micros = known.and_then(|known| known.first_micros);
        if self.is_deleted(facts, first_micros.unwrap_or(facts.stamp.micros)) {
            return Draft::of(Status::Deleted, None);
        }
        let draft = match (known, first_micros) {
            // It is as old as when it came first.
            (Some(known), Some(micros)) if !known.is_stored || facts.event.correction => {
                self.judge(&facts.at(micros))
            }
            _ => self.judge(facts),
        };
        Draft {
            first_micros,
            ..draft
        }
    }

    /// Whether the first of the event's identifiers by which anybody is or was known is that of a
    /// person who was deleted since (semantics 3.9): a late retry brings nobody back.
    fn is_deleted(&self, facts: &EventFacts<'a>, micros: i64) -> bool {
        if self.deleted.is_empty() {
            return false;
        }
        let unique = facts.unique_keys.iter().map(|unique| unique.key);
        let mut keys = facts.user.into_iter().chain(unique).chain(facts.anonymous);
        let told = keys.find_map(|key| match self.deleted.get(&key) {
            Some(time) if micros <= *time => Some(true),
            _ => self.linked(key).map(|_| false),
        });
        told.unwrap_or(false)
    }

    fn judge(&mut self, facts: &EventFacts<'a>) -> Draft<'a> {
        if facts.event.correction {
            return self.correct(facts);
        }
        let matches = self.matches(facts);
        if let Some(known) = self.repeated(facts) {
            let now = matches.target.map(Whose::Slot);
            return Draft::of(Status::Repeated, known.map(|known| now.unwrap_or(known)));
        }
        match matches.target {
            Some(slot) => self.judge_known(slot, facts, &matches),
            None => self.judge_unknown(facts, &matches),
        }
    }

    /// Nobody was found: who makes a contact (semantics 2.6, 2.8, 4.7).
    fn judge_unknown(&mut self, facts: &EventFacts<'a>, matches: &Matches<'a>) -> Draft<'a> {
        let event = facts.event;
        if event.is_bare_remove() {
            self.keep(facts);
            return Draft::of(Status::Kept, None);
        }
        if event.makes_no_contact() {
            return Draft::of(Status::NotFound, None);
        }
        if self.settings.existing_only {
            return Draft::of(Status::Refused, None);
        }
        if !self.take_unit() {
            return Draft::of(Status::NotFunded, None);
        }
        self.contacts.push(Contact::new((self.new_id)()));
        let slot = self.contacts.len() - 1;
        let plans = self.plans(None, facts);
        self.store(slot, facts, matches, plans)
    }

    fn judge_known(
        &mut self,
        slot: usize,
        facts: &EventFacts<'a>,
        matches: &Matches<'a>,
    ) -> Draft<'a> {
        let event = facts.event;
        let end = |status| Draft::of(status, Some(Whose::Slot(slot)));
        if event.mode == Mode::Find {
            if !self.take_unit() {
                return end(Status::NotFunded);
            }
            self.leave_receipt(facts, Some(Whose::Slot(slot)), true);
            return end(Status::Stored);
        }
        if event.only_clears() && self.settings.merge_strategy != MergeStrategy::Overwrite {
            return end(Status::NotFound);
        }
        let plans = self.plans(Some(slot), facts);
        let news = event.mode == Mode::Track
            || event.update.is_some()
            || !matches.others.is_empty()
            || self.unlinked(facts)
            || plans
                .iter()
                .any(|plan| matches!(plan.effect, Effect::Changes));
        if !news {
            let ignored = self.apply(slot, facts, plans);
            if event.undated {
                self.leave_receipt(facts, Some(Whose::Slot(slot)), false);
            }
            return Draft {
                ignored,
                ..end(Status::NothingNew)
            };
        }
        if !self.take_unit() {
            return end(Status::NotFunded);
        }
        if self.may_have_been_partial(facts, &plans) {
            self.needs_all_receipts |= !self.all_receipts;
        }
        if matches.others.is_empty() {
            return self.store(slot, facts, matches, plans);
        }
        let survivor = self.merge_all(slot, facts, &matches.others);
        // What the others knew may be newer than the event.
        let plans = self.plans(Some(survivor), facts);
        let draft = self.store(survivor, facts, matches, plans);
        self.sign(survivor, facts);
        draft
    }

    /// Merges other contacts with the event's; answers the one that stays.
    fn merge_all(&mut self, slot: usize, facts: &EventFacts<'a>, others: &[usize]) -> usize {
        let found_by = self.found_by(facts, slot, others);
        let cause = Cause {
            stamp: facts.stamp.clone(),
            source: self.source,
        };
        others.iter().fold(slot, |own, other| {
            self.merge(own, *other, Some(cause.clone()), &found_by)
        })
    }

    /// Those of the event's identifiers that lead to its contact, or to others that go into it.
    fn found_by(&self, facts: &EventFacts<'a>, slot: usize, others: &[usize]) -> Vec<KeyId> {
        let keys = facts.keys();
        keys.filter(|key| {
            self.linked(*key)
                .is_some_and(|to| to.contact == slot || others.contains(&to.contact))
        })
        .collect()
    }

    /// Units go to events in their order; what one does not need is left for the next
    /// (semantics 6.4).
    fn take_unit(&mut self) -> bool {
        let left = self.pool.checked_sub(1);
        self.pool = left.unwrap_or(0);
        self.units += i32::from(left.is_some());
        left.is_some()
    }

    /// The event is stored: its contact gets fields and identifiers.
    fn store(
        &mut self,
        slot: usize,
        facts: &EventFacts<'a>,
        matches: &Matches<'a>,
        plans: Vec<Plan>,
    ) -> Draft<'a> {
        let left_out = matches.left_out || plans.iter().any(|plan| plan.outdone);
        let ignored = self.apply(slot, facts, plans);
        self.link(slot, facts);
        let partial = Self::is_partial(&ignored, left_out);
        if partial || facts.needs_receipt(self.settings) {
            self.leave_receipt(facts, Some(Whose::Slot(slot)), true);
        }
        Draft {
            ignored,
            ..Draft::of(Status::Stored, Some(Whose::Slot(slot)))
        }
    }

    fn live(&self, mut slot: usize) -> usize {
        while let Some(into) = self.contacts[slot].merged_into {
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
