//! What an event does, and what it costs.

use weir_proto::contact::v1::get_contact_request::Key;
use weir_proto::contact::v1::{ExportFormat, ListContactsRequest};
use weir_proto::ledger::v1::{BatchKey, CloseBatchesRequest, FenceUsageRequest};
use weir_proto::settings::v1::MergeStrategy;

use crate::harness::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_identify_is_stored_read_back_and_recognised_when_it_comes_again() {
    let service = Service::start().await;
    let lana = || {
        identify(
            0,
            ("lana.romeijn", "507f191e"),
            r#"{"str::first":"Lana","str::last":"Romeijn","str::email":"Lana@Example.org","dtz::b":"1980-07-28","bol:cm:active":true}"#,
        )
    };
    let first = service.upsert(vec![lana()]).await;
    assert_eq!((statuses(&first), first.units), (vec![Stored], 1));

    let again = service.upsert(vec![lana(), lana()]).await;
    assert_eq!((statuses(&again), again.units), (vec![Repeated; 2], 0));
    assert_eq!(again.results[0].contact_id, first.results[0].contact_id);
    assert_eq!(service.units().await, 1);

    let contact = service.user("lana.romeijn").await;
    assert_eq!(contact.contact_id, first.results[0].contact_id);
    assert_eq!(contact.anonymous_ids, ["507f191e"]);
    let values = fields(&contact);
    assert!(
        values.contains(&("dtz::b".into(), "1980-07-28".into())),
        "{values:?}"
    );
    assert_eq!(contact.fields[1].event_time.unwrap().seconds, 1_752_127_200);

    let field = weir_proto::contact::v1::FieldKey {
        field_id: "str::email".into(),
        value: "LANA@example.org".into(),
    };
    for key in [
        Key::ContactId(contact.contact_id.clone()),
        Key::AnonymousId("507f191e".into()),
        Key::Field(field),
    ] {
        assert_eq!(service.find(key).await.unwrap(), contact);
    }
    let nobody = service.find(Key::UserId("nobody".into())).await;
    assert_eq!(nobody.unwrap_err().code(), tonic::Code::NotFound);
}

