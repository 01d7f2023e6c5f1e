//! Redis put back to an earlier moment, and ledgers whose epochs are not quota's.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tonic::Code;
use uuid::Uuid;
use weir_proto::quota::v1::ReserveRequest;

use crate::harness::{
    Account, Batch, Client, TODAY, World, counted, reserve, reserve_above, settle, try_reserve,
};

fn state_of(account: &Account) -> String {
    format!("weir:{{{}}}:quota", account.id)
}

/// What Redis knows of the account.
async fn remember(world: &World, account: &Account) -> Vec<u8> {
    let mut redis = world.redis().await;
    redis::cmd("DUMP")
        .arg(state_of(account))
        .query_async(&mut redis)
        .await
        .unwrap()
}

/// Puts it back, in the same life of the server.
async fn put_back(world: &World, account: &Account, state: &[u8]) {
    let mut redis = world.redis().await;
    redis::cmd("RESTORE")
        .arg(state_of(account))
        .arg(0)
        .arg(state)
        .arg("REPLACE")
        .query_async::<()>(&mut redis)
        .await
        .unwrap();
}

async fn forget(world: &World, account: &Account) {
    let mut redis = world.redis().await;
    redis::cmd("DEL")
        .arg(state_of(account))
        .query_async::<()>(&mut redis)
        .await
        .unwrap();
}

/// As an edge does: what a ledger refuses for its epoch comes again, with the ledger's word.
async fn store_persistently(
    world: &World,
    client: &mut Client,
    account: &Account,
    units: (i64, i64),
) -> Batch {
    let mut ledger_epoch = 0;
    for _try in 0..3 {
        let batch = Uuid::now_v7().to_string();
        let batch = reserve_above(client, account, &batch, units, ledger_epoch)
            .await
            .unwrap();
        let (profile, activity) = batch.granted();
        if world.store(account, &batch, profile, activity) == (true, true) {
            settle(client, account, &batch, profile, activity).await;
            return batch;
        }
        settle(client, account, &batch, 0, 0).await;
        ledger_epoch = world.others.contact.epoch(&account.id);
    }
    panic!("never stored");
}

#[tokio::test]
async fn a_state_below_the_ledgers_epoch_is_built_anew_when_one_of_them_says_so() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let account = world.account(10, 10);
    store_persistently(&world, &mut client, &account, (1, 1)).await;
    let old = remember(&world, &account).await;
    forget(&world, &account).await;
    store_persistently(&world, &mut client, &account, (5, 5)).await;

    put_back(&world, &account, &old).await;
    // A replica that has seen nothing: it has the ledger's word alone.
    let mut fresh = world.replica().await;
    let refused = reserve(&mut fresh, &account, 10, 10).await;
    assert_eq!(refused.granted(), (9, 9));
    assert_eq!(world.store(&account, &refused, 9, 9), (false, false));

    let batch = Uuid::now_v7().to_string();
    let stands = world.others.contact.epoch(&account.id);
    let good = reserve_above(&mut fresh, &account, &batch, (10, 10), stands)
        .await
        .unwrap();
    assert_eq!(good.granted(), (4, 4));
    assert!(good.grant.epoch > stands);
    assert_eq!(world.store(&account, &good, 4, 4), (true, true));
    settle(&mut fresh, &account, &good, 4, 4).await;
    assert_eq!(counted(&mut client, &account).await, [(10, 0), (10, 0)]);
    assert_eq!(world.stored(&account, TODAY), (10, 10));
}

