//! Taking kept events anew: what became of each, and when it is tried again (semantics 7.5, 1.7).

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use uuid::Uuid;
use weir_ids::{SourceId, TimedKey};
use weir_reasons::Reason;

use super::kept::{Kept, Whole};
use super::source::SourceKind;

/// Events of a portion: half a batch, so that live ones never wait for a long one.
pub const PORTION: i64 = 250;
/// Who claimed a portion has so long for it: three kinds of events, one after the other, each with
/// the edge's deadline of 8 s.
pub const LEASE: TimeDelta = TimeDelta::seconds(45);
/// Before what could not be tried is tried again.
pub const PAUSE: TimeDelta = TimeDelta::seconds(5);
/// How often an event may end as an error of ours. What is away is waited for.
pub const MAX_TRIES: i32 = 5;
/// How long replays can be looked at.
pub const AGE: TimeDelta = TimeDelta::days(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayState {
    Running,
    Stopped,
    Ended,
}

/// A replay and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    pub replay_id: Uuid,
    pub source_id: SourceId,
    pub request_id: String,
    /// See `Filter::canonical`.
    pub request: String,
    pub state: ReplayState,
    pub create_time: DateTime<Utc>,
    pub end_time: Option<DateTime<Utc>>,
    pub event_count: i64,
    pub waiting_count: i64,
    /// Of those that are done, by status and code.
    pub counts: Vec<Count>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count {
    /// 0 where the event was left out.
    pub status: u16,
    pub code: String,
    pub count: i64,
}

/// An event that a replay is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    pub key: TimedKey,
    /// Why it is left out.
    pub left_out: Option<Reason>,
}

impl Chosen {
    pub fn of(key: TimedKey, deferred: bool) -> Self {
        let left_out = deferred.then_some(Reason::ContactDeferred);
        Self { key, left_out }
    }
}

/// A portion of work, under a lease.
#[derive(Debug, Clone)]
pub struct Work {
    pub claim: Claim,
    /// What its events look like.
    pub source_kind: SourceKind,
    /// With whether it is a correction.
    pub events: Vec<(Whole, bool)>,
}

/// Whose portion it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub account_id: weir_ids::AccountId,
    pub source_id: SourceId,
    /// The replay's id, or the source's where contacts are repaired.
    pub work_id: Uuid,
    pub is_repair: bool,
    pub token: Uuid,
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub key: TimedKey,
    pub status: u16,
    /// Empty for a plain 200.
    pub code: String,
    pub message: String,
    /// Of one that was stored: the reason of the first value that was ignored; else empty.
    pub ignored_code: String,
}

impl Outcome {
    /// Whether nothing of it is left to do.
    pub fn is_done(&self) -> bool {
        self.status == 200 && self.ignored_code.is_empty()
    }

    /// What the kept event says from now on: status, code, and whether it was stored.
    pub fn said(&self) -> (u16, &str, bool) {
        if self.status == 200 {
            (200, &self.ignored_code, true)
        } else {
            (self.status, &self.code, false)
        }
    }
}

/// What is to be done about an event after a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// This is its outcome.
    Final,
    Again(DateTime<Utc>),
}

/// Of an event of a replay, which was tried `tries` times before.
pub fn verdict(outcome: &Outcome, tries: i32, now: DateTime<Utc>) -> Verdict {
    if outcome.status < 500 || (is_ours(outcome) && tries + 1 >= MAX_TRIES) {
        Verdict::Final
    } else {
        Verdict::Again(now + PAUSE)
    }
}

/// Of an event whose contact is made up for: a limit that is reached is waited for as well, until
/// the next window (semantics 1.7, 6.1).
pub fn repair_verdict(outcome: &Outcome, tries: i32, now: DateTime<Utc>) -> Verdict {
    let limits = [
        Reason::ContactLimit,
        Reason::ProfileLimit,
        Reason::ActivityLimit,
    ];
    if limits.iter().any(|limit| limit.code() == outcome.code) {
        return Verdict::Again(next_window(now));
    }
    verdict(outcome, tries, now)
}

/// An error of ours may be for something in the event: it is not tried for ever.
fn is_ours(outcome: &Outcome) -> bool {
    outcome.code == Reason::Internal.code()
}

/// When the window of the units ends.
fn next_window(now: DateTime<Utc>) -> DateTime<Utc> {
    let tomorrow = now.date_naive().succ_opt().unwrap_or(now.date_naive());
    tomorrow.and_time(NaiveTime::MIN).and_utc()
}

/// A kept event as it is replayed, with whether it is a correction.
pub fn to_replay(kept: Kept) -> (Whole, bool) {
    let is_correction = kept.is_stored();
    (kept.event.whole, is_correction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, code: &str) -> Outcome {
        Outcome {
            key: TimedKey(Uuid::from_u128(1)),
            status,
            code: code.into(),
            message: String::new(),
            ignored_code: String::new(),
        }
    }

    fn now() -> DateTime<Utc> {
        "2026-11-24T23:59:50Z".parse().unwrap()
    }

    #[test]
    fn what_is_away_is_waited_for_and_what_is_ours_is_not_for_ever() {
        let away = outcome(500, "CONTACTS_AWAY");
        let ours = outcome(500, "INTERNAL");
        let again = Verdict::Again(now() + PAUSE);
        assert_eq!(verdict(&away, 1_000, now()), again);
        assert_eq!(verdict(&ours, MAX_TRIES - 2, now()), again);
        assert_eq!(verdict(&ours, MAX_TRIES - 1, now()), Verdict::Final);
        for (status, code) in [(200, ""), (206, "CONTACT_LIMIT"), (429, "PROFILE_LIMIT")] {
            assert_eq!(verdict(&outcome(status, code), 0, now()), Verdict::Final);
        }
    }

    /// Semantics 1.7.
    #[test]
    fn a_repair_waits_for_the_next_window_where_a_limit_is_reached() {
        let next = Verdict::Again("2026-11-25T00:00:00Z".parse().unwrap());
        for code in ["CONTACT_LIMIT", "PROFILE_LIMIT"] {
            let limited = outcome(206, code);
            assert_eq!(repair_verdict(&limited, 0, now()), next);
        }
        let refused = outcome(206, "CONTACT_EXISTING_ONLY");
        assert_eq!(repair_verdict(&refused, 0, now()), Verdict::Final);
    }

    /// Semantics 7.5a.
    #[test]
    fn what_was_stored_is_corrected_and_what_is_made_up_for_by_itself_is_left_out() {
        let key = TimedKey(Uuid::from_u128(1));
        assert_eq!(Chosen::of(key, false).left_out, None);
        let deferred = Chosen::of(key, true).left_out;
        assert_eq!(deferred, Some(Reason::ContactDeferred));
        let event = crate::domain::kept::tests::event(1, "EMAIL_INVALID", 0, "{}");
        let corrects = |stored, done_time| {
            let event = crate::domain::kept::ToKeep {
                stored,
                ..event.clone()
            };
            let kept = Kept {
                event,
                deferred: false,
                done_time,
            };
            to_replay(kept).1
        };
        assert!(corrects(true, None) && corrects(false, Some(now())));
        assert!(!corrects(false, None));
    }

    #[test]
    fn a_value_that_is_ignored_again_stays_to_be_mended() {
        let mut stored = outcome(200, "");
        assert!(stored.is_done());
        stored.ignored_code = "EMAIL_INVALID".into();
        assert!(!stored.is_done());
        assert_eq!(stored.said(), (200, "EMAIL_INVALID", true));
        assert_eq!(
            outcome(422, "NO_MAPPING").said(),
            (422, "NO_MAPPING", false)
        );
    }
}
