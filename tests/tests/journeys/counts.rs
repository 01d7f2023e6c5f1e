//! Answers are counted exactly, whatever dies behind the edge (semantics 7.3a).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use weir_tests::events::{identify, track, with};
use weir_tests::{Account, Plan, Weir, eventually, journey_alone};

type Counts = BTreeMap<(u32, String, String), i64>;

#[derive(Default)]
struct Load {
    stop: AtomicBool,
    answered: AtomicUsize,
}

impl Load {
    /// Sends until it is told to stop; what each event was answered.
    async fn send(&self, account: &Account, sender: usize) -> Counts {
        let mut counts = Counts::new();
        let mut round = 0;
        while !self.stop.load(Ordering::Relaxed) {
            round += 1;
            let name = format!("s{sender}-r{round}");
            let events = [
                track(&name),
                with(track(&name), json!({"event": "Never mapped"})),
                with(track(&name), json!({"event": ""})),
                identify(&name, json!({"firstName": name})),
            ];
            let names = ["Sign-in button clicked", "Never mapped", "", ""];
            for (path, events, names) in [
                ("/v1/track", &events[..3], &names[..3]),
                ("/v1/identify", &events[3..], &names[3..]),
            ] {
                let body = serde_json::to_vec(events).unwrap();
                let sent = account
                    .weir
                    .try_send("POST", path, Some(&account.key), body.into());
                let Some(answer) = sent.await.filter(|answer| answer.status == 207) else {
                    continue;
                };
                let results = answer.json["results"].as_array().unwrap();
                for (result, name) in results.iter().zip(names) {
                    let status = u32::try_from(result["status"].as_u64().unwrap()).unwrap();
                    let code = result["code"].as_str().unwrap_or("OK").to_owned();
                    *counts
                        .entry((status, code, (*name).to_owned()))
                        .or_default() += 1;
                }
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
        }
        counts
    }
}

async fn kill_what_counts(weir: &Weir, load: &Load) {
    for process in ["mapping", "postgres", "redis", "mapping"] {
        weir.kill(process).await;
        let before = load.answered.load(Ordering::Relaxed);
        eventually(&format!("events flow again after {process}"), async || {
            (load.answered.load(Ordering::Relaxed) > before + 40).then_some(())
        })
        .await;
    }
    load.stop.store(true, Ordering::Relaxed);
}

#[test]
fn every_answer_is_counted_once_while_what_keeps_the_counts_is_killed() {
    journey_alone(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let load = Load::default();
        let (one, other, ()) = tokio::join!(
            load.send(&account, 0),
            load.send(&account, 1),
            kill_what_counts(weir, &load),
        );
        let mut answered = one;
        for (key, count) in other {
            *answered.entry(key).or_default() += count;
        }
        assert!(answered.values().sum::<i64>() > 160, "{answered:?}");
        let counted = async || -> Counts {
            let summaries = account.summaries().await.into_iter();
            let answers = summaries.filter(|one| one.status > 0);
            answers
                .map(|one| ((one.status, one.code, one.subject), one.count))
                .collect()
        };
        eventually("all is told", async || {
            let counted = counted().await;
            (counted.values().sum::<i64>() >= answered.values().sum()).then_some(())
        })
        .await;
        assert_eq!(counted().await, answered);
    });
}
