//! `kill -9` under load: what was answered 200 is there, once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use weir_tests::events::{identify, track};
use weir_tests::{Account, Plan, Weir, eventually, journey_alone};

/// What each person's identify and track were answered in the end.
type Answered = Vec<(String, u16, u16)>;

#[derive(Default)]
struct Load {
    stop: AtomicBool,
    delivered: AtomicUsize,
}

impl Load {
    /// Sends identifies and tracks of people of its own until it is told to stop. What ends
    /// 5xx is sent again, as Segment would.
    async fn send(&self, account: &Account, sender: usize) -> Answered {
        let mut answered = Vec::new();
        let mut round = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let names: Vec<String> = (0..20).map(|n| format!("s{sender}-r{round}-{n}")).collect();
            let identifies: Vec<Value> = names
                .iter()
                .map(|name| identify(name, json!({"firstName": name})))
                .collect();
            let tracks: Vec<Value> = names.iter().map(|name| track(name)).collect();
            let first = deliver(account, "/v1/identify", &identifies).await;
            let second = deliver(account, "/v1/track", &tracks).await;
            for (name, (a, b)) in names.into_iter().zip(first.into_iter().zip(second)) {
                answered.push((name, a, b));
                self.delivered.fetch_add(1, Ordering::Relaxed);
            }
            round += 1;
        }
        answered
    }
}

async fn kill_one_after_another(weir: &Weir, load: &Load) {
    for process in [
        "contact-upsert",
        "activity",
        "quota",
        "mapping",
        "audience",
        "edge",
        "redis",
        "postgres",
    ] {
        weir.kill(process).await;
        let before = load.delivered.load(Ordering::Relaxed);
        eventually(&format!("events flow again after {process}"), async || {
            (load.delivered.load(Ordering::Relaxed) > before + 40).then_some(())
        })
        .await;
    }
    load.stop.store(true, Ordering::Relaxed);
}

/// Sends until every event has an answer that is not a failure of ours.
async fn deliver(account: &Account, path: &str, events: &[Value]) -> Vec<u16> {
    let mut statuses = vec![500; events.len()];
    eventually("the batch is delivered", async || {
        let open: Vec<usize> = (0..events.len()).filter(|n| statuses[*n] >= 500).collect();
        let batch: Vec<&Value> = open.iter().map(|n| &events[*n]).collect();
        let body = serde_json::to_vec(&batch).unwrap();
        let answer = account
            .weir
            .try_send("POST", path, Some(&account.key), body.into())
            .await?;
        if answer.status == 207 {
            for (n, status) in open.into_iter().zip(answer.statuses()) {
                statuses[n] = status;
            }
        } else {
            assert!(
                answer.status >= 500,
                "an outage is never a {}",
                answer.status
            );
        }
        statuses.iter().all(|status| *status < 500).then_some(())
    })
    .await;
    statuses
}

#[test]
fn nothing_answered_200_is_lost_or_doubled_when_processes_are_killed() {
    journey_alone(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let load = Load::default();
        let (first, second, third, ()) = tokio::join!(
            load.send(&account, 0),
            load.send(&account, 1),
            load.send(&account, 2),
            kill_one_after_another(weir, &load),
        );
        let answered = [first, second, third].concat();
        assert!(answered.len() > 300, "{}", answered.len());

        let contacts: BTreeMap<String, String> = account
            .contacts()
            .await
            .into_iter()
            .map(|contact| (contact.user_ids[0].clone(), contact.contact_id))
            .collect();
        eventually("the backlog is attached", async || {
            (account.backlog().await == 0).then_some(())
        })
        .await;
        for (name, identified, tracked) in &answered {
            assert_eq!((*identified, *tracked), (200, 200), "{name}");
            let contact = contacts
                .get(name)
                .unwrap_or_else(|| panic!("{name} is lost"));
            let activities = account.activities(contact, 10).await;
            assert_eq!(activities.len(), 1, "activities of {name}");
        }
        assert_eq!(contacts.len(), answered.len());
        // Leases of batches that died with their process run out, and the ledgers decide.
        let units = i64::try_from(answered.len()).unwrap();
        assert_eq!(account.usage().await, (units, units));
    });
}
