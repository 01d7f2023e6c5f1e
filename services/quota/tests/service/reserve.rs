//! Grants: never over the limit, once per batch, back when they are not used.

use std::sync::atomic::Ordering;

use tonic::Code;
use uuid::Uuid;
use weir_proto::quota::v1::{GetUsageRequest, ReserveRequest, SettleRequest, Settlement};
use weir_proto::settings::v1::Entitlement;
use weir_reasons::Reason;
use weir_testkit::TestClock;

use crate::harness::{TODAY, World, counted, reserve, settle, settlement, try_reserve, usage};

/// Semantics 6.3, 6.5.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_batches_on_two_replicas_get_exactly_the_limit() {
    let world = World::new().await;
    let clients = [world.replica().await, world.replica().await];
    let account = world.account(1_000, 777);
    let tasks: Vec<_> = (0..200)
        .map(|index| {
            let (mut client, account) = (clients[index % 2].clone(), account.clone());
            tokio::spawn(async move { reserve(&mut client, &account, 7, 5).await })
        })
        .collect();
    let mut batches = Vec::new();
    for task in tasks {
        batches.push(task.await.unwrap());
    }
    let sum = |of: fn((i64, i64)) -> i64| batches.iter().map(|one| of(one.granted())).sum::<i64>();
    assert_eq!(
        (sum(|granted| granted.0), sum(|granted| granted.1)),
        (1_000, 777)
    );
    // However many came at once, one of them built the state.
    assert_eq!(world.others.contact.raises.load(Ordering::SeqCst), 1);

    let mut client = clients[0].clone();
    assert_eq!(counted(&mut client, &account).await, [(0, 1_000), (0, 777)]);
    for batch in &batches {
        let (profile, activity) = batch.granted();
        assert_eq!(
            world.store(&account, batch, profile / 2, activity),
            (true, true)
        );
        settle(&mut client, &account, batch, profile / 2, activity).await;
    }
    let (profile, activity) = world.stored(&account, TODAY);
    assert_eq!(
        counted(&mut client, &account).await,
        [(profile, 0), (activity, 0)]
    );
    let rest = reserve(&mut client, &account, 1_000, 1_000).await;
    assert_eq!(rest.granted(), (1_000 - profile, 777 - activity));
}

#[tokio::test]
async fn a_batch_that_asks_again_gets_the_same_until_it_is_settled() {
    let world = World::new().await;
    let (mut client, mut other) = (world.replica().await, world.replica().await);
    let account = world.account(10, 10);
    let batch = reserve(&mut client, &account, 6, 0).await;
    let again = try_reserve(&mut other, &account, &batch.id, 6, 0)
        .await
        .unwrap();
    assert_eq!(again.granted(), (6, 0));
    assert_eq!(again.grant.epoch, batch.grant.epoch);
    assert_eq!(again.grant.profile.unwrap().remaining, 4);

    for _ in 0..2 {
        settle(&mut client, &account, &batch, 5, 0).await;
        assert_eq!(counted(&mut client, &account).await, [(5, 0), (0, 0)]);
    }
    let late = try_reserve(&mut client, &account, &batch.id, 6, 0)
        .await
        .unwrap();
    assert_eq!(late.granted(), (0, 0));
    assert_eq!(counted(&mut client, &account).await, [(5, 0), (0, 0)]);
}

#[tokio::test]
async fn what_earlier_batches_leave_is_free_for_the_one_that_brings_their_settlements() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let account = world.account(10, 10);
    let first = reserve(&mut client, &account, 6, 6).await;
    let second = reserve(&mut client, &account, 4, 4).await;
    let request = ReserveRequest {
        ledger_epoch: 0,
        account_id: account.id.clone(),
        batch_id: Uuid::now_v7().to_string(),
        profile_units: 10,
        activity_units: 10,
        entitlement: Some(account.entitlement()),
        // Of two that are the same, the second finds nothing to settle.
        settlements: vec![
            settlement(&first, 2, 0),
            settlement(&second, 4, 1),
            settlement(&first, 6, 6),
        ],
    };
    for _again in 0..2 {
        let grant = client.reserve(request.clone()).await.unwrap().into_inner();
        let granted = [grant.profile, grant.activity].map(|meter| meter.unwrap().granted);
        assert_eq!(granted, [4, 9]);
        let units = counted(&mut client, &account).await;
        assert_eq!(units, [(6, 4), (1, 9)]);
    }
}

/// Semantics 6.7.
#[tokio::test]
async fn limits_follow_the_plan_both_ways() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let mut account = world.account(10, 10);
    let batch = reserve(&mut client, &account, 8, 8).await;
    settle(&mut client, &account, &batch, 8, 8).await;
    (account.profile, account.activity) = (5, 9);
    let less = reserve(&mut client, &account, 3, 3).await;
    assert_eq!(less.granted(), (0, 1));
    let meter = less.grant.profile.unwrap();
    assert_eq!((meter.limit, meter.remaining), (5, 0));
    (account.profile, account.activity) = (9, 0);
    let more = reserve(&mut client, &account, 3, 3).await;
    assert_eq!(more.granted(), (1, 0));
}

