//! Redis away under load: the ledgers grant, exactly, and Redis again when it is back for good
//! (semantics 6.6a).

use std::num::NonZeroU16;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weir_servers::TestServers;
use weir_servers::child::signal;
use weir_stack::StackOptions;
use weir_testkit::Proxy;
use weir_tests::events::{identify, track};
use weir_tests::{Account, Plan, Weir, full_length, journey_alone_with};

/// How long Redis is away, in `./weir test` and under `./weir test long`.
const SHORT: Duration = Duration::from_secs(8);
const FULL: Duration = Duration::from_secs(30);
/// When it goes, batches may fail for so long.
const AT_FIRST: Duration = Duration::from_secs(3);
const BACK_WITHIN: Duration = Duration::from_secs(10);
const SENDERS: usize = 4;
const BATCH: usize = 20;

fn two() -> StackOptions {
    StackOptions::temporary().replicas(NonZeroU16::new(2).unwrap())
}

/// An account that is sent to all the time, far below its limits.
struct Load {
    account: Account,
    stop: AtomicBool,
    batches: AtomicUsize,
    /// When a batch failed.
    failures: Mutex<Vec<Instant>>,
}

impl Load {
    async fn new(weir: &'static Weir) -> Self {
        let plan = Plan {
            contacts: 1_000_000,
            activity_slots: 5,
        };
        Self {
            account: Account::create(weir, plan).await,
            stop: AtomicBool::new(false),
            batches: AtomicUsize::new(0),
            failures: Mutex::default(),
        }
    }

    /// Runs `steps` while senders send.
    async fn during(&self, steps: impl Future<Output = ()>) {
        let senders = (0..SENDERS).map(|sender| self.send(sender));
        let steps = async {
            steps.await;
            self.stop.store(true, Ordering::Relaxed);
        };
        tokio::join!(futures_util::future::join_all(senders), steps);
    }

    async fn send(&self, sender: usize) {
        for round in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let names: Vec<String> = (0..BATCH)
                .map(|n| format!("s{sender}-{round}-{n}"))
                .collect();
            let people = names
                .iter()
                .map(|name| identify(name, json!({"firstName": name})));
            self.deliver("/v1/identify", people.collect()).await;
            let tracks = names.iter().map(|name| track(name));
            self.deliver("/v1/track", tracks.collect()).await;
        }
    }

    /// Until all of it is stored, as Segment does.
    async fn deliver(&self, path: &str, events: Vec<Value>) {
        let body = serde_json::to_vec(&events).unwrap();
        loop {
            let statuses = send(&self.account, path, body.clone()).await;
            if statuses.iter().all(|status| *status == 200) {
                self.batches.fetch_add(1, Ordering::Relaxed);
                return;
            }
            let is_ours = |status: &u16| *status == 200 || *status >= 500;
            assert!(statuses.iter().all(is_ours), "{path}: {statuses:?}");
            self.failures.lock().unwrap().push(Instant::now());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn batches(&self) -> usize {
        self.batches.load(Ordering::Relaxed)
    }

    /// Batches in so long.
    async fn speed(&self, time: Duration) -> f64 {
        let (before, began) = (self.batches(), Instant::now());
        tokio::time::sleep(time).await;
        (self.batches() - before) as f64 / began.elapsed().as_secs_f64()
    }

    fn failed_after(&self, since: Instant) -> usize {
        let failures = self.failures.lock().unwrap();
        failures.iter().filter(|when| **when > since).count()
    }

    /// Stored = charged, once each.
    async fn assert_exact(&self) {
        let units = i64::try_from(self.batches() / 2 * BATCH).unwrap();
        assert_exact(&self.account, (units, units)).await;
    }
}

/// What became of each event.
async fn send(account: &Account, path: &str, body: Vec<u8>) -> Vec<u16> {
    let key = Some(&account.key[..]);
    let sending = account.weir.try_send("POST", path, key, body.into());
    match sending.await {
        Some(answer) if answer.status == 207 => answer.statuses(),
        Some(answer) => vec![answer.status],
        None => vec![503],
    }
}

async fn assert_exact(account: &Account, (people, tracks): (i64, i64)) {
    let id = &account.account_id;
    let weir = account.weir;
    for (units, count) in [
        (
            people,
            format!("SELECT count(*)::text FROM contact.contacts WHERE account_id = '{id}'"),
        ),
        (
            people,
            format!(
                "SELECT coalesce(sum(units), 0)::text FROM contact.usage WHERE account_id = '{id}'"
            ),
        ),
        (
            tracks,
            format!(
                "SELECT ((SELECT count(*) FROM activity.activities WHERE account_id = '{id}')
                + (SELECT count(*) FROM activity.backlog WHERE account_id = '{id}'))::text"
            ),
        ),
        (
            tracks,
            format!(
                "SELECT coalesce(sum(units), 0)::text FROM activity.usage WHERE account_id = '{id}'"
            ),
        ),
    ] {
        assert_eq!(weir.query(&count).await, [units.to_string()], "{count}");
    }
    assert_eq!(account.usage().await, (people, tracks));
}

/// Who grants, and under which epoch, by both ledgers.
async fn stands(account: &Account) -> [String; 2] {
    let id = &account.account_id;
    let of = async |schema: &str| {
        let query = format!(
            "SELECT granted_by || ' ' || usage_epoch FROM {schema}.accounts WHERE account_id = '{id}'"
        );
        account.weir.query(&query).await.concat()
    };
    [of("contact").await, of("activity").await]
}

