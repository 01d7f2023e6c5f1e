//! Small numbers that stand for enums in the tables. They never change.

use weir_access::Role;
use weir_postgres::Failure;

use super::corrupt;
use crate::domain::account::KeyStrategy;
use crate::domain::alert::AlertKind;
use crate::domain::delivery::{Channel, DeliveryState};
use crate::domain::event::EventKind;
use crate::domain::replay::ReplayState;
use crate::domain::source::{MergeStrategy, SourceKind, SourceStatus};

/// An enum that is stored as a small number.
pub(super) trait Code: Copy + PartialEq + 'static {
    const CODES: &'static [(i16, Self)];
    const WHAT: &'static str;

    fn code(self) -> i16 {
        Self::CODES
            .iter()
            .find(|(_, value)| *value == self)
            .map(|(code, _)| *code)
            .expect("CODES lists every value")
    }

    fn of(code: i16) -> Result<Self, Failure> {
        Self::CODES
            .iter()
            .find(|(known, _)| *known == code)
            .map(|(_, value)| *value)
            .ok_or_else(|| corrupt(Self::WHAT))
    }
}

impl Code for Role {
    const CODES: &'static [(i16, Self)] = &[(1, Self::Read), (2, Self::Write), (3, Self::Admin)];
    const WHAT: &'static str = "role";
}

impl Code for SourceKind {
    const CODES: &'static [(i16, Self)] = &[(1, Self::SegmentActions), (2, Self::SegmentClassic)];
    const WHAT: &'static str = "kind of a source";
}

impl Code for MergeStrategy {
    const CODES: &'static [(i16, Self)] =
        &[(1, Self::Overwrite), (2, Self::Append), (3, Self::Ignore)];
    const WHAT: &'static str = "merge strategy";
}

impl Code for SourceStatus {
    const CODES: &'static [(i16, Self)] = &[
        (1, Self::WaitingForEvents),
        (2, Self::WaitingForMapping),
        (3, Self::Active),
    ];
    const WHAT: &'static str = "status of a source";
}

impl Code for KeyStrategy {
    const CODES: &'static [(i16, Self)] = &[(1, Self::Any), (2, Self::NextIfEmpty)];
    const WHAT: &'static str = "key strategy";
}

impl Code for AlertKind {
    const CODES: &'static [(i16, Self)] = &[
        (1, Self::SourceSilent),
        (2, Self::ReasonJumped),
        (3, Self::ContactAbsorbs),
        (4, Self::LimitNear),
        (5, Self::LimitReached),
    ];
    const WHAT: &'static str = "kind of an alert";
}

impl Code for Channel {
    const CODES: &'static [(i16, Self)] = &[(1, Self::Mail), (2, Self::Webhook)];
    const WHAT: &'static str = "channel of a delivery";
}

/// In the conditions of indices, too: 1 waits, 2 is sent.
impl Code for DeliveryState {
    const CODES: &'static [(i16, Self)] = &[
        (1, Self::Waiting),
        (2, Self::Sent),
        (3, Self::Kept),
        (4, Self::GivenUp),
    ];
    const WHAT: &'static str = "state of a delivery";
}

impl Code for EventKind {
    const CODES: &'static [(i16, Self)] =
        &[(1, Self::Identify), (2, Self::Track), (3, Self::Member)];
    const WHAT: &'static str = "kind of an event";
}

impl Code for ReplayState {
    const CODES: &'static [(i16, Self)] =
        &[(1, Self::Running), (2, Self::Stopped), (3, Self::Ended)];
    const WHAT: &'static str = "state of a replay";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_survive<C: Code + std::fmt::Debug>() {
        for (code, value) in C::CODES {
            assert_eq!(value.code(), *code);
            assert_eq!(C::of(*code).unwrap(), *value);
        }
        assert!(C::of(0).is_err());
    }

    #[test]
    fn every_code_is_read_as_it_was_written() {
        all_survive::<SourceKind>();
        all_survive::<MergeStrategy>();
        all_survive::<SourceStatus>();
        all_survive::<KeyStrategy>();
        all_survive::<AlertKind>();
        all_survive::<Channel>();
        all_survive::<DeliveryState>();
        all_survive::<EventKind>();
        all_survive::<ReplayState>();
    }
}
