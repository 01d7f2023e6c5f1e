//! Values that PostgreSQL does not take, contacts that can't be read, and what they cost.

use crate::harness::*;

/// What gets this far is all taken by PostgreSQL, as far as we know. So this is told not to take
/// one value, as it says it of its own.
async fn choosy() -> Service {
    let service = Service::start().await;
    // Answered once the tables are there.
    service.upsert(Vec::new()).await;
    let refuse = r#"
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'not this value' USING ERRCODE = 'data_exception';
        END $$;
        CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON contacts FOR EACH ROW
            WHEN (NEW.fields::text LIKE '%"untaken"%') EXECUTE FUNCTION refuse()"#;
    service.sql().await.batch_execute(refuse).await.unwrap();
    service
}

const UNTAKEN: &str = r#"{"str:cm:x":"untaken"}"#;

fn good(n: i64) -> weir_proto::contact::v1::ContactEvent {
    identify(n, (&format!("u{n}"), "-"), r#"{"str::first":"Lana"}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_stored_costs_its_neighbours_nothing() {
    let service = choosy().await;
    let mut events: Vec<_> = (0..40).map(good).collect();
    for bad in [0, 17, 18, 39] {
        events[bad] = identify(bad as i64, ("bad", "-"), UNTAKEN);
    }
    // What a neighbour says of the same person is stored all the same.
    events[20] = identify(20, ("bad", "-"), r#"{"str::first":"Good"}"#);
    let answer = service.upsert(events.clone()).await;
    for (n, status) in statuses(&answer).into_iter().enumerate() {
        let bad = [0, 17, 18, 39].contains(&n);
        assert_eq!(status, if bad { Unstorable } else { Stored }, "{n}");
        assert_eq!(answer.results[n].contact_id.is_empty(), bad);
    }
    assert_eq!((answer.units, service.units().await), (36, 36));
    assert_eq!(fields(&service.user("bad").await)[0].1, "Good");

    let again = service.upsert(events).await;
    assert_eq!(again.units, 0);
    assert_eq!(statuses(&again)[17..20], [Unstorable, Unstorable, Repeated]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_always_loses_is_no_lost_race_and_costs_its_neighbours_nothing() {
    let service = Service::start().await;
    service
        .upsert(vec![track(0, ("-", "a1"), r#"{"str::first":"V"}"#)])
        .await;
    let person = service.upsert(vec![identify(1, ("u1", "-"), "")]).await;
    // That the two became one stands in a row already, which no merge expects.
    let person: uuid::Uuid = contact_id(&person, 0).parse().unwrap();
    let client = service.sql().await;
    let row = "INSERT INTO merges (account_id, merged_id, survivor_id, merge_time, identifiers, merge_id, turn)
               SELECT account_id, $2, $2, now(), '[]', $2, 1 FROM accounts
               WHERE account_id = $1";
    client
        .execute(row, &[&service.account, &person])
        .await
        .unwrap();

    let events = || vec![good(2), identify(3, ("u1", "a1"), ""), good(4)];
    let answer = service.upsert(events()).await;
    assert_eq!(statuses(&answer), [Stored, Unstorable, Stored]);
    assert_eq!((answer.units, service.units().await), (2, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_one_that_cannot_be_stored_is_answered_so() {
    let service = choosy().await;
    let answer = service
        .upsert(vec![identify(0, ("u1", "a1"), UNTAKEN)])
        .await;
    assert_eq!((statuses(&answer), answer.units), (vec![Unstorable], 0));
    let contacts = "SELECT count(*) FROM contacts WHERE account_id = $1";
    assert_eq!(service.count(contacts).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_too_much_is_refused_the_batch_fails_and_stores_nothing() {
    let service = choosy().await;
    let bad = |n| identify(n, (&format!("u{n}"), "-"), UNTAKEN);
    let events = (0..34).map(|n| if n % 2 == 0 { bad(n) } else { good(n) });
    let error = service
        .send(service.batch(events.collect()))
        .await
        .unwrap_err();
    assert_eq!(error.code(), tonic::Code::Internal);
    assert_eq!(service.units().await, 0);
}

/// By somebody's hand.
async fn spoil(service: &Service, contact: &str, broken: &str) {
    let client = service.sql().await;
    let spoil = format!("UPDATE contacts SET {broken} WHERE account_id = $1 AND contact_id = $2");
    let contact: uuid::Uuid = contact.parse().unwrap();
    let spoilt = client
        .execute(&spoil, &[&service.account, &contact])
        .await
        .unwrap();
    assert_eq!(spoilt, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_cannot_be_read_costs_the_events_of_others_nothing() {
    let service = choosy().await;
    let known = [
        identify(0, ("u1", "a1"), r#"{"str::email":"broken@x.org"}"#),
        identify(0, ("u2", "-"), ""),
        identify(0, ("u3", "-"), ""),
    ];
    let made = service.upsert(known.to_vec()).await;
    spoil(&service, &contact_id(&made, 0), "fields = '[1]'").await;
    spoil(&service, &contact_id(&made, 1), "registers = '{\"x\":7}'").await;

    // More than a few, by each of the identifiers, and one that is refused besides.
    let mut events: Vec<_> = (10..60).map(good).collect();
    let mail = r#"{"str::email":"Broken@x.org"}"#;
    let mut bad = Vec::new();
    for at in (0..40).step_by(2) {
        events[at] = match at % 5 {
            0 => identify(60 + at as i64, ("u1", "-"), r#"{"str::first":"L"}"#),
            1 => identify(60 + at as i64, ("-", "a1"), ""),
            2 => track(60 + at as i64, ("u3", "-"), mail),
            3 => find(60 + at as i64, ("u1", "-")),
            _ => identify(60 + at as i64, ("u2", "a9"), ""),
        };
        bad.push(at);
    }
    events[41] = identify(200, ("u3", "-"), UNTAKEN);
    bad.push(41);
    let good = 50 - bad.len() as i64;
    let answer = service.upsert(events.clone()).await;
    for (n, status) in statuses(&answer).into_iter().enumerate() {
        let expected = if bad.contains(&n) { Unstorable } else { Stored };
        assert_eq!(status, expected, "{n}");
        assert_eq!(answer.results[n].contact_id.is_empty(), bad.contains(&n));
    }
    assert_eq!((answer.units, service.units().await), (good, 3 + good));

    // Nothing was remembered of them: once the row is mended they are stored.
    let first = events[0].clone();
    let alone = service.upsert(vec![first.clone()]).await;
    assert_eq!((statuses(&alone), alone.units), (vec![Unstorable], 0));
    let mended = r#"fields = '{"str::email":"broken@x.org"}'"#;
    spoil(&service, &contact_id(&made, 0), mended).await;
    let again = service.upsert(vec![first]).await;
    assert_eq!((statuses(&again), again.units), (vec![Stored], 1));
    assert_eq!(contact_id(&again, 0), contact_id(&made, 0));
}
