//! Contacts, searched for (semantics 3.11).

use tonic::Code;
use weir_proto::contact::v1::{SearchContactsRequest, SearchContactsResponse, SearchKey};
use weir_reasons::Reason;
use weir_rpc::reason_of;

use crate::harness::*;

impl Service {
    async fn search(
        &self,
        query: &str,
        keys: &[SearchKey],
        page: (i32, &str),
    ) -> Result<SearchContactsResponse, tonic::Status> {
        let request = SearchContactsRequest {
            account_id: self.account.to_string(),
            query: query.to_owned(),
            keys: keys.iter().map(|key| (*key).into()).collect(),
            page_size: page.0,
            page_token: page.1.to_owned(),
        };
        let answer = self.searches.clone().search_contacts(request).await?;
        Ok(answer.into_inner())
    }

    /// User ids of all that are found, page by page, each of so many.
    async fn found(&self, query: &str, keys: &[SearchKey], size: i32) -> Vec<String> {
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let page = self.search(query, keys, (size, &token)).await.unwrap();
            assert!(page.matches.len() <= usize::try_from(size).unwrap());
            for one in &page.matches {
                let contact = one.contact.as_ref().unwrap();
                found.push(contact.user_ids.last().cloned().unwrap_or_default());
            }
            token = page.next_page_token;
            if token.is_empty() {
                return found;
            }
        }
    }

    pub async fn all(&self, query: &str) -> Vec<String> {
        let found = self.found(query, &[], 100).await;
        assert_eq!(self.found(query, &[], 1).await, found, "{query}");
        found
    }
}

