//! The classic source through the running system (semantics 8).

use data_encoding::BASE64;
use serde_json::{Value, json};
use weir_proto::mapping::v1 as mapping;
use weir_proto::mapping::v1::{KeptEventFilter, ListKeptEventsRequest, StartReplayRequest};
use weir_tests::events::{ago, with};
use weir_tests::{Account, Answer, Plan, Weir, eventually, journey};

const SIGN_IN: &str = "Sign-in button clicked";

/// Another source of an account, which is classic and has a key.
pub async fn classic_of(account: &Account) -> Account {
    let mut client = account.weir.mapping();
    let request = mapping::PutSourceRequest {
        account_id: account.account_id.clone(),
        kind: mapping::SourceKind::SegmentClassic.into(),
        name: "Classic".into(),
        ..Default::default()
    };
    let answer = client.put_source(request).await.unwrap();
    let source_id = answer.into_inner().source.unwrap().source_id;
    let request = mapping::CreateKeyRequest {
        account_id: account.account_id.clone(),
        source_id: source_id.clone(),
        ..Default::default()
    };
    let answer = client.create_key(request).await.unwrap();
    Account {
        weir: account.weir,
        account_id: account.account_id.clone(),
        source_id,
        key: answer.into_inner().secret,
        plan: account.plan,
        name: account.name.clone(),
    }
}

/// Sends a body as an SDK does, to the port that is for SDKs.
async fn send(classic: &Account, path: &str, body: &Value) -> Answer {
    let basic = format!(
        "Basic {}",
        BASE64.encode(format!("{}:", classic.key).as_bytes())
    );
    let url = format!("{}{path}", classic.weir.stack.classic_url());
    let headers = [
        ("authorization", basic.as_str()),
        ("content-type", "text/plain"),
    ];
    // In the words of Segment's SDK for Python: with blanks, and all of it ASCII.
    let body = body.to_string().replace("\":", "\": ");
    let body = body.replace('é', "\\u00e9");
    classic.weir.post_with(&url, &headers, body).await
}

async fn batch(classic: &Account, events: &[Value]) -> Answer {
    let body = json!({"batch": events, "sentAt": weir_tests::events::now()});
    send(classic, "/v1/batch", &body).await
}

fn assert_success(answer: &Answer) {
    assert_eq!(
        (answer.status, &answer.json),
        (200, &json!({"success": true}))
    );
}

fn identify(user_id: &str, traits: Value) -> Value {
    json!({"type": "identify", "userId": user_id, "timestamp": ago(60),
           "messageId": format!("i-{user_id}"), "traits": traits})
}

fn track(user_id: &str) -> Value {
    json!({"type": "track", "userId": user_id, "event": SIGN_IN, "timestamp": ago(50),
           "messageId": format!("t-{user_id}"), "properties": {"action": "x", "count": 3}})
}

/// As Segment (Actions) sends the same message.
fn actions(event: &Value) -> Value {
    let mut form = json!({"enable_batching": true, "batch_size": 500});
    for (of, to) in [
        ("userId", "user_id"),
        ("messageId", "message_id"),
        ("timestamp", "timestamp"),
        ("event", "event"),
        ("traits", "traits"),
        ("properties", "properties"),
    ] {
        if let Some(value) = event.get(of) {
            form[to] = value.clone();
        }
    }
    if let Some(traits) = event.pointer("/context/traits") {
        form["traits"] = traits.clone();
    }
    form
}

/// Through the front door.
async fn copy_mapping(weir: &Weir, from: &Account, to: &Account) -> Value {
    let request = json!({
        "accountId": from.account_id,
        "fromSourceId": from.source_id,
        "toSourceId": to.source_id,
    });
    let call = "mapping/CopyMapping";
    let called = weir.cli(&["call", call, &request.to_string()]).await;
    assert!(called.status.success(), "{called:?}");
    serde_json::from_slice(&called.stdout).unwrap()
}

