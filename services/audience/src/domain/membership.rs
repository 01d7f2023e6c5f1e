//! Membership updates, and what becomes of them (semantics 5.2-5.5).

use std::cmp::{Ordering, Reverse};

use bytestring::ByteString;
use chrono::{DateTime, TimeDelta, Utc};
use weir_ids::{AudienceId, ContactId};

/// Who left comes back after more than this; exactly this long is not long enough.
pub const RE_ENTRY_PAUSE: TimeDelta = TimeDelta::seconds(60);

/// In or out. At equal times a remove wins, so it is the greater one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    Add,
    Remove,
}

/// What an event asks for. The greatest one stands, whatever the order of arrival.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Update {
    // The order of the fields is the order of updates.
    pub time: DateTime<Utc>,
    pub mode: Mode,
    pub message_id: ByteString,
}

/// An update, and of which membership.
#[derive(Debug, Clone)]
pub struct MembershipUpdate {
    pub contact: ContactId,
    pub audience: AudienceId,
    pub update: Update,
}

/// A contact's relation to an audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Whether it belongs to it now.
    pub member: bool,
    /// By the clock of this service; of a member only.
    pub member_since: Option<DateTime<Utc>>,
    /// When it left last, by the clock of this service; none if it never did.
    pub left: Option<DateTime<Utc>>,
    /// The update that stands.
    pub update: Update,
}

/// Whoever belongs to an audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub contact: ContactId,
    /// By the clock of this service.
    pub since: DateTime<Utc>,
}

/// What became of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The membership is as asked for.
    Applied,
    /// It stands, but the contact left a minute ago or less.
    HeldBack,
    /// A newer update stands.
    Overtaken,
}

/// What is answered to an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Decided(Decision),
    /// No such audience, or one that Segment must not touch.
    UnknownAudience,
    /// The database does not take a value of it.
    Unstorable,
}

/// A membership after an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub membership: Membership,
    pub decision: Decision,
    /// It is not as it was before.
    pub changed: bool,
    /// The update is newer than what stood.
    pub is_news: bool,
}

impl Membership {
    /// Takes one more update, and applies the one that then stands, if it may be applied.
    /// An update that is known already changes nothing but that: so a repeat after the pause
    /// applies what was held back.
    pub fn take(before: Option<Self>, update: Update, now: DateTime<Utc>) -> Taken {
        let (mut membership, order) = match before {
            Some(mut known) => {
                let order = update.cmp(&known.update);
                if order.is_gt() {
                    known.update = update;
                }
                (known, order)
            }
            None => {
                let new = Self {
                    member: false,
                    member_since: None,
                    left: None,
                    update,
                };
                (new, Ordering::Greater)
            }
        };
        let was_member = membership.member;
        let applied = membership.catch_up(now);
        Taken {
            changed: order.is_gt() || membership.member != was_member,
            is_news: order.is_gt(),
            decision: match (order, applied) {
                (Ordering::Less, _) => Decision::Overtaken,
                (_, true) => Decision::Applied,
                (_, false) => Decision::HeldBack,
            },
            membership,
        }
    }

    /// Applies the update that stands, unless the contact left a minute ago or less.
    /// Answers whether the membership is now as asked for.
    pub fn catch_up(&mut self, now: DateTime<Utc>) -> bool {
        if !self.waits() {
            return true;
        }
        let asked = !self.member;
        if asked {
            if self.left.is_some_and(|left| now - left <= RE_ENTRY_PAUSE) {
                return false;
            }
            self.member_since = Some(now);
        } else {
            self.member_since = None;
            self.left = Some(now);
        }
        self.member = asked;
        true
    }

    /// Whether it is not as asked for: the update is held back.
    pub fn waits(&self) -> bool {
        self.member != (self.update.mode == Mode::Add)
    }

    /// Of two contacts that turned out to be one: the newest update stands, with the membership
    /// that it led to; the pause runs from the last time that either left. The order in which
    /// contacts are merged does not matter.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let left = self.left.max(other.left);
        let rank = |one: &Self| (one.update.clone(), one.member, Reverse(one.member_since));
        let mut newest = if rank(&self) >= rank(&other) {
            self
        } else {
            other
        };
        newest.left = left;
        newest
    }
}

#[cfg(test)]
mod tests;
