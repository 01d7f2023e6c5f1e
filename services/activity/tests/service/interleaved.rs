//! Links and tracks of one identifier meet in every order that locks allow, one after the other on
//! purpose (semantics 4.10): a transaction of the test holds the identifier's row, until both wait
//! for it, in the order in which they came.

use tokio::task::JoinHandle;
use tokio_postgres::Client;
use uuid::Uuid;
use weir_proto::activity::v1::{ActivityEvent, RecordStatus};
use weir_testkit::eventually;

use crate::harness::*;

/// What holds the row of `lana`.
enum Gate {
    /// It is there, and locked.
    Locked,
    /// It is about to be there, and then is not.
    Inserted,
}

/// Whoever wants the row waits.
async fn shut(weir: &Weir, gate: &Gate) -> Client {
    // Once it serves, the tables are there.
    weir.record(Vec::new()).await;
    let held = weir.sql().await;
    held.batch_execute("BEGIN").await.unwrap();
    let hold = match gate {
        Gate::Locked => {
            "SELECT FROM activity.identifiers WHERE account_id = $1 AND value = 'lana' FOR UPDATE"
        }
        Gate::Inserted => {
            "INSERT INTO activity.identifiers (account_id, kind, value, version, waiting)
             VALUES ($1, 'u', 'lana', -1, false)"
        }
    };
    held.execute(hold, &[&weir.account]).await.unwrap();
    held
}

/// So many transactions wait for a lock.
async fn wait_for(weir: &Weir, waiting: i64) {
    let sql = weir.sql().await;
    let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND usename = 'weir_activity' AND wait_event_type = 'Lock'";
    eventually("they wait", async || {
        sql.query_one(count, &[]).await.unwrap().get::<_, i64>(0) == waiting
    })
    .await;
}

fn record(weir: &Weir, events: Vec<ActivityEvent>) -> JoinHandle<Vec<RecordStatus>> {
    let weir = weir.clone();
    tokio::spawn(async move { weir.record(events).await })
}

fn link(weir: &Weir, contact: Uuid) -> JoinHandle<(i64, i64)> {
    let weir = weir.clone();
    tokio::spawn(async move { weir.link(vec![user_link("lana", contact, 1)]).await })
}

/// Nothing waits, everything is on the contact, once, and charged once.
async fn settled(weir: &Weir, contact: Uuid, expected: &[&str]) {
    assert_eq!(weir.backlog().await, 0);
    assert_eq!(weir.messages(contact).await, expected);
    let charged = i64::try_from(expected.len()).unwrap();
    assert_eq!(weir.usage().await, charged);
    // Whatever is kept in mind is so for good.
    weir.record(vec![of_user("lana", "later")]).await;
    assert_eq!(weir.backlog().await, 0);
    let stranded = "SELECT count(*) FROM activity.backlog b JOIN activity.identifiers i
        USING (account_id, kind, value) WHERE i.contact_id IS NOT NULL";
    let sql = weir.sql().await;
    assert_eq!(
        sql.query_one(stranded, &[]).await.unwrap().get::<_, i64>(0),
        0
    );
}

/// The track stands on the contact by one of the two, never by both: who waits for a row that then
/// is not there comes in any order, and who lost begins anew behind the other.
fn is_attached_once(found: (i64, i64), said: &[RecordStatus], expected: usize) {
    let all = i64::try_from(expected).unwrap();
    let by_track = (found, said) == ((all - 1, 0), &[Stored]);
    let by_link = (found, said) == ((all, 0), &[Backlogged]);
    assert!(by_track || by_link, "{found:?} {said:?}");
}

