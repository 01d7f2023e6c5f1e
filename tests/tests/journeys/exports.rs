//! Contacts and what they did, found and written into files (semantics 3.11, 3.12, 4.14).

use std::path::PathBuf;

use serde_json::{Value, json};
use weir_proto::contact::v1::{Contact, SearchContactsRequest};
use weir_proto::mapping::v1::{AttributeMapping, ValueType};
use weir_tests::events::{identify, track, with};
use weir_tests::front_door::{run, said};
use weir_tests::{Account, Plan, eventually, journey};

#[test]
fn what_is_exported_can_be_imported_elsewhere_and_is_the_same() {
    journey(async |weir| {
        let (here, there) = tokio::join!(
            Account::create(weir, Plan::default()),
            Account::create(weir, Plan::default())
        );
        let people: Vec<Value> = (0..300)
            .map(|n| {
                let traits = json!({
                    "firstName": format!("Ann, \"{n}\""), "email": format!("ann{n}@example.org"),
                    "birthday": "28-07-1980", "active": n % 2 == 0,
                });
                identify(&format!("u{n}"), traits)
            })
            .collect();
        assert_eq!(here.identify(&people).await.statuses(), [200; 300]);
        for format in ["csv", "jsonl"] {
            let folder = tempfile::tempdir().unwrap();
            let out = folder.path().join(format!("people.{format}"));
            let out = out.display().to_string();
            let fields = "user_id,str::first,str::email,dtz::b,bol:cm:active,create_time";
            let words = [
                "export",
                "contacts",
                "--account",
                &here.account_id,
                "--output",
                &out,
            ];
            let more = ["--format", format, "--fields", fields];
            let exported = run(weir, &[&words[..], &more[..]].concat()).await;
            assert!(exported.status.success(), "{}", said(&exported));
            assert!(
                said(&exported).contains("300 contacts"),
                "{}",
                said(&exported)
            );
            assert!(!PathBuf::from(format!("{out}.part")).exists());

            let words = ["import", "contacts", &out, "--account", &there.name];
            let imported = run(weir, &words).await;
            assert!(imported.status.success(), "{}", said(&imported));
            let stored = if format == "csv" {
                "300 stored, 0"
            } else {
                "0 stored, 300"
            };
            assert!(said(&imported).contains(stored), "{}", said(&imported));
        }
        let fields = |contact: &Contact| {
            let fields = contact.fields.iter();
            let fields = fields.map(|field| (field.field_id.clone(), field.value.clone()));
            (contact.user_ids.clone(), fields.collect::<Vec<_>>())
        };
        let of = async |account: &Account| {
            let mut contacts: Vec<_> = account.contacts().await.iter().map(fields).collect();
            contacts.sort_by(|one, other| one.0.cmp(&other.0));
            contacts
        };
        assert_eq!(of(&here).await, of(&there).await);
        // Everything, by default, on standard output.
        let words = ["export", "contacts", "--account", &there.name];
        let exported = run(weir, &words).await;
        let lines = String::from_utf8(exported.stdout).unwrap();
        assert!(
            lines.starts_with("contact_id,user_id,anonymous_id,"),
            "{lines}"
        );
        assert_eq!(lines.lines().count(), 301);
    });
}

#[test]
fn everything_known_of_one_person_is_one_file() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let lana = json!({"firstName": "Lana", "email": "lana@example.org", "active": true});
        assert_eq!(
            account.identify(&[identify("lana", lana)]).await.statuses(),
            [200]
        );
        assert_eq!(
            account
                .track(&[track("lana"), track("lana")])
                .await
                .statuses(),
            [200; 2]
        );
        let words = [
            "export",
            "person",
            "--account",
            &account.name,
            "--email",
            "Lana@example.org",
        ];
        let person = eventually("the activities are there", async || {
            let output = run(weir, &words).await;
            assert!(output.status.success(), "{}", said(&output));
            let person: Value = serde_json::from_slice(&output.stdout).unwrap();
            // What came is known as well, as it came.
            let samples = person["as_sent"][0]["samples"]
                .as_array()
                .map_or(0, Vec::len);
            let activities = person["activities"].as_array().unwrap().len();
            (activities == 2 && samples > 0).then_some(person)
        })
        .await;
        assert_eq!(person["contact"]["user_ids"], json!(["lana"]));
        assert_eq!(person["contact"]["fields"]["str::first"]["value"], "Lana");
        assert_eq!(person["contact"]["fields"]["bol:cm:active"]["value"], true);
        assert_eq!(person["activities"][0]["event"], "Sign-in button clicked");
        let occurrences = person["occurrences"].as_array().unwrap();
        assert_eq!(occurrences.len(), 1);
        assert_eq!(occurrences[0]["event"], "Sign-in button clicked");
        let last = &person["activities"][0]["event_time"];
        assert_eq!(occurrences[0]["last_time"], *last);
        assert_eq!(person["memberships"], json!([]));
        let nobody = run(
            weir,
            &[
                "export",
                "person",
                "--account",
                &account.name,
                "--user-id",
                "x",
            ],
        )
        .await;
        assert_eq!(nobody.status.code(), Some(2), "{}", said(&nobody));
    });
}

