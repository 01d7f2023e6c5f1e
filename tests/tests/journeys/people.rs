//! What a person does to contacts: splitting what was merged, deleting somebody everywhere.

use serde_json::{Value, json};
use uuid::Uuid;
use weir_proto::contact::v1 as contact;
use weir_proto::contact::v1::get_contact_request::Key;
use weir_tests::events::{ago, identify, track, with};
use weir_tests::{Account, Plan, Weir, eventually, journey, journey_alone};

fn of_visitor(event: Value, visitor: &str) -> Value {
    let mut event = with(event, json!({"anonymous_id": visitor}));
    event.as_object_mut().unwrap().remove("user_id");
    event
}

/// Message ids of what a contact did.
async fn deeds(account: &Account, contact: &str) -> Vec<String> {
    let done = account.activities(contact, 100).await;
    let mut messages: Vec<String> = done.into_iter().map(|one| one.message_id).collect();
    messages.sort();
    messages
}

fn deed(user: &str, message: &str) -> Value {
    with(track(user), json!({"message_id": message}))
}

/// Splits what the only merge of the contact joined.
async fn undo_the_merge(weir: &Weir, account: &Account, survivor: &str) {
    let request = contact::ListMergesRequest {
        account_id: account.account_id.clone(),
        contact_id: survivor.to_owned(),
        ..Default::default()
    };
    let merges = weir
        .people()
        .list_merges(request)
        .await
        .unwrap()
        .into_inner()
        .merges;
    let request = contact::SplitContactRequest {
        account_id: account.account_id.clone(),
        merge_id: merges[0].merge_id.clone(),
    };
    weir.people().split_contact(request).await.unwrap();
}

/// Not even an event that names both makes them one again.
async fn check_they_stay_two(account: &Account, visitor: &str) {
    let after = of_visitor(deed("", "after"), "split-a");
    assert_eq!(account.track(&[after]).await.statuses(), [200]);
    let again = with(
        identify("split-u", json!({})),
        json!({"anonymous_id": "split-a"}),
    );
    account.identify(&[again]).await;
    assert!(deeds(account, visitor).await.contains(&"after".to_owned()));
    assert_ne!(
        account.contact("split-u").await.unwrap().contact_id,
        account
            .contact_by(Key::AnonymousId("split-a".into()))
            .await
            .unwrap()
            .contact_id
    );
}

/// Semantics 3.10.
#[test]
fn a_split_gives_both_their_fields_activities_and_memberships_back() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let vip = account.audience("VIP").await;
        let visitor = of_visitor(identify("", json!({"firstName": "Visitor"})), "split-a");
        let visitor = with(visitor, json!({"audience": {"mode": "add", "id": vip}}));
        let person = identify(
            "split-u",
            json!({"lastName": "Person", "email": "split@x.org"}),
        );
        assert_eq!(
            account.identify(&[visitor, person]).await.statuses(),
            [200; 2]
        );
        let done = [
            of_visitor(deed("", "before-a"), "split-a"),
            deed("split-u", "before-u"),
        ];
        assert_eq!(account.track(&done).await.statuses(), [200; 2]);
        let signs_in = with(
            identify("split-u", json!({})),
            json!({"anonymous_id": "split-a"}),
        );
        assert_eq!(account.identify(&[signs_in]).await.statuses(), [200]);
        let survivor = account.contact("split-u").await.unwrap();
        assert_eq!(survivor.merged_contact_ids.len(), 1);
        let merged = survivor.merged_contact_ids[0].clone();
        eventually("others know that they are one", async || {
            let members = account.members(&vip).await;
            let all = deeds(&account, &survivor.contact_id).await;
            (members == [survivor.contact_id.clone()] && all.len() == 2).then_some(())
        })
        .await;
        let later = of_visitor(deed("", "between"), "split-a");
        assert_eq!(account.track(&[later]).await.statuses(), [200]);

        undo_the_merge(weir, &account, &survivor.contact_id).await;
        let visitor = account
            .contact_by(Key::AnonymousId("split-a".into()))
            .await
            .unwrap();
        let names = |contact: &contact::Contact| -> Vec<String> {
            contact
                .fields
                .iter()
                .map(|field| field.field_id.clone())
                .collect()
        };
        let person = account.contact("split-u").await.unwrap();
        let mut ids = [visitor.contact_id.clone(), person.contact_id.clone()];
        ids.sort();
        let mut expected = [merged, survivor.contact_id];
        expected.sort();
        assert_eq!(ids, expected);
        assert_eq!(names(&visitor), ["str::first"]);
        assert_eq!(names(&person), ["str::email", "str::last"]);
        eventually("others know that they are two", async || {
            let members = account.members(&vip).await;
            let visitors = deeds(&account, &visitor.contact_id).await;
            let all = visitors.len() + deeds(&account, &person.contact_id).await.len();
            let is_so = members == [visitor.contact_id.clone()]
                && visitors.contains(&"before-a".to_owned())
                && all == 3;
            is_so.then_some(())
        })
        .await;
        // What came in between stays with the one that had survived.
        let stays = if person.contact_id < visitor.contact_id {
            &person
        } else {
            &visitor
        };
        assert!(
            deeds(&account, &stays.contact_id)
                .await
                .contains(&"between".to_owned())
        );
        check_they_stay_two(&account, &visitor.contact_id).await;
    });
}