fn are(stands: &[String; 2], grantor: &str) -> bool {
    let [one, other] = stands;
    one == other && one.split(' ').next() == Some(grantor)
}

async fn until(account: &Account, grantor: &str, within: Duration) -> Duration {
    let began = Instant::now();
    loop {
        let now = stands(account).await;
        if are(&now, grantor) {
            return began.elapsed();
        }
        assert!(began.elapsed() < within, "{now:?}, not {grantor}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// An account that reaches its limit: every unit is used once, and nobody is told of it before.
async fn to_the_limit(weir: &'static Weir) -> Account {
    const LIMIT: usize = 400;
    const WANTED: usize = 560;
    let plan = Plan {
        contacts: 40,
        activity_slots: 5,
    };
    let account = Account::create(weir, plan).await;
    let (stored, limited) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let senders = (0..8).map(async |sender| {
        let people = (0..WANTED / 8).map(|n| {
            let name = format!("limit-{sender}-{n}");
            identify(&name, json!({"firstName": name}))
        });
        let mut open: Vec<Value> = people.collect();
        for turn in 0.. {
            assert!(turn < 500, "{} events are never answered", open.len());
            let batch: Vec<Value> = open.drain(..open.len().min(BATCH)).collect();
            if batch.is_empty() {
                return;
            }
            let body = serde_json::to_vec(&batch).unwrap();
            let statuses = send(&account, "/v1/identify", body).await;
            let statuses = match statuses.len() == batch.len() {
                true => statuses,
                false => vec![statuses[0]; batch.len()],
            };
            for (event, status) in batch.into_iter().zip(statuses) {
                match status {
                    200 => _ = stored.fetch_add(1, Ordering::Relaxed),
                    429 => _ = limited.fetch_add(1, Ordering::Relaxed),
                    500.. => open.push(event),
                    other => panic!("{other} of {event}"),
                }
            }
        }
    });
    futures_util::future::join_all(senders).await;
    let told = (
        stored.load(Ordering::Relaxed),
        limited.load(Ordering::Relaxed),
    );
    assert_eq!(told, (LIMIT, WANTED - LIMIT));
    account
}

#[derive(Clone, Copy)]
enum Fate {
    Killed,
    Stopped,
}

async fn lose_redis(weir: &'static Weir, load: &Load, fate: Fate) {
    let redis = || weir.stack.pid("redis").unwrap().unwrap();
    let usual = load.speed(Duration::from_secs(4)).await;
    let lost = Instant::now();
    match fate {
        Fate::Killed => weir.stack.kill9_and_hold("redis").await.unwrap(),
        Fate::Stopped => signal("STOP", redis()),
    }
    until(&load.account, "ledgers", AT_FIRST).await;
    tokio::time::sleep(AT_FIRST.saturating_sub(lost.elapsed())).await;
    let slower = load.speed(Duration::from_secs(4)).await;
    let limited = to_the_limit(weir).await;
    assert!(are(&stands(&limited).await, "ledgers"));
    let away = full_length(SHORT, FULL);
    tokio::time::sleep(away.saturating_sub(lost.elapsed())).await;
    match fate {
        Fate::Killed => weir.stack.start_process("redis").await.unwrap(),
        Fate::Stopped => signal("CONT", redis()),
    }
    for account in [&load.account, &limited] {
        until(account, "redis", BACK_WITHIN).await;
    }
    let there = stands(&load.account).await;
    let again = load.speed(Duration::from_secs(6)).await;
    assert_eq!(stands(&load.account).await, there, "it goes to and fro");
    let late = load.failed_after(lost + AT_FIRST);
    eprintln!(
        "{usual:.1} batches a second, {slower:.1} by the ledgers, {again:.1} again; {} failed",
        load.failures.lock().unwrap().len()
    );
    assert_eq!(late, 0, "batches that failed later than at first");
    assert_exact(&limited, (400, 0)).await;
}

#[test]
fn redis_is_away_for_a_while_and_nobody_is_refused_or_gets_too_much() {
    journey_alone_with(two(), async |weir| {
        let load = Load::new(weir).await;
        load.during(async {
            for fate in [Fate::Killed, Fate::Stopped] {
                lose_redis(weir, &load, fate).await;
            }
        })
        .await;
        load.assert_exact().await;
    });
}

#[test]
fn redis_that_one_replica_sees_and_the_other_does_not_is_left_alone_until_both_do() {
    let servers = weir_tests::block_on(TestServers::start()).unwrap();
    let proxy = weir_tests::block_on(Proxy::to(&servers.redis_url()));
    let mut options = two().env("WEIR_REDIS_URL", &servers.redis_url());
    let own = ("WEIR_REDIS_URL".to_owned(), proxy.url.clone());
    options.environment_of.push(("quota-2".to_owned(), own));
    journey_alone_with(options, async |weir| {
        let load = Load::new(weir).await;
        load.during(async {
            load.speed(Duration::from_secs(2)).await;
            let lost = Instant::now();
            proxy.down();
            until(&load.account, "ledgers", AT_FIRST).await;
            let there = stands(&load.account).await;
            let away = full_length(SHORT, FULL);
            while lost.elapsed() < away {
                assert_eq!(stands(&load.account).await, there, "it goes to and fro");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            proxy.up();
            until(&load.account, "redis", BACK_WITHIN).await;
            let back = stands(&load.account).await;
            load.speed(Duration::from_secs(6)).await;
            assert_eq!(stands(&load.account).await, back, "it goes to and fro");
            assert_eq!(load.failed_after(lost + AT_FIRST), 0);
        })
        .await;
        load.assert_exact().await;
    });
}
