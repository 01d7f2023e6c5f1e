//! Tracks, links and merges race on two instances.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::harness::*;

const USERS: usize = 12;
const TRACKS: usize = 20;
const ROUNDS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_that_race_with_tracks_strand_and_double_nothing() {
    let first = start().await;
    let second = instance(first.database.clone(), first.account).await;
    for round in 0..ROUNDS {
        // Two users share a contact, so that attachments meet at one count.
        let contacts: Vec<Uuid> = (0..USERS / 2).map(|_| Uuid::now_v7()).collect();
        let user = |n: usize| format!("round {round} user {n}");
        let mut tasks = Vec::new();
        for sender in 0..6 {
            let weir = if sender % 2 == 0 { &first } else { &second }.clone();
            let batches: Vec<Vec<_>> = (0..TRACKS)
                .map(|track| {
                    // Every track is sent by three of the senders; each walks its own way.
                    let track = (track * 7 + sender * 3) % TRACKS;
                    (0..USERS)
                        .map(|n| {
                            let n = (n * 5 + sender) % USERS;
                            of_user(&user(n), &format!("{round}-{n}-{track}"))
                        })
                        .collect()
                })
                .collect();
            tasks.push(tokio::spawn(async move {
                let mut charged = 0;
                for batch in batches {
                    let statuses = weir.record(batch).await;
                    charged += statuses.iter().filter(|one| **one != Repeated).count();
                }
                charged
            }));
        }
        for n in 0..USERS {
            let weir = if n % 2 == 0 { &second } else { &first }.clone();
            let links = vec![
                user_link(&user(n), contacts[n / 2], 2),
                user_link(&user((n + 1) % USERS), contacts[((n + 1) % USERS) / 2], 2),
            ];
            tasks.push(tokio::spawn(async move {
                weir.link(links).await;
                0
            }));
        }
        let mut charged = 0;
        for task in tasks {
            charged += task.await.unwrap();
        }
        assert_eq!(charged, USERS * TRACKS, "each activity is charged once");
        assert_eq!(first.backlog().await, 0, "nothing is stranded");
        let mut messages: BTreeMap<String, u32> = BTreeMap::new();
        for contact in contacts {
            for message in first.messages(contact).await {
                *messages.entry(message).or_default() += 1;
            }
        }
        assert!(messages.values().all(|times| *times == 1));
        // 40 tracks of two users of one contact's day are under the cap, so all are there.
        assert_eq!(messages.len(), USERS * TRACKS);
    }
    let sent = i64::try_from(ROUNDS * USERS * TRACKS).unwrap();
    assert_eq!(second.usage().await, sent);
    assert_eq!(deadlocks(&first).await, 0);
}

