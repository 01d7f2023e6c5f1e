//! The end of an account: its steps, and when it is through.
//!
//! One service after another erases what it keeps, again and again. What one of them erases may
//! have reached another one just before, so it is through when a whole round found nothing.

use chrono::{DateTime, TimeDelta, Utc};
use weir_ids::{AccountId, SourceId};

/// How long one that is through is remembered.
pub const REMEMBERED: TimeDelta = TimeDelta::days(90);
/// How long one replica has a deletion to itself: longer than a step may take.
pub const LEASE: TimeDelta = TimeDelta::seconds(40);
/// After a service was away.
pub const AGAIN: TimeDelta = TimeDelta::seconds(5);

/// A service that keeps something of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keeper {
    Mapping,
    Contacts,
    Activities,
    Audiences,
    Quota,
}

impl Keeper {
    /// In the order in which they erase: where events come in first.
    pub const ALL: [Self; 5] = [
        Self::Mapping,
        Self::Contacts,
        Self::Activities,
        Self::Audiences,
        Self::Quota,
    ];

    /// As people know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mapping => "mapping",
            Self::Contacts => "contact-upsert",
            Self::Activities => "activity",
            Self::Audiences => "audience",
            Self::Quota => "quota",
        }
    }
}

/// What a service did so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub keeper: Keeper,
    pub erased: i64,
    /// It found nothing since anybody last erased something.
    pub done: bool,
}

/// The deletion of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    pub account_id: AccountId,
    pub source_ids: Vec<SourceId>,
    pub start_time: DateTime<Utc>,
    /// When it is gone on with.
    pub due_time: DateTime<Utc>,
    pub finish_time: Option<DateTime<Utc>>,
    pub steps: Vec<Step>,
}

impl Deletion {
    /// One that begins; `delay` later what is under way now is through.
    pub fn new(
        account_id: AccountId,
        source_ids: Vec<SourceId>,
        now: DateTime<Utc>,
        delay: TimeDelta,
    ) -> Self {
        let step = |keeper| Step {
            keeper,
            erased: 0,
            done: false,
        };
        Self {
            account_id,
            source_ids,
            start_time: now,
            due_time: now + delay,
            finish_time: None,
            steps: Keeper::ALL.map(step).into(),
        }
    }

    /// Who erases next; none when all is gone.
    pub fn next(&self) -> Option<Keeper> {
        let next = self.steps.iter().find(|step| !step.done);
        next.map(|step| step.keeper)
    }

    /// A service erased so much, and may have more.
    pub fn erased(&mut self, keeper: Keeper, count: i64, more: bool) {
        for step in &mut self.steps {
            if step.keeper == keeper {
                step.erased += count;
                step.done = !more;
            } else if count > 0 {
                // They come once more: some of it may have reached them meanwhile.
                step.done = false;
            }
        }
    }

    /// Whether nobody has begun to erase.
    pub fn is_waiting(&self) -> bool {
        self.steps.iter().all(|step| !step.done && step.erased == 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn begun() -> Deletion {
        let account = AccountId(uuid::Uuid::nil());
        Deletion::new(
            account,
            Vec::new(),
            DateTime::UNIX_EPOCH,
            TimeDelta::seconds(90),
        )
    }

    proptest! {
        /// Whatever each of them finds, and when: it is through only when each found nothing
        /// after the last row was erased anywhere.
        #[test]
        fn it_is_through_when_a_whole_round_found_nothing(
            found in prop::collection::vec(0_i64..3, 0..40)
        ) {
            let mut deletion = begun();
            let mut clean: Vec<Keeper> = Vec::new();
            let mut total = 0;
            let mut found = found.into_iter();
            while let Some(keeper) = deletion.next() {
                let count = found.next().unwrap_or(0);
                total += count;
                if count > 0 {
                    clean.clear();
                }
                clean.push(keeper);
                deletion.erased(keeper, count, false);
            }
            clean.sort();
            clean.dedup();
            prop_assert_eq!(clean, Keeper::ALL.to_vec());
            let erased: i64 = deletion.steps.iter().map(|step| step.erased).sum();
            prop_assert_eq!(erased, total);
        }
    }

    #[test]
    fn who_has_more_is_asked_again() {
        let mut deletion = begun();
        assert!(deletion.is_waiting());
        assert_eq!(deletion.next(), Some(Keeper::Mapping));
        deletion.erased(Keeper::Mapping, 100, true);
        assert_eq!(deletion.next(), Some(Keeper::Mapping));
        deletion.erased(Keeper::Mapping, 7, false);
        assert_eq!(deletion.next(), Some(Keeper::Contacts));
        assert_eq!(deletion.steps[0].erased, 107);
        assert!(!deletion.is_waiting());
    }
}
