//! Mails and webhook calls, on their way to the people of an account.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};

use super::news::News;

/// Pauses double from the first to the longest.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(1);
/// Who mends a mail server does not wait longer to see it.
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(15);
/// Who is away for longer than a weekend needs a person.
const PATIENCE: TimeDelta = TimeDelta::days(3);
/// What the other side said, at most.
const MAX_ERROR: usize = 300;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    Mail,
    Webhook,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    Waiting,
    Sent,
    Kept,
    GivenUp,
}

/// One, as it stands.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub account_id: AccountId,
    pub delivery_id: Uuid,
    pub channel: Channel,
    pub state: DeliveryState,
    pub news: News,
    /// The address or the URL that it goes to now, or went to.
    pub receiver: String,
    pub file: String,
    pub error: String,
    pub tries: u32,
    pub create_time: DateTime<Utc>,
    pub sent_time: Option<DateTime<Utc>>,
    pub next_try_time: DateTime<Utc>,
}

impl Delivery {
    /// Where it is about one.
    pub fn source_id(&self) -> Option<SourceId> {
        self.news.source.as_ref().map(|source| source.source_id)
    }
}

/// How many deliveries of all accounts wait, are kept, and were given up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Undelivered {
    pub waiting: i64,
    pub kept: i64,
    pub given_up: i64,
}

impl Undelivered {
    /// And those of another account.
    pub fn add(&mut self, other: Self) {
        self.waiting += other.waiting;
        self.kept += other.kept;
        self.given_up += other.given_up;
    }
}

/// Why a try failed: for the person, and whether another try can do better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    pub message: String,
    pub for_good: bool,
    /// The server itself was not reached, or was not itself: what else goes there waits, too.
    pub is_away: bool,
}

impl Failed {
    /// Another try may succeed.
    pub fn for_now(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            for_good: false,
            is_away: false,
        }
    }

    /// As [`for_now`](Self::for_now), and for everybody.
    pub fn away(message: impl Into<String>) -> Self {
        Self {
            is_away: true,
            ..Self::for_now(message)
        }
    }

    /// The same again fails again.
    pub fn for_good(message: impl Into<String>) -> Self {
        Self {
            for_good: true,
            ..Self::for_now(message)
        }
    }

    /// The message as it is kept: one line, bounded, without NUL.
    pub fn line(&self) -> String {
        let words = self.message.split(|c: char| c.is_whitespace() || c == '\0');
        let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        words.join(" ").chars().take(MAX_ERROR).collect()
    }
}

/// How long to wait after so many tries failed, from 1.
pub fn pause(tries: u32) -> TimeDelta {
    let doubled = FIRST_PAUSE * 2_i32.saturating_pow(tries.saturating_sub(1).min(20));
    doubled.min(LONGEST_PAUSE)
}

/// When it is tried again; none where it is not any more.
pub fn next_try(
    failed: &Failed,
    tries: u32,
    create_time: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let is_worth_it = !failed.for_good && now - create_time < PATIENCE;
    is_worth_it.then(|| now + pause(tries))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pauses_grow_to_a_quarter_of_an_hour() {
        let pauses: Vec<_> = [1, 2, 3, 10, 11, u32::MAX]
            .map(|tries| pause(tries).num_seconds())
            .into();
        assert_eq!(pauses, [1, 2, 4, 512, 900, 900]);
    }

    proptest! {
        #[test]
        fn what_fails_is_tried_for_three_days_and_what_is_refused_never(
            tries in 1_u32..100, hours in 0_i64..200, for_good: bool,
        ) {
            let created = DateTime::UNIX_EPOCH;
            let now = created + TimeDelta::hours(hours);
            let failed = Failed { for_good, ..Failed::for_now("") };
            let next = next_try(&failed, tries, created, now);
            prop_assert_eq!(next.is_some(), !for_good && hours < 72);
            prop_assert!(next.is_none_or(|next| next > now && next <= now + LONGEST_PAUSE));
        }
    }

    #[test]
    fn what_the_other_side_says_becomes_one_short_line() {
        let long = format!("550 no\r\n such\0 user {}", "x".repeat(400));
        let line = Failed::for_good(long).line();
        assert!(
            line.starts_with("550 no such user xxx") && line.len() == 300,
            "{line}"
        );
    }
}
