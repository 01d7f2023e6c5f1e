//! The workload: seeded batches of realistic events, as plain values.
//!
//! A batch is described once and rendered twice: as the request's body for the system
//! ([`client_form`]), and as rows for the raw baseline (`baseline::rows`). Each event carries
//! the effect it must have, so that every answer can be checked.

pub mod client_form;
pub mod person;

use std::collections::VecDeque;
use std::ops::Range;

use uuid::Uuid;

use crate::random::{Random, hash, scatter};

/// What a batch is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipe {
    IdentifyNew,
    IdentifyUnchanged,
    IdentifyChanged,
    TrackKnown,
    TrackUnknown,
    TrackWithContact,
    /// 60 % tracks, 40 % identifies, 5 % of them invalid, 10 % repeats.
    Mixed,
    /// Tracks of known contacts and changed identifies in turns.
    Alternating,
    /// The same over so many connections that a contact may be in several batches at once.
    Crowded,
    /// The same with few contacts in most of the events: Zipf's law, exponent 2.
    Hotspot,
}

impl Recipe {
    #[cfg(test)]
    pub const ALL: [Self; 10] = [
        Self::IdentifyNew,
        Self::IdentifyUnchanged,
        Self::IdentifyChanged,
        Self::TrackKnown,
        Self::TrackUnknown,
        Self::TrackWithContact,
        Self::Mixed,
        Self::Alternating,
        Self::Crowded,
        Self::Hotspot,
    ];

    /// Whether the accounts need contacts beforehand.
    pub fn needs_contacts(self) -> bool {
        !matches!(self, Self::IdentifyNew | Self::TrackUnknown)
    }

    /// Whether tracks and identifies take turns.
    fn alternates(self) -> bool {
        matches!(self, Self::Alternating | Self::Crowded | Self::Hotspot)
    }
}

/// Which endpoint a batch goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    Identify,
    Track,
}

/// How an event looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Identify,
    Track,
    /// With traits and an `add` membership update.
    TrackWithContact,
}

/// What an event must lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    NewContact,
    ChangedContact,
    /// The same, unless a newer event of the same contact was stored first.
    ContestedContact,
    /// Nothing new in it, but newer: the registers move.
    UnchangedContact,
    /// Stored on a known contact.
    Activity,
    /// Waits for its contact.
    Backlog,
    /// A changed contact, an activity and a membership update.
    ContactActivity,
    /// Was sent before.
    Repeat,
    Invalid,
}

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    pub shape: Shape,
    pub effect: Effect,
    pub person: u64,
    pub revision: u64,
    /// Unix time; grows from event to event.
    pub millis: i64,
    /// Unique in the workload; what the message id is made of.
    pub serial: u64,
}

impl Event {
    /// Whether this status is a right answer.
    pub fn accepts(&self, status: u16) -> bool {
        match self.effect {
            Effect::UnchangedContact => status == 422,
            Effect::Invalid => status == 400,
            // An identify whose every word was overtaken meanwhile may say so.
            Effect::ContestedContact => status == 200 || status == 422,
            Effect::Repeat if self.shape == Shape::Identify => status == 200 || status == 422,
            _ => status == 200,
        }
    }

    /// A UUID that follows from the serial.
    pub fn message_id(&self, seed: u64) -> String {
        let high = hash(seed ^ 0x4D45_5353, self.serial);
        Uuid::from_u64_pair(high, hash(high, self.serial)).to_string()
    }
}

/// What one request carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Index of the account.
    pub account: usize,
    pub endpoint: Endpoint,
    pub events: Vec<Event>,
}

/// People whom nobody identified have numbers from here on.
const UNKNOWN_PEOPLE: u64 = 1 << 40;
/// Tracks by each unknown person, one after another.
const TRACKS_PER_UNKNOWN: u64 = 5;
/// How far back a repeat may reach.
const RECENT: usize = 8_192;
/// A sender repeats what failed or timed out, so its first try is not under way any more:
/// more events than the batches under way hold.
const UNDER_WAY: usize = 4_096;

/// Makes batches, one after another, for accounts in turns.
#[derive(Debug, Clone)]
pub struct Workload {
    random: Random,
    clock_millis: i64,
    serial: u64,
    batches: u64,
    accounts: Vec<Population>,
}