#[tokio::test]
async fn a_state_that_was_put_back_within_its_epoch_is_seen_by_whoever_had_seen_it_further() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let account = world.account(10, 10);
    store_persistently(&world, &mut client, &account, (1, 1)).await;
    let old = remember(&world, &account).await;
    let open = reserve(&mut client, &account, 3, 3).await;
    store_persistently(&world, &mut client, &account, (4, 4)).await;

    put_back(&world, &account, &old).await;
    assert_eq!(counted(&mut client, &account).await, [(5, 0), (5, 0)]);
    put_back(&world, &account, &old).await;
    let rest = reserve(&mut client, &account, 10, 10).await;
    assert_eq!(rest.granted(), (5, 5));
    // The one that was under way can't commit any more, so its units are free.
    assert_eq!(world.store(&account, &open, 3, 3), (false, false));
    assert_eq!(world.store(&account, &rest, 5, 5), (true, true));
    assert_eq!(world.stored(&account, TODAY), (10, 10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_limit_is_overrun_while_redis_is_put_back_again_and_again() {
    let world = World::new().await;
    let clients = [world.replica().await, world.replica().await];
    let account = world.account(600, 600);
    let mut states = Vec::new();
    let mut client = clients[0].clone();
    let mut rounds = 0_usize;
    loop {
        let units = store_persistently(&world, &mut client, &account, (7, 5)).await;
        if units.granted() == (0, 0) {
            break;
        }
        rounds += 1;
        states.push(remember(&world, &account).await);
        match rounds % 7 {
            // To the moment before last, to any before, to nothing.
            2 => put_back(&world, &account, &states[rounds - 2]).await,
            4 => put_back(&world, &account, &states[rounds / 2]).await,
            6 => forget(&world, &account).await,
            _ => {}
        }
        client = clients[(rounds / 20) % 2].clone();
        let (profile, activity) = world.stored(&account, TODAY);
        assert!(profile <= 600 && activity <= 600, "{profile} {activity}");
    }
    assert!(rounds > 80, "{rounds}");
    assert_eq!(world.stored(&account, TODAY), (600, 600));
}

#[tokio::test]
async fn an_epoch_that_can_not_be_costs_one_rebuild_and_no_more() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let account = world.account(10, 10);
    let first = store_persistently(&world, &mut client, &account, (2, 2)).await;
    let raises = world.others.contact.raises.load(Ordering::SeqCst);
    let batch = Uuid::now_v7().to_string();
    let granted = reserve_above(&mut client, &account, &batch, (10, 10), i64::MAX)
        .await
        .unwrap();
    assert_eq!(granted.granted(), (8, 8));
    assert_eq!(granted.grant.epoch, first.grant.epoch + 1);
    let after = world.others.contact.raises.load(Ordering::SeqCst);
    assert_eq!(after, raises + 1);

    let error = reserve_above(&mut client, &account, &batch, (1, 1), -1).await;
    assert!(error.err().unwrap().message().starts_with("ledger_epoch"));
}

#[tokio::test]
async fn a_ledger_that_knows_a_higher_epoch_is_raised_above_it() {
    let world = World::new().await;
    let mut client = world.replica().await;
    // The other ledger takes no more than a million at once.
    for (ahead, of_contact) in [
        (1, false),
        (999_999, false),
        (1_000_000, true),
        (3_500_000, false),
        (25_000_000, true),
    ] {
        let account = world.account(10, 10);
        let others = &world.others;
        let ledger = if of_contact {
            &others.contact
        } else {
            &others.activity
        };
        ledger.raise(&account.id, ahead);
        let batch = reserve(&mut client, &account, 2, 2).await;
        assert_eq!(batch.grant.epoch, ahead + 1);
        assert_eq!(world.store(&account, &batch, 2, 2), (true, true));
    }
}

#[tokio::test]
async fn ledgers_that_are_too_far_apart_for_one_call_come_together_over_several() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let account = world.account(10, 10);
    // As many calls to one of them, each of which it took, leave it there.
    let ahead = 3_000_000_000;
    world.others.contact.raise(&account.id, ahead);
    world.others.activity.slow.store(true, Ordering::SeqCst);
    let (mut tries, mut reached) = (0, 0);
    let batch = loop {
        let mut request = tonic::Request::new(ReserveRequest {
            account_id: account.id.clone(),
            batch_id: Uuid::now_v7().to_string(),
            profile_units: 2,
            activity_units: 2,
            entitlement: Some(account.entitlement()),
            settlements: Vec::new(),
            ledger_epoch: 0,
        });
        request.set_timeout(Duration::from_millis(300));
        match client.reserve(request).await {
            Ok(granted) => break granted.into_inner(),
            Err(error) => {
                let code = error.code();
                // The client's own clock may be faster.
                let codes = [Code::Unavailable, Code::DeadlineExceeded, Code::Cancelled];
                assert!(codes.contains(&code), "{error}");
            }
        }
        tries += 1;
        let now = world.others.activity.epoch(&account.id);
        assert!(now >= reached && tries < 300, "{tries} {now}");
        reached = now;
    };
    assert!(tries > 1, "{tries}");
    assert!(batch.epoch > ahead);
    assert_eq!(world.others.contact.epoch(&account.id), batch.epoch);
    assert_eq!(world.others.activity.epoch(&account.id), batch.epoch);
}

#[tokio::test]
async fn an_epoch_that_scripts_can_not_count_is_told_at_once() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let account = world.account(10, 10);
    world
        .others
        .contact
        .raise(&account.id, 4_951_000_000_000_000);
    let batch = Uuid::now_v7().to_string();
    let error = try_reserve(&mut client, &account, &batch, 1, 1).await;
    assert_eq!(error.err().unwrap().code(), Code::Internal);
}

#[tokio::test]
async fn where_somebody_else_raised_a_ledger_further_that_epoch_is_taken_up() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let account = world.account(10, 10);
    world.others.activity.faster.store(5, Ordering::SeqCst);
    let batch = reserve(&mut client, &account, 2, 2).await;
    assert_eq!(batch.grant.epoch, 7);
    assert_eq!(world.store(&account, &batch, 2, 2), (true, true));
    assert_eq!(world.others.contact.epoch(&account.id), 7);
}