fn people() -> Vec<weir_proto::contact::v1::ContactEvent> {
    let person = |n: i64, user: &str, fields: &str| identify(n, (user, &format!("a-{n}")), fields);
    vec![
        person(
            1,
            "u-lana",
            r#"{"phn::phone":"+61298765432","str::ei":"E-77","str::email":"lana@example.org","str::first":"Lana","str::last":"Romeijn"}"#,
        ),
        person(
            2,
            "u-jose",
            r#"{"str::email":"JR@example.org","str::first":"José","str::last":"Romero"}"#,
        ),
        person(3, "u-whole", r#"{"str::name":"Ana María Lanau"}"#),
        person(
            4,
            "lanadmin",
            r#"{"str::first":"Zoe","str::last":"Straße"}"#,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_by_the_beginning_of_whatever_is_known_of_them() {
    let service = Service::start().await;
    let stored = service.upsert(people()).await;
    assert_eq!(statuses(&stored), [Stored; 4]);
    for (query, found) in [
        // By a name, by the other one, by both, and by an id: each once.
        ("lana", vec!["u-lana", "u-whole", "lanadmin"]),
        ("LANA  rom", vec!["u-lana"]),
        ("romeijn l", vec!["u-lana"]),
        ("rom", vec!["u-lana", "u-jose"]),
        ("jose", vec!["u-jose"]),
        ("JOSÉ", vec!["u-jose"]),
        ("STRASSE", vec!["lanadmin"]),
        ("zoe straß", vec!["lanadmin"]),
        ("ana maria", vec!["u-whole"]),
        ("lana@", vec!["u-lana"]),
        ("jr@EXAMPLE", vec!["u-jose"]),
        ("+61 2 9876", vec!["u-lana"]),
        ("61298", vec!["u-lana"]),
        ("61 (2) 98-7", vec!["u-lana"]),
        ("0061298", vec!["u-lana"]),
        ("e-7", vec!["u-lana"]),
        ("u-", vec!["u-jose", "u-lana", "u-whole"]),
        ("U-", vec![]),
        ("a-3", vec!["u-whole"]),
        ("meijn", vec![]),
        ("%", vec![]),
        ("_ana", vec![]),
    ] {
        assert_eq!(service.all(query).await, found, "{query}");
    }
    let by = |key: SearchKey| [key];
    let found = service.found("lana", &by(SearchKey::UserId), 9).await;
    assert_eq!(found, ["lanadmin"]);
    let page = service.search("ROMEIJN", &[], (9, "")).await.unwrap();
    let one = &page.matches[0];
    assert_eq!(
        (one.key(), one.value.as_str()),
        (SearchKey::Name, "romeijn lana")
    );
    assert_eq!(one.contact, Some(service.user("u-lana").await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_follows_what_changes_and_what_is_merged() {
    let service = Service::start().await;
    service.upsert(people()).await;
    let married = identify(9, ("u-lana", "-"), r#"{"str::last":"Smith"}"#);
    service.upsert(vec![married]).await;
    assert_eq!(service.all("romeijn").await, [""; 0]);
    assert_eq!(service.all("smith").await, ["u-lana"]);
    let cleared = identify(
        10,
        ("u-lana", "-"),
        r#"{"str::first":null,"str::last":null}"#,
    );
    service.upsert(vec![cleared]).await;
    assert_eq!(service.all("lana").await, ["u-whole", "u-lana", "lanadmin"]);

    // A visitor with a name becomes somebody who is known: found once, as that one.
    let visitor = identify(
        11,
        ("-", "browser"),
        r#"{"str::first":"Vera","str::last":"Vis"}"#,
    );
    service.upsert(vec![visitor]).await;
    assert_eq!(service.all("vera").await, [""]);
    service
        .upsert(vec![identify(12, ("u-jose", "browser"), "")])
        .await;
    assert_eq!(service.all("vera").await, ["u-jose"]);
    assert_eq!(service.all("browser").await, ["u-jose"]);
    assert_eq!(service.all("rome").await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unique_identifiers_are_searched_as_they_are_compared() {
    let service = Service::start().await;
    let mut batch = service.batch(vec![
        identify(
            1,
            ("u1", "-"),
            r#"{"phn::phone":"+61298765432","str:cm:no":"Ab 1"}"#,
        ),
        identify(2, ("u2", "-"), r#"{"str::email":"Ab@x.org"}"#),
    ]);
    batch.unique_identifiers = vec!["phn::phone".into(), "str:cm:no".into()];
    service.send(batch).await.unwrap();
    assert_eq!(service.all("+61 2").await, ["u1"]);
    assert_eq!(service.all("Ab").await, ["u2", "u1"]);
    assert_eq!(service.all("ab").await, ["u2"]);
    let page = service.search("Ab 1", &[], (9, "")).await.unwrap();
    assert_eq!(page.matches[0].key(), SearchKey::UniqueIdentifier);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_with_ids_without_end_is_shown_once_and_pages_end() {
    let service = Service::start().await;
    let made = service.upsert(people()).await;
    let contact: uuid::Uuid = contact_id(&made, 0).parse().unwrap();
    let ids = "INSERT INTO identifiers (account_id, kind, value, contact_id, version, link_time,
                                        event_time, message_id)
               SELECT $1::uuid, 'a', 'x' || lpad(n::text, 6, '0'), $2::uuid, 1, now(), now(), 'm'
               FROM generate_series(1, 900) AS n
               UNION ALL SELECT $1::uuid, 'a', 'x1', $3::uuid, 1, now(), now(), 'm'";
    let last: uuid::Uuid = contact_id(&made, 3).parse().unwrap();
    let client = service.sql().await;
    client
        .execute(ids, &[&service.account, &contact, &last])
        .await
        .unwrap();
    assert_eq!(service.all("x").await, ["u-lana", "lanadmin"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_searched_for_is_refused() {
    let service = Service::start().await;
    service.upsert(people()).await;
    for query in ["", " \u{200b}", "a\0b", &"x".repeat(256)] {
        let refused = service.search(query, &[], (1, "")).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{query:?}");
        assert_eq!(reason_of(&refused), Some(Reason::FieldInvalid));
    }
    let refused = service.search("l", &[SearchKey::Unspecified], (1, ""));
    assert_eq!(refused.await.unwrap_err().code(), Code::InvalidArgument);
    for token in [
        "zz",
        "61",
        &hex("nothing 018f3e6a-7c1b-7d2a-9a3e-5b6c7d8e9f00 x"),
    ] {
        let refused = service.search("l", &[], (1, token)).await.unwrap_err();
        assert_eq!(
            reason_of(&refused),
            Some(Reason::PageTokenInvalid),
            "{token}"
        );
    }
    let by_name = [SearchKey::Name];
    let page = service.search("lana", &by_name, (1, "")).await.unwrap();
    let token = page.next_page_token.as_str();
    assert!(service.search("lana", &by_name, (1, token)).await.is_ok());
    for (query, keys) in [("lan", &by_name[..]), ("lana", &[])] {
        let refused = service.search(query, keys, (1, token)).await.unwrap_err();
        assert_eq!(reason_of(&refused), Some(Reason::PageTokenInvalid));
    }
    let mut other = service.replica().await;
    other.account = uuid::Uuid::now_v7();
    assert_eq!(other.all("lana").await, [""; 0]);
    other.account = uuid::Uuid::now_v7();
    other.others.set_account(other.account, false);
    let unknown = other.search("lana", &[], (1, "")).await.unwrap_err();
    assert_eq!(reason_of(&unknown), Some(Reason::AccountUnknown));
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_pays_for_an_account_that_is_not_searched() {
    let service = Service::start().await;
    service.upsert(people()).await;
    let texts = "SELECT count(*) FROM contact_texts WHERE account_id = $1";
    assert_eq!(service.count(texts).await, 0);
    // Ids are where they are anyway, but the first search is a search.
    assert_eq!(service.all("u-lana").await, ["u-lana"]);
    assert_eq!(service.count(texts).await, 4);
    service
        .upsert(vec![identify(
            20,
            ("u-new", "-"),
            r#"{"str::first":"New"}"#,
        )])
        .await;
    assert_eq!(service.count(texts).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_folded_otherwise_before_is_folded_anew() {
    let service = Service::start().await;
    service.upsert(people()).await;
    assert_eq!(service.all("zoe").await, ["lanadmin"]);
    let client = service.sql().await;
    let before = "UPDATE contact_texts SET backward = 'straße zoe'
                  WHERE account_id = $1 AND backward = 'strasse zoe'";
    let changed = client.execute(before, &[&service.account]).await.unwrap();
    assert_eq!(changed, 1);
    assert_eq!(service.all("strasse").await, [""; 0]);
    let migration = include_str!("../../migrations/0008_folding.sql");
    client.batch_execute(migration).await.unwrap();
    assert_eq!(service.all("strasse").await, ["lanadmin"]);
}

/// Whatever is written while the first search makes an account searchable, every contact is found
/// by what it is called in the end.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_becomes_searchable_while_batches_go_on() {
    let service = Service::start().await;
    service.upsert(vec![identify(0, ("u", "-"), "")]).await;
    let fill = "WITH made AS (
                    INSERT INTO contacts (account_id, contact_id, has_user_id, fields, registers,
                                          version, create_time, update_time)
                    SELECT $1::uuid, md5('c' || n)::uuid, true,
                           ('{\"str::first\":\"Old ' || n || '\"}')::json, '[[1,\"m\"]]', 1, now(),
                           now()
                    FROM generate_series(1, 20000) AS n)
                INSERT INTO identifiers (account_id, kind, value, contact_id, version, link_time,
                                         event_time, message_id)
                SELECT $1::uuid, 'u', 'u' || n, md5('c' || n)::uuid, 1, now(), now(), 'm'
                FROM generate_series(1, 20000) AS n";
    service
        .sql()
        .await
        .execute(fill, &[&service.account])
        .await
        .unwrap();
    let writing = async {
        for round in 0..40 {
            let event = |n: i64| {
                let at = round * 100 + n;
                let known = (at * 7_919) % 20_000 + 1;
                let user = match n % 4 {
                    0 => format!("new-{at}"),
                    _ => format!("u{known}"),
                };
                let fields = format!(r#"{{"str::first":"Name {at}"}}"#);
                identify(at, (&user, &format!("a{}", at / 3)), &fields)
            };
            service.upsert((0..100).map(event).collect()).await;
        }
    };
    let searching = async {
        let mut partial = 0;
        loop {
            let page = service.search("old 1", &[], (1, "")).await.unwrap();
            match page.partial {
                true => partial += 1,
                false => break partial,
            }
        }
    };
    let ((), _) = tokio::join!(writing, searching);
    let wrong = "SELECT count(*) FROM contacts AS c
                 FULL JOIN contact_texts AS t USING (account_id, contact_id)
                 WHERE account_id = $1 AND t.forward IS DISTINCT FROM
                       CASE WHEN c.redirect_to IS NULL THEN lower(c.fields->>'str::first') END";
    assert_eq!(service.count(wrong).await, 0);
    assert!(
        service
            .count("SELECT count(*) FROM contact_texts WHERE account_id = $1")
            .await
            > 20_000
    );
}