/// Who lives in one account, and what it sent of late.
#[derive(Debug, Clone, Default)]
struct Population {
    known: u64,
    /// Those of the known whom the walks visit.
    settled: u64,
    unknown_tracks: u64,
    /// Steps of the walks through the known, by effect.
    changed: u64,
    unchanged: u64,
    tracked: u64,
    recent_identifies: VecDeque<Event>,
    recent_tracks: VecDeque<Event>,
}

impl Workload {
    /// A workload over `accounts` that hold `known` contacts each; events are dated from
    /// `clock_millis` on, a millisecond apart.
    pub fn new(seed: u64, accounts: usize, known: u64, clock_millis: i64) -> Self {
        let population = Population {
            known,
            settled: known,
            ..Default::default()
        };
        Self {
            random: Random::new(seed),
            clock_millis,
            serial: 0,
            batches: 0,
            accounts: vec![population; accounts],
        }
    }

    /// Contacts of all accounts so far.
    pub fn known(&self) -> u64 {
        self.accounts.iter().map(|account| account.known).sum()
    }

    /// From now on the walks visit those too who came since the last time.
    pub fn settle(&mut self) {
        for account in &mut self.accounts {
            account.settled = account.known;
        }
    }

    /// The same for some of the accounts alone, which are its first ones from now on.
    pub fn of_accounts(&self, accounts: Range<usize>) -> Self {
        Self {
            accounts: self.accounts[accounts].to_vec(),
            batches: 0,
            ..self.clone()
        }
    }

    /// So many events in batches of `size`; the last may be smaller.
    pub fn batches(&mut self, recipe: Recipe, events: u64, size: u64) -> Vec<Batch> {
        let full = (0..events / size).map(|_| size);
        let rest = events % size;
        full.chain((rest > 0).then_some(rest))
            .map(|size| self.batch(recipe, usize::try_from(size).expect("a batch is small")))
            .collect()
    }

    /// The next batch of `size` events.
    pub fn batch(&mut self, recipe: Recipe, size: usize) -> Batch {
        let accounts = self.accounts.len() as u64;
        let account = usize::try_from(self.batches % accounts).expect("an index of accounts");
        // Turns are per account, so that each of them gets both kinds.
        let turn = self.batches / accounts;
        // Every second account begins with the other kind, so that any few batches have both.
        let is_even = (turn + account as u64).is_multiple_of(2);
        self.batches += 1;
        let endpoint = match recipe {
            Recipe::IdentifyNew | Recipe::IdentifyUnchanged | Recipe::IdentifyChanged => {
                Endpoint::Identify
            }
            Recipe::TrackKnown | Recipe::TrackUnknown | Recipe::TrackWithContact => Endpoint::Track,
            Recipe::Mixed if turn % 5 < 3 => Endpoint::Track,
            _ if recipe.alternates() && is_even => Endpoint::Track,
            _ => Endpoint::Identify,
        };
        let events = (0..size)
            .map(|_| self.event(recipe, endpoint, account))
            .collect();
        Batch {
            account,
            endpoint,
            events,
        }
    }

    fn event(&mut self, recipe: Recipe, endpoint: Endpoint, account: usize) -> Event {
        let mut effect = effect(recipe, endpoint, &mut self.random);
        if effect == Effect::Repeat {
            if let Some(repeat) = self.repeat(endpoint, account) {
                return repeat;
            }
            // Nothing to repeat yet.
            effect = match endpoint {
                Endpoint::Identify => Effect::ChangedContact,
                Endpoint::Track => Effect::Activity,
            };
        }
        self.serial += 1;
        self.clock_millis += 1;
        let divided = recipe == Recipe::Mixed;
        let (mut person, revision) = self.accounts[account].cast(effect, divided, self.serial);
        if recipe == Recipe::Hotspot {
            person = self.random.zipf(self.accounts[account].settled.max(1));
        }
        let shape = match (endpoint, effect) {
            (Endpoint::Identify, _) => Shape::Identify,
            (Endpoint::Track, Effect::ContactActivity) => Shape::TrackWithContact,
            (Endpoint::Track, _) => Shape::Track,
        };
        let event = Event {
            shape,
            effect,
            person,
            revision,
            millis: self.clock_millis,
            serial: self.serial,
        };
        if divided && effect != Effect::Invalid {
            self.remember(event, endpoint, account);
        }
        event
    }