/// By what the person is known, in all forms in which it may be stored.
const KNOWN_BY: [&str; 6] = [
    "gone-u7f3",
    "gone-a7f3",
    "gone-b7f3",
    "gone7f3@x.org",
    "old7f3@x.org",
    // What he said, and no identifier: of an event that is kept.
    "the day of 7f3",
];

/// In which rows of all tables, and keys of Redis, the person is found.
async fn traces(weir: &Weir) -> Vec<String> {
    let tables = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('mapping', 'contact', 'activity', 'audience')
          AND c.relkind IN ('r', 'p') AND NOT c.relispartition";
    let mut found = Vec::new();
    for table in weir.query(tables).await {
        for known in KNOWN_BY {
            // Bytes as well, which rows show in hex.
            let sql = format!(
                "SELECT count(*)::text FROM {table} t WHERE strpos(t::text, '{known}') > 0
                 OR strpos(t::text, encode(convert_to('{known}', 'UTF8'), 'hex')) > 0"
            );
            let count = weir.query(&sql).await.remove(0);
            if count != "0" {
                found.push(format!("{known}: {count} in {table}"));
            }
        }
    }
    let client = redis::Client::open(weir.stack.redis_url()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query_async(&mut redis)
        .await
        .unwrap();
    for key in keys {
        // As it lies there, whatever it is; short texts are not packed.
        let dump: Vec<u8> = redis::cmd("DUMP")
            .arg(&key)
            .query_async(&mut redis)
            .await
            .unwrap_or_default();
        let kind: String = redis::cmd("TYPE")
            .arg(&key)
            .query_async(&mut redis)
            .await
            .unwrap();
        let values: Vec<Vec<u8>> = match kind.as_str() {
            "list" => redis::cmd("LRANGE")
                .arg(&key)
                .arg(0)
                .arg(-1)
                .query_async(&mut redis)
                .await
                .unwrap(),
            "hash" => redis::cmd("HVALS")
                .arg(&key)
                .query_async(&mut redis)
                .await
                .unwrap(),
            "zset" => redis::cmd("ZRANGE")
                .arg(&key)
                .arg(0)
                .arg(-1)
                .query_async(&mut redis)
                .await
                .unwrap(),
            _ => vec![dump],
        };
        for value in values {
            let value = String::from_utf8_lossy(&value).into_owned();
            let known = KNOWN_BY
                .iter()
                .filter(|known| value.contains(**known) || key.contains(**known));
            found.extend(known.map(|known| format!("{known} in {key}")));
        }
    }
    found
}

async fn deletion(weir: &Weir, account: &Account, id: Uuid) -> contact::Deletion {
    let request = contact::GetDeletionRequest {
        account_id: account.account_id.clone(),
        deletion_id: id.to_string(),
    };
    let found = weir.people().get_deletion(request).await;
    found.unwrap().into_inner().deletion.unwrap()
}

/// Somebody who is everywhere; his late identifies and his tracks, to be sent again.
async fn leave_traces(account: &Account, vip: &str) -> ([Value; 2], [Value; 5]) {
    let member = json!({"audience": {"mode": "add", "id": vip}});
    let old = identify(
        "gone-u7f3",
        json!({"email": "old7f3@x.org", "firstName": "Gone"}),
    );
    let new = identify(
        "gone-u7f3",
        json!({"email": "gone7f3@x.org", "phone": "gone7f3@x.org"}),
    );
    let visitor = of_visitor(identify("", json!({"firstName": "V"})), "gone-a7f3");
    let signs_in = with(
        identify("gone-u7f3", json!({})),
        json!({"anonymous_id": "gone-a7f3"}),
    );
    let neighbour = identify("stays", json!({"email": "stays@x.org"}));
    let early = [with(old, json!({"timestamp": ago(90)})), visitor, neighbour];
    assert_eq!(account.identify(&early).await.statuses(), [200; 3]);
    let late = [with(new, member), signs_in];
    assert_eq!(account.identify(&late).await.statuses(), [200; 2]);
    let also = with(
        identify(
            "gone-u7f3",
            json!({"lastName": "B", "birthday": "the day of 7f3"}),
        ),
        json!({"anonymous_id": "gone-b7f3"}),
    );
    assert_eq!(account.identify(&[also]).await.statuses(), [200]);
    let done = [
        track("gone-u7f3"),
        of_visitor(track(""), "gone-a7f3"),
        with(
            track("gone-u7f3"),
            json!({"traits": {"firstName": "Goner"}}),
        ),
        with(track("gone-u7f3"), json!({"event": "Never mapped"})),
        track("stays"),
    ];
    assert_eq!(
        account.track(&done).await.statuses(),
        [200, 200, 200, 422, 200]
    );
    (late, done)
}

fn check_receipt(receipt: &contact::Deletion) {
    let count = |service: &str, what: &str| {
        let rows = receipt.rows.iter().filter(|row| row.service == service);
        let rows = rows
            .filter_map(|row| row.rows.as_ref())
            .filter(|row| row.what == what);
        rows.map(|row| row.count).sum::<i64>()
    };
    assert_eq!(
        (count("contact", "contacts"), count("contact", "merges")),
        (2, 1)
    );
    assert_eq!(
        (
            count("activity", "activities"),
            count("audience", "memberships")
        ),
        (3, 1)
    );
    assert!(count("mapping", "samples") > 3 && count("mapping", "log_entries") > 0);
}

/// Semantics 3.9; whoever tells of it is killed at once.
#[test]
fn a_person_who_was_deleted_is_nowhere_and_comes_back_only_as_somebody_new() {
    journey_alone(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let vip = account.audience("VIP").await;
        let (late, done) = leave_traces(&account, &vip).await;
        let gone = account.contact("gone-u7f3").await.unwrap();
        eventually("all of it is where it belongs", async || {
            let log = account
                .log()
                .await
                .iter()
                .any(|line| line.value.contains("7f3"));
            let all = account.activities(&gone.contact_id, 100).await.len() == 3;
            let members = account.members(&vip).await.len() == 1;
            (log && all && members && !account.samples("Never mapped").await.is_empty())
                .then_some(())
        })
        .await;
        assert!(traces(weir).await.len() > 10);

        let id = Uuid::now_v7();
        let request = contact::DeleteContactRequest {
            account_id: account.account_id.clone(),
            request_id: id.to_string(),
            key: Some(contact::delete_contact_request::Key::AnonymousId(
                "gone-b7f3".into(),
            )),
        };
        weir.people().delete_contact(request.clone()).await.unwrap();
        weir.kill("contact-upsert").await;
        eventually("the request is known", async || {
            weir.people().delete_contact(request.clone()).await.ok()
        })
        .await;
        let receipt = eventually("everybody has deleted what he had", async || {
            let deletion = deletion(weir, &account, id).await;
            deletion.done_time.is_some().then_some(deletion)
        })
        .await;
        assert_eq!(receipt.contact_id, gone.contact_id);
        check_receipt(&receipt);
        assert_eq!(traces(weir).await, Vec::<String>::new());
        assert!(account.contact("stays").await.is_some());
        assert!(account.members(&vip).await.is_empty());

        // Whoever sends it once more is told that it is over, and nobody is back.
        assert_eq!(account.identify(&late).await.statuses(), [422; 2]);
        assert_eq!(account.track(&done[..3]).await.statuses(), [422; 3]);
        assert!(account.contact("gone-u7f3").await.is_none());
        assert_eq!(account.backlog().await, 0);
        let back = identify("gone-u7f3", json!({"firstName": "New"}));
        assert_eq!(account.identify(&[back]).await.statuses(), [200]);
        let back = account.contact("gone-u7f3").await.unwrap();
        assert_ne!(back.contact_id, gone.contact_id);
        assert_eq!(account.track(&[track("gone-u7f3")]).await.statuses(), [200]);
        eventually("what is done now is of the new one", async || {
            (account.activities(&back.contact_id, 100).await.len() == 1).then_some(())
        })
        .await;
        weir.assert_sound().await;
    });
}
