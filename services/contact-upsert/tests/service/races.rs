//! Two hands on one identifier, step by step.

use tokio_postgres::Client;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_proto::contact::v1::get_contact_request::Key;
use weir_proto::contact::v1::{ContactEvent, FieldKey, UpsertContactsResponse};
use weir_testkit::{check_identifiers, eventually};

use crate::harness::*;

const EMAIL: &str = r#"{"str::email":"p0@x.org"}"#;

/// Of a race whose steps PostgreSQL may take in another order.
const TRIES: u32 = 10;

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
    pub async fn until_waiting(&self, sessions: i64) {
        assert!(self.until_waiting_or(sessions, || false).await);
    }

    /// As above; false where something else happened first.
    async fn until_waiting_or(&self, sessions: i64, else_if: impl Fn() -> bool) -> bool {
        let client = self.sql().await;
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        eventually("somebody waits", async || {
            let rows = client.query_one(waiting, &[]).await.unwrap();
            let waits = rows.get::<_, i64>(0) == sessions;
            (waits || else_if()).then_some(waits)
        })
        .await
    }

    async fn person(&self, second: i64, user: &str, fields: &str) -> Uuid {
        let answer = self
            .upsert(vec![identify(second, (user, "-"), fields)])
            .await;
        contact_id(&answer, 0).parse().unwrap()
    }

    /// Sends an event that brings the address, while it goes from each of `holders` to the next:
    /// whenever the batch has read who has it and waits for that contact, it goes on. None where
    /// the batch slipped in between two hands: PostgreSQL gives a row that was changed to any of
    /// those who wait for it.
    async fn chase(&self, event: ContactEvent, holders: &[Uuid]) -> Option<UpsertContactsResponse> {
        let mut hand = Hand::of(self).await;
        hand.lock(holders[0]).await;
        let (batch, mut client) = (self.batch(vec![event]), self.client.clone());
        let call = tokio::spawn(async move { client.upsert_contacts(batch).await });
        for step in holders.windows(2) {
            let (from, to) = (step[0], step[1]);
            hand.lock(to).await;
            if !self.until_waiting_or(1, || call.is_finished()).await {
                return None;
            }
            // The next hand has the next holder as soon as this one lets go of it.
            let next = Hand::of(self).await;
            let next = tokio::spawn(async move {
                next.lock(to).await;
                next
            });
            if !self.until_waiting_or(2, || call.is_finished()).await {
                return None;
            }
            hand.hand_over(from, to).await;
            hand.commit().await;
            hand = next.await.unwrap();
        }
        hand.commit().await;
        Some(call.await.unwrap().unwrap().into_inner())
    }

    async fn holder(&self) -> String {
        let field = FieldKey {
            field_id: "str::email".into(),
            value: "p0@x.org".into(),
        };
        self.find(Key::Field(field)).await.unwrap().contact_id
    }

    async fn check(&self) {
        let wrong = check_identifiers(&self.database.superuser_url).await;
        assert_eq!(wrong, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_address_that_goes_on_while_a_known_user_gets_it_has_one_holder() {
    for _ in 0..TRIES {
        if goes_on_while_a_known_user_gets_it().await {
            return;
        }
    }
    panic!("the batch slipped through every time");
}

async fn goes_on_while_a_known_user_gets_it() -> bool {
    let service = Service::start().await;
    let x = service.person(0, "x", "").await;
    let y = service.person(1, "y", EMAIL).await;
    let z = service.person(2, "z", "").await;
    let w = service.person(3, "w", "").await;
    let fields = r#"{"str::email":"p0@x.org","str::first":"X"}"#;
    // The first attempt finds y taken, and does not wait.
    let event = identify(4, ("x", "-"), fields);
    let Some(answer) = service.chase(event, &[y, z, w]).await else {
        service.check().await;
        return false;
    };
    assert_eq!(statuses(&answer), [Stored]);
    assert_eq!(contact_id(&answer, 0), x.to_string());
    assert_eq!(answer.results[0].ignored_fields[0].field_id, "str::email");
    assert_eq!(service.holder().await, w.to_string());
    service.check().await;
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_address_that_goes_on_while_a_visitor_is_found_by_it_has_one_holder() {
    for _ in 0..TRIES {
        if goes_on_while_a_visitor_is_found_by_it().await {
            return;
        }
    }
    panic!("the batch slipped through every time");
}

async fn goes_on_while_a_visitor_is_found_by_it() -> bool {
    let service = Service::start().await;
    let y = service.person(0, "y", EMAIL).await;
    let z = service.person(1, "z", "").await;
    let w = service.person(2, "w", "").await;
    let v = service.person(3, "v", "").await;
    let fields = r#"{"str::email":"p0@x.org","str::first":"V"}"#;
    let event = identify(4, ("-", "a1"), fields);
    let Some(answer) = service.chase(event, &[y, z, w, v]).await else {
        service.check().await;
        return false;
    };
    assert_eq!(statuses(&answer), [Stored]);
    assert_eq!(contact_id(&answer, 0), v.to_string());
    assert_eq!(service.holder().await, v.to_string());
    service.check().await;
    true
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
    let again = identify(4, ("-", "a2"), r#"{"str::email":"four@x.org"}"#);
    assert_eq!(statuses(&service.upsert(vec![again]).await), [Stored]);
    service.check().await;
}
