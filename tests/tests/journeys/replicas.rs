//! Two of everything: who is killed or restarted is not missed.

use std::num::NonZeroU16;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weir_stack::{Service, StackOptions};
use weir_tests::events::{identify, track, with};
use weir_tests::{Account, Plan, Weir, eventually, full_length, journey_alone_with};

/// In `./weir test`, and under `./weir test long`: restarts go on for so long.
const SHORT: Duration = Duration::ZERO;
const FULL: Duration = Duration::from_secs(600);
const SENDERS: usize = 4;
/// Of each kind.
const EVENTS: usize = 40;

fn two() -> StackOptions {
    StackOptions::temporary().replicas(NonZeroU16::new(2).unwrap())
}

struct Load {
    account: Account,
    audience: String,
    stop: AtomicBool,
    people: AtomicUsize,
    /// Requests whose connection broke.
    unanswered: AtomicUsize,
}

impl Load {
    async fn new(weir: &'static Weir) -> Self {
        let plan = Plan {
            contacts: 10_000_000,
            activity_slots: 10,
        };
        let account = Account::create(weir, plan).await;
        Self {
            audience: account.audience("Two of each").await,
            account,
            stop: AtomicBool::new(false),
            people: AtomicUsize::new(0),
            unanswered: AtomicUsize::new(0),
        }
    }

    /// Runs `steps` while senders send, each request over a connection of its own.
    async fn during(&self, steps: impl Future<Output = ()>) {
        self.stop.store(false, Ordering::Relaxed);
        let begun = self.people();
        let senders = (0..SENDERS).map(|sender| self.send(format!("p{begun}-s{sender}")));
        let steps = async {
            steps.await;
            self.stop.store(true, Ordering::Relaxed);
        };
        tokio::join!(futures_util::future::join_all(senders), steps);
    }

    async fn send(&self, sender: String) {
        let update = json!({"audience": {"mode": "add", "id": self.audience}});
        let mut round = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let names: Vec<_> = (0..EVENTS)
                .map(|n| format!("{sender}-r{round}-{n}"))
                .collect();
            let identifies = names.iter().map(|name| {
                let identify = identify(name, json!({"firstName": name}));
                with(identify, update.clone())
            });
            let tracks = names.iter().map(|name| track(name));
            self.deliver("/v1/identify", identifies.collect()).await;
            self.deliver("/v1/track", tracks.collect()).await;
            self.people.fetch_add(EVENTS, Ordering::Relaxed);
            round += 1;
        }
    }

    /// Every event is answered 200 at once; only a request without an answer is sent again.
    async fn deliver(&self, path: &str, events: Vec<Value>) {
        let (weir, key) = (self.account.weir, Some(&self.account.key[..]));
        let body = serde_json::to_vec(&events).unwrap();
        loop {
            let answer = weir.try_send("POST", path, key, body.clone().into()).await;
            let Some(answer) = answer else {
                self.unanswered.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            assert_eq!(answer.status, 207, "{path}: {}", answer.json);
            let statuses = answer.statuses();
            let well = statuses.len() == EVENTS && statuses.iter().all(|status| *status == 200);
            assert!(well, "{path}: {}", answer.json);
            return;
        }
    }

    fn people(&self) -> usize {
        self.people.load(Ordering::Relaxed)
    }

    async fn until_more(&self, more: usize) {
        let before = self.people();
        eventually("events flow", async || {
            (self.people() >= before + more).then_some(())
        })
        .await;
    }

    /// Everybody is there once, with one activity, and paid for once.
    async fn assert_nothing_lost_or_doubled(&self) {
        let weir = self.account.weir;
        let id = &self.account.account_id;
        eventually("the backlog is attached", async || {
            (self.account.backlog().await == 0).then_some(())
        })
        .await;
        let counts = [
            format!("SELECT count(*)::text FROM contact.contacts WHERE account_id = '{id}'"),
            format!("SELECT count(*)::text FROM activity.activities WHERE account_id = '{id}'"),
            format!(
                "SELECT count(DISTINCT contact_id)::text FROM activity.activities
                 WHERE account_id = '{id}'"
            ),
        ];
        let people = self.people();
        for query in counts {
            assert_eq!(weir.query(&query).await, [people.to_string()], "{query}");
        }
        let units = i64::try_from(people).unwrap();
        assert_eq!(self.account.usage().await, (units, units));
    }
}

#[test]
fn a_replica_of_each_service_is_killed_and_no_event_fails() {
    journey_alone_with(two(), async |weir| {
        let load = Load::new(weir).await;
        load.during(load.until_more(SENDERS * EVENTS * 12)).await;
        // Edges share a socket: who takes a connection is the system's choice.
        for service in Service::ALL.into_iter().filter(|one| *one != Service::Edge) {
            if let [one, two] = weir.calls_of(service).await[..] {
                let part = one.max(two) * 100 / (one + two).max(1);
                let name = service.name();
                // Requests that wait go on together: a call is of many events.
                assert!(one + two > 20 && part <= 60, "{name}: {one} and {two}");
            }
        }
        load.during(async {
            // There is one console, and no event goes through it.
            for service in Service::ALL
                .into_iter()
                .filter(|one| *one != Service::Console)
            {
                let second = format!("{}-2", service.name());
                for process in [service.name(), &second] {
                    // An edge takes the requests that it had accepted with it.
                    weir.stack.kill9(process).await.unwrap();
                    load.until_more(SENDERS * EVENTS).await;
                    weir.stack.wait_ready(process).await.unwrap();
                }
                if service != Service::Edge {
                    assert_eq!(load.unanswered.load(Ordering::Relaxed), 0);
                }
            }
        })
        .await;
        let unanswered = load.unanswered.load(Ordering::Relaxed);
        assert!(unanswered <= 2 * SENDERS, "{unanswered}");
        load.assert_nothing_lost_or_doubled().await;
    });
}

#[test]
fn everything_is_restarted_under_load_and_nobody_notices() {
    journey_alone_with(two(), async |weir| {
        let load = Load::new(weir).await;
        load.during(async {
            let until = Instant::now() + full_length(SHORT, FULL);
            loop {
                load.until_more(SENDERS * EVENTS).await;
                weir.stack.restart_services().await.unwrap();
                if Instant::now() >= until {
                    break;
                }
            }
        })
        .await;
        assert_eq!(load.unanswered.load(Ordering::Relaxed), 0);
        load.assert_nothing_lost_or_doubled().await;
    });
}