    /// One of the account's events of a while ago again, word for word.
    fn repeat(&mut self, endpoint: Endpoint, account: usize) -> Option<Event> {
        let recent = self.accounts[account].recent(endpoint);
        let answered = recent.len().saturating_sub(UNDER_WAY) as u64;
        let pick = usize::try_from(self.random.bits().checked_rem(answered)?).ok()?;
        let original = self.accounts[account].recent(endpoint)[pick];
        // An identify with nothing new answers 422 each time, which is no repeat's answer.
        (original.effect != Effect::UnchangedContact).then_some(Event {
            effect: Effect::Repeat,
            ..original
        })
    }

    fn remember(&mut self, event: Event, endpoint: Endpoint, account: usize) {
        let recent = self.accounts[account].recent(endpoint);
        if recent.len() == RECENT {
            recent.pop_front();
        }
        recent.push_back(event);
    }
}

impl Population {
    fn recent(&mut self, endpoint: Endpoint) -> &mut VecDeque<Event> {
        match endpoint {
            Endpoint::Identify => &mut self.recent_identifies,
            Endpoint::Track => &mut self.recent_tracks,
        }
    }

    /// Who takes part, and with which revision. In a `divided` population every third person
    /// is for one effect alone, so that none of them overtakes another's values.
    fn cast(&mut self, effect: Effect, divided: bool, serial: u64) -> (u64, u64) {
        let settled = self.settled;
        let walk = |step: &mut u64, third: u64| {
            let (groups, offset) = if divided { (3, third) } else { (1, 0) };
            *step += 1;
            scatter(*step, (settled / groups).max(1)) * groups + offset
        };
        match effect {
            Effect::ChangedContact | Effect::ContestedContact => {
                (walk(&mut self.changed, 0), serial)
            }
            Effect::UnchangedContact => (walk(&mut self.unchanged, 1), 0),
            Effect::Activity => (walk(&mut self.tracked, 2), 0),
            Effect::ContactActivity => (walk(&mut self.tracked, 2), serial),
            Effect::Backlog => {
                self.unknown_tracks += 1;
                let person = UNKNOWN_PEOPLE + self.unknown_tracks / TRACKS_PER_UNKNOWN;
                (person, 0)
            }
            Effect::NewContact => {
                self.known += 1;
                (self.known - 1, 0)
            }
            Effect::Invalid | Effect::Repeat => (serial, 0),
        }
    }
}

/// Draws an effect.
fn effect(recipe: Recipe, endpoint: Endpoint, random: &mut Random) -> Effect {
    match (recipe, endpoint) {
        (Recipe::IdentifyNew, _) => Effect::NewContact,
        (Recipe::IdentifyUnchanged, _) => Effect::UnchangedContact,
        (Recipe::IdentifyChanged, _) | (Recipe::Alternating, Endpoint::Identify) => {
            Effect::ChangedContact
        }
        (Recipe::Crowded | Recipe::Hotspot, Endpoint::Identify) => Effect::ContestedContact,
        (Recipe::TrackKnown, _)
        | (Recipe::Alternating | Recipe::Crowded | Recipe::Hotspot, Endpoint::Track) => {
            Effect::Activity
        }
        (Recipe::TrackUnknown, _) => Effect::Backlog,
        (Recipe::TrackWithContact, _) => Effect::ContactActivity,
        (Recipe::Mixed, Endpoint::Identify) => match random.below(100) {
            0..5 => Effect::Invalid,
            5..15 => Effect::Repeat,
            15..40 => Effect::NewContact,
            40..85 => Effect::ChangedContact,
            _ => Effect::UnchangedContact,
        },
        (Recipe::Mixed, Endpoint::Track) => match random.below(100) {
            0..5 => Effect::Invalid,
            5..15 => Effect::Repeat,
            15..25 => Effect::Backlog,
            25..40 => Effect::ContactActivity,
            _ => Effect::Activity,
        },
    }
}

#[cfg(test)]
mod tests;