#[tokio::test]
async fn a_new_day_begins_at_midnight_without_disturbing_batches_of_the_old_one() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let account = world.account(10, 10);
    world.clock.set("2026-11-24T23:59:59.999Z");
    let old = reserve(&mut client, &account, 10, 10).await;
    assert_eq!(old.grant.window, TODAY);
    assert_eq!(old.grant.window_end_time.unwrap().seconds, 1_795_564_800);

    world.clock.set("2026-11-25T00:00:00Z");
    let new = reserve(&mut client, &account, 10, 3).await;
    assert_eq!(
        (new.grant.window.as_str(), new.granted()),
        ("2026-11-25", (10, 3))
    );
    assert_eq!(new.grant.epoch, old.grant.epoch);
    assert_eq!(world.store(&account, &old, 10, 10), (true, true));
    settle(&mut client, &account, &old, 10, 10).await;
    assert_eq!(counted(&mut client, &account).await, [(0, 10), (0, 3)]);
    // A replica whose clock is a little behind finds the old day full.
    world.clock.set("2026-11-24T23:59:59Z");
    assert_eq!(counted(&mut client, &account).await, [(10, 0), (10, 0)]);
    assert_eq!(world.others.activity.raises.load(Ordering::SeqCst), 1);

    // Days later the old one is forgotten, and what is known stays right.
    world.clock.set("2026-11-28T12:00:00Z");
    assert_eq!(reserve(&mut client, &account, 4, 0).await.granted(), (4, 0));
    let mut redis = world.redis().await;
    let fields: Vec<String> = redis::cmd("HKEYS")
        .arg(format!("weir:{{{}}}:quota", account.id))
        .query_async(&mut redis)
        .await
        .unwrap();
    assert!(
        !fields.iter().any(|field| field.starts_with(TODAY)),
        "{fields:?}"
    );
    world.clock.set("2026-11-24T12:00:00Z");
    let batch = Uuid::now_v7().to_string();
    let error = try_reserve(&mut client, &account, &batch, 1, 1).await;
    assert_eq!(error.err().unwrap().code(), Code::Unavailable);
}

#[tokio::test]
async fn usage_tells_what_the_plan_allows_now() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let account = world.account(10, 20);
    let batch = reserve(&mut client, &account, 3, 4).await;
    settle(&mut client, &account, &batch, 2, 0).await;
    reserve(&mut client, &account, 1, 1).await;
    let found = usage(&mut client, &account).await;
    let (profile, activity) = (found.profile.unwrap(), found.activity.unwrap());
    assert_eq!((profile.used, profile.reserved, profile.limit), (2, 1, 10));
    assert_eq!(
        (activity.used, activity.reserved, activity.limit),
        (0, 1, 20)
    );
    assert_eq!(found.window, TODAY);

    assert_eq!(profile.limit_formula, "10 × 1 = 10");
    assert_eq!(activity.limit_formula, "20 × 1 × 1 = 20");

    let unknown = GetUsageRequest {
        account_id: Uuid::now_v7().to_string(),
        entitlement: None,
    };
    let error = client.get_usage(unknown).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert_eq!(weir_rpc::reason_of(&error), Some(Reason::AccountUnknown));
}

#[tokio::test]
async fn usage_is_cheap_and_exact_whoever_asks_how_often() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let account = world.account(10, 20);
    for units in 1..=5 {
        reserve(&mut client, &account, 1, 2).await;
        assert_eq!(
            counted(&mut client, &account).await,
            [(0, units), (0, 2 * units)]
        );
    }
    assert!(world.others.asked.load(Ordering::SeqCst) < 5);

    // Who knows the plan need not wait for mapping's word.
    let asked = world.others.asked.load(Ordering::SeqCst);
    let request = GetUsageRequest {
        account_id: account.id.clone(),
        entitlement: Some(Entitlement {
            contacts: 5_000,
            mapped_activities: 5,
            profile_factor: 10,
            activity_factor: 5,
        }),
    };
    let found = client.get_usage(request).await.unwrap().into_inner();
    let activity = found.activity.unwrap();
    assert_eq!((activity.reserved, activity.limit), (10, 125_000));
    assert_eq!(activity.limit_formula, "5 × 5,000 × 5 = 125,000");
    assert_eq!(world.others.asked.load(Ordering::SeqCst), asked);

    // Nor need a batch that wants nothing have units.
    let nothing = reserve(&mut client, &account, 0, 0).await;
    let meter = nothing.grant.profile.unwrap();
    assert_eq!((meter.granted, meter.limit, meter.remaining), (0, 10, 5));
}

