//! What happened to memberships, and how much of it in which audience (semantics 5.6).
//!
//! **Invariant:** members of an audience are those who joined or moved in, less those who left or
//! moved out: every turn of a membership is one entry here, whatever brought it about.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use uuid::Uuid;
use weir_ids::AudienceId;

use super::membership::{Membership, RE_ENTRY_PAUSE, Update};
use super::standings::{Key, Memberships};

/// For so long it is told what happened.
pub const KEPT_HISTORY: TimeDelta = TimeDelta::days(400);

/// What happened to a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Joined,
    Left,
    /// Until then, to the microsecond.
    HeldBack(DateTime<Utc>),
    /// What was held back is not asked for any more.
    Withdrawn,
}

/// Through what it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    Event,
    Sync(Uuid),
    Merge,
    Split,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: Key,
    pub turn: Turn,
    /// The one that stood then.
    pub update: Update,
}

/// One that was written down.
#[derive(Debug, Clone)]
pub struct Told {
    pub id: Uuid,
    pub entry: Entry,
    pub cause: Cause,
    pub time: DateTime<Utc>,
}

/// Of one audience; of a day, or in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub joined: i64,
    pub left: i64,
    /// By merges, splits and deletions of contacts: members more or less.
    pub moved: i64,
    pub held_back: i64,
    /// That were news.
    pub updates: i64,
}

/// By audience, in the order of locks.
pub type Tallies = BTreeMap<AudienceId, Tally>;

/// A day, and how many belonged to the audience at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    pub day: NaiveDate,
    pub members: i64,
    pub tally: Tally,
}

/// What became of a membership between two moments.
pub fn turned(before: Option<&Membership>, after: &Membership) -> Option<Turn> {
    let was_member = before.is_some_and(|one| one.member);
    let waited = before.is_some_and(Membership::waits);
    match (was_member, after.member) {
        (false, true) => Some(Turn::Joined),
        (true, false) => Some(Turn::Left),
        _ if !waited && after.waits() => after.held_until().map(Turn::HeldBack),
        _ if waited && !after.waits() => Some(Turn::Withdrawn),
        _ => None,
    }
}

/// The turns between all memberships of some contacts, and those that they have then.
pub fn compared(before: &Memberships, after: &Memberships) -> Vec<Entry> {
    let keys: BTreeSet<&Key> = before.keys().chain(after.keys()).collect();
    let turns = keys.into_iter().filter_map(|key| {
        let (one, other) = (before.get(key), after.get(key));
        let is_in = |one: Option<&Membership>| one.is_some_and(|one| one.member);
        let turn = match (is_in(one), is_in(other)) {
            (false, true) => Turn::Joined,
            (true, false) => Turn::Left,
            _ => return None,
        };
        let update = other.or(one)?.update.clone();
        Some(Entry {
            key: *key,
            turn,
            update,
        })
    });
    turns.collect()
}

/// What entries come to.
pub fn tallied(entries: &[Entry], cause: Cause) -> Tallies {
    let mut tallies = Tallies::new();
    for entry in entries {
        let tally = tallies.entry(entry.key.0).or_default();
        let moves = matches!(cause, Cause::Merge | Cause::Split);
        match entry.turn {
            Turn::Joined if moves => tally.moved += 1,
            Turn::Left if moves => tally.moved -= 1,
            Turn::Joined => tally.joined += 1,
            Turn::Left => tally.left += 1,
            Turn::HeldBack(_) => tally.held_back += 1,
            Turn::Withdrawn => {}
        }
    }
    tallies
}

impl Tally {
    /// Members more or less.
    pub fn net(&self) -> i64 {
        self.joined - self.left + self.moved
    }
}

/// Days, the newest first, each with the members at its end; `now` of them are there in the end.
pub fn with_members(days: impl IntoIterator<Item = (NaiveDate, Tally)>, now: i64) -> Vec<Day> {
    let mut members = now;
    let one = |(day, tally): (NaiveDate, Tally)| {
        let at_end = members;
        members -= tally.net();
        Day {
            day,
            members: at_end,
            tally,
        }
    };
    days.into_iter().map(one).collect()
}

