//! Removes for people who are not known yet (semantics 4.7).

use std::collections::HashSet;
use weir_testkit::check_identifiers;

use crate::harness::*;

const KEPT: &str = "SELECT count(*) FROM kept_removes WHERE account_id = $1";
const HANDED_OVER: &str = "SELECT count(*) FROM outbox,
    json_array_elements(payload::json->'removals') AS removal WHERE account_id = $1";

#[tokio::test(flavor = "multi_thread")]
async fn a_remove_makes_nobody_known_and_is_free() {
    let service = Service::start().await;
    let mut member = undated(1, ("u1", "a1"), "");
    member.membership_update = find(1, ("-", "a")).membership_update;
    member.no_values = true;
    let member = unfunded(keyed(member));
    let mut batch = service.batch(vec![member.clone(), unfunded(find(2, ("-", "a2")))]);
    batch.existing_only = true;
    let kept = service.send(batch.clone()).await.unwrap();
    assert_eq!((statuses(&kept), kept.units), (vec![Kept; 2], 0));
    batch.batch_id = uuid::Uuid::now_v7().to_string();
    let again = service.send(batch).await.unwrap();
    assert_eq!((statuses(&again), again.units), (vec![Repeated; 2], 0));
    assert!(again.results[0].contact_id.is_empty());
    assert!(again.results[0].first_time.is_some());
    assert_eq!(service.count(KEPT).await, 2);
    let nobody = service
        .find(weir_proto::contact::v1::get_contact_request::Key::UserId(
            "u1".into(),
        ))
        .await;
    assert_eq!(nobody.unwrap_err().code(), tonic::Code::NotFound);

    // Who is known later is not known by the anonymous id beside the user id.
    service.upsert(vec![identify(3, ("-", "a1"), "")]).await;
    assert_eq!(service.count(KEPT).await, 2);
    service.upsert(vec![identify(4, ("u1", "-"), "")]).await;
    assert_eq!(service.count(KEPT).await, 1);
    assert_eq!(service.count(HANDED_OVER).await, 1);
    let again = service.upsert(vec![member]).await;
    assert_eq!((statuses(&again), again.units), (vec![Repeated], 0));
    let wrong = check_identifiers(&service.database.superuser_url).await;
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_keeps_as_many_as_it_may_and_the_oldest_go() {
    let service = Service::start().await;
    let send = async |people: std::ops::Range<i64>| {
        let finds = people.map(|n| find(n, (&format!("u{n}"), "-")));
        let mut batch = service.batch(finds.collect());
        batch.kept_removes_limit = Some(10);
        service.send(batch).await.unwrap()
    };
    send(0..4).await;
    send(4..8).await;
    assert_eq!(service.count(KEPT).await, 8);
    send(8..14).await;
    let latest = (4..14).map(|n| format!("u{n}"));
    assert_eq!(service.kept().await, latest.collect());
    // Who comes after its remove was dropped is linked all the same.
    service
        .upsert(vec![
            identify(20, ("u0", "-"), ""),
            identify(20, ("u9", "-"), ""),
        ])
        .await;
    assert_eq!(service.count(HANDED_OVER).await, 1);
    assert_eq!(service.user("u0").await.user_ids, ["u0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_removes_of_one_batch_go_first_whatever_their_people_are_called() {
    let service = Service::start().await;
    // Neither the order of the ids nor that of the events is the order of their times.
    let seconds = (0..25).map(|n| (n * 7) % 25);
    let finds = seconds.map(|second| find(second, (&format!("b{second}"), "-")));
    let mut batch = service.batch(finds.collect());
    batch.kept_removes_limit = Some(10);
    let kept = service.send(batch).await.unwrap();
    assert_eq!(statuses(&kept), [Kept; 25]);
    let latest = (15..25).map(|n| format!("b{n}"));
    assert_eq!(service.kept().await, latest.collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_keep_none_keeps_none_and_less_than_none_is_refused() {
    let service = Service::start().await;
    let mut batch = service.batch(vec![find(1, ("u1", "-"))]);
    service.send(batch.clone()).await.unwrap();
    assert_eq!(service.count(KEPT).await, 1);
    batch.batch_id = uuid::Uuid::now_v7().to_string();
    batch.kept_removes_limit = Some(0);
    batch.events = vec![find(2, ("u2", "-"))];
    assert_eq!(
        statuses(&service.send(batch.clone()).await.unwrap()),
        [Kept]
    );
    assert_eq!(service.count(KEPT).await, 0);
    let wrong = check_identifiers(&service.database.superuser_url).await;
    assert_eq!(wrong, Vec::<String>::new());
    batch.kept_removes_limit = Some(-1);
    let refused = service.send(batch).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remove_whose_time_is_over_gives_way_to_an_earlier_one_before_it_is_purged() {
    let service = Service::start().await;
    service.upsert(vec![find(9, ("u1", "-"))]).await;
    let earlier = "SELECT count(*) FROM kept_removes
                   WHERE account_id = $1 AND message_id = 'm5' AND keep_until > now()";
    service.upsert(vec![find(4, ("u1", "-"))]).await;
    assert_eq!(service.count(KEPT).await, 1);
    let client = service.sql().await;
    let over = "UPDATE kept_removes SET keep_until = now() - interval '1 second'
                WHERE account_id = $1 AND message_id = 'm9'";
    let overdue = client.execute(over, &[&service.account]).await.unwrap();
    assert_eq!(overdue, 1);
    service.upsert(vec![find(5, ("u1", "-"))]).await;
    assert_eq!(service.count(earlier).await, 1);
    service.upsert(vec![identify(10, ("u1", "-"), "")]).await;
    assert_eq!(service.count(HANDED_OVER).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_remove_is_stranded_however_it_meets_the_batch_that_links_its_person() {
    let service = Service::start().await;
    let replica = service.replica().await;
    let people = || (0..120_i64).collect::<Vec<_>>();
    let chunks = |people: Vec<i64>, size: usize| {
        let chunks: Vec<Vec<i64>> = people.chunks(size).map(<[i64]>::to_vec).collect();
        chunks
    };
    let removes = async {
        let mut kept = Vec::new();
        for chunk in chunks(people(), 3) {
            let finds = chunk.iter().map(|n| find(*n, (&format!("u{n}"), "-")));
            let answer = service.patiently(finds.collect()).await;
            let statuses = statuses(&answer).into_iter().zip(&chunk);
            kept.extend(
                statuses
                    .filter(|(status, _)| *status == Kept)
                    .map(|(_, n)| *n),
            );
        }
        kept
    };
    let links = async {
        for chunk in chunks(people(), 4) {
            // The other way round, within a batch.
            let known = chunk.iter().rev();
            let known = known.map(|n| identify(1_000 + n, (&format!("u{n}"), "-"), ""));
            replica.patiently(known.collect()).await;
        }
    };
    let (kept, ()) = tokio::join!(removes, links);
    // Some met their person, some did not.
    assert_eq!(service.count(KEPT).await, 0);
    assert_eq!(service.count(HANDED_OVER).await, kept.len() as i64);
    let wrong = check_identifiers(&service.database.superuser_url).await;
    assert_eq!(wrong, Vec::<String>::new());
}

/// Another replica's transaction, by hand.
async fn hand(service: &Service, statements: &[&str]) -> tokio_postgres::Client {
    let client = service.sql().await;
    client.batch_execute("BEGIN").await.unwrap();
    for statement in statements {
        client
            .execute(*statement, &[&service.account])
            .await
            .unwrap();
    }
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remove_that_waits_for_the_batch_that_links_its_person_finds_it() {
    let service = Service::start().await;
    service.upsert(vec![identify(0, ("-", "a1"), "")]).await;
    let link = "INSERT INTO identifiers SELECT account_id, 'u', 'u1', contact_id, 1, link_time,
                    event_time, message_id FROM identifiers WHERE account_id = $1";
    let hand = hand(&service, &[link]).await;
    let (batch, mut client) = (
        service.batch(vec![find(1, ("u1", "-"))]),
        service.client.clone(),
    );
    let call = tokio::spawn(async move { client.upsert_contacts(batch).await });
    service.until_waiting(1).await;
    hand.batch_execute("COMMIT").await.unwrap();
    let answer = call.await.unwrap().unwrap().into_inner();
    assert_eq!(statuses(&answer), [Stored]);
    assert_eq!(service.count(KEPT).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_waits_for_a_remove_hands_it_over() {
    let service = Service::start().await;
    service.upsert(vec![identify(0, ("-", "a1"), "")]).await;
    let mark = "INSERT INTO identifiers VALUES ($1, 'u', 'u1',
        '00000000-0000-0000-0000-000000000000', 0, now(), now(), 'm')";
    let keep = "INSERT INTO kept_removes VALUES ($1, 'u', 'u1', gen_random_uuid(), now(), 'm',
        now() + interval '30 days')";
    let first = hand(&service, &[mark, keep]).await;
    let call = |second| {
        let batch = service.batch(vec![identify(second, ("u1", "a1"), "")]);
        let mut client = service.client.clone();
        tokio::spawn(async move { client.upsert_contacts(batch).await })
    };
    let linking = call(1);
    service.until_waiting(1).await;
    first.batch_execute("COMMIT").await.unwrap();
    let answer = linking.await.unwrap().unwrap().into_inner();
    assert_eq!(statuses(&answer), [Stored]);
    assert_eq!(service.count(KEPT).await, 0);
    assert_eq!(service.count(HANDED_OVER).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remove_that_is_kept_after_the_linking_batch_has_looked_is_handed_over() {
    let service = Service::start().await;
    service
        .upsert(vec![identify(0, ("u0", "-"), ""), find(0, ("u1", "-"))])
        .await;
    let lock = "SELECT FROM contacts WHERE account_id = $1 FOR UPDATE";
    let hand = hand(&service, &[lock]).await;
    let batch = service.batch(vec![
        identify(1, ("u0", "-"), r#"{"str::first":"Lana"}"#),
        identify(1, ("u1", "-"), ""),
        identify(1, ("u2", "-"), ""),
    ]);
    let mut client = service.client.clone();
    let linking = tokio::spawn(async move { client.upsert_contacts(batch).await });
    // It knows who is who, and waits for the first of them.
    service.until_waiting(1).await;
    let kept = service.upsert(vec![find(2, ("u2", "-"))]).await;
    assert_eq!(statuses(&kept), [Kept]);
    hand.batch_execute("COMMIT").await.unwrap();
    let answer = linking.await.unwrap().unwrap().into_inner();
    assert_eq!(statuses(&answer), [Stored; 3]);
    assert_eq!(service.count(KEPT).await, 0);
    assert_eq!(service.count(HANDED_OVER).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remove_that_is_kept_beside_another_one_meanwhile_is_handed_over_as_well() {
    let service = Service::start().await;
    service.upsert(vec![find(0, ("u1", "-"))]).await;
    let hold = "UPDATE identifiers SET version = version WHERE account_id = $1 AND value = 'u1'";
    let keep = "INSERT INTO kept_removes VALUES ($1, 'u', 'u1', gen_random_uuid(), now(), 'm',
        now() + interval '30 days')";
    let second = hand(&service, &[hold, keep]).await;
    let batch = service.batch(vec![identify(1, ("u1", "-"), "")]);
    let mut client = service.client.clone();
    let linking = tokio::spawn(async move { client.upsert_contacts(batch).await });
    service.until_waiting(1).await;
    second.batch_execute("COMMIT").await.unwrap();
    let answer = linking.await.unwrap().unwrap().into_inner();
    assert_eq!(statuses(&answer), [Stored]);
    assert_eq!(service.count(KEPT).await, 0);
    assert_eq!(service.count(HANDED_OVER).await, 2);
}

impl Service {
    /// Under which ids removes are kept.
    async fn kept(&self) -> HashSet<String> {
        let values = "SELECT value FROM kept_removes WHERE account_id = $1";
        let client = self.sql().await;
        let rows = client.query(values, &[&self.account]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// As the edge's caller does.
    async fn patiently(
        &self,
        events: Vec<weir_proto::contact::v1::ContactEvent>,
    ) -> weir_proto::contact::v1::UpsertContactsResponse {
        loop {
            match self.send(self.batch(events.clone())).await {
                Ok(answer) => return answer,
                Err(status) => assert_eq!(status.code(), tonic::Code::Unavailable, "{status}"),
            }
        }
    }
}
