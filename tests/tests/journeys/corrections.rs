//! A date in the wrong format is ignored; once the mapping is mended, a replay corrects what was
//! stored (semantics 7.5a).

use std::collections::BTreeSet;

use serde_json::{Value, json};
use weir_proto::contact::v1::value::Kind;
use weir_proto::mapping::v1::{
    AttributeMapping, FieldMapping, KeptEventFilter, PreviewReplayRequest, ValueType,
};
use weir_tests::events::{identify, track, with};
use weir_tests::{Account, Plan, Weir, eventually, journey_alone};

use crate::kept::{ended, kept, progress, send_slowly, start};

const PEOPLE: usize = 150;
const EVENT: &str = "Sign-in button clicked";

/// Maps the birthday, and the day of the activity, in this format.
async fn map(account: &Account, format: &str) {
    let row = |path: &str, field: &str, format: &str| FieldMapping {
        trait_path: path.into(),
        field_id: field.into(),
        date_format: format.into(),
        ..Default::default()
    };
    let rows = vec![
        row("firstName", "str::first", ""),
        row("birthday", "dtz::b", format),
    ];
    account.put_contact_mapping(rows).await;
    let day = AttributeMapping {
        property_path: "day".into(),
        attribute: "day".into(),
        r#type: ValueType::Date.into(),
        date_format: format.into(),
        ..Default::default()
    };
    account.put_activity_mapping(EVENT, 730, vec![day]).await;
}

/// Birthdays by user id, and what the one activity of each says.
async fn known(account: &Account) -> BTreeSet<(String, String, String)> {
    let mut known = BTreeSet::new();
    for contact in account.contacts().await {
        let birthday = contact.fields.iter().find(|one| one.field_id == "dtz::b");
        let birthday = birthday.and_then(|one| one.value.clone()?.kind);
        let birthday = match birthday {
            Some(Kind::Date(day)) => day,
            _ => String::new(),
        };
        let activities = account.activities(&contact.contact_id, 10).await;
        assert_eq!(activities.len(), 1);
        let attributes = activities[0].attributes_json.clone();
        known.insert((contact.user_ids[0].clone(), birthday, attributes));
    }
    known
}

async fn preview(account: &Account) -> (String, String) {
    let request = PreviewReplayRequest {
        account_id: account.account_id.clone(),
        source_id: account.source_id.clone(),
        page_size: 1_000,
        ..Default::default()
    };
    let answer = account.weir.replays().preview_replay(request).await;
    let events = answer.unwrap().into_inner().events;
    assert!(events.iter().all(|one| one.status == 200), "{events:?}");
    let identify = events.iter().find(|one| one.attributes_json.is_empty());
    let track = events.iter().find(|one| !one.attributes_json.is_empty());
    let (identify, track) = (identify.unwrap(), track.unwrap());
    (identify.fields_json.clone(), track.attributes_json.clone())
}

#[test]
fn a_date_in_the_wrong_format_is_mended_by_a_replay_for_everybody_once_and_for_free() {
    journey_alone(async |weir: &'static Weir| {
        let account = Account::unmapped(weir, Plan::default()).await;
        map(&account, "DD-MM-YYYY").await;
        let names: Vec<String> = (0..PEOPLE).map(|n| format!("p{n}")).collect();
        let traits = json!({"firstName": "Lana", "birthday": "1980-07-28"});
        let identifies = names.iter().map(|name| identify(name, traits.clone()));
        let properties = json!({"properties": {"day": "2025-07-10"}});
        let tracks = names
            .iter()
            .map(|name| with(track(name), properties.clone()));
        let (identifies, tracks): (Vec<Value>, Vec<Value>) =
            (identifies.collect(), tracks.collect());
        send_slowly(&account, "/v1/identify", identifies.clone(), 200).await;
        send_slowly(&account, "/v1/track", tracks.clone(), 200).await;
        eventually("all are kept", async || kept(&account).await == 2 * PEOPLE).await;
        let log = account.log().await;
        assert!(log.iter().any(|line| line.path == "traits.birthday"));
        let ignored = known(&account).await;
        assert!(
            ignored
                .iter()
                .all(|(_, birthday, day)| birthday.is_empty() && day == "{}")
        );
        let units = i64::try_from(PEOPLE).unwrap();
        assert_eq!(account.usage().await, (units, units));

        map(&account, "YYYY-MM-DD").await;
        let (fields, attributes) = preview(&account).await;
        // In the order in which the traits came.
        assert_eq!(fields, r#"{"str::first":"Lana","dtz::b":"1980-07-28"}"#);
        assert_eq!(attributes, r#"{"day":"2025-07-10"}"#);
        let replay = start(&account, KeptEventFilter::default(), "mended").await;
        eventually("it has begun", async || {
            let now = progress(&account, &replay).await?;
            (now.waiting_count < now.event_count).then_some(())
        })
        .await;
        for process in ["edge", "contact-upsert", "activity", "edge"] {
            weir.kill(process).await;
        }
        let replay = ended(&account, &replay).await;
        let counts: Vec<_> = (replay.counts.iter())
            .map(|one| (one.status, &*one.code, one.count))
            .collect();
        assert_eq!(counts, [(200, "", 2 * units)]);
        let mended = known(&account).await;
        assert_eq!(mended.len(), PEOPLE);
        let expected = ("1980-07-28", r#"{"day":"2025-07-10"}"#);
        assert!(
            mended
                .iter()
                .all(|(_, birthday, day)| (&**birthday, &**day) == expected)
        );
        assert_eq!(kept(&account).await, 0);

        // Once more, and sent once more: nothing changes, and nothing is charged.
        let done = KeptEventFilter {
            include_done: true,
            ..Default::default()
        };
        let again = start(&account, done, "again").await;
        assert_eq!(ended(&account, &again).await.counts, replay.counts);
        for (path, events) in [("/v1/identify", identifies), ("/v1/track", tracks)] {
            let answer = account.post(path, json!(events).to_string()).await;
            assert_eq!(answer.statuses(), vec![200; PEOPLE]);
        }
        assert_eq!(known(&account).await, mended);
        assert_eq!(account.usage().await, (units, units));
    });
}
