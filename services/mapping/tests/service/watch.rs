//! Sources are watched: who falls silent, and which reasons jump (semantics 7.10).

use weir_proto::mapping::v1::*;
use weir_testkit::{TestClock, eventually};

use crate::harness::{Service, Tenant, tenant};

/// Ten days of a thousand events an hour, with five that nobody mapped, up to this hour.
async fn habit(service: &Service, tenant: &Tenant, until: &str) {
    counts(
        service,
        tenant,
        &format!("'{until}'::timestamptz - interval '10 days', '{until}'"),
        &[(200, "OK", "", 995), (422, "NO_MAPPING", "Login", 5)],
    )
    .await;
}

async fn counts(service: &Service, tenant: &Tenant, hours: &str, rows: &[(i16, &str, &str, i64)]) {
    for (status, code, subject, count) in rows {
        service
            .sql(&format!(
                "INSERT INTO mapping.reason_counts (account_id, source_id, hour, subject, status,
                    code, count, first_time, last_time)
                 SELECT '{}', '{}', hour, '{subject}', {status}, '{code}', {count}, hour, hour
                 FROM generate_series({hours}, interval '1 hour') AS hour",
                tenant.account_id, tenant.source_id,
            ))
            .await;
    }
}

async fn listed(service: &Service, tenant: &Tenant) -> Vec<Alert> {
    let request = ListAlertsRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        ..Default::default()
    };
    let answer = service.alerts().list_alerts(request).await;
    answer.unwrap().into_inner().alerts
}

#[tokio::test]
async fn a_source_that_falls_silent_is_an_alert_until_it_sends_again() {
    let clock = TestClock::at("2026-11-24T12:30:00Z");
    let (mut service, client) = Service::start().await;
    let (silent, sending) = (
        tenant(&client, "Silent").await,
        tenant(&client, "Sending").await,
    );
    habit(&service, &silent, "2026-11-24T08:00:00Z").await;
    habit(&service, &sending, "2026-11-24T11:00:00Z").await;
    service.stop().await;
    service.clock = clock.clock();
    service.another().await;
    let alert = eventually("the silence is noticed", async || {
        listed(&service, &silent).await.pop()
    })
    .await;
    assert_eq!(alert.kind(), AlertKind::SourceSilent);
    assert!(
        alert
            .message
            .contains("since 2026-11-24 09:00 UTC, for 3 hours"),
        "{alert:?}"
    );
    assert_eq!(listed(&service, &sending).await, []);

    // An hour later the same silence is no other alert; it is mailed once.
    clock.set("2026-11-24T13:10:00Z");
    eventually("it was looked at again", async || {
        listed(&service, &silent).await[0].count == 2
    })
    .await;
    assert_eq!(listed(&service, &silent).await.len(), 1);
    let deliveries = ListDeliveriesRequest {
        account_id: silent.account_id.clone(),
        ..Default::default()
    };
    let told = service.alerts().list_deliveries(deliveries).await;
    assert_eq!(told.unwrap().into_inner().deliveries.len(), 1);

    let hour = "'2026-11-24T13:00:00Z'::timestamptz, '2026-11-24T13:00:00Z'";
    counts(&service, &silent, hour, &[(200, "OK", "", 7)]).await;
    clock.set("2026-11-24T14:10:00Z");
    eventually("it is resolved by itself", async || {
        listed(&service, &silent).await[0].resolve_time.is_some()
    })
    .await;
}

#[tokio::test]
async fn a_reason_that_jumps_is_an_alert_that_says_what_about() {
    let clock = TestClock::at("2026-11-24T12:30:00Z");
    let (mut service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    habit(&service, &tenant, "2026-11-24T10:00:00Z").await;
    let last = "'2026-11-24T11:00:00Z'::timestamptz, '2026-11-24T11:00:00Z'";
    let rows = [
        (200, "OK", "", 600),
        (422, "NO_MAPPING", "Order Shipped", 390),
        (422, "NO_MAPPING", "Login", 10),
    ];
    counts(&service, &tenant, last, &rows).await;
    service.stop().await;
    service.clock = clock.clock();
    service.another().await;
    let alert = eventually("the jump is noticed", async || {
        listed(&service, &tenant).await.pop()
    });
    let alert = alert.await;
    assert_eq!(alert.kind(), AlertKind::ReasonJumped);
    assert_eq!(alert.subject, format!("{}/NO_MAPPING", tenant.source_id));
    for part in [
        "400 of NO_MAPPING",
        "there are 5 at most",
        "about Order Shipped.",
    ] {
        assert!(alert.message.contains(part), "{part}: {}", alert.message);
    }
    assert_eq!(listed(&service, &tenant).await.len(), 1);
}
