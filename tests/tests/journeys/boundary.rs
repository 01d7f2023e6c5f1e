//! The last thousand units, with everything lost that can be lost (semantics 6.5, 6.4a).

use std::num::NonZeroU16;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use weir_servers::RedisCluster;
use weir_stack::StackOptions;
use weir_tests::events::{identify, track};
use weir_tests::{Account, Plan, Weir, eventually, full_length, journey_alone_with};

/// Per account; activities have the same.
const LIMIT: usize = 1_000;
const PLAN: Plan = Plan {
    contacts: 100,
    activity_slots: 5,
};
/// As many as eight edges drive for an account.
const SENDERS: usize = 16;
/// Together more than there are units for.
const EVENTS: usize = 80;
const BATCH: usize = 20;

/// How many rounds, in `./weir test` and under `./weir test long`.
fn rounds() -> usize {
    let seconds = full_length(Duration::from_secs(3), Duration::from_secs(100));
    usize::try_from(seconds.as_secs()).unwrap()
}

/// Three of each, and leases that run out soon: units of batches that died come back within the
/// test's patience.
fn options() -> StackOptions {
    let mut options = StackOptions::temporary().replicas(NonZeroU16::new(3).unwrap());
    for (name, value) in [
        ("WEIR_QUOTA_LEASE_MS", "9000"),
        ("WEIR_QUOTA_SWEEP_MS", "1000"),
    ] {
        options.environment.push((name.into(), value.into()));
    }
    options
}

/// What became of the events of one sender.
#[derive(Default)]
struct Told {
    stored: usize,
    limited: usize,
}