#[test]
fn the_documentations_samples_sent_by_an_sdks_way_are_contacts_and_one_activity() {
    journey(async |weir| {
        let account = Account::unmapped(weir, Plan::default()).await;
        let classic = classic_of(&account).await;
        classic.map_contacts().await;
        classic.map_activity(SIGN_IN, 730).await;
        let user = "lana.romeijn.myonlinestore-studio";
        let sample = json!({"type": "identify", "userId": user,
            "anonymousId": "507f191e810c19729de860ea", "timestamp": "2025-07-10T06:09:00Z",
            "messageId": "3e9a7f45-1f5d-4a52-9c9e-80eb08c2cf7e",
            "traits": {"firstName": "Lana", "lastName": "Romeijn",
                "email": "lana.romeijn@example.org", "birthday": "28-07-1980", "active": true}});
        let clicked = json!({"type": "track", "userId": user, "event": SIGN_IN,
            "timestamp": "2025-07-11T06:09:00Z",
            "messageId": "a5cbd0b6-38e6-4c98-bf95-9f1b3d3949f1",
            "properties": {"action": "sign-in-button-clicked", "count": 3}});
        assert_success(&send(&classic, "/v1/identify", &sample).await);
        assert_success(&send(&classic, "/v1/t", &clicked).await);
        let page = json!({"type": "page", "userId": user, "name": "Home"});
        assert_success(&batch(&classic, &[page, clicked, sample]).await);
        let contact = classic.contact(user).await.unwrap();
        assert_eq!(contact.anonymous_ids, ["507f191e810c19729de860ea"]);
        assert_eq!(classic.activities(&contact.contact_id, 10).await.len(), 1);
        assert_eq!(classic.usage().await, (1, 1));
        eventually("the page is counted", async || {
            let counts = classic.summaries().await;
            counts
                .iter()
                .any(|one| one.code == "TYPE_NOT_STORED" && one.count == 1)
        })
        .await;
    });
}

/// Semantics 8.1, 8.5.
#[test]
fn a_source_moves_to_segment_actions_while_both_send_the_same_messages() {
    journey(async |weir| {
        let account = Account::unmapped(weir, Plan::default()).await;
        let classic = classic_of(&account).await;
        classic.map_contacts().await;
        classic.map_activity(SIGN_IN, 730).await;
        let copied = copy_mapping(weir, &classic, &account).await;
        assert_eq!(copied["activities"], 1, "{copied}");

        let people: Vec<String> = (0..40).map(|n| format!("p{n}")).collect();
        for (number, user) in people.iter().enumerate() {
            let traits = json!({"firstName": user, "email": format!("{user}@example.org")});
            // Every other track says who it is as well, which costs a unit of its own.
            let name = format!("Andréa {user}");
            let tracked = match number % 2 {
                0 => track(user),
                _ => with(
                    track(user),
                    json!({"context": {"traits": {"firstName": name}}}),
                ),
            };
            let both = [identify(user, traits), tracked];
            let [identified, tracked] = &both;
            let by_classic = async || assert_success(&batch(&classic, &both).await);
            let by_actions = async || {
                let answer = account.identify(&[actions(identified)]).await;
                assert_eq!(answer.statuses(), [200], "{answer:?}");
                let answer = account.track(&[actions(tracked)]).await;
                assert_eq!(answer.statuses(), [200], "{answer:?}");
            };
            // Whichever comes first, and both at once.
            match number % 3 {
                0 => {
                    by_classic().await;
                    by_actions().await;
                }
                1 => {
                    by_actions().await;
                    by_classic().await;
                }
                _ => {
                    tokio::join!(by_classic(), by_actions());
                }
            }
        }
        assert_eq!(account.contacts().await.len(), people.len());
        for user in &people {
            let contact = account.contact(user).await.unwrap();
            assert_eq!(account.activities(&contact.contact_id, 10).await.len(), 1);
        }
        let units = i64::try_from(people.len()).unwrap();
        let expected = (units + units / 2, units);
        let message = "both draw on one limit, once";
        assert_eq!(account.usage().await, expected, "{message}");
        let again = copy_mapping(weir, &classic, &account).await;
        assert_eq!(again["change"], "CHANGE_KIND_UNCHANGED", "{again}");
    });
}

