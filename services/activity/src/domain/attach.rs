//! What becomes of the backlog of an identifier that was linked (semantics 4.9).

use std::collections::{HashMap, HashSet};
use std::ops::AddAssign;

use bytestring::ByteString;
use chrono::{DateTime, NaiveDate, Utc};
use weir_ids::{ActivityId, ContactId, SourceId, TimedKey};

/// Activities of the backlog that a contact gets for one UTC day, all activities together.
pub const CAP_PER_DAY: u32 = 50;

/// How many were attached: by the contact that survived all merges, and the day of the activity.
pub type Counts = HashMap<(ContactId, NaiveDate), u32>;

/// One activity that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Whose backlog it is in: an index into the identifiers that were linked.
    pub identifier: usize,
    /// See `key_of`.
    pub key: TimedKey,
    /// The last day on which it is shown.
    pub expire_day: NaiveDate,
    /// Of the definition.
    pub activity_id: ActivityId,
    /// As it was mapped.
    pub event_name: ByteString,
    /// Decides on order and day.
    pub event_time: DateTime<Utc>,
    /// Decides between those of the same time.
    pub message_id: String,
    /// When the edge received it.
    pub receive_time: DateTime<Utc>,
    /// The contact whose count it goes to, after all merges.
    pub contact_id: ContactId,
    /// Since when the identifier is linked.
    pub link_time: DateTime<Utc>,
    /// It waits since its contact could not be reached, which is no fault of its sender.
    pub deferred: bool,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Goes to the contact, and counts.
    Attached,
    /// Goes to the contact, and does not count: it came when the contact was known already, or
    /// would have made it (semantics 1.7).
    Exempt,
    /// Over the cap; only its key stays.
    Discarded,
    /// Expired, or there twice; just goes.
    Dropped,
}

/// Brings `page` into the order in which it is attached, decides for each, and adds what
/// was attached to `counts`. Pages must come oldest first. `today` is the earlier day where
/// clocks differ: nothing is dropped that is still shown somewhere.
pub fn decide_fates(page: &mut [Waiting], counts: &mut Counts, today: NaiveDate) -> Vec<Fate> {
    page.sort_by(|a, b| {
        (a.event_time, &a.message_id, a.key).cmp(&(b.event_time, &b.message_id, b.key))
    });
    let mut seen = HashSet::with_capacity(page.len());
    page.iter()
        .map(|waiting| {
            if waiting.expire_day < today || !seen.insert((waiting.key, waiting.expire_day)) {
                return Fate::Dropped;
            }
            if waiting.deferred || waiting.receive_time > waiting.link_time {
                return Fate::Exempt;
            }
            let day = waiting.event_time.date_naive();
            let count = counts.entry((waiting.contact_id, day)).or_default();
            if *count >= CAP_PER_DAY {
                return Fate::Discarded;
            }
            *count += 1;
            Fate::Attached
        })
        .collect()
}

/// How many of `found` (rows in the order of their keys, the first `limit` of all) can be
/// decided on. Keys are ordered by millisecond only, so a page ends where one ends: none of
/// it where the whole page lies within one, and a larger page is needed.
pub fn whole_milliseconds(found: &[Waiting], limit: usize) -> usize {
    if found.len() < limit {
        return found.len();
    }
    let millisecond = |waiting: &Waiting| waiting.event_time.timestamp_millis();
    found.last().map_or(0, |last| {
        found.partition_point(|waiting| millisecond(waiting) < millisecond(last))
    })
}

/// The first and the last UTC day of a page's activities.
pub fn days_of(page: &[Waiting]) -> Option<(NaiveDate, NaiveDate)> {
    let days = || page.iter().map(|waiting| waiting.event_time.date_naive());
    Some((days().min()?, days().max()?))
}

/// What a page's decisions come down to.
#[derive(Debug, Default)]
pub struct Moves<'a> {
    /// To the contact of their identifier.
    pub attach: Vec<&'a Waiting>,
    /// Only their keys stay.
    pub discard: Vec<&'a Waiting>,
    /// What was attached under the cap: contact, day, how many.
    pub counts: Vec<(ContactId, NaiveDate, u32)>,
}

impl<'a> Moves<'a> {
    /// Of a page and what was decided of it, in the order in which rows are written.
    pub fn of(page: &'a [Waiting], fates: &[Fate]) -> Self {
        let mut moves = Self::default();
        let mut added: HashMap<(ContactId, NaiveDate), u32> = HashMap::new();
        for (waiting, fate) in page.iter().zip(fates) {
            match fate {
                Fate::Attached => {
                    let day = waiting.event_time.date_naive();
                    *added.entry((waiting.contact_id, day)).or_default() += 1;
                    moves.attach.push(waiting);
                }
                Fate::Exempt => moves.attach.push(waiting),
                Fate::Discarded => moves.discard.push(waiting),
                Fate::Dropped => {}
            }
        }
        moves.attach.sort_unstable_by_key(|waiting| waiting.key);
        moves.discard.sort_unstable_by_key(|waiting| waiting.key);
        moves.counts = added
            .into_iter()
            .map(|((contact_id, day), count)| (contact_id, day, count))
            .collect();
        moves.counts.sort_unstable();
        moves
    }

    /// How many rows that is.
    pub fn attached(&self) -> Attached {
        let count = |rows: &[&Waiting]| i64::try_from(rows.len()).unwrap_or(i64::MAX);
        Attached {
            attached: count(&self.attach),
            discarded: count(&self.discard),
        }
    }
}

/// Activities of one source and name that were over the cap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discards {
    /// None where nobody knows.
    pub source_id: Option<SourceId>,
    pub event_name: String,
    pub count: i64,
    /// Of the one that was received last.
    pub message_id: String,
}