/// Sends until each event has an answer that is no failure; what ended otherwise comes again, with
/// other events than before, as Segment regroups them.
async fn deliver(account: &Account, path: &str, events: Vec<Value>, sent: &AtomicUsize) -> Told {
    let mut told = Told::default();
    let mut open = events;
    let mut turn = 0;
    while !open.is_empty() {
        turn += 1;
        assert!(turn < 2_000, "{} events are never answered", open.len());
        open.rotate_left(turn % 7);
        let batch: Vec<Value> = open.drain(..open.len().min(BATCH)).collect();
        let body = serde_json::to_vec(&batch).unwrap();
        let sending = account
            .weir
            .try_send("POST", path, Some(&account.key), body.into());
        let statuses = match sending.await {
            Some(answer) if answer.status == 207 => answer.statuses(),
            _ => vec![503; batch.len()],
        };
        sent.fetch_add(1, Ordering::Relaxed);
        let is_bad = statuses.iter().any(|status| *status >= 500);
        for (event, status) in batch.into_iter().zip(statuses) {
            match status {
                200 => told.stored += 1,
                429 => told.limited += 1,
                500.. => open.push(event),
                other => panic!("{path}: {other} of {event}"),
            }
        }
        if is_bad {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    told
}

async fn flush_all(weir: &Weir) {
    let client = redis::Client::open(weir.stack.redis_url()).unwrap();
    let Ok(mut redis) = client.get_multiplexed_async_connection().await else {
        return;
    };
    let _: redis::RedisResult<()> = redis::cmd("FLUSHALL").query_async(&mut redis).await;
}

/// Loses something each time that some batches went through.
async fn lose(weir: &Weir, round: usize, sent: &AtomicUsize, is_over: &AtomicBool) {
    let deeds = [
        "flush", "quota", "flush", "redis", "flush", "quota-2", "quota-3",
    ];
    for (number, deed) in deeds.iter().cycle().skip(round).enumerate() {
        let before = sent.load(Ordering::Relaxed);
        while sent.load(Ordering::Relaxed) < before + 12 {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        match *deed {
            "flush" => flush_all(weir).await,
            process => weir.kill(process).await,
        }
        if number >= 6 {
            return;
        }
    }
}

/// One account to its limits; answers when everything is charged.
async fn round(weir: &'static Weir, number: usize) {
    let account = Account::create(weir, PLAN).await;
    // 5 × 100 contacts × 2 activities.
    account.map_activity("Second", 730).await;
    eventually("both activities count", async || {
        limits(&account).await == (LIMIT, LIMIT)
    })
    .await;
    let (sent, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let senders = (0..SENDERS).map(async |sender| {
        let names: Vec<String> = (0..EVENTS).map(|n| format!("u{sender}-{n}")).collect();
        let people = names
            .iter()
            .map(|name| identify(name, json!({"firstName": name})));
        let people = deliver(&account, "/v1/identify", people.collect(), &sent).await;
        let tracks = names.iter().map(|name| track(name)).collect();
        let tracks = deliver(&account, "/v1/track", tracks, &sent).await;
        (people, tracks)
    });
    let sending = async {
        let told = futures_util::future::join_all(senders).await;
        is_over.store(true, Ordering::Relaxed);
        told
    };
    let (told, ()) = tokio::join!(sending, lose(weir, number, &sent, &is_over));
    let sum = |of: fn(&(Told, Told)) -> usize| told.iter().map(of).sum::<usize>();
    // Every unit was given to somebody, and nobody was told of a limit before.
    assert_eq!(sum(|(people, _)| people.stored), LIMIT, "round {number}");
    assert_eq!(sum(|(_, tracks)| tracks.stored), LIMIT, "round {number}");
    let all = SENDERS * EVENTS;
    assert_eq!(sum(|(people, _)| people.limited), all - LIMIT);
    assert_eq!(sum(|(_, tracks)| tracks.limited), all - LIMIT);
    // Stored = charged = limit.
    assert_eq!(account.usage().await, (1_000, 1_000));
    let id = &account.account_id;
    for (of, count) in [
        (
            "stored contacts",
            format!("SELECT count(*)::text FROM contact.contacts WHERE account_id = '{id}'"),
        ),
        (
            "charged profile units",
            format!("SELECT sum(units)::text FROM contact.usage WHERE account_id = '{id}'"),
        ),
        (
            "stored activities",
            format!(
                "SELECT ((SELECT count(*) FROM activity.activities WHERE account_id = '{id}')
                    + (SELECT count(*) FROM activity.backlog WHERE account_id = '{id}'))::text"
            ),
        ),
        (
            "charged activity units",
            format!("SELECT sum(units)::text FROM activity.usage WHERE account_id = '{id}'"),
        ),
    ] {
        assert_eq!(weir.query(&count).await, ["1000"], "{of}, round {number}");
    }
}

async fn limits(account: &Account) -> (usize, usize) {
    let request = weir_proto::quota::v1::GetUsageRequest {
        account_id: account.account_id.clone(),
        entitlement: None,
    };
    let usage = account
        .weir
        .quota()
        .get_usage(request)
        .await
        .unwrap()
        .into_inner();
    let limit = |usage: Option<weir_proto::quota::v1::Usage>| usize::try_from(usage.unwrap().limit);
    (
        limit(usage.profile).unwrap(),
        limit(usage.activity).unwrap(),
    )
}

#[test]
fn the_last_thousand_units_are_used_once_whatever_is_lost_on_the_way() {
    journey_alone_with(options(), async |weir| {
        for number in 0..rounds() {
            round(weir, number).await;
            weir.assert_sound().await;
        }
    });
}

#[test]
fn a_cluster_whose_master_dies_under_load_overruns_no_limit() {
    let cluster = weir_tests::block_on(RedisCluster::start()).unwrap();
    let mut options = StackOptions::temporary().replicas(NonZeroU16::new(2).unwrap());
    for (name, value) in [
        ("WEIR_REDIS_URL", &*cluster.url()),
        ("WEIR_QUOTA_LEASE_MS", "9000"),
        ("WEIR_QUOTA_SWEEP_MS", "1000"),
    ] {
        options.environment.push((name.into(), value.into()));
    }
    journey_alone_with(options, async |weir| {
        let account = Account::create(weir, PLAN).await;
        let sent = AtomicUsize::new(0);
        let senders = (0..SENDERS).map(async |sender| {
            let people = (0..EVENTS).map(|n| {
                let name = format!("u{sender}-{n}");
                identify(&name, json!({"firstName": name}))
            });
            deliver(&account, "/v1/identify", people.collect(), &sent).await
        });
        let killing = async {
            eventually("some is stored", async || sent.load(Ordering::Relaxed) > 8).await;
            let tag = format!("{{{}}}", account.account_id);
            let lost = cluster.master_of(&tag).await.unwrap();
            cluster.node(lost).kill9().await;
            (tag, lost)
        };
        let (told, (tag, lost)) = tokio::join!(futures_util::future::join_all(senders), killing);
        assert_eq!(told.iter().map(|told| told.stored).sum::<usize>(), LIMIT);
        assert_eq!(account.contacts().await.len(), LIMIT);
        assert_eq!(account.usage().await, (1_000, 0));
        // The ledgers do not wait for it; whoever looks at the counters does.
        eventually("another has the place of the lost one", async || {
            cluster
                .master_of(&tag)
                .await
                .is_ok_and(|master| master != lost)
        })
        .await;
    });
}
