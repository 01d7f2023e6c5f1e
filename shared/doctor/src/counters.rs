//! The counters in Redis, against the ledgers (semantics 6.5).
//!
//! A counter is read between two looks at the ledgers, so that nothing has to stand still: what
//! was stored before it is read was reserved before (`stored <= used + reserved`), and what it
//! says is used is stored by the second look (`used <= stored`). Where all is quiet, both say
//! that they are equal. A state that is of another life of the server, or below the ledgers'
//! epoch, counts for nothing: the next batch builds it anew.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use chrono::NaiveDate;
use uuid::Uuid;
use weir_redis::{Connection, Patience, Redis};

use crate::Fault;
use crate::ledgers::Ledgers;

pub(crate) const PROMISE: &str = "the counters are those of the ledgers (semantics 6.5)";
const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(3),
    answer: Duration::from_secs(5),
};

/// What Redis counts of an account in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// Whose.
    pub account: Uuid,
    /// The UTC day.
    pub window: NaiveDate,
    /// In which it was built.
    pub epoch: i64,
    /// Used and reserved.
    pub profile: (i64, i64),
    /// Used and reserved.
    pub activity: (i64, i64),
}

/// Reads those of all accounts that the ledgers know.
pub(crate) async fn read(url: &str, ledgers: &Ledgers) -> anyhow::Result<Vec<Counter>> {
    let redis = Redis::at(url, PATIENCE).context("the address of Redis")?;
    let mut redis = redis.connect().await.context("can't connect to Redis")?;
    let mut counters = Vec::new();
    for account in ledgers.epochs.keys() {
        counters.extend(of(&mut redis, *account).await?);
    }
    Ok(counters)
}

/// Where each field is read, its server's run id is as well: in one go, on one node.
const READ: &str = "
    local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
    if redis.call('TYPE', KEYS[1]).ok ~= 'hash' or redis.call('HGET', KEYS[1], 'run') ~= run then
        return {}
    end
    return redis.call('HGETALL', KEYS[1])";

async fn of(redis: &mut Connection, account: Uuid) -> anyhow::Result<Vec<Counter>> {
    let key = format!("weir:{{{account}}}:quota");
    let state: HashMap<String, String> = redis::cmd("EVAL")
        .arg(READ)
        .arg(1)
        .arg(key)
        .query_async(redis)
        .await
        .context("can't read the counters")?;
    Ok(parse(account, &state))
}

fn parse(account: Uuid, state: &HashMap<String, String>) -> Vec<Counter> {
    let (Some(epoch), Some(floor)) = (state.get("epoch"), state.get("floor")) else {
        return Vec::new();
    };
    let Ok(epoch) = epoch.parse() else {
        return Vec::new();
    };
    let mut windows: HashMap<NaiveDate, Counter> = HashMap::new();
    for (field, value) in state {
        let Some((day, what)) = field.split_once(':') else {
            continue;
        };
        let (Ok(window), Ok(units)) = (day.parse(), value.parse::<i64>()) else {
            continue;
        };
        if day < floor.as_str() {
            continue;
        }
        let counter = windows.entry(window).or_insert(Counter {
            account,
            window,
            epoch,
            profile: (0, 0),
            activity: (0, 0),
        });
        match what {
            "profile.used" => counter.profile.0 = units,
            "profile.reserved" => counter.profile.1 = units,
            "activity.used" => counter.activity.0 = units,
            "activity.reserved" => counter.activity.1 = units,
            _ => {}
        }
    }
    windows.into_values().collect()
}

/// What does not agree.
pub(crate) fn compare(before: &Ledgers, counters: &[Counter], after: &Ledgers) -> Vec<Fault> {
    let mut faults = Vec::new();
    for counter in counters {
        let epoch = |ledgers: &Ledgers| ledgers.epochs.get(&counter.account).copied();
        // It was built anew meanwhile, or will be.
        if epoch(before) != Some(counter.epoch) || epoch(after) != Some(counter.epoch) {
            continue;
        }
        let (first, second) = (
            before.of(counter.account, counter.window),
            after.of(counter.account, counter.window),
        );
        let kinds = [
            ("profile", first.0, counter.profile, second.0),
            ("activity", first.1, counter.activity, second.1),
        ];
        for (kind, stored, (used, reserved), stored_later) in kinds {
            if used > stored_later || stored > used + reserved {
                faults.push(Fault {
                    promise: PROMISE,
                    account: Some(counter.account),
                    found: format!(
                        "{kind} units of {}: stored {stored_later}, counted {used}, reserved {reserved}",
                        counter.window
                    ),
                });
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledgers::Sum;

    const ACCOUNT: Uuid = Uuid::max();

    fn day() -> NaiveDate {
        "2026-11-24".parse().unwrap()
    }

    fn ledgers(epoch: i64, profile: i64) -> Ledgers {
        let sum = Sum {
            account: ACCOUNT,
            window: day(),
            profile,
            activity: 0,
        };
        Ledgers {
            sums: vec![sum],
            epochs: [(ACCOUNT, epoch)].into(),
        }
    }

    fn counter(epoch: i64, used: i64, reserved: i64) -> Counter {
        Counter {
            account: ACCOUNT,
            window: day(),
            epoch,
            profile: (used, reserved),
            activity: (0, 0),
        }
    }

    /// Semantics 6.5.
    #[test]
    fn a_counter_may_differ_by_what_is_under_way_and_by_nothing_else() {
        let faults = |before, (used, reserved), after| {
            compare(
                &ledgers(3, before),
                &[counter(3, used, reserved)],
                &ledgers(3, after),
            )
            .len()
        };
        assert_eq!(faults(10, (10, 0), 10), 0);
        // Stored, and not yet settled.
        assert_eq!(faults(10, (7, 3), 10), 0);
        // Stored after the first look.
        assert_eq!(faults(10, (12, 0), 13), 0);
        // Charged, and not stored; stored, and not charged.
        assert_eq!(faults(10, (11, 0), 10), 1);
        assert_eq!(faults(10, (7, 2), 10), 1);
    }

    #[test]
    fn a_state_below_the_ledgers_counts_for_nothing() {
        let found = compare(&ledgers(4, 10), &[counter(3, 99, 0)], &ledgers(4, 10));
        assert_eq!(found, []);
    }

    #[test]
    fn a_state_is_read_by_its_windows_from_the_oldest_that_it_speaks_of() {
        let state = [
            ("run", "a"),
            ("epoch", "2"),
            ("floor", "2026-11-24"),
            ("lease:x", "2026-11-24 1 1 5 open"),
            ("2026-11-24:profile.used", "4"),
            ("2026-11-24:activity.reserved", "6"),
            ("2026-11-23:profile.used", "9"),
        ];
        let state = state.map(|(field, value)| (field.to_owned(), value.to_owned()));
        let read = parse(ACCOUNT, &HashMap::from(state));
        assert_eq!(
            read,
            [Counter {
                activity: (0, 6),
                ..counter(2, 4, 0)
            }]
        );
    }
}