#[test]
fn what_was_not_taken_is_kept_and_replayed_and_what_is_no_event_stays_refused() {
    journey(async |weir| {
        let account = Account::unmapped(weir, Plan::default()).await;
        let classic = classic_of(&account).await;
        classic.map_contacts().await;
        let traits = json!({"firstName": "Ada"});
        let unknown = with(
            track("ada"),
            json!({"type": "purchase", "messageId": "m-purchase"}),
        );
        let far = with(
            track("ada"),
            json!({"context": {"a": "x".repeat(33 * 1024)}}),
        );
        let events = [track("ada"), identify("ada", traits), unknown, far];
        assert_success(&batch(&classic, &events).await);
        let list = || ListKeptEventsRequest {
            account_id: classic.account_id.clone(),
            source_id: classic.source_id.clone(),
            page_size: 100,
            ..Default::default()
        };
        let kept = eventually("both are kept", async || {
            let listed = weir.replays().list_kept_events(list()).await.ok()?;
            let events = listed.into_inner().events;
            (events.len() == 2).then_some(events)
        })
        .await;
        let mut codes: Vec<&str> = kept.iter().map(|one| one.code.as_str()).collect();
        codes.sort_unstable();
        assert_eq!(codes, ["EVENT_TYPE_UNKNOWN", "NO_MAPPING"]);
        classic.map_activity(SIGN_IN, 730).await;
        let request = StartReplayRequest {
            account_id: classic.account_id.clone(),
            source_id: classic.source_id.clone(),
            filter: Some(KeptEventFilter::default()),
            request_id: "all".into(),
            all: true,
        };
        weir.replays().start_replay(request).await.unwrap();
        let contact = classic.contact("ada").await.unwrap();
        eventually("the track is stored", async || {
            classic.activities(&contact.contact_id, 10).await.len() == 1
        })
        .await;
        let left = eventually("the other one is refused again", async || {
            let listed = weir.replays().list_kept_events(list()).await.ok()?;
            let open = listed.into_inner().events.into_iter();
            let open: Vec<_> = open.filter(|one| one.done_time.is_none()).collect();
            (open.len() == 1).then_some(open)
        })
        .await;
        assert_eq!(left[0].code, "EVENT_TYPE_UNKNOWN");
        assert_eq!(classic.usage().await, (1, 1));
        let codes: Vec<String> = classic
            .log()
            .await
            .into_iter()
            .map(|line| line.code)
            .collect();
        assert!(
            codes.iter().any(|code| code == "EVENT_TOO_LARGE"),
            "{codes:?}"
        );
    });
}

/// Semantics 8.4.
#[test]
fn a_paused_source_takes_nothing_until_it_is_resumed() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let (account_id, source_id) = (account.account_id.clone(), account.source_id.clone());
        let pause = mapping::PauseSourceRequest {
            account_id: account_id.clone(),
            source_id: source_id.clone(),
        };
        weir.configuration().pause_source(pause).await.unwrap();
        let event = actions(&identify("ada", json!({"firstName": "Ada"})));
        let answer = account.identify(std::slice::from_ref(&event)).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "60"));
        assert_eq!(answer.json["code"], "SOURCE_PAUSED");
        assert!(account.source().await.pause_time.is_some());
        let resume = mapping::ResumeSourceRequest {
            account_id,
            source_id,
        };
        weir.configuration().resume_source(resume).await.unwrap();
        let answer = eventually("it is taken again", async || {
            let answer = account.identify(std::slice::from_ref(&event)).await;
            (answer.status == 207).then_some(answer)
        })
        .await;
        assert_eq!(answer.statuses(), [200]);
        assert_eq!(account.usage().await, (1, 0));
    });
}