#[tokio::test]
async fn what_is_used_is_what_is_charged_for_good() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let account = world.account(10, 10);
    let under_way = reserve(&mut client, &account, 9, 0).await;
    // semantics 6.4a: one of two, but the limit is not reached by what is charged.
    let second = reserve(&mut client, &account, 2, 0).await;
    let meter = second.grant.profile.unwrap();
    assert_eq!((meter.used, meter.granted, meter.remaining), (0, 1, 0));
    assert!(meter.used + meter.granted < meter.limit);

    settle(&mut client, &account, &under_way, 9, 0).await;
    let third = reserve(&mut client, &account, 1, 0).await;
    let meter = third.grant.profile.unwrap();
    assert_eq!((meter.used, meter.granted, meter.remaining), (9, 0, 0));
    settle(&mut client, &account, &second, 1, 0).await;
    let fourth = reserve(&mut client, &account, 1, 0).await;
    let meter = fourth.grant.profile.unwrap();
    assert_eq!((meter.used, meter.granted), (10, 0));
    assert!(meter.used + meter.granted >= meter.limit);
}

#[tokio::test]
async fn requests_that_cannot_be_read_say_where() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let good = ReserveRequest {
        ledger_epoch: 0,
        account_id: world.account(1, 1).id,
        batch_id: Uuid::now_v7().to_string(),
        profile_units: 1,
        activity_units: 1,
        entitlement: Some(Entitlement::default()),
        settlements: Vec::new(),
    };
    let settlement = Settlement {
        batch_id: Uuid::now_v7().to_string(),
        window: TODAY.into(),
        ..Settlement::default()
    };
    let unreadable = Settlement {
        window: "today".into(),
        ..settlement.clone()
    };
    type Change = Box<dyn Fn(&mut ReserveRequest)>;
    let many = vec![settlement.clone(); 101];
    let second = vec![settlement, unreadable];
    let wrong: [(Change, &str); 7] = [
        (Box::new(|of| of.account_id = "x".into()), "account_id"),
        (Box::new(|of| of.batch_id = String::new()), "batch_id"),
        (Box::new(|of| of.profile_units = -1), "profile_units"),
        (Box::new(|of| of.activity_units = 1_001), "activity_units"),
        (Box::new(|of| of.entitlement = None), "entitlement"),
        (
            Box::new(move |of| of.settlements = many.clone()),
            "settlements: must be at most 100",
        ),
        (
            Box::new(move |of| of.settlements = second.clone()),
            "settlements[1].window",
        ),
    ];
    for (change, field) in wrong {
        let mut request = good.clone();
        change(&mut request);
        let error = client.reserve(request).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().starts_with(field), "{}", error.message());
    }
    let nothing = SettleRequest {
        account_id: good.account_id.clone(),
        settlements: Vec::new(),
    };
    let error = client.settle(nothing).await.unwrap_err();
    assert!(error.message().starts_with("settlements"), "{error}");
    // A plan of nothing grants nothing.
    let nothing = client.reserve(good).await.unwrap().into_inner();
    assert_eq!(nothing.profile.unwrap().granted, 0);
}

#[tokio::test]
async fn the_largest_plans_do_not_overflow() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let account = world.account(i64::MAX, i64::MAX);
    let batch = reserve(&mut client, &account, 1_000, 1_000).await;
    assert_eq!(batch.granted(), (1_000, 1_000));
    let meter = batch.grant.activity.unwrap();
    assert_eq!(meter.remaining, meter.limit - 1_000);
}

/// Semantics 6.5: one that is 13 hours ahead is in tomorrow already.
#[tokio::test]
async fn a_replica_with_a_wrong_clock_overruns_no_window_and_none_is_charged_twice() {
    let world = World::new().await;
    let wrong = TestClock::at("2026-11-24T23:00:00Z");
    wrong.advance(2 * 3_600_000);
    let mut right = world.replica().await;
    let mut ahead = world.replica_by(&wrong).await;
    let account = world.account(30, 30);
    let mut admitted = Vec::new();
    for _ in 0..4 {
        for client in [&mut right, &mut ahead] {
            let batch = reserve(client, &account, 10, 10).await;
            let (profile, activity) = batch.granted();
            assert_eq!(
                world.store(&account, &batch, profile, activity),
                (true, true)
            );
            admitted.push(batch);
        }
    }
    // Settled by whoever comes, each in the window in which it was admitted.
    for (number, batch) in admitted.iter().enumerate() {
        let client = if number % 3 == 0 {
            &mut ahead
        } else {
            &mut right
        };
        let (profile, activity) = batch.granted();
        settle(client, &account, batch, profile, activity).await;
    }
    for window in [TODAY, "2026-11-25"] {
        assert_eq!(world.stored(&account, window), (30, 30), "{window}");
    }
    assert_eq!(counted(&mut right, &account).await, [(30, 0), (30, 0)]);
    // Tomorrow has come for all: what was used of it is used.
    world.clock.set("2026-11-25T00:00:00Z");
    assert_eq!(counted(&mut right, &account).await, [(30, 0), (30, 0)]);
    assert_eq!(reserve(&mut right, &account, 1, 1).await.granted(), (0, 0));
}
