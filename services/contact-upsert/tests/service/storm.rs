//! Replicas that write the same people at the same time.

use std::collections::HashSet;

use weir_proto::contact::v1::ContactEvent;
use weir_testkit::check_identifiers;

use crate::harness::*;

/// A small generator: the same storm each time, as far as the scheduler lets it.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// Someone of few, who shares browsers and addresses with others.
    fn event(&mut self, second: i64) -> ContactEvent {
        let user = match self.roll(3) {
            0 => "-".to_owned(),
            _ => format!("u{}", self.roll(12)),
        };
        let anonymous = match self.roll(3) {
            0 if user != "-" => "-".to_owned(),
            _ => format!("a{}", self.roll(12)),
        };
        let fields = match self.roll(8) {
            0 | 1 => String::new(),
            2 => r#"{"str::email":null}"#.to_owned(),
            3 => format!(r#"{{"str::email":"E{}@x.org"}}"#, self.roll(10)),
            _ => format!(
                r#"{{"str::email":"e{}@x.org","str::first":"F{second}"}}"#,
                self.roll(10)
            ),
        };
        match self.roll(4) {
            0 => track(second, (&user, &anonymous), &fields),
            _ => identify(second, (&user, &anonymous), &fields),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_on_shared_identifiers_leaves_one_contact_each_charges_right_and_gives_nothing_back()
 {
    let service = Service::start().await;
    let replica = service.replica().await;
    let mut storm = Vec::new();
    for writer in 0..6_u64 {
        let service = if writer % 2 == 0 { &service } else { &replica };
        storm.push(async move {
            let mut dice = Dice(writer + 99);
            let mut units = 0;
            for round in 0..16 {
                let events: Vec<_> = (0..25)
                    .map(|n| dice.event((writer as i64) * 1_000 + round * 25 + n))
                    .collect();
                // Each batch comes twice at once, as after an answer that was lost.
                let (one, other) =
                    tokio::join!(service.upsert(events.clone()), service.upsert(events));
                units += one.units + other.units;
            }
            units
        });
    }
    let charged: i64 = futures_util::future::join_all(storm)
        .await
        .into_iter()
        .sum();
    assert_eq!(service.units().await, charged);

    let client = service.sql().await;
    let account = &service.account;
    let wrong = check_identifiers(&service.database.superuser_url).await;
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(service.deadlocks().await, 0);

    // Every message in the outbox together names each identifier's last contact.
    let rows = client
        .query(
            "SELECT kind, value FROM identifiers WHERE account_id = $1 AND kind IN ('u', 'a')",
            &[account],
        )
        .await
        .unwrap();
    let linked: HashSet<(String, String)> =
        rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let told = client
        .query(
            "SELECT DISTINCT link->>0, link->>1 FROM outbox,
                 json_array_elements(payload::json->'links') AS link WHERE account_id = $1",
            &[account],
        )
        .await
        .unwrap();
    let told: HashSet<(String, String)> = told.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(told, linked);
}

impl Service {
    /// Batches that waited for each other, as PostgreSQL counts them.
    async fn deadlocks(&self) -> i64 {
        let client = weir_servers::postgres::connect(&self.database.superuser_url).await;
        let count = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        client.unwrap().query_one(count, &[]).await.unwrap().get(0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_new_person_in_many_batches_at_once_is_one_contact_and_one_unit() {
    let service = Service::start().await;
    let replica = service.replica().await;
    let calls = (0..16).map(|n| {
        let service = if n % 2 == 0 { &service } else { &replica };
        let event = identify(0, ("u1", "a1"), r#"{"str::email":"lana@x.org"}"#);
        async move { service.upsert(vec![event]).await }
    });
    let answers = futures_util::future::join_all(calls).await;
    let contacts: HashSet<_> = answers.iter().map(|a| &a.results[0].contact_id).collect();
    assert_eq!(contacts.len(), 1);
    assert_eq!(answers.iter().map(|answer| answer.units).sum::<i64>(), 1);
    assert_eq!(service.units().await, 1);
    let rows = "SELECT count(*) FROM contacts WHERE account_id = $1";
    assert_eq!(service.count(rows).await, 1);
}
