//! Steady events of people who are all new, each of whom is answered 200 at once and counted in the
//! end: for what is done to a system meanwhile.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use weir_tests::events::{identify, track, with};
use weir_tests::{Account, Plan, Weir, eventually};

/// At once.
pub const SENDERS: usize = 4;
/// Of each kind in a request.
pub const EVENTS: usize = 40;

pub struct Load {
    pub account: Account,
    audience: String,
    stop: AtomicBool,
    people: AtomicUsize,
    /// Requests whose connection broke.
    pub unanswered: AtomicUsize,
}

impl Load {
    pub async fn new(weir: &'static Weir) -> Self {
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
    pub async fn during(&self, steps: impl Future<Output = ()>) {
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

    pub fn people(&self) -> usize {
        self.people.load(Ordering::Relaxed)
    }

    pub async fn until_more(&self, more: usize) {
        let before = self.people();
        eventually("events flow", async || {
            (self.people() >= before + more).then_some(())
        })
        .await;
    }

    /// Everybody is there once, with one activity, and paid for once.
    pub async fn assert_nothing_lost_or_doubled(&self) {
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
