//! A change of unique identifiers of an account that has contacts, and how far it is
//! (semantics 3.2).

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_ids::ContactId;

use super::contact::Register;
use super::event::{KeyRule, KeyStrategy, MergeStrategy, Settings, Transition};
use super::key::Key;

/// So many of the contacts that lost a value are named.
const NAMED: usize = 20;

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Contacts are looked at; events match by old and new.
    Running,
    /// The new ones stand; rows of the old ones go, and mapping is told.
    Cleaning,
    Done,
}

/// One run, of which an account has the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub id: Uuid,
    pub state: RunState,
    pub old: KeyRule,
    pub new: KeyRule,
    /// Of both, those that are compared without regard to ASCII case.
    pub caseless: Vec<String>,
    /// Contacts up to this one were looked at.
    pub after: ContactId,
    /// The youngest that was there when it began: later ones are found by both.
    pub last: ContactId,
    /// That were there when it began.
    pub contacts: i64,
    pub seen: i64,
    pub merged: i64,
    pub lost: i64,
    /// The first of those that lost a value.
    pub lost_contacts: Vec<ContactId>,
    pub start_time: DateTime<Utc>,
    pub update_time: DateTime<Utc>,
    pub finish_time: Option<DateTime<Utc>>,
}

/// What a run did to some contacts.
#[derive(Debug, Clone, Default)]
pub struct Settled {
    /// Looked at for the first time.
    pub seen: i64,
    pub merged: i64,
    /// For each value that was lost its contact.
    pub lost: Vec<ContactId>,
}

impl Run {
    /// Both rules.
    pub fn transition(&self) -> Transition {
        Transition {
            old: self.old.clone(),
            new: self.new.clone(),
        }
    }

    /// As of a batch that is stored meanwhile: the newer word counts where contacts are merged.
    pub fn settings(&self) -> Settings {
        let transition = self.transition();
        Settings {
            unique_identifiers: transition.fields(),
            caseless_identifiers: self.caseless.clone(),
            key_strategy: self.old.strategy,
            merge_strategy: MergeStrategy::Overwrite,
            existing_only: true,
            keep_user_ids_apart: false,
            transition: Some(transition),
        }
    }

    /// Takes note of what was done, up to a contact.
    pub fn advance(&mut self, after: ContactId, settled: &Settled, now: DateTime<Utc>) {
        self.after = self.after.max(after);
        self.seen += settled.seen;
        self.merged += settled.merged;
        self.lost += i64::try_from(settled.lost.len()).unwrap_or(i64::MAX);
        for contact in &settled.lost {
            if self.lost_contacts.len() < NAMED && !self.lost_contacts.contains(contact) {
                self.lost_contacts.push(*contact);
            }
        }
        self.update_time = now;
    }

    /// Whether it is the same run, and as far.
    pub fn is_at(&self, other: &Self) -> bool {
        let place = |run: &Self| (run.id, run.state, run.after, run.seen, run.merged, run.lost);
        place(self) == place(other)
    }

    /// Whether it leads to these.
    pub fn is_to(&self, rule: &KeyRule) -> bool {
        self.new == *rule
    }
}

/// What a contact is to be found by besides: its values of the new unique identifiers.
pub fn keys_to_link<'a>(
    settings: &'a Settings,
    registers: &[Register<'a>],
) -> impl Iterator<Item = Key<'a>> {
    let unsettled: Vec<&str> = settings
        .transition
        .iter()
        .flat_map(Transition::unsettled)
        .collect();
    let registers = registers.iter();
    let values = registers
        .filter(move |register| unsettled.contains(&register.field))
        .filter_map(|register| settings.key(register.field, register.value?));
    values.collect::<Vec<_>>().into_iter()
}

impl KeyRule {
    /// What an account has that nobody has changed.
    pub fn new(fields: Vec<String>, strategy: KeyStrategy) -> Self {
        Self { fields, strategy }
    }
}