/// How many a day the updates of a week are, or of the days since it was made; at least one where
/// there were any.
pub fn a_day(updates: i64, made: NaiveDate, today: NaiveDate) -> i64 {
    let days = ((today - made).num_days() + 1).clamp(1, 7);
    updates.max(0).saturating_add(days - 1) / days
}

impl Membership {
    /// Until when it is held back, where it is.
    pub fn held_until(&self) -> Option<DateTime<Utc>> {
        let left = self.left.filter(|_| self.waits())?;
        Some(left + RE_ENTRY_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_ids::ContactId;

    use super::*;
    use crate::domain::{Mode, Standings};

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn key(audience: u128, contact: u128) -> Key {
        let (audience, contact) = (Uuid::from_u128(audience), Uuid::from_u128(contact));
        (AudienceId(audience), ContactId(contact))
    }

    fn update(mode: Mode, time: i64) -> Update {
        Update {
            time: at(time),
            mode,
            message_id: format!("m{time}").into(),
        }
    }

    #[test]
    fn each_step_of_a_membership_is_told_once() {
        let steps = [
            (Mode::Add, 1, 100, Some(Turn::Joined)),
            (Mode::Add, 2, 101, None),
            (Mode::Remove, 3, 102, Some(Turn::Left)),
            (Mode::Add, 4, 103, Some(Turn::HeldBack(at(162)))),
            (Mode::Add, 5, 104, None),
            (Mode::Remove, 6, 105, Some(Turn::Withdrawn)),
            (Mode::Add, 7, 106, Some(Turn::HeldBack(at(162)))),
            // Any later update brings it in, the older one too.
            (Mode::Remove, 3, 163, Some(Turn::Joined)),
        ];
        let mut membership: Option<Membership> = None;
        for (mode, time, now, expected) in steps {
            let after = Membership::take(membership.clone(), update(mode, time), at(now));
            let turn = turned(membership.as_ref(), &after.membership);
            assert_eq!(turn, expected, "{mode:?} {time}");
            membership = Some(after.membership);
        }
    }

    #[test]
    fn days_tell_how_many_members_there_were_at_their_ends() {
        let tally = |joined, left, moved| Tally {
            joined,
            left,
            moved,
            ..Tally::default()
        };
        let day = |day| NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
        let days = with_members([(day(24), tally(5, 1, -1)), (day(22), tally(4, 0, 0))], 10);
        let members: Vec<_> = days.iter().map(|one| (one.day, one.members)).collect();
        assert_eq!(members, [(day(24), 10), (day(22), 7)]);
        let today = at(0).date_naive();
        let of_week = |updates| a_day(updates, today - TimeDelta::days(30), today);
        assert_eq!([0, 1, 7, 8].map(of_week), [0, 1, 1, 2]);
        assert_eq!(a_day(42, today, today), 42, "it is of today");
        assert_eq!(a_day(42, today - TimeDelta::days(1), today), 21);
        assert_eq!(
            a_day(42, today + TimeDelta::days(1), today),
            42,
            "by a clock behind"
        );
    }

    proptest! {
        #[test]
        fn members_are_what_the_turns_come_to(
            updates in prop::collection::vec((1..3_u128, 1..4_u128, any::<bool>(), 0..50_i64, 0..40_i64), 0..60),
        ) {
            let mut keys: Vec<Key> = updates.iter().map(|one| key(one.0, one.1)).collect();
            keys.sort_unstable();
            keys.dedup();
            let stored = vec![None; keys.len()];
            let mut standings = Standings::of(keys.clone(), stored);
            let mut now = 1_000;
            for (audience, contact, add, time, pause) in updates {
                now += pause;
                let mode = if add { Mode::Add } else { Mode::Remove };
                standings.take(&key(audience, contact), update(mode, time), at(now));
            }
            let tallies = standings.tallies();
            for audience in [1, 2] {
                let id = key(audience, 0).0;
                let members = standings.unstored().iter()
                    .filter(|(key, one)| key.0 == id && one.member).count() as i64;
                let tally = tallies.get(&id).copied().unwrap_or_default();
                prop_assert_eq!(tally.net(), members);
            }
        }
    }
}
