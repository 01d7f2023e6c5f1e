//! Another account's rows stay out of reach, whatever a statement forgets (semantics 9.6).

use uuid::Uuid;
use weir_proto::audience::v1::{DeleteAudienceRequest, ListMembershipHistoryRequest};
use weir_testkit::{Recorder, SecondLock, check_rights, check_tables, eventually};

use crate::harness::{
    World, add, apply, audience, contacts, create, days, figures, members, merge, remove,
};

#[tokio::test]
async fn tables_of_accounts_are_locked_and_the_services_role_can_not_help_it() {
    let (world, mut client) = World::with_one().await;
    let (account, vip) = audience(&mut client, "VIP").await;
    let [one] = contacts();
    apply(&mut client, &account, vec![add(one, &vip, 1)]).await;
    let (service, behind) = (
        world.database.url_for("audience"),
        world.database.behind("audience"),
    );
    check_tables(
        &behind,
        "audience",
        &["account_work", "accounts", "sync_work"],
    )
    .await;
    check_rights(&service, "audience", "memberships").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_condition_on_the_account_no_row_of_another_comes_or_goes() {
    let mut world = World::new().await;
    let (direct, behind) = (
        world.database.url_for("audience"),
        world.database.behind("audience"),
    );
    let recorder = Recorder::to(&direct).await;
    world.database = world.database.by_way("audience", &recorder.url);
    let mut client = world.replica(86_400_000).await;
    let (other, others) = audience(&mut client, "Theirs").await;
    let [theirs] = contacts();
    apply(&mut client, &other, vec![add(theirs, &others, 1)]).await;
    let (owner, vip) = audience(&mut client, "VIP").await;
    let second = create(&mut client, &owner, "Second").await;
    let ids = [&owner, &other].map(|id| id.parse::<Uuid>().unwrap());
    let mut lock = SecondLock::new(recorder, [&direct, &behind], ids, &OPEN).await;
    let [one, two, three] = contacts();
    let updates = vec![
        add(one, &vip, 1),
        add(two, &vip, 2),
        remove(two, &vip, 3),
        add(three, &second, 4),
    ];
    apply(&mut client, &owner, updates).await;
    lock.look().await;
    // Held back, so that it waits.
    apply(&mut client, &owner, vec![add(two, &vip, 5)]).await;
    members(&mut client, &owner, &vip).await;
    lock.look().await;
    merge(&mut client, &owner, &[(three, one)]).await;
    lock.look().await;
    // Who is another today.
    apply(&mut client, &owner, vec![add(three, &vip, 6)]).await;
    lock.look().await;
    let looked_at = lock.finish(&HARMLESS);
    assert!(looked_at > 8, "{looked_at}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_where_audiences_are_looked_at_and_deleted() {
    let mut world = World::new().await;
    let (direct, behind) = (
        world.database.url_for("audience"),
        world.database.behind("audience"),
    );
    let recorder = Recorder::to(&direct).await;
    world.database = world.database.by_way("audience", &recorder.url);
    let mut client = world.replica(86_400_000).await;
    let (other, others) = audience(&mut client, "Theirs").await;
    let [theirs] = contacts();
    apply(&mut client, &other, vec![add(theirs, &others, 1)]).await;
    let (owner, vip) = audience(&mut client, "VIP").await;
    let ids = [&owner, &other].map(|id| id.parse::<Uuid>().unwrap());
    let mut lock = SecondLock::new(recorder, [&direct, &behind], ids, &OPEN).await;
    let [one, two, three] = contacts();
    let updates = vec![
        add(one, &vip, 1),
        add(two, &vip, 2),
        remove(two, &vip, 3),
        add(two, &vip, 4),
        add(three, &vip, 1),
    ];
    apply(&mut client, &owner, updates).await;
    merge(&mut client, &owner, &[(three, one)]).await;
    apply(&mut client, &owner, vec![add(three, &vip, 5)]).await;
    figures(&mut client, &owner, &vip).await;
    days(&mut client, &owner, &vip).await;
    let request = ListMembershipHistoryRequest {
        account_id: owner.clone(),
        contact_id: one.to_string(),
        ..Default::default()
    };
    let mut memberships = world.memberships().await;
    memberships.list_membership_history(request).await.unwrap();
    lock.look().await;
    let request = DeleteAudienceRequest {
        account_id: owner.clone(),
        audience_id: vip.clone(),
        refuse_events: true,
        request_id: String::new(),
    };
    world
        .curation()
        .await
        .delete_audience(request)
        .await
        .unwrap();
    eventually("its memberships are gone", async || {
        world.rows("memberships", &owner).await == 0
    })
    .await;
    lock.look().await;
    assert_eq!(members(&mut client, &other, &others).await, [theirs]);
    // Nothing is to be deleted before, and nothing afterwards.
    let mut harmless = HARMLESS.to_vec();
    harmless.extend([
        "FROM audience_deletions WHERE account_id = $1 AND done_time IS NULL",
        // Ids of audiences are nobody else's.
        "DELETE FROM memberships WHERE account_id = $1 AND audience_id = $2 AND contact_id = $3",
    ]);
    let looked_at = lock.finish(&harmless);
    assert!(looked_at > 8, "{looked_at}");
}

/// Over tables without a policy: nothing but ids and days is in them.
const OPEN: [&str; 4] = [
    "sync_work",
    "account_work",
    "SELECT FROM accounts",
    "INSERT INTO accounts",
];

const HARMLESS: [&str; 8] = [
    // Without its condition it would make the audience in every account, where one has that name
    // by then.
    "INSERT INTO audiences",
    // What is too old goes whenever that is due, which may be while this runs; nothing is.
    "DELETE FROM changes WHERE",
    "DELETE FROM audience_days WHERE account_id = $1 AND day > $2",
    "DELETE FROM audience_deletions WHERE account_id = $1 AND done_time < $2",
    "DELETE FROM erasures WHERE account_id = $1 AND keep_until < $2",
    "DELETE FROM membership_history WHERE account_id = $1 AND change_time < $2",
    "DELETE FROM merged_memberships WHERE account_id = $1 AND keep_until < $2",
    "DELETE FROM sync_runs WHERE account_id = $1 AND request_time < $2",
];
