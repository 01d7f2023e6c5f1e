//! Contacts, read back: bounded, and never failed by one of them.

use tonic::Code;
use weir_proto::contact::v1::get_contact_request::Key;
use weir_proto::contact::v1::{FieldKey, ListContactsRequest, ListContactsResponse};
use weir_proto::mapping::v1::Account;
use weir_reasons::Reason;
use weir_rpc::reason_of;

use crate::harness::*;

/// What a gRPC client takes as it comes.
const CLIENT_LIMIT: usize = 4 * 1024 * 1024;

impl Service {
    /// As mapping has the account.
    fn identified_by(&self, fields: &[&str]) {
        let account = Account {
            unique_identifiers: fields.iter().map(|field| (*field).to_owned()).collect(),
            ..Account::default()
        };
        self.others.set_up(self.account, account, Vec::new());
    }

    async fn page(
        &self,
        page_size: i32,
        page_token: &str,
    ) -> Result<ListContactsResponse, tonic::Status> {
        let request = ListContactsRequest {
            account_id: self.account.to_string(),
            page_size,
            page_token: page_token.to_owned(),
        };
        let client = self.client.clone().max_decoding_message_size(CLIENT_LIMIT);
        let mut client = client;
        Ok(client.list_contacts(request).await?.into_inner())
    }

