//! The events of Segment's own documentation, from the edge to what is read back.

use serde_json::json;
use weir_proto::contact::v1 as contact;
use weir_tests::events::{sample_identify, sample_track, sample_track_with_traits, with};
use weir_tests::{Account, Plan, eventually, journey};

#[test]
fn the_samples_of_the_documentation_are_stored_as_it_says() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        assert_eq!(
            account.identify(&[sample_identify()]).await.statuses(),
            [200]
        );

        let lana = account
            .contact("lana.romeijn.myonlinestore-studio")
            .await
            .unwrap();
        let value = |field: &str| {
            let field = lana.fields.iter().find(|f| f.field_id == field);
            field.unwrap().value.clone().unwrap().kind.unwrap()
        };
        use contact::value::Kind;
        assert_eq!(value("str::first"), Kind::Text("Lana".into()));
        assert_eq!(value("str::last"), Kind::Text("Romeijn".into()));
        assert_eq!(value("dtz::b"), Kind::Date("1980-07-28".into()));
        assert_eq!(value("bol:cm:active"), Kind::Boolean(true));
        assert_eq!(lana.anonymous_ids, ["507f191e810c19729de860ea"]);
        assert_eq!(account.usage().await, (1, 0));

        // Again, and again regrouped with itself: nothing changes, nothing is charged.
        assert_eq!(
            account.identify(&[sample_identify()]).await.statuses(),
            [200]
        );
        let twice = [sample_identify(), sample_identify()];
        assert_eq!(account.identify(&twice).await.statuses(), [200, 200]);
        assert_eq!(account.usage().await, (1, 0));

        // The track, and the same message with traits: one activity, one more profile unit.
        assert_eq!(account.track(&[sample_track()]).await.statuses(), [200]);
        let traits = account.track(&[sample_track_with_traits()]).await;
        assert_eq!(traits.statuses(), [200]);
        let activities = eventually("the activity is on its contact", async || {
            let found = account.activities(&lana.contact_id, 100).await;
            (!found.is_empty()).then_some(found)
        })
        .await;
        assert_eq!(activities.len(), 1);
        assert_eq!(activities[0].event_name, "Sign-in button clicked");
        let attributes: serde_json::Value =
            serde_json::from_str(&activities[0].attributes_json).unwrap();
        assert_eq!(
            attributes,
            json!({"action": "sign-in-button-clicked", "count": 3})
        );
        assert_eq!(account.usage().await, (2, 1));
    });
}

/// The three samples, character for character.
pub const IDENTIFY: &str = r#"{ "type": "identify", "userId": "lana.romeijn.myonlinestore-studio", "anonymousId": "507f191e810c19729de860ea", "timestamp": "2025-07-10T06:09:00Z", "messageId":"3e9a7f45-1f5d-4a52-9c9e-80eb08c2cf7e", "traits": { "firstName": "Lana", "lastName": "Romeijn", "email": "lana.romeijn@example.org", "birthday": "28-07-1980", "active": true } }"#;
pub const TRACK: &str = r#"{ "type": "track", "userId": "lana.romeijn.myonlinestore-studio", "event": "Sign-in button clicked", "timestamp": "2025-07-11T06:09:00Z", "messageId":"a5cbd0b6-38e6-4c98-bf95-9f1b3d3949f1", "properties": { "action": "sign-in-button-clicked", "count": 3 } }"#;
pub const TRACK_WITH_TRAITS: &str = r#"{ "type": "track", "userId": "lana.romeijn.myonlinestore-studio", "event": "Sign-in button clicked", "timestamp": "2025-07-11T06:09:00Z", "messageId": "a5cbd0b6-38e6-4c98-bf95-9f1b3d3949f1", "properties": { "action": "sign-in-button-clicked", "count": 3 }, "traits": { "firstName": "Lana", "lastName": "Romeijn", "email": "lana.romeijn@example.org", "birthday": "28-07-1980", "active": true } }"#;

#[test]
fn the_samples_are_taken_as_they_stand_there() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        for _ in 0..2 {
            let answer = account.post("/v1/identify", IDENTIFY).await;
            assert_eq!(answer.statuses(), [200]);
            for sample in [TRACK, TRACK_WITH_TRAITS] {
                assert_eq!(account.post("/v1/track", sample).await.statuses(), [200]);
            }
        }
        let lana = account
            .contact("lana.romeijn.myonlinestore-studio")
            .await
            .unwrap();
        assert_eq!(lana.anonymous_ids, ["507f191e810c19729de860ea"]);
        let activities = eventually("the activity is on its contact", async || {
            let found = account.activities(&lana.contact_id, 100).await;
            (!found.is_empty()).then_some(found)
        })
        .await;
        assert_eq!(activities.len(), 1, "the two tracks are one activity");
        assert_eq!(account.usage().await, (2, 1));
    });
}

#[test]
fn a_contact_is_found_by_each_of_its_identifiers() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        account.identify(&[sample_identify()]).await;
        use contact::get_contact_request::Key;
        let by_user = account
            .contact("lana.romeijn.myonlinestore-studio")
            .await
            .unwrap();
        for key in [
            Key::ContactId(by_user.contact_id.clone()),
            Key::AnonymousId("507f191e810c19729de860ea".into()),
            Key::Field(contact::FieldKey {
                field_id: "str::email".into(),
                value: "Lana.Romeijn@example.org".into(),
            }),
        ] {
            assert_eq!(account.contact_by(key).await, Some(by_user.clone()));
        }
        let other = Account::create(weir, Plan::default()).await;
        assert_eq!(
            other.contact("lana.romeijn.myonlinestore-studio").await,
            None
        );
        assert_eq!(
            other.contact_by(Key::ContactId(by_user.contact_id)).await,
            None
        );
    });
}

#[test]
fn a_date_in_another_format_is_ignored_and_logged() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let event = with(
            sample_identify(),
            json!({"traits": {"firstName": "Lana", "birthday": "1980-07-28"}}),
        );
        assert_eq!(account.identify(&[event]).await.statuses(), [200]);
        let lana = account
            .contact("lana.romeijn.myonlinestore-studio")
            .await
            .unwrap();
        assert!(lana.fields.iter().all(|field| field.field_id != "dtz::b"));
        let log = eventually("the log has the line", async || {
            let log = account.log().await;
            (!log.is_empty()).then_some(log)
        })
        .await;
        assert_eq!(
            (log[0].path.as_str(), log[0].value.contains("1980-07-28")),
            ("traits.birthday", true)
        );
    });
}

#[test]
fn without_a_mapping_events_are_422_and_their_samples_are_kept() {
    journey(async |weir| {
        let account = Account::unmapped(weir, Plan::default()).await;
        let answer = account.identify(&[sample_identify()]).await;
        assert_eq!(answer.statuses(), [422]);
        assert_eq!(answer.message(0), "No mappings configured");
        assert_eq!(account.track(&[sample_track()]).await.statuses(), [422]);
        let samples = eventually("both samples are kept", async || {
            let identifies = account.samples("").await;
            let tracks = account.samples("Sign-in button clicked").await;
            (identifies.len() == 1 && tracks.len() == 1).then_some(identifies)
        })
        .await;
        let raw: serde_json::Value = serde_json::from_str(&samples[0].raw).unwrap();
        assert_eq!(raw, sample_identify());
        assert_eq!(account.usage().await, (0, 0));

        // Once mapped, the very same event is processed; within a second on every replica.
        account.map_contacts().await;
        eventually("the mapping takes effect", async || {
            let answer = account.identify(&[sample_identify()]).await;
            (answer.statuses() == [200]).then_some(())
        })
        .await;
    });
}