/// As PostgreSQL counted them. A connection tells its counts when it has been idle for a
/// second, or ends: this ends them.
async fn deadlocks(weir: &Weir) -> i64 {
    let sql = weir.sql().await;
    let mine = "FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let end = format!("SELECT count(pg_terminate_backend(pid, 10000)) {mine}");
    sql.query_one(&end, &[]).await.unwrap();
    let counted = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    sql.query_one(counted, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_links_and_merges_in_any_mixture_never_wait_in_a_circle() {
    let first = start().await;
    let second = instance(first.database.clone(), first.account).await;
    let contacts: Vec<Uuid> = (0..10).map(|_| Uuid::now_v7()).collect();
    let mut tasks = Vec::new();
    for sender in 0..8_usize {
        let weir = if sender % 2 == 0 { &first } else { &second }.clone();
        let contacts = contacts.clone();
        tasks.push(tokio::spawn(async move {
            let mut charged = 0;
            for round in 0..12_usize {
                // Each goes through the same events in an order of its own, some of them
                // routed, some with a contact that was named, some without a timestamp.
                let step = [7, 11, 13, 17][sender % 4];
                let events = (0..60).map(|n| {
                    let n = (n * step + sender) % 60;
                    let event = of_user(&format!("r{round}u{}", n % 10), &format!("{round}-{n}"));
                    let undated = n % 5 == 0;
                    let event = weir_proto::activity::v1::ActivityEvent { undated, ..event };
                    if n % 3 == 0 {
                        named(contacts[n % 10], event)
                    } else {
                        event
                    }
                });
                let events: Vec<_> = events.collect();
                for part in events.chunks(30) {
                    let statuses = weir.record(part.to_vec()).await;
                    charged += statuses.iter().filter(|one| **one != Repeated).count();
                }
                let link = |n: usize| {
                    let user = (n * step + sender) % 10;
                    user_link(&format!("r{round}u{user}"), contacts[user], 1)
                };
                let merges = [(contacts[1 + sender], contacts[sender])];
                weir.change((0..5).map(link).collect(), &merges).await;
            }
            charged
        }));
    }
    let mut charged = 0;
    for task in tasks {
        charged += task.await.unwrap();
    }
    assert_eq!(charged, 12 * 60);
    assert_eq!(first.usage().await, 12 * 60);
    assert_eq!(first.backlog().await, 0, "nothing is stranded");
    let locks = "SELECT count(*) FROM activity.attach_locks";
    let locks = first.sql().await.query_one(locks, &[]).await.unwrap();
    assert_eq!(locks.get::<_, i64>(0), 0);
    assert_eq!(deadlocks(&first).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_identifier_is_linked_while_it_waits_for_it_waits_in_no_circle() {
    let first = start().await;
    let second = instance(first.database.clone(), first.account).await;
    for round in 0..15 {
        // Locked in this order; the second is linked while batches of both are under way.
        let (open, linked) = (format!("{round} a"), format!("{round} b"));
        let backlog = (0..300).map(|n| of_user(&linked, &format!("{n}")));
        first.record(backlog.collect()).await;
        let mut tasks = Vec::new();
        for sender in 0..8 {
            let weir = if sender % 2 == 0 { &first } else { &second }.clone();
            let (open, linked) = (open.clone(), linked.clone());
            tasks.push(tokio::spawn(async move {
                for batch in 0..6 {
                    let of_linked = (0..20).map(|n| of_user(&linked, &format!("{batch}-{n}")));
                    let own = of_user(&open, &format!("{sender}-{batch}"));
                    weir.record(of_linked.chain([own]).collect()).await;
                }
            }));
        }
        let contact = Uuid::now_v7();
        first.link(vec![user_link(&linked, contact, 1)]).await;
        for task in tasks {
            task.await.unwrap();
        }
    }
    assert_eq!(first.usage().await, 15 * (300 + 6 * 20 + 8 * 6));
    assert_eq!(deadlocks(&first).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_of_one_contact_that_race_never_exceed_the_cap() {
    let first = start().await;
    let second = instance(first.database.clone(), first.account).await;
    let contact = Uuid::now_v7();
    for n in 0..8 {
        let events = (0..20)
            .map(|track| of_user(&format!("u{n}"), &format!("{n}-{track}")))
            .collect();
        first.record(events).await;
    }
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let weir = if n % 2 == 0 { &first } else { &second }.clone();
            tokio::spawn(async move {
                weir.link(vec![user_link(&format!("u{n}"), contact, 1)])
                    .await
            })
        })
        .collect();
    let mut total = (0, 0);
    for task in tasks {
        let (attached, discarded) = task.await.unwrap();
        total = (total.0 + attached, total.1 + discarded);
    }
    assert_eq!(total, (50, 110));
    assert_eq!(first.list(contact).await.len(), 50);
    assert_eq!(first.backlog().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closes_that_race_with_batches_agree_with_what_is_stored() {
    let weir = start().await;
    let mut tasks = Vec::new();
    for n in 0..30 {
        let weir = weir.clone();
        tasks.push(tokio::spawn(async move {
            let request = weir.request(vec![of_user("lana", &format!("m{n}"))]);
            let batch: Uuid = request.batch_id.parse().unwrap();
            let batches = [batch];
            let (stored, closed) = tokio::join!(weir.send(request), weir.close(&batches));
            match stored {
                Ok((_, units)) => assert_eq!(closed, [units]),
                Err(error) => {
                    assert_eq!(error.code(), tonic::Code::Aborted);
                    assert_eq!(closed, [0]);
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(weir.usage().await, weir.backlog().await);
}