/// Semantics 8.1: whichever comes first.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_written_in_another_way_is_charged_once() {
    let service = Service::start().await;
    let spellings = [r#"{"a":1,"z":"é"}"#, r#"{"z":"\u00e9","a":1.0}"#];
    for (user, units, [first, second]) in [
        ("u1", 1, spellings),
        ("u2", 2, [spellings[1], spellings[0]]),
    ] {
        let said = |second, object: &str| {
            identify(second, (user, "-"), &format!(r#"{{"obj:cm:o":{object}}}"#))
        };
        let stored = service.upsert(vec![said(0, first)]).await;
        let again = service.upsert(vec![said(1, second)]).await;
        let statuses = [statuses(&stored), statuses(&again)].concat();
        assert_eq!(statuses, [Stored, NothingNew]);
        assert_eq!(service.units().await, units);
        let columns = ["user_id", "obj:cm:o"];
        let (file, _) = service.exported(ExportFormat::JsonLines, &columns).await;
        assert!(
            file.contains(&format!(r#""{user}","obj:cm:o":{first}}}"#)),
            "{file}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_new_is_said_so_and_moves_registers_uncharged() {
    let service = Service::start().await;
    let first = |second| unfunded(identify(second, ("u1", "-"), r#"{"str::first":"Lana"}"#));
    let stored = identify(0, ("u1", "-"), r#"{"str::first":"Lana"}"#);
    service.upsert(vec![stored]).await;
    let again = service.upsert(vec![first(10)]).await;
    assert_eq!(statuses(&again), [NothingNew]);
    // The register moved to second 10, so what happened at second 5 is overtaken.
    let late = service
        .upsert(vec![identify(5, ("u1", "-"), r#"{"str::first":"Lena"}"#)])
        .await;
    assert_eq!(statuses(&late), [NothingNew]);
    assert_eq!(fields(&service.user("u1").await)[0].1, "Lana");
    assert_eq!(service.units().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_a_unit_leaves_nothing_and_its_retry_is_taken() {
    let service = Service::start().await;
    let new = || identify(0, ("u1", "a1"), r#"{"str::first":"Lana"}"#);
    let refused = service.upsert(vec![unfunded(new())]).await;
    assert_eq!((statuses(&refused), refused.units), (vec![NotFunded], 0));
    let contacts = "SELECT count(*) FROM contacts WHERE account_id = $1";
    assert_eq!(service.count(contacts).await, 0);
    assert_eq!(statuses(&service.upsert(vec![new()]).await), [Stored]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_in_the_middle_of_a_batch_parts_it_in_two() {
    let service = Service::start().await;
    let events = (0..10)
        .map(|n| {
            let event = identify(n, (&format!("u{n}"), "-"), r#"{"str::first":"X"}"#);
            if n < 4 { event } else { unfunded(event) }
        })
        .collect();
    let answer = service.upsert(events).await;
    assert_eq!(statuses(&answer)[..4], [Stored; 4]);
    assert_eq!(statuses(&answer)[4..], [NotFunded; 6]);
    assert_eq!((answer.units, service.units().await), (4, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn tracks_membership_updates_and_other_strategies_are_recognised_by_receipts() {
    let service = Service::start().await;
    service
        .upsert(vec![identify(0, ("u1", "-"), r#"{"str::first":"Lana"}"#)])
        .await;
    let events = || {
        let mut update = identify(3, ("u1", "-"), "");
        update.membership_update = find(3, ("u1", "-")).membership_update;
        vec![
            track(1, ("u1", "-"), r#"{"str::first":"Lana"}"#),
            find(2, ("u1", "-")),
            keyed(update),
            find(4, ("stranger", "-")),
        ]
    };
    let first = service.upsert(events()).await;
    assert_eq!(statuses(&first), [Stored, Stored, Stored, Kept]);
    assert_eq!(first.units, 3);
    let again = service.upsert(events()).await;
    assert_eq!(statuses(&again), [Repeated; 4]);
    assert_eq!(again.units, 0);

    let append = |second, name: &str| {
        let fields = format!(r#"{{"str::first":"Lena","str::last":"{name}"}}"#);
        let mut batch = service.batch(vec![identify(second, ("u1", "-"), &fields)]);
        batch.merge_strategy = MergeStrategy::Append.into();
        batch
    };
    let stored = service.send(append(20, "Romeijn")).await.unwrap();
    assert_eq!(statuses(&stored), [Stored]);
    let again = service.send(append(20, "Romeijn")).await.unwrap();
    assert_eq!(statuses(&again), [Repeated]);
    let full = service.send(append(21, "Other")).await.unwrap();
    assert_eq!(statuses(&full), [NothingNew]);
    let contact = service.user("u1").await;
    let names: Vec<_> = fields(&contact).into_iter().map(|(_, text)| text).collect();
    assert_eq!(names, ["Lana", "Romeijn"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_for_existing_contacts_creates_none() {
    let service = Service::start().await;
    let mut batch = service.batch(vec![
        identify(0, ("u1", "-"), r#"{"str::first":"Lana"}"#),
        track(1, ("u1", "-"), r#"{"str::first":"Lana"}"#),
    ]);
    batch.existing_only = true;
    let answer = service.send(batch).await.unwrap();
    assert_eq!(statuses(&answer), [Refused, Refused]);
    assert_eq!(answer.units, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_batch_and_a_past_epoch_store_nothing() {
    let service = Service::start().await;
    let event = || vec![identify(0, ("u1", "-"), r#"{"str::first":"Lana"}"#)];
    let batch = service.batch(event());
    let close = |id: &str| CloseBatchesRequest {
        account_id: service.account.to_string(),
        batches: vec![BatchKey {
            batch_id: id.to_owned(),
            window: WINDOW.to_owned(),
        }],
    };
    let mut client = service.ledger.clone();
    let closed = client.close_batches(close(&batch.batch_id)).await.unwrap();
    assert_eq!(closed.into_inner().units, [0]);
    let error = service.send(batch).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::Aborted);

    let stored = service.batch(event());
    service.send(stored.clone()).await.unwrap();
    let closed = client.close_batches(close(&stored.batch_id)).await.unwrap();
    assert_eq!(closed.into_inner().units, [1]);

    let fence = FenceUsageRequest {
        account_id: service.account.to_string(),
        epoch: 3,
        from_window: "2025-07-01".to_owned(),
        ..FenceUsageRequest::default()
    };
    let fenced = client
        .fence_usage(fence.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!((fenced.epoch, fenced.sums.len()), (3, 1));
    assert_eq!(
        (fenced.sums[0].window.as_str(), fenced.sums[0].units),
        (WINDOW, 1)
    );
    let late = service.batch(vec![identify(9, ("u2", "-"), "{}")]);
    let error = service.send(late.clone()).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::Aborted);
    let mut admitted = late;
    admitted.epoch = 3;
    assert_eq!(service.send(admitted).await.unwrap().units, 1);
    let lower = FenceUsageRequest { epoch: 2, ..fence };
    let fenced = client.fence_usage(lower).await.unwrap().into_inner();
    assert_eq!((fenced.epoch, fenced.sums[0].units), (3, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_listed_by_age_in_pages() {
    let service = Service::start().await;
    let events = (0..5)
        .map(|n| identify(n, (&format!("u{n}"), "-"), ""))
        .collect();
    let made = service.upsert(events).await;
    let mut token = String::new();
    let mut listed = Vec::new();
    loop {
        let request = ListContactsRequest {
            account_id: service.account.to_string(),
            page_size: 2,
            page_token: token,
        };
        let mut client = service.client.clone();
        let page = client.list_contacts(request).await.unwrap().into_inner();
        assert!(page.contacts.len() <= 2);
        listed.extend(page.contacts.into_iter().map(|contact| contact.contact_id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let made: Vec<_> = made
        .results
        .into_iter()
        .map(|result| result.contact_id)
        .collect();
    assert_eq!(listed, made);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_are_refused_and_name_the_field() {
    let service = Service::start().await;
    let check = async |batch, field: &str| {
        let error = service.send(batch).await.unwrap_err();
        assert_eq!(error.code(), tonic::Code::InvalidArgument);
        assert!(error.message().starts_with(field), "{}", error.message());
    };
    let event = || identify(0, ("u1", "-"), "{}");
    let mut batch = service.batch(vec![event()]);
    batch.account_id = "lana".into();
    check(batch, "account_id").await;
    let mut batch = service.batch(vec![event()]);
    batch.window = "yesterday".into();
    check(batch, "window").await;
    check(service.batch(vec![event(); 1_001]), "events").await;
    let mut broken = event();
    broken.fields_json = "[]".into();
    check(
        service.batch(vec![event(), broken]),
        "events[1].fields_json",
    )
    .await;
    check(
        service.batch(vec![identify(0, ("-", "-"), "{}")]),
        "events[0].user_id",
    )
    .await;
    let mut broken = event();
    broken.event_key = vec![1].into();
    check(service.batch(vec![broken]), "events[0].event_key").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_texts_cost_their_neighbours_nothing() {
    let service = Service::start().await;
    let mut odd = identify(
        0,
        ("u1", "-"),
        r#"{"str::email":"a\u0000b","str::first":"\u0000"}"#,
    );
    odd.message_id = "m\0".into();
    let long = format!(r#"{{"str::email":"{}"}}"#, "é".repeat(1_500));
    let answer = service
        .upsert(vec![
            odd,
            identify(1, ("u2", "-"), &long),
            identify(2, ("u3", "-"), r#"{"obj:cm:x":{"n":1e999,"b": [1,  2]}}"#),
        ])
        .await;
    assert_eq!(statuses(&answer), [Stored; 3]);
    assert_eq!(answer.results[0].ignored_fields[0].field_id, "str::email");
    assert_eq!(answer.results[1].ignored_fields[0].field_id, "str::email");
    let contact = service.user("u3").await;
    assert!(
        fields(&contact)[0]
            .1
            .contains(r#"{\"n\":1e999,\"b\": [1,  2]}"#)
    );
}
