//! Who is who.

use weir_proto::contact::v1::get_contact_request::Key;

use crate::harness::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_visitor_becomes_a_known_person() {
    let service = Service::start().await;
    let visitor = service.upsert(vec![identify(0, ("-", "a1"), "")]).await;
    let known = service
        .upsert(vec![identify(1, ("u1", "a1"), r#"{"str::first":"Lana"}"#)])
        .await;
    assert_eq!(known.results[0].contact_id, visitor.results[0].contact_id);
    let contact = service.user("u1").await;
    assert_eq!(contact.user_ids, ["u1"]);
    assert_eq!(contact.anonymous_ids, ["a1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_without_user_id_is_merged_and_everything_that_led_there_leads_on() {
    let service = Service::start().await;
    // Three identifiers, of which only the e-mail will be in the merging event.
    let older = service
        .upsert(vec![
            identify(
                0,
                ("-", "a1"),
                r#"{"str::email":"lana@x.org","str::first":"Lana"}"#,
            ),
            identify(1, ("-", "a2"), r#"{"str::email":"lana@x.org"}"#),
        ])
        .await;
    let younger = service
        .upsert(vec![identify(
            2,
            ("u1", "a3"),
            r#"{"str::last":"Romeijn"}"#,
        )])
        .await;
    let ids = |n: &weir_proto::contact::v1::UpsertContactsResponse| contact_id(n, 0);
    let (older, younger) = (ids(&older), ids(&younger));
    assert_ne!(older, younger);

    let merged = service
        .upsert(vec![identify(
            3,
            ("u1", "-"),
            r#"{"str::email":"LANA@x.org"}"#,
        )])
        .await;
    assert_eq!(
        (statuses(&merged), ids(&merged)),
        (vec![Stored], older.clone())
    );
    let contact = service.user("u1").await;
    assert_eq!(contact.contact_id, older);
    assert_eq!(contact.merged_contact_ids, std::slice::from_ref(&younger));
    assert_eq!(contact.anonymous_ids, ["a3", "a1", "a2"]);
    assert_eq!(fields(&contact).len(), 3);
    // Redirects are followed, and the one that went keeps what it knew.
    let followed = service.find(Key::ContactId(younger.clone())).await.unwrap();
    assert_eq!(followed.contact_id, older);
    let kept = service.sql().await;
    let row = kept
        .query_one(
            "SELECT c.fields::text, j.identifiers::text FROM contacts c
             JOIN merges j ON j.account_id = $1 AND j.merged_id = c.contact_id
             WHERE c.account_id = $1 AND c.contact_id = $2",
            &[&service.account, &younger.parse::<uuid::Uuid>().unwrap()],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), r#"{"str::last":"Romeijn"}"#);
    assert_eq!(row.get::<_, &str>(1), r#"[["u","u1"],["a","a3"]]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_are_never_merged_and_the_value_is_reported() {
    let service = Service::start().await;
    let answer = service
        .upsert(vec![
            identify(0, ("u1", "a1"), r#"{"str::email":"shared@x.org"}"#),
            identify(1, ("u2", "a1"), r#"{"str::first":"Two"}"#),
            identify(
                2,
                ("u2", "-"),
                r#"{"str::email":"shared@x.org","str::last":"Two"}"#,
            ),
        ])
        .await;
    assert_eq!(statuses(&answer), [Stored; 3]);
    assert_ne!(answer.results[0].contact_id, answer.results[1].contact_id);
    assert_eq!(answer.results[2].contact_id, answer.results[1].contact_id);
    let ignored = &answer.results[2].ignored_fields;
    assert_eq!(ignored[0].field_id, "str::email");
    assert!(!ignored[0].reason.contains("shared"));
    let two = service.user("u2").await;
    assert_eq!(fields(&two).len(), 2);
    assert_eq!(service.user("u1").await.anonymous_ids, ["a1"]);

    // The repeat is none the less one, also when the value was set free in the meantime.
    service
        .upsert(vec![identify(
            3,
            ("u1", "-"),
            r#"{"str::email":"own@x.org"}"#,
        )])
        .await;
    let again = service
        .upsert(vec![identify(
            2,
            ("u2", "-"),
            r#"{"str::email":"shared@x.org","str::last":"Two"}"#,
        )])
        .await;
    assert_eq!(statuses(&again), [Repeated]);
    // A new event gets it.
    let free = service
        .upsert(vec![identify(
            4,
            ("u2", "-"),
            r#"{"str::email":"shared@x.org"}"#,
        )])
        .await;
    assert_eq!(statuses(&free), [Stored]);
    assert_eq!(fields(&service.user("u2").await).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unique_key_row_stands_for_the_current_value_only() {
    let service = Service::start().await;
    service
        .upsert(vec![identify(
            0,
            ("u1", "-"),
            r#"{"str::email":"old@x.org"}"#,
        )])
        .await;
    service
        .upsert(vec![identify(
            1,
            ("u1", "-"),
            r#"{"str::email":"new@x.org"}"#,
        )])
        .await;
    let keys = "SELECT count(*) FROM identifiers WHERE account_id = $1 AND kind = 'str::email'";
    assert_eq!(service.count(keys).await, 1);
    let cleared = service
        .upsert(vec![identify(2, ("u1", "-"), r#"{"str::email":null}"#)])
        .await;
    assert_eq!(statuses(&cleared), [Stored]);
    assert_eq!(service.count(keys).await, 0);
    assert!(service.user("u1").await.fields.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unique_key_row_that_is_out_of_step_is_mended() {
    let service = Service::start().await;
    service
        .upsert(vec![identify(0, ("u1", "-"), r#"{"str::first":"Lana"}"#)])
        .await;
    let client = service.sql().await;
    client
        .execute(
            "INSERT INTO identifiers SELECT account_id, 'str::email', 'x@x.org', contact_id, 1,
                 link_time, event_time, message_id FROM identifiers WHERE account_id = $1",
            &[&service.account],
        )
        .await
        .unwrap();
    let taken = service
        .upsert(vec![identify(
            1,
            ("u2", "-"),
            r#"{"str::email":"x@x.org"}"#,
        )])
        .await;
    assert_eq!(statuses(&taken), [Stored]);
    assert_eq!(fields(&service.user("u2").await)[0].1, "x@x.org");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_leads_nowhere_is_linked_anew() {
    let service = Service::start().await;
    service.upsert(vec![identify(0, ("u1", "-"), "")]).await;
    let client = service.sql().await;
    let astray = "UPDATE identifiers SET contact_id = gen_random_uuid() WHERE account_id = $1";
    client.execute(astray, &[&service.account]).await.unwrap();
    let again = service
        .replica()
        .await
        .upsert(vec![identify(1, ("u1", "-"), r#"{"str::first":"Lana"}"#)])
        .await;
    assert_eq!(statuses(&again), [Stored]);
    let contact = service.user("u1").await;
    assert_eq!(contact.contact_id, contact_id(&again, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replica_keeps_in_mind_gives_way_to_a_merge_by_another() {
    let service = Service::start().await;
    let other = service.replica().await;
    let older = service.upsert(vec![identify(0, ("-", "a1"), "")]).await;
    let known = service
        .upsert(vec![identify(1, ("u1", "-"), r#"{"str::first":"Lana"}"#)])
        .await;
    // Both links are read by the other replica, and kept there.
    other
        .upsert(vec![
            identify(2, ("-", "a1"), ""),
            track(3, ("u1", "-"), r#"{"str::last":"Romeijn"}"#),
        ])
        .await;
    let merged = service.upsert(vec![identify(4, ("u1", "a1"), "")]).await;
    let (older, known) = (&older.results[0].contact_id, &known.results[0].contact_id);
    assert_ne!(older, known);
    assert_eq!(&merged.results[0].contact_id, older);

    let later = other
        .upsert(vec![
            identify(5, ("u1", "-"), r#"{"str::first":"Svetlana"}"#),
            identify(6, ("u1", "a1"), r#"{"str::language":"nl"}"#),
        ])
        .await;
    assert_eq!(statuses(&later), [Stored, Stored]);
    assert_eq!(&later.results[0].contact_id, older);
    let fields = fields(&service.user("u1").await);
    assert_eq!(fields.len(), 3, "{fields:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_recognised_by_a_link_that_is_kept_in_mind() {
    let service = Service::start().await;
    let first = identify(0, ("u1", "a1"), "");
    service.upsert(vec![first.clone()]).await;
    // Nothing but the link to `a2` is new, so nothing but the link is its trace.
    let second = identify(1, ("u1", "a2"), "");
    let once = service.upsert(vec![second.clone()]).await;
    let again = service.upsert(vec![first, second]).await;
    assert_eq!(statuses(&once), [Stored]);
    assert_eq!(statuses(&again), [Repeated, Repeated]);
    assert_eq!(service.units().await, 2);
}