    /// All pages' sizes and contacts.
    async fn pages(&self, page_size: i32) -> Vec<Vec<String>> {
        let (mut pages, mut token) = (Vec::new(), String::new());
        loop {
            let page = self.page(page_size, &token).await.unwrap();
            let contacts = page.contacts.into_iter();
            pages.push(contacts.map(|contact| contact.contact_id).collect());
            token = page.next_page_token;
            if token.is_empty() {
                return pages;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_end_before_they_are_too_large_for_a_client() {
    let service = Service::start().await;
    // 15 objects of 15,000 bytes: 225 kB each, so that thirteen fill a page.
    let object = format!(r#"{{"k":"{}"}}"#, "x".repeat(14_990));
    let fields: Vec<String> = (0..15)
        .map(|n| format!(r#""obj:cm:o{n}":{object}"#))
        .collect();
    let fields = format!("{{{}}}", fields.join(","));
    let person = |n: i64| identify(n, (&format!("u{n}"), "-"), &fields);
    for batch in 0..6 {
        let events = (0..10).map(|n| person(batch * 10 + n)).collect();
        let stored = service.upsert(events).await;
        assert_eq!(statuses(&stored), [Stored; 10]);
    }
    let pages = service.pages(1_000).await;
    assert_eq!(
        pages.len(),
        5,
        "{:?}",
        pages.iter().map(Vec::len).collect::<Vec<_>>()
    );
    assert!(pages.iter().all(|page| page.len() <= 13));
    let mut listed: Vec<String> = pages.concat();
    assert!(listed.is_sorted());
    listed.dedup();
    assert_eq!(listed.len(), 60);
    assert_eq!(service.pages(7).await.len(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_collected_ids_without_end_can_be_read() {
    let service = Service::start().await;
    let made = service
        .upsert(vec![identify(0, ("u1", "-"), r#"{"str::first":"Lana"}"#)])
        .await;
    let contact: uuid::Uuid = contact_id(&made, 0).parse().unwrap();
    let ids = "INSERT INTO identifiers (account_id, kind, value, contact_id, version, link_time,
                                        event_time, message_id)
               SELECT $1, 'a', repeat('x', 240) || n, $2, 1, now(), now(), 'm'
               FROM generate_series(1, 30000) AS n";
    let client = service.sql().await;
    client
        .execute(ids, &[&service.account, &contact])
        .await
        .unwrap();
    let found = service.user("u1").await;
    assert_eq!((found.user_ids.len(), found.user_id_count), (1, 1));
    // Each is of 241 to 245 bytes: fewer than a thousand are 128 KiB.
    let shown = found.anonymous_ids.len();
    assert!((500..550).contains(&shown), "{shown}");
    assert_eq!(found.anonymous_id_count, 30_000);
    assert_eq!(service.pages(10).await, [[found.contact_id]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ids_that_were_linked_last_are_shown_newest_first() {
    let service = Service::start().await;
    let made = service.upsert(vec![identify(0, ("u1", "-"), "")]).await;
    let contact: uuid::Uuid = contact_id(&made, 0).parse().unwrap();
    let client = service.sql().await;
    for statement in [
        "INSERT INTO identifiers (account_id, kind, value, contact_id, version, link_time,
                                  event_time, message_id)
         SELECT $1, 'a', 'a' || n % 7 || '-' || n, $2, 1, now() + n * interval '1 second', now(),
                'm'
         FROM generate_series(1, 1500) AS n",
        "INSERT INTO merges (account_id, merged_id, survivor_id, merge_time, identifiers, merge_id, turn)
         SELECT $1, lpad(to_hex(n), 32, '0')::uuid, $2, now(), '[]', gen_random_uuid(), n
         FROM generate_series(1, 1200) AS n",
        // It was merged into itself, by its row.
        "INSERT INTO merges (account_id, merged_id, survivor_id, merge_time, identifiers, merge_id, turn)
         VALUES ($1, $2, $2, now(), '[]', $2, 0)",
    ] {
        client
            .execute(statement, &[&service.account, &contact])
            .await
            .unwrap();
    }
    let found = service.user("u1").await;
    let newest = (501..=1_500).rev().map(|n| format!("a{}-{n}", n % 7));
    assert_eq!(found.anonymous_ids, newest.collect::<Vec<_>>());
    assert_eq!(found.anonymous_id_count, 1_500);
    assert_eq!((found.user_ids.len(), found.user_id_count), (1, 1));
    assert_eq!(found.merged_contact_ids.len(), 1_000);
    assert!(found.merged_contact_ids.is_sorted_by(|a, b| a > b));
    assert_eq!(found.merged_contact_count, 1_201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_contact_there_can_be_is_read_by_a_client_as_it_comes() {
    let service = Service::start().await;
    let object = format!(r#"{{"k":"{}"}}"#, "x".repeat(14_990));
    let choices = vec![format!("\"{}\"", "\u{1f600}".repeat(500)); 200].join(",");
    let fields = (0..200).map(|n| format!(r#""obj:cm:{n:0>193}":{object}"#));
    let lists = (0..2).map(|n| format!(r#""sst:cm:l{n}":[{choices}]"#));
    let fields: Vec<String> = fields.chain(lists).collect();
    let fields = format!("{{{}}}", fields.join(","));
    let made = service
        .upsert(vec![identify(0, ("u1", "-"), &fields)])
        .await;
    let contact: uuid::Uuid = contact_id(&made, 0).parse().unwrap();
    let client = service.sql().await;
    for statement in [
        // Of 255 characters, each of four bytes.
        "INSERT INTO identifiers (account_id, kind, value, contact_id, version, link_time,
                                  event_time, message_id)
         SELECT $1, kind, n || repeat(chr(128512), 254), $2, 1, now(), now(), 'm'
         FROM generate_series(1, 1000) AS n, unnest(ARRAY['u', 'a']) AS kind",
        "INSERT INTO merges (account_id, merged_id, survivor_id, merge_time, identifiers, merge_id, turn)
         SELECT $1, gen_random_uuid(), $2, now(), '[]', gen_random_uuid(), n
         FROM generate_series(1, 1000) AS n",
    ] {
        client
            .execute(statement, &[&service.account, &contact])
            .await
            .unwrap();
    }
    service.upsert(vec![identify(1, ("u2", "-"), "")]).await;
    let found = service.user("u1").await;
    assert_eq!((found.fields.len(), found.left_out_field_count), (201, 1));
    assert_eq!(
        (found.user_id_count, found.anonymous_id_count),
        (1_001, 1_000)
    );
    assert!(found.user_ids.len() > 100 && found.anonymous_ids.len() > 100);
    assert_eq!(found.merged_contact_ids.len(), 1_000);
    // It fills more than a page, which is not the end of the list.
    let pages = service.pages(10).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_found_by_what_is_written_otherwise_than_it_is_stored() {
    let service = Service::start().await;
    service.identified_by(&["str::email", "phn::phone"]);
    let fields = r#"{"phn::phone":"+61298765432","str::email":"Lana@x.org"}"#;
    let mut batch = service.batch(vec![identify(0, ("u1", "-"), fields)]);
    batch.unique_identifiers.push("phn::phone".to_owned());
    service.send(batch).await.unwrap();
    let field = |field_id: &str, value: &str| {
        Key::Field(FieldKey {
            field_id: field_id.to_owned(),
            value: value.to_owned(),
        })
    };
    for key in [
        field("phn::phone", " +61 (2) 9876-5432"),
        field("phn::phone", "61 2 98765432"),
        field("str::email", "\u{feff}LANA@x.org "),
        Key::UserId("u1\u{200b} ".into()),
    ] {
        let found = service.find(key.clone()).await;
        assert_eq!(found.unwrap().user_ids, ["u1"], "{key:?}");
    }
    // By what tells nobody apart nobody is found, which is another answer than "no such contact".
    let refused = service.find(field("str::first", "Lana")).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let message = refused.message();
    assert!(message.starts_with("field.field_id: must be"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_left_out_and_fails_nothing_else() {
    let service = Service::start().await;
    let fields = r#"{"str::first":"Lana","str::last":"Romeijn"}"#;
    let events = (0..3).map(|n| identify(n, (&format!("u{n}"), "-"), fields));
    let made = service.upsert(events.collect()).await;
    let client = service.sql().await;
    for (n, broken) in [
        (
            0,
            r#"fields = '{"str::first":12,"str::last":"Romeijn","dtz:cm:t":"0000-01-01T00:00:00Z"}'"#,
        ),
        (1, "registers = '[[]]'"),
    ] {
        let spoil =
            format!("UPDATE contacts SET {broken} WHERE account_id = $1 AND contact_id = $2");
        let contact: uuid::Uuid = contact_id(&made, n).parse().unwrap();
        client
            .execute(&spoil, &[&service.account, &contact])
            .await
            .unwrap();
    }
    let page = service.page(10, "").await.unwrap();
    let shown: Vec<usize> = page
        .contacts
        .iter()
        .map(|contact| contact.fields.len())
        .collect();
    assert_eq!(shown, [1, 0, 2]);
    assert_eq!(
        fields_of(&service, "u0").await,
        [("str::last".into(), "Romeijn".into())]
    );
    assert!(fields_of(&service, "u1").await.is_empty());
}

async fn fields_of(service: &Service, user: &str) -> Vec<(String, String)> {
    fields(&service.user(user).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_anything_is_asked_for_and_a_wrong_token_is_refused() {
    let service = Service::start().await;
    // Mapping is away, so nobody knows whether there is such an account.
    service.others.set_away(true);
    let unknown = service.page(10, "").await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unavailable);
    let unknown = service.find(Key::UserId("u1".into())).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unavailable);
    // What is stored here is an answer by itself.
    service.others.set_away(false);
    service.upsert(vec![identify(0, ("u1", "-"), "")]).await;
    service.others.set_away(true);
    service.user("u1").await;
    let nobody = service.find(Key::UserId("u2".into())).await.unwrap_err();
    assert_eq!(reason_of(&nobody), Some(Reason::ContactUnknown));
    let wrong = service.page(10, "next").await.unwrap_err();
    assert_eq!(reason_of(&wrong), Some(Reason::PageTokenInvalid));
    // Of a page that ended with the last id there can be.
    service.upsert(vec![identify(1, ("u3", "-"), "")]).await;
    let token = service.page(1, "").await.unwrap().next_page_token;
    let end = |id: uuid::Uuid| -> String {
        let text = id.to_string();
        text.bytes().map(|byte| format!("{byte:02x}")).collect()
    };
    let of_question = &token[..token.len() - end(uuid::Uuid::max()).len()];
    let last = format!("{of_question}{}", end(uuid::Uuid::max()));
    let last = service.page(10, &last).await.unwrap();
    assert!(last.contacts.is_empty() && last.next_page_token.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_found_without_case_by_fields_of_type_e_mail_alone() {
    let service = Service::start().await;
    let caseless = "SELECT cardinality(caseless_identifiers)::bigint FROM accounts
                    WHERE account_id = $1";
    service.identified_by(&["str:cm:code", "str:cm:mail"]);
    let fields = r#"{"str:cm:code":"a@b","str:cm:mail":"Lana@x.org"}"#;
    let mut batch = service.batch(vec![identify(0, ("u1", "-"), fields)]);
    batch.unique_identifiers = vec!["str:cm:code".into(), "str:cm:mail".into()];
    batch.caseless_identifiers = vec!["str:cm:mail".into()];
    service.send(batch.clone()).await.unwrap();
    assert_eq!(service.count(caseless).await, 1);
    let find = async |field: &str, value: &str| {
        let key = Key::Field(FieldKey {
            field_id: field.into(),
            value: value.into(),
        });
        service.find(key).await.map(|contact| contact.contact_id)
    };
    let contact = service.user("u1").await.contact_id;
    for (field, value) in [
        ("str:cm:mail", "lana@x.org"),
        ("str:cm:mail", "LANA@X.org"),
        ("str:cm:code", "a@b"),
    ] {
        assert_eq!(find(field, value).await.unwrap(), contact, "{value}");
    }
    for (field, value) in [("str:cm:code", "A@b"), ("str:cm:mail", "l@x.org")] {
        let nobody = find(field, value).await.unwrap_err();
        assert_eq!(reason_of(&nobody), Some(Reason::ContactUnknown), "{value}");
    }

    // The account's fields as they are now; what stands in the row already is not written.
    let row = "SELECT xmin::text::bigint FROM accounts WHERE account_id = $1";
    batch.batch_id = uuid::Uuid::now_v7().to_string();
    let before = service.count(row).await;
    service.send(batch.clone()).await.unwrap();
    assert_eq!(service.count(row).await, before);
    batch.batch_id = uuid::Uuid::now_v7().to_string();
    batch.caseless_identifiers = vec!["str:cm:code".into()];
    batch.events = vec![identify(1, ("u2", "-"), r#"{"str:cm:code":"C@d"}"#)];
    service.send(batch).await.unwrap();
    assert!(find("str:cm:code", "C@D").await.is_ok());
    assert!(find("str:cm:mail", "LANA@X.org").await.is_err());
}