async fn open(held: Client) {
    held.batch_execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn a_track_that_has_the_row_first_is_attached_by_the_link_behind_it() {
    for gate in [Gate::Locked, Gate::Inserted] {
        let weir = start().await;
        let contact = Uuid::now_v7();
        let mut expected = vec!["m1"];
        if matches!(gate, Gate::Locked) {
            weir.record(vec![of_user("lana", "m0")]).await;
            expected.insert(0, "m0");
        }
        let held = shut(&weir, &gate).await;
        let track = record(&weir, vec![of_user("lana", "m1")]);
        wait_for(&weir, 1).await;
        let link = link(&weir, contact);
        wait_for(&weir, 2).await;
        open(held).await;
        is_attached_once(link.await.unwrap(), &track.await.unwrap(), expected.len());
        settled(&weir, contact, &expected).await;
    }
}

#[tokio::test]
async fn a_track_behind_the_link_that_had_the_row_first_goes_to_the_contact() {
    for gate in [Gate::Locked, Gate::Inserted] {
        let weir = start().await;
        let contact = Uuid::now_v7();
        let mut expected = vec!["m1"];
        if matches!(gate, Gate::Locked) {
            weir.record(vec![of_user("lana", "m0")]).await;
            expected.insert(0, "m0");
        }
        let held = shut(&weir, &gate).await;
        let link = link(&weir, contact);
        wait_for(&weir, 1).await;
        let track = record(&weir, vec![of_user("lana", "m1")]);
        wait_for(&weir, 2).await;
        open(held).await;
        is_attached_once(link.await.unwrap(), &track.await.unwrap(), expected.len());
        settled(&weir, contact, &expected).await;
    }
}

#[tokio::test]
async fn a_link_between_two_tries_of_a_track_makes_it_no_second_one() {
    let weir = start().await;
    let contact = Uuid::now_v7();
    let held = shut(&weir, &Gate::Inserted).await;
    let first = record(&weir, vec![of_user("lana", "m1")]);
    wait_for(&weir, 1).await;
    let link = link(&weir, contact);
    wait_for(&weir, 2).await;
    let second = record(&weir, vec![of_user("lana", "m1"), of_user("lana", "m2")]);
    wait_for(&weir, 3).await;
    open(held).await;
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    link.await.unwrap();
    // Whichever gets its turn first stores it.
    let repeats = [first[0], second[0]];
    let repeats = repeats.iter().filter(|said| **said == Repeated).count();
    assert_eq!(repeats, 1, "{first:?} {second:?}");
    settled(&weir, contact, &["m1", "m2"]).await;
}

#[tokio::test]
async fn two_links_of_one_identifier_attach_its_backlog_once() {
    let weir = start().await;
    let contact = Uuid::now_v7();
    weir.record(vec![of_user("lana", "m1"), of_user("lana", "m2")])
        .await;
    let held = shut(&weir, &Gate::Locked).await;
    let first = link(&weir, contact);
    wait_for(&weir, 1).await;
    let second = link(&weir, contact);
    wait_for(&weir, 2).await;
    open(held).await;
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!((first.0 + second.0, first.1 + second.1), (2, 0));
    settled(&weir, contact, &["m1", "m2"]).await;
}

/// Semantics 4.9: counts of merged contacts add up, whichever word comes first.
#[tokio::test]
async fn a_merge_between_two_links_lends_neither_room_of_its_own() {
    let weir = start().await;
    let [older, newer] = [Uuid::now_v7(), Uuid::now_v7()];
    for user in ["lana", "lena"] {
        let events = (0..40).map(|n| of_user(user, &format!("{user}{n}")));
        weir.record(events.collect()).await;
    }
    let held = shut(&weir, &Gate::Locked).await;
    let first = link(&weir, older);
    wait_for(&weir, 1).await;
    // The other is linked, and the contacts merged, while the first one waits.
    let other = vec![user_link("lena", newer, 1)];
    assert_eq!(weir.change(other, &[(newer, older)]).await, (40, 0));
    open(held).await;
    assert_eq!(first.await.unwrap(), (10, 30));
    assert_eq!(weir.list(older).await.len(), 50);
    assert_eq!(weir.backlog().await, 0);
}
