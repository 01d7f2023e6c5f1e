//! When an account is to be told how much of a day's units it has used.

use super::{UnitKind, Units, Window, limit};

/// In percent of a limit.
const NEAR: i64 = 80;

/// How much of a limit is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// 80 % or more.
    Near,
    /// All.
    Reached,
}

/// Something to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitAlert {
    pub window: Window,
    pub kind: UnitKind,
    pub level: Level,
}

/// What is to be told of these units; a limit of nothing is no limit that anybody came near to.
pub fn alerts(window: Window, used: Units, limits: Units) -> impl Iterator<Item = LimitAlert> {
    let kinds = [
        (UnitKind::Profile, used.profile, limits.profile),
        (UnitKind::Activity, used.activity, limits.activity),
    ];
    kinds.into_iter().filter_map(move |(kind, used, limit)| {
        let level = level(used, limit)?;
        Some(LimitAlert {
            window,
            kind,
            level,
        })
    })
}

fn level(used: i64, limit: i64) -> Option<Level> {
    if limit <= 0 {
        return None;
    }
    if used >= limit {
        return Some(Level::Reached);
    }
    let is_near = i128::from(used) * 100 >= i128::from(limit) * i128::from(NEAR);
    is_near.then_some(Level::Near)
}

impl LimitAlert {
    /// Tells alerts of a kind apart; of each day there is one.
    pub fn subject(&self) -> &'static str {
        match self.kind {
            UnitKind::Profile => "profile units",
            UnitKind::Activity => "activity units",
        }
    }

    /// What happened and what to do, for a person.
    pub fn message(&self, used: i64, limit: i64) -> String {
        let (units, window) = (self.subject(), self.window);
        let numbers = format!("{} of {}", limit::grouped(used), limit::grouped(limit));
        let next = self.window.end().format("%Y-%m-%d %H:%M UTC");
        // Semantics 1, 6.4: what has a unit for its activity is stored without its contact.
        let (refused, beside) = match self.kind {
            UnitKind::Profile => (
                "identifies",
                ", and tracks with traits are stored without their contact (206), which Segment \
                 does not send again",
            ),
            UnitKind::Activity => ("tracks", ""),
        };
        let refused = format!(
            "{refused} that need one are answered 429 until {next} (Segment sends those again for \
             four hours){beside}"
        );
        let cure = "See what uses them (`ListSpending`), send less of it, or raise the plan: it \
                    counts at once.";
        match self.level {
            Level::Near => {
                format!("{numbers} {units} of {window} are used. When all are, {refused}. {cure}")
            }
            Level::Reached => {
                format!("All {units} of {window} are used ({numbers}): {refused}. {cure}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window() -> Window {
        "2026-11-24".parse().unwrap()
    }

    fn levels(used: i64, limit: i64) -> Vec<(UnitKind, Level)> {
        let used = Units {
            profile: used,
            activity: 0,
        };
        let limits = Units {
            profile: limit,
            activity: 10,
        };
        let told = alerts(window(), used, limits);
        told.map(|alert| (alert.kind, alert.level)).collect()
    }

    #[test]
    fn four_fifths_and_all_of_a_limit_are_told() {
        assert_eq!(levels(79, 100), []);
        assert_eq!(levels(80, 100), [(UnitKind::Profile, Level::Near)]);
        assert_eq!(levels(100, 100), [(UnitKind::Profile, Level::Reached)]);
        // The plan was lowered below what is used.
        assert_eq!(levels(100, 40), [(UnitKind::Profile, Level::Reached)]);
        assert_eq!(levels(0, 0), []);
    }

    #[test]
    fn a_person_is_told_how_many_until_when_and_what_to_do() {
        let alert = LimitAlert {
            window: window(),
            kind: UnitKind::Activity,
            level: Level::Reached,
        };
        let said = alert.message(125_000, 125_000);
        for part in [
            "125,000 of 125,000",
            "2026-11-25 00:00 UTC",
            "429",
            "raise the plan",
        ] {
            assert!(said.contains(part), "{said}");
        }
        assert!(!said.contains("206"), "{said}");
        // A track is no 429 for the want of a profile unit (semantics 6.4).
        for level in [Level::Near, Level::Reached] {
            let kind = UnitKind::Profile;
            let said = LimitAlert {
                kind,
                level,
                ..alert
            }
            .message(8, 10);
            assert!(
                said.contains("identifies that need one are answered 429"),
                "{said}"
            );
            assert!(said.contains("without their contact (206)"), "{said}");
        }
    }

    proptest! {
        #[test]
        fn a_limit_never_overflows(used in 0..=limit::MAX_UNITS, limit in 0..=limit::MAX_UNITS) {
            let told = levels(used, limit);
            prop_assert_eq!(told.is_empty(), limit == 0 || i128::from(used) * 5 < i128::from(limit) * 4);
        }
    }
}
