//! What spends an account's units: told once, bounded, listed, and gone after 92 days
//! (semantics 6.8).

use chrono::{Days, NaiveDate, Utc};
use uuid::Uuid;
use weir_proto::mapping::v1::*;
use weir_testkit::eventually;

use crate::call;
use crate::counts::{fields_of, start};
use crate::harness::*;

fn window(ago: u64) -> String {
    let today: NaiveDate = Utc::now().date_naive();
    today.checked_sub_days(Days::new(ago)).unwrap().to_string()
}

fn unit(ago: u64, kind: UnitKind, subject: &str, count: i64) -> UnitCount {
    UnitCount {
        window: window(ago),
        kind: kind.into(),
        subject: subject.to_owned(),
        other: false,
        count,
    }
}

fn flush(tenant: &Tenant, process: u128, sequence: i64, units: Vec<UnitCount>) -> AddCountsRequest {
    AddCountsRequest {
        process_id: Uuid::from_u128(process).to_string(),
        sequence,
        sources: vec![SourceCounts {
            account_id: tenant.account_id.clone(),
            source_id: tenant.source_id.clone(),
            counts: Vec::new(),
            units,
        }],
    }
}

fn since(tenant: &Tenant, ago: u64) -> ListSpendingRequest {
    ListSpendingRequest {
        account_id: tenant.account_id.clone(),
        first_window: window(ago),
        page_size: 1_000,
        ..ListSpendingRequest::default()
    }
}

/// Name, profile units, activity units and rejected events.
fn listed(answer: &ListSpendingResponse) -> Vec<(&str, i64, i64, i64)> {
    let spending = answer.spending.iter();
    let told = spending.map(|one| {
        (
            one.event_name.as_str(),
            one.profile_units,
            one.activity_units,
            one.rejected_events,
        )
    });
    told.collect()
}

#[tokio::test]
async fn what_spends_most_is_first_and_a_flush_that_comes_again_is_counted_once() {
    let (_service, _client, logs, tenant) = start().await;
    use UnitKind::{Activity, Profile, Rejected};
    let today = vec![
        unit(0, Activity, "Login", 30),
        unit(0, Profile, "", 50),
        unit(0, Rejected, "Login", 4),
        unit(1, Activity, "Login", 10),
        unit(5, Activity, "Import", 900),
    ];
    for sequence in [1, 1] {
        let request = flush(&tenant, 7, sequence, today.clone());
        call!(logs, add_counts, request).unwrap();
    }
    call!(
        logs,
        add_counts,
        flush(&tenant, 7, 2, vec![unit(0, Activity, "Login", 1)])
    )
    .unwrap();
    let answer = call!(logs, list_spending, since(&tenant, 0)).unwrap();
    assert_eq!(listed(&answer), [("", 50, 0, 0), ("Login", 0, 31, 4)]);
    assert_eq!(answer.spending[0].source_id, tenant.source_id);
    let answer = call!(logs, list_spending, since(&tenant, 90)).unwrap();
    assert_eq!(
        listed(&answer),
        [("Import", 0, 900, 0), ("", 50, 0, 0), ("Login", 0, 41, 4)]
    );
    let windows = answer.windows.iter();
    let windows: Vec<_> = windows
        .map(|one| (one.window.clone(), one.activity_units))
        .collect();
    assert_eq!(
        windows,
        [(window(5), 900), (window(1), 10), (window(0), 31)]
    );
    // Today where nothing is said; page by page; another account has nothing.
    let mut request = ListSpendingRequest {
        account_id: tenant.account_id.clone(),
        page_size: 1,
        ..ListSpendingRequest::default()
    };
    let first = call!(logs, list_spending, request.clone()).unwrap();
    assert_eq!(listed(&first), [("", 50, 0, 0)]);
    request.page_token = first.next_page_token;
    let second = call!(logs, list_spending, request.clone()).unwrap();
    assert_eq!(listed(&second), [("Login", 0, 31, 4)]);
    assert_eq!(second.next_page_token, "");
    // What happened to events is told without them.
    let summary = crate::counts::request(&tenant);
    assert_eq!(crate::counts::summed(&logs, summary).await, []);
}

#[tokio::test]
async fn what_a_source_spent_is_told_after_it_was_deleted() {
    let (service, _client, logs, tenant) = start().await;
    let units = vec![unit(0, UnitKind::Activity, "Login", 30)];
    call!(logs, add_counts, flush(&tenant, 7, 1, units)).unwrap();
    let delete = DeleteSourceRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
    };
    let gone = call!(service.configuration(), delete_source, delete).unwrap();
    assert!(gone.deleted);
    let answer = call!(logs, list_spending, since(&tenant, 0)).unwrap();
    assert_eq!(listed(&answer), [("Login", 0, 30, 0)]);
    assert_eq!(answer.spending[0].source_id, tenant.source_id);
}

#[tokio::test]
async fn a_window_has_a_thousand_names_and_one_of_before_92_days_goes() {
    let (mut service, client, logs, tenant) = start().await;
    let names = (0..1_200).map(|n| unit(0, UnitKind::Activity, &format!("name {n:04}"), 2));
    call!(logs, add_counts, flush(&tenant, 7, 1, names.collect())).unwrap();
    let old = vec![
        unit(91, UnitKind::Profile, "kept", 1),
        unit(94, UnitKind::Profile, "gone", 1),
    ];
    call!(logs, add_counts, flush(&tenant, 7, 2, old)).unwrap();
    let answer = call!(logs, list_spending, since(&tenant, 0)).unwrap();
    assert_eq!(answer.windows[0].activity_units, 2_400);
    let first = &answer.spending[0];
    assert!(first.other && first.event_name == "other");
    assert_eq!(first.activity_units, 400);
    assert_ne!(answer.next_page_token, "");
    // The first round of the process that keeps house.
    drop((client, logs));
    service.stop().await;
    service.another().await;
    eventually("what is too old goes", async || {
        let windows = "SELECT count(DISTINCT window_day) FROM mapping.unit_counts";
        service.number(windows).await == 2
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_said_at_once_and_nothing_is_added() {
    let (_service, _client, logs, tenant) = start().await;
    for (wrong, field) in [
        (unit(0, UnitKind::Unspecified, "e", 1), "sources.units.kind"),
        (unit(0, UnitKind::Profile, "e", 0), "sources.units.count"),
        (
            UnitCount {
                window: "yesterday".to_owned(),
                ..unit(0, UnitKind::Profile, "e", 1)
            },
            "sources.units.window",
        ),
    ] {
        let request = flush(
            &tenant,
            9,
            1,
            vec![unit(0, UnitKind::Profile, "e", 1), wrong],
        );
        let error = call!(logs, add_counts, request).unwrap_err();
        assert_eq!(fields_of(&error), [field]);
    }
    let request = ListSpendingRequest {
        account_id: "x".to_owned(),
        first_window: "2026-11-25".to_owned(),
        last_window: "2026-11-24".to_owned(),
        page_size: -1,
        ..ListSpendingRequest::default()
    };
    let error = call!(logs, list_spending, request).unwrap_err();
    assert_eq!(
        fields_of(&error),
        ["account_id", "first_window", "page_size"]
    );
    let answer = call!(logs, list_spending, since(&tenant, 90)).unwrap();
    assert_eq!(answer.spending, []);
}
