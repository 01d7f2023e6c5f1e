//! Two hands on one identifier, step by step.

use tokio_postgres::Client;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::identifiers::check_identifiers;
use crate::support::*;

const EMAIL: &str = r#"{"str::email":"p0@x.org"}"#;

/// Another replica's transaction, by hand.
struct Hand {
    client: Client,
    account: Uuid,
}

impl Hand {
    async fn of(service: &Service) -> Self {
        let client = service.sql().await;
        client.batch_execute("BEGIN").await.unwrap();
        Self {
            client,
            account: service.account,
        }
    }

    async fn lock(&self, contact: Uuid) {
        let lock = "SELECT FROM contacts WHERE account_id = $1 AND contact_id = $2 FOR UPDATE";
        let rows = self.client.query(lock, &[&self.account, &contact]).await;
        assert_eq!(rows.unwrap().len(), 1);
    }

    /// The address goes from one contact to another, whole, as a batch does it.
    async fn hand_over(&self, from: Uuid, to: Uuid) {
        let set = "UPDATE contacts SET fields = $3::text::json, registers = $4::text::json,
                       version = version + 1
                   WHERE account_id = $1 AND contact_id = $2";
        let set_by = r#"[[1752127200000000,"m"]]"#;
        for (contact, fields, registers) in [(from, "{}", "[]"), (to, EMAIL, set_by)] {
            let row: [&(dyn ToSql + Sync); 4] = [&self.account, &contact, &fields, &registers];
            assert_eq!(self.client.execute(set, &row).await.unwrap(), 1);
        }
        let moves = "UPDATE identifiers SET contact_id = $3, version = version + 1
                     WHERE account_id = $1 AND kind = 'str::email' AND contact_id = $2";
        let row: [&(dyn ToSql + Sync); 3] = [&self.account, &from, &to];
        assert_eq!(self.client.execute(moves, &row).await.unwrap(), 1);
    }

    async fn commit(self) {
        self.client.batch_execute("COMMIT").await.unwrap();
    }
}

impl Service {
    /// Until so many sessions wait for a row that another one holds.
    async fn until_waiting(&self, sessions: i64) {
        let client = self.sql().await;
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        loop {
            let rows = client.query_one(waiting, &[]).await.unwrap();
            if rows.get::<_, i64>(0) == sessions {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn person(&self, second: i64, user: &str, fields: &str) -> Uuid {
        let answer = self
            .upsert(vec![identify(second, (user, "-"), fields)])
            .await;
        contact_id(&answer, 0).parse().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_address_that_goes_on_while_a_batch_waits_for_its_holder_has_one_holder() {
    let service = Service::start().await;
    let x = service.person(0, "x", "").await;
    let y = service.person(1, "y", EMAIL).await;
    let z = service.person(2, "z", "").await;
    let w = service.person(3, "w", "").await;
    let (first, second) = (Hand::of(&service).await, Hand::of(&service).await);
    first.lock(y).await;
    first.lock(z).await;

    // A first attempt finds y taken, a second one waits for it.
    let event = identify(
        4,
        ("x", "-"),
        r#"{"str::email":"p0@x.org","str::first":"X"}"#,
    );
    let batch = service.batch(vec![event]);
    let mut client = service.client.clone();
    let call = tokio::spawn(async move { client.upsert_contacts(batch).await });
    service.until_waiting(1).await;
    // z is the second hand's as soon as the first lets go of it, ...
    let second = tokio::spawn(async move {
        second.lock(z).await;
        second
    });
    service.until_waiting(2).await;
    first.hand_over(y, z).await;
    first.commit().await;
    // ... so the third attempt reads that z has the address, waits for z, ...
    let second = second.await.unwrap();
    service.until_waiting(1).await;
    // ... and finds that it has it no more.
    second.hand_over(z, w).await;
    second.commit().await;

    let answer = call.await.unwrap().unwrap().into_inner();
    assert_eq!(statuses(&answer), [Stored]);
    assert_eq!(contact_id(&answer, 0), x.to_string());
    assert_eq!(answer.results[0].ignored_fields[0].field_id, "str::email");
    let wrong = check_identifiers(&service.database.superuser_url).await;
    assert_eq!(wrong, Vec::<String>::new());
    let key = weir_proto::contact::v1::get_contact_request::Key::Field;
    let found = service.find(key(weir_proto::contact::v1::FieldKey {
        field_id: "str::email".into(),
        value: "p0@x.org".into(),
    }));
    assert_eq!(found.await.unwrap().contact_id, w.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_address_that_was_given_away_meanwhile_is_not_deleted_under_its_new_holder() {
    let service = Service::start().await;
    let y = service.person(0, "y", EMAIL).await;
    let z = service.person(1, "z", "").await;
    let w = service.person(2, "w", "").await;
    let (first, second) = (Hand::of(&service).await, Hand::of(&service).await);
    first.lock(y).await;
    first.lock(z).await;
    // An unknown visitor, who is found by the address alone.
    let event = identify(
        3,
        ("-", "a1"),
        r#"{"str::email":"p0@x.org","str::first":"A"}"#,
    );
    let batch = service.batch(vec![event]);
    let mut client = service.client.clone();
    let call = tokio::spawn(async move { client.upsert_contacts(batch).await });
    service.until_waiting(1).await;
    let second = tokio::spawn(async move {
        second.lock(z).await;
        second
    });
    service.until_waiting(2).await;
    first.hand_over(y, z).await;
    first.commit().await;
    let second = second.await.unwrap();
    service.until_waiting(1).await;
    second.hand_over(z, w).await;
    second.commit().await;

    let answer = call.await.unwrap().unwrap().into_inner();
    assert_eq!(contact_id(&answer, 0), w.to_string());
    let wrong = check_identifiers(&service.database.superuser_url).await;
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_missing_do_not_hold_up_a_batch_for_ever() {
    let service = Service::start().await;
    let one = r#"{"str::email":"one@x.org"}"#;
    let answer = service
        .upsert(vec![
            identify(0, ("u1", "-"), one),
            identify(1, ("-", "a2"), r#"{"str::email":"two@x.org"}"#),
        ])
        .await;
    assert_eq!(statuses(&answer), [Stored, Stored]);
    let lost = "DELETE FROM identifiers WHERE account_id = $1 AND kind = 'str::email'";
    let client = service.sql().await;
    assert_eq!(client.execute(lost, &[&service.account]).await.unwrap(), 2);

    // A value goes of which there is no row.
    let other = service
        .person(2, "u1", r#"{"str::email":"three@x.org"}"#)
        .await;
    assert_eq!(other.to_string(), contact_id(&answer, 0));
    // The other one says its value once more: then it has a row.
    service.person(3, "u3", "").await;
    let again = identify(4, ("-", "a2"), r#"{"str::email":"four@x.org"}"#);
    assert_eq!(statuses(&service.upsert(vec![again]).await), [Stored]);
    let wrong = check_identifiers(&service.database.superuser_url).await;
    assert_eq!(wrong, Vec::<String>::new());
}
