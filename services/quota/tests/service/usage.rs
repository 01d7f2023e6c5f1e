//! Usage for people: past windows, what today comes to, and news of limits (semantics 6.8).

use std::sync::atomic::Ordering;
use std::time::Duration;

use tonic::Code;
use weir_proto::mapping::v1::{AlertKind, WindowSpending};
use weir_proto::quota::v1::{ListUsageRequest, ListUsageResponse};
use weir_testkit::eventually;

use crate::harness::{Account, Client, TODAY, World, reserve, settle};

async fn list(client: &mut Client, account: &Account, days: i32) -> ListUsageResponse {
    let request = ListUsageRequest {
        account_id: account.id.clone(),
        days,
    };
    client.list_usage(request).await.unwrap().into_inner()
}

fn rejected(window: &str, events: i64) -> WindowSpending {
    WindowSpending {
        window: window.to_owned(),
        rejected_events: events,
        ..WindowSpending::default()
    }
}

#[tokio::test]
async fn past_windows_are_what_the_ledgers_hold_and_today_goes_on_as_days_do() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let account = world.account(1_000, 1_000);
    for (window, profile, activity) in [
        ("2026-08-01", 1, 1),
        ("2026-08-26", 9, 0),
        ("2026-11-20", 0, 700),
        ("2026-11-23", 50, 300),
    ] {
        let (contact, activities) = (&world.others.contact, &world.others.activity);
        assert!(contact.commit(&account.id, window, window, 0, profile));
        assert!(activities.commit(&account.id, window, window, 0, activity));
    }
    let windows = [
        rejected("2026-11-23", 4),
        rejected("2026-11-22", 5),
        rejected(TODAY, 6),
    ];
    world.others.windows.lock().unwrap().extend(windows);
    let batch = reserve(&mut client, &account, 60, 20).await;
    assert_eq!(world.store(&account, &batch, 60, 10), (true, true));
    settle(&mut client, &account, &batch, 60, 10).await;

    let listed = list(&mut client, &account, 90).await;
    let windows: Vec<_> = listed
        .windows
        .iter()
        .map(|past| {
            (
                &*past.window,
                past.profile_units,
                past.activity_units,
                past.rejected_events,
            )
        })
        .collect();
    let expected = [
        ("2026-11-23", 50, 300, Some(4)),
        ("2026-11-22", 0, 0, Some(5)),
        ("2026-11-20", 0, 700, Some(0)),
        ("2026-08-26", 9, 0, Some(0)),
    ];
    assert_eq!(windows, expected);
    assert_eq!(listed.rejected_events, Some(6));
    let today = listed.today.unwrap();
    assert_eq!(
        (today.window.as_str(), today.profile.unwrap().used),
        (TODAY, 60)
    );
    // 10 of 24 hours are gone; the last days had (50 + 0 + 0 + 0) / 4 and (300 + 700) / 4.
    let whole = |used: f64, usual: f64| (10.0 * used * 24.0 / 10.0 + 14.0 * usual) / 24.0;
    let forecast = |used: f64, usual| (used + 14.0 / 24.0 * whole(used, usual)).round() as i64;
    assert_eq!(listed.profile_forecast, Some(forecast(60.0, 12.5)));
    assert_eq!(listed.activity_forecast, Some(forecast(10.0, 250.0)));
    // A month where nothing is said.
    assert_eq!(list(&mut client, &account, 0).await.windows.len(), 3);

    // Mapping away: the rest is told.
    list(&mut client, &account, 1).await;
    world.others.mapping_is_away.store(true, Ordering::SeqCst);
    let listed = list(&mut client, &account, 1).await;
    assert_eq!(listed.rejected_events, None);
    assert_eq!(listed.windows.len(), 1);
    for days in [-1, 91] {
        let request = ListUsageRequest {
            account_id: account.id.clone(),
            days,
        };
        let error = client.list_usage(request).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn a_limit_that_is_nearly_and_wholly_used_is_told_once_a_day_also_by_the_last_batch() {
    let world = World::new().await;
    let mut clients = [world.replica().await, world.replica().await];
    let account = world.account(100, 50);
    let told = || {
        let alerts = world.others.alerts.lock().unwrap();
        let of = alerts.iter().filter(|(of, _)| *of == account.id);
        of.map(|(_, alert)| (alert.kind(), alert.subject.clone()))
            .collect::<Vec<_>>()
    };
    let spend = async |client: &mut Client, profile: i64, activity: i64| {
        let batch = reserve(client, &account, profile, activity).await;
        assert_eq!(
            world.store(&account, &batch, profile, activity),
            (true, true)
        );
        settle(client, &account, &batch, profile, activity).await;
    };
    spend(&mut clients[0], 79, 10).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(told(), []);
    // Nothing comes behind it, and another replica settles it.
    let [reserving, settling] = &mut clients;
    let batch = reserve(reserving, &account, 1, 10).await;
    assert_eq!(world.store(&account, &batch, 1, 10), (true, true));
    settle(settling, &account, &batch, 1, 10).await;
    let near = (AlertKind::LimitNear, "profile units".to_owned());
    eventually("80 % are told", async || told() == [near.clone()]).await;
    for _ in 0..5 {
        spend(&mut clients[0], 1, 0).await;
    }
    // Mapping away: it is told once mapping is back, with the next batch.
    world.others.mapping_is_away.store(true, Ordering::SeqCst);
    spend(&mut clients[0], 15, 0).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.others.mapping_is_away.store(false, Ordering::SeqCst);
    eventually("all are told", async || {
        reserve(&mut clients[0].clone(), &account, 1, 0).await;
        told()
            == [
                near.clone(),
                (AlertKind::LimitReached, "profile units".to_owned()),
            ]
    })
    .await;
    // Another day begins anew.
    world.clock.set("2026-11-25T10:00:00Z");
    spend(&mut clients[0], 80, 0).await;
    eventually("the next day's are told", async || told().len() == 3).await;
}