#[test]
fn what_an_event_brings_is_found_at_once() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let people = [
            identify(
                "u-lana",
                json!({"firstName": "Lana", "lastName": "Romeijn"}),
            ),
            identify(
                "u-other",
                json!({"firstName": "Zoë", "email": "lanark@example.org"}),
            ),
        ];
        assert_eq!(account.identify(&people).await.statuses(), [200; 2]);
        let mut client = weir.search();
        let mut found = async |query: &str| -> Vec<String> {
            let request = SearchContactsRequest {
                account_id: account.account_id.clone(),
                query: query.to_owned(),
                ..Default::default()
            };
            let page = client.search_contacts(request).await.unwrap().into_inner();
            let ids = page
                .matches
                .into_iter()
                .map(|one| one.contact.unwrap().user_ids[0].clone());
            ids.collect()
        };
        assert_eq!(found("lana").await, ["u-lana", "u-other"]);
        assert_eq!(found("romeijn la").await, ["u-lana"]);
        assert_eq!(found("zoe").await, ["u-other"]);
        assert_eq!(found("u-").await, ["u-lana", "u-other"]);
    });
}

/// By Lana, who did something else as well.
async fn three_are_bought(account: &Account) {
    let known = identify("lana", json!({"firstName": "Lana"}));
    assert_eq!(account.identify(&[known]).await.statuses(), [200]);
    let bought = |n: usize| {
        let properties = json!({
            "plan": format!("\"{n}\", pro"), "price": 12.50, "items": [{"a": [2.0], "b": 1}],
        });
        with(
            track("lana"),
            json!({"event": "Bought", "properties": properties}),
        )
    };
    let events: Vec<Value> = (0..3).map(bought).collect();
    assert_eq!(account.track(&events).await.statuses(), [200; 3]);
    assert_eq!(account.track(&[track("lana")]).await.statuses(), [200]);
    eventually("they are stored", async || {
        (account.backlog().await == 0).then_some(())
    })
    .await;
}

/// Semantics 4.14, 4.3: objects and lists as they were sent.
#[test]
fn what_people_did_is_a_file() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let attribute = |name: &str, value_type: ValueType| AttributeMapping {
            property_path: name.to_owned(),
            attribute: name.to_owned(),
            r#type: value_type.into(),
            ..AttributeMapping::default()
        };
        let attributes = vec![
            attribute("plan", ValueType::Text),
            attribute("price", ValueType::Decimal),
            attribute("items", ValueType::Object),
        ];
        account.put_activity_mapping("Bought", 90, attributes).await;
        three_are_bought(&account).await;

        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("bought.csv").display().to_string();
        let words = [
            "export",
            "activities",
            "--account",
            &account.name,
            "--output",
            &out,
        ];
        let exported = run(weir, &[&words[..], &["--event", "Bought"]].concat()).await;
        assert!(exported.status.success(), "{}", said(&exported));
        assert!(
            said(&exported).contains("3 activities"),
            "{}",
            said(&exported)
        );
        let file = std::fs::read_to_string(&out).unwrap();
        let mut lines = file.lines();
        let header = "event_time,event_name,contact_id,message_id,receive_time,attributes.plan,\
            attributes.price,attributes.items";
        assert_eq!(lines.next(), Some(header));
        let first = lines.next().unwrap();
        let contact = account.contact("lana").await.unwrap().contact_id;
        assert!(first.contains(&format!(",Bought,{contact},")), "{first}");
        let cells = r#","""0"", pro",12.5,"[{""a"":[2.0],""b"":1}]""#;
        assert!(file.contains(cells), "{file}");

        let none = run(weir, &[&words[..], &["--event", "bought"]].concat()).await;
        let hint = "no source maps an activity \"bought\"";
        assert!(none.status.success(), "{}", said(&none));
        assert!(said(&none).contains(hint), "{}", said(&none));

        let words = [
            "export",
            "activities",
            "--account",
            &account.name,
            "--format",
            "jsonl",
        ];
        let more = ["--columns", "event_name,attributes.items"];
        let exported = run(weir, &[&words[..], &more[..]].concat()).await;
        let lines = String::from_utf8(exported.stdout).unwrap();
        assert_eq!(lines.lines().count(), 4);
        let line = r#"{"event_name":"Bought","attributes.items":[{"a":[2.0],"b":1}]}"#;
        assert!(lines.contains(line), "{lines}");
        let refused = run(weir, &[&words[..], &["--columns", "no"]].concat()).await;
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    });
}
