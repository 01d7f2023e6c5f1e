//! The window's edge, by the real processes under a clock that is set (semantics 6.5).

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use serde_json::{Value, json};
use weir_proto::quota::v1::{GetUsageRequest, ListUsageRequest};
use weir_stack::StackOptions;
use weir_tests::events::{identify, track};
use weir_tests::{Account, Plan, eventually, journey_alone_with};

use crate::clients::left_out;

/// 10 × 100 contacts a day, and of activities as many.
const PLAN: Plan = Plan {
    contacts: 100,
    activity_slots: 5,
};
const LIMIT: i64 = 1_000;
const SENDERS: usize = 8;
/// Of each sender: together more than one day has room for, and less than two.
const EVENTS: usize = 160;
const BATCH: usize = 10;
/// So that sending lasts from before midnight until after it.
const PACE: Duration = Duration::from_millis(400);

/// What the processes add to the time, so that it is midnight for them in `left`.
fn ahead(now: DateTime<Utc>, left: TimeDelta) -> String {
    let midnight = (now.date_naive() + Days::new(1)).and_time(NaiveTime::MIN);
    let ahead = midnight.and_utc() - left - now;
    format!("{:+.3}s", ahead.num_milliseconds() as f64 / 1_000.0)
}

fn set(clock: &Path, left: TimeDelta) {
    std::fs::write(clock, ahead(Utc::now(), left)).unwrap();
}

/// Sends at its pace what is not stored yet, as Segment does with what was 429; nothing else may
/// be answered.
async fn deliver(account: &Account, path: &str, mut open: Vec<Value>) {
    for turn in 0.. {
        assert!(
            turn < 300,
            "{} events of {path} are never stored",
            open.len()
        );
        if open.is_empty() {
            return;
        }
        let batch: Vec<Value> = open.drain(..open.len().min(BATCH)).collect();
        let body = serde_json::to_vec(&batch).unwrap();
        let answer = account.post(path, body).await;
        assert_eq!(answer.status, 207);
        for (event, status) in batch.into_iter().zip(answer.statuses()) {
            match status {
                200 => {}
                429 => open.push(event),
                other => panic!("{path}: {other} of {event}"),
            }
        }
        tokio::time::sleep(PACE).await;
    }
}

#[test]
fn what_is_under_way_at_midnight_is_charged_once_and_no_day_has_more_than_its_limit() {
    // It moves the clock, and not how fast time goes by.
    let Some(library) = weir_servers::clock_library() else {
        return left_out("midnight with real processes: there is no libfaketime");
    };
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("clock");
    set(&clock, TimeDelta::minutes(10));
    let options = StackOptions::temporary()
        .env("LD_PRELOAD", library.to_str().unwrap())
        .env("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap())
        .env("FAKETIME_CACHE_DURATION", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    journey_alone_with(options, async |weir| {
        let account = Account::create(weir, PLAN).await;
        account.map_activity("Second", 730).await;
        let request = GetUsageRequest {
            account_id: account.account_id.clone(),
            entitlement: None,
        };
        let before = weir.quota().get_usage(request).await.unwrap();
        let before = before.into_inner().window;
        set(&clock, TimeDelta::seconds(5));
        let senders = (0..SENDERS).map(async |sender| {
            let names: Vec<String> = (0..EVENTS).map(|n| format!("u{sender}-{n}")).collect();
            let named = |name: &String| identify(name, json!({"firstName": name}));
            let people = names.iter().map(named).collect();
            let deeds = names.iter().map(|name| track(name)).collect();
            tokio::join!(
                deliver(&account, "/v1/identify", people),
                deliver(&account, "/v1/track", deeds)
            );
        });
        futures_util::future::join_all(senders).await;

        let all = i64::try_from(SENDERS * EVENTS).unwrap();
        let windows = eventually("all of it is charged", async || {
            let request = ListUsageRequest {
                account_id: account.account_id.clone(),
                days: 1,
            };
            let usage = weir.quota().list_usage(request).await.ok()?.into_inner();
            let today = usage.today?;
            let now = (today.profile?.used, today.activity?.used);
            let [past] = &usage.windows[..] else {
                return None;
            };
            let windows = [(past.profile_units, past.activity_units), now];
            let sums = windows
                .iter()
                .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
            (past.window == before && sums == (all, all)).then_some(windows)
        })
        .await;
        for (profile, activity) in windows {
            assert!((1..=LIMIT).contains(&profile), "{windows:?}");
            assert!((1..=LIMIT).contains(&activity), "{windows:?}");
        }
        assert_eq!(account.contacts().await.len(), SENDERS * EVENTS);
        let stored = format!(
            "SELECT ((SELECT count(*) FROM activity.activities WHERE account_id = '{0}')
                + (SELECT count(*) FROM activity.backlog WHERE account_id = '{0}'))::text",
            account.account_id
        );
        assert_eq!(weir.query(&stored).await, [all.to_string()]);
    });
}
