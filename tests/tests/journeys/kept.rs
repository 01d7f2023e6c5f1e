//! Events that were not taken are taken anew, and contacts that could not be reached are made up
//! for (semantics 7.5, 1.7).

use std::collections::BTreeMap;

use serde_json::{Value, json};
use weir_proto::mapping::v1::{
    GetReplayRequest, KeptEventFilter, ListKeptEventsRequest, Replay, ReplayState,
    StartReplayRequest,
};
use weir_tests::events::{identify, track};
use weir_tests::{Account, Plan, Weir, eventually, journey_alone};

const PEOPLE: usize = 600;

pub async fn kept(account: &Account) -> usize {
    let request = ListKeptEventsRequest {
        account_id: account.account_id.clone(),
        source_id: account.source_id.clone(),
        page_size: 1_000,
        ..Default::default()
    };
    let page = account.weir.replays().list_kept_events(request).await;
    page.map_or(0, |page| page.into_inner().events.len())
}

pub async fn start(account: &Account, filter: KeptEventFilter, request_id: &str) -> Replay {
    let request = StartReplayRequest {
        account_id: account.account_id.clone(),
        source_id: account.source_id.clone(),
        all: filter.codes.is_empty(),
        filter: Some(filter),
        request_id: request_id.into(),
    };
    let answer = account.weir.replays().start_replay(request).await;
    answer.unwrap().into_inner().replay.unwrap()
}

pub async fn ended(account: &Account, replay: &Replay) -> Replay {
    eventually("the replay has ended", async || {
        let now = progress(account, replay).await?;
        (now.state() == ReplayState::Ended).then_some(now)
    })
    .await
}

pub async fn progress(account: &Account, replay: &Replay) -> Option<Replay> {
    let request = GetReplayRequest {
        account_id: account.account_id.clone(),
        replay_id: replay.replay_id.clone(),
    };
    let answer = account.weir.replays().get_replay(request).await.ok()?;
    answer.into_inner().replay
}

/// Sends events a second apart, so that none is more than a second has room for.
pub async fn send_slowly(account: &Account, path: &str, events: Vec<Value>, expected: u16) {
    for part in events.chunks(50) {
        let answer = account.post(path, json!(part).to_string()).await;
        assert_eq!(answer.statuses(), vec![expected; part.len()], "{answer:?}");
        tokio::time::sleep(std::time::Duration::from_millis(1_050)).await;
    }
}

#[test]
fn a_replay_survives_kill_9_and_takes_each_event_once() {
    journey_alone(async |weir: &'static Weir| {
        let account = Account::unmapped(weir, Plan::default()).await;
        let names: Vec<String> = (0..PEOPLE / 2).map(|n| format!("p{n}")).collect();
        let identifies = names
            .iter()
            .map(|name| identify(name, json!({"firstName": name})));
        send_slowly(&account, "/v1/identify", identifies.collect(), 422).await;
        let tracks = names.iter().map(|name| track(name));
        send_slowly(&account, "/v1/track", tracks.collect(), 422).await;
        eventually("all are kept", async || kept(&account).await == PEOPLE).await;
        account.map_contacts().await;
        account.map_activity("Sign-in button clicked", 730).await;
        let unmapped = KeptEventFilter {
            codes: vec!["NO_MAPPING".into()],
            ..Default::default()
        };
        let replay = start(&account, unmapped, "all of them").await;
        assert_eq!(replay.event_count, PEOPLE as i64);
        eventually("it has begun", async || {
            let now = progress(&account, &replay).await?;
            (now.waiting_count < now.event_count || now.state() == ReplayState::Ended).then_some(())
        })
        .await;
        for process in ["edge", "mapping", "edge", "contact-upsert"] {
            weir.kill(process).await;
        }
        let ended = ended(&account, &replay).await;
        let counts: Vec<_> = ended
            .counts
            .iter()
            .map(|one| (one.status, one.count))
            .collect();
        assert_eq!(counts, [(200, PEOPLE as i64)]);
        let contacts: BTreeMap<String, String> = account
            .contacts()
            .await
            .into_iter()
            .map(|contact| (contact.user_ids[0].clone(), contact.contact_id))
            .collect();
        assert_eq!(contacts.len(), names.len());
        for contact_id in contacts.values() {
            assert_eq!(account.activities(contact_id, 10).await.len(), 1);
        }
        let units = i64::try_from(names.len()).unwrap();
        eventually("each is charged once", async || {
            account.usage().await == (units, units)
        })
        .await;
        assert_eq!(kept(&account).await, 0);
    });
}

#[test]
fn a_contact_that_could_not_be_reached_is_made_up_for_by_itself() {
    journey_alone(async |weir: &'static Weir| {
        let account = Account::create(weir, Plan::default()).await;
        let names: Vec<String> = (0..60).map(|n| format!("p{n}")).collect();
        let with_traits = |name: &String| {
            let mut event = track(name);
            event["traits"] = json!({"firstName": name});
            event
        };
        let events: Vec<Value> = names.iter().map(with_traits).collect();
        // Its key is known, and the service is gone.
        let warm = account.post("/v1/track", json!([track("known")]).to_string());
        assert_eq!(warm.await.statuses(), [200]);
        weir.stack.kill9_and_hold("contact-upsert").await.unwrap();
        let answer = account.post("/v1/track", json!(events).to_string()).await;
        assert_eq!(answer.statuses(), vec![206; names.len()], "{answer:?}");
        let codes = answer.json["results"].as_array().unwrap().iter();
        assert!(codes.clone().all(|one| one["code"] == "CONTACT_DEFERRED"));
        assert_eq!(kept(&account).await, names.len());
        weir.stack.start_process("contact-upsert").await.unwrap();
        let began = std::time::Instant::now();
        eventually("they are made up for", async || kept(&account).await == 0).await;
        assert!(began.elapsed().as_secs() < 60, "within a minute");
        let contacts = account.contacts().await;
        assert_eq!(contacts.len(), names.len());
        eventually("their activities are theirs", async || {
            account.backlog().await <= 1
        })
        .await;
        for contact in &contacts {
            let activities = account.activities(&contact.contact_id, 10).await;
            assert_eq!(activities.len(), 1, "{:?}", contact.user_ids);
        }
        let (profiles, activities) = (60, 61);
        eventually("each is charged once", async || {
            account.usage().await == (profiles, activities)
        })
        .await;
        // Sent again it is a repeat.
        let again = account.post("/v1/track", json!(events).to_string()).await;
        assert_eq!(again.statuses(), vec![200; names.len()]);
        assert_eq!(account.usage().await, (profiles, activities));
    });
}