/// What was done about the backlog.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Attached {
    /// Went to contacts.
    pub attached: i64,
    /// Was over the cap.
    pub discarded: i64,
}

impl AddAssign for Attached {
    fn add_assign(&mut self, more: Self) {
        self.attached += more.attached;
        self.discarded += more.discarded;
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Identifier, Kind, Whose, key_of};

    const LINKED: i64 = 1_790_000_000;

    fn contact(n: u8) -> ContactId {
        ContactId::from(uuid::Uuid::from_u128(u128::from(n)))
    }

    /// `minute` of some days, a message, a contact, whether received after the link.
    fn waiting((minute, message, contact_number, late): (u16, u16, u8, bool)) -> Waiting {
        let base: DateTime<Utc> = "2026-11-20T00:00:00Z".parse().unwrap();
        let event_time = base + TimeDelta::minutes(minute.into());
        let message_id = format!("m{message}");
        let link_time = DateTime::from_timestamp(LINKED, 0).unwrap();
        let device = Identifier {
            kind: Kind::AnonymousId,
            value: "device".into(),
        };
        Waiting {
            identifier: 0,
            key: key_of(
                ActivityId::from(uuid::Uuid::from_u128(1)),
                event_time,
                &message_id,
                Whose::Identifier(&device),
            ),
            expire_day: event_time.date_naive() + chrono::Days::new(90),
            activity_id: ActivityId::from(uuid::Uuid::from_u128(1)),
            event_name: "Signed in".into(),
            event_time,
            message_id,
            receive_time: link_time + TimeDelta::seconds(i64::from(late)),
            contact_id: contact(contact_number),
            link_time,
            // No two of them differ in this alone.
            deferred: minute % 101 == 100,
        }
    }

    fn today() -> NaiveDate {
        "2026-11-24".parse().unwrap()
    }

    fn some_backlog() -> impl Strategy<Value = Vec<Waiting>> {
        let row = (0..4_000_u16, 0..40_u16, 0..3_u8, prop::bool::weighted(0.2));
        prop::collection::vec(row.prop_map(waiting), 0..700)
    }

    proptest! {
        #[test]
        fn each_day_of_a_contact_gets_the_oldest_fifty(mut page in some_backlog()) {
            let mut counts = Counts::new();
            let fates = decide_fates(&mut page, &mut counts, today());
            let mut counted: HashMap<_, Vec<Fate>> = HashMap::new();
            for (waiting, fate) in page.iter().zip(&fates) {
                prop_assert_eq!(
                    *fate == Fate::Exempt,
                    *fate != Fate::Dropped
                        && (waiting.deferred || waiting.receive_time > waiting.link_time)
                );
                if matches!(fate, Fate::Attached | Fate::Discarded) {
                    let day = waiting.event_time.date_naive();
                    counted.entry((waiting.contact_id, day)).or_default().push(*fate);
                }
            }
            for (key, fates) in counted {
                let attached = fates.len().min(50);
                prop_assert!(fates[..attached].iter().all(|fate| *fate == Fate::Attached));
                prop_assert!(fates[attached..].iter().all(|fate| *fate == Fate::Discarded));
                prop_assert_eq!(counts[&key], u32::try_from(attached).unwrap());
            }
        }

        #[test]
        fn pages_decide_as_the_whole_does(page in some_backlog(), size in 1..100_usize) {
            let mut whole = page.clone();
            let mut counts = Counts::new();
            let together = decide_fates(&mut whole, &mut counts, today());
            // Duplicates can't be told across pages: there the rows have left the backlog.
            prop_assume!(!together.contains(&Fate::Dropped));

            let mut rest = page;
            rest.sort_by_key(|waiting| waiting.key);
            let (mut paged, mut in_pages) = (Counts::new(), Vec::new());
            let mut limit = size;
            while !rest.is_empty() {
                let found = &rest[..limit.min(rest.len())];
                let ready = whole_milliseconds(found, limit);
                if ready == 0 {
                    limit *= 2;
                    continue;
                }
                let mut page: Vec<_> = rest.drain(..ready).collect();
                in_pages.extend(decide_fates(&mut page, &mut paged, today()));
                limit = size;
            }
            prop_assert_eq!(in_pages, together);
            prop_assert_eq!(paged, counts);
        }

        #[test]
        fn counts_add_up_over_calls(first in some_backlog(), second in some_backlog()) {
            let mut counts = Counts::new();
            let mut attached = 0;
            for mut page in [first, second] {
                let fates = decide_fates(&mut page, &mut counts, today());
                attached += fates.iter().filter(|fate| **fate == Fate::Attached).count();
            }
            let total: u32 = counts.values().sum();
            prop_assert_eq!(usize::try_from(total).unwrap(), attached);
            prop_assert!(counts.values().all(|count| *count <= CAP_PER_DAY));
        }
    }

    #[test]
    fn ties_are_broken_by_message_id() {
        let mut page: Vec<_> = (0..51).rev().map(|m| waiting((0, m, 0, false))).collect();
        let fates = decide_fates(&mut page, &mut Counts::new(), today());
        let discarded: Vec<_> = page
            .iter()
            .zip(fates)
            .filter(|(_, fate)| *fate == Fate::Discarded)
            .map(|(waiting, _)| waiting.message_id.as_str())
            .collect();
        assert_eq!(discarded, ["m9"], "the last one as text");
    }

    #[test]
    fn what_expired_while_it_waited_is_not_attached() {
        let mut page = vec![waiting((0, 0, 0, false))];
        let after = page[0].expire_day + chrono::Days::new(1);
        let mut counts = Counts::new();
        assert_eq!(decide_fates(&mut page, &mut counts, after), [Fate::Dropped]);
        assert!(counts.is_empty());
    }
}
