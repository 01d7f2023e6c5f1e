//! What goes when its time is over.

use weir_testkit::eventually;

use crate::harness::*;

#[tokio::test(flavor = "multi_thread")]
async fn rows_go_when_their_time_is_over_and_not_before() {
    let mut service = Service::start().await;
    service
        .upsert(vec![track(0, ("u1", "-"), r#"{"str::first":"Lana"}"#)])
        .await;
    let client = service.sql().await;
    for rows in [
        // More than one piece, in one moment and in many.
        "INSERT INTO receipts SELECT (jsonb_populate_record(r, jsonb_build_object(
             'event_key', gen_random_uuid(),
             'receive_time', now() - interval '30 days 1 hour' - n / 3000 * interval '1 s'))).*
         FROM generate_series(1, 12000) AS n,
              (SELECT receipts AS r FROM receipts WHERE account_id = $1 LIMIT 1) AS one",
        "INSERT INTO receipts SELECT (jsonb_populate_record(r, jsonb_build_object(
             'event_key', gen_random_uuid(), 'receive_time', now() - interval '29 days'))).*
         FROM (SELECT receipts AS r FROM receipts WHERE account_id = $1 LIMIT 1) AS one",
        "INSERT INTO usage SELECT $1, CURRENT_DATE - 36 - n / 4000, gen_random_uuid(), 1
         FROM generate_series(1, 12000) AS n",
        "INSERT INTO usage SELECT $1, CURRENT_DATE - 34, gen_random_uuid(), 1",
        "INSERT INTO merges (account_id, merged_id, survivor_id, merge_time, identifiers, merge_id, turn)
         SELECT $1, gen_random_uuid(), gen_random_uuid(), now() - days * interval '1 day', '[]',
             gen_random_uuid(), 1 FROM unnest(ARRAY[89, 91]) AS days",
        "INSERT INTO erasures (account_id, deletion_id, request_time, rounds, counts)
         SELECT $1, gen_random_uuid(), now() - days * interval '1 day', 2, '[]'
         FROM unnest(ARRAY[364, 366]) AS days",
        "INSERT INTO deletions SELECT $1, uuid_send(gen_random_uuid()),
             now() - days * interval '1 day' FROM unnest(ARRAY[29, 31]) AS days",
    ] {
        client.execute(rows, &[&service.account]).await.unwrap();
    }

    service
        .upsert(vec![find(1, ("u8", "-")), find(1, ("u9", "-"))])
        .await;
    let over = "UPDATE kept_removes SET keep_until = now() WHERE account_id = $1 AND value = 'u8'";
    client.execute(over, &[&service.account]).await.unwrap();

    // A round is made when a process takes over, and by no other.
    service.begin_stop();
    let _replica = service.replica().await;
    for (what, left) in [
        (
            "receipts WHERE receive_time < now() - interval '30 days'",
            0,
        ),
        (
            "receipts WHERE receive_time < now() - interval '28 days'",
            1,
        ),
        ("usage WHERE window_day < CURRENT_DATE - 35", 0),
        ("usage WHERE window_day = CURRENT_DATE - 34", 1),
        ("merges WHERE identifiers IS NULL", 1),
        ("merges WHERE merge_time < now() - interval '80 days'", 2),
        ("deletions WHERE true", 1),
        ("erasures WHERE true", 1),
        ("kept_removes WHERE true", 1),
        ("identifiers WHERE value = 'u8'", 0),
        ("identifiers WHERE value = 'u9'", 1),
    ] {
        let count = format!("SELECT count(*) FROM {what} AND account_id = $1");
        service.until_count(&count, left).await;
    }
}

impl Service {
    async fn until_count(&self, query: &str, count: i64) {
        let client = self.sql().await;
        eventually(&format!("{count} of {query}"), async || {
            let row = client.query_one(query, &[&self.account]).await.unwrap();
            row.get::<_, i64>(0) == count
        })
        .await;
    }
}
