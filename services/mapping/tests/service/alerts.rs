//! Alerts: raised, counted up, listed, resolved; what is wrong is said at once.

use tonic::Code;
use tonic_types::StatusExt;
use weir_proto::mapping::v1::*;
use weir_reasons::Reason;
use weir_testkit::{PostOffice, eventually};

use crate::harness::{Service, Tenant, tenant};

fn absorbs(subject: &str) -> NewAlert {
    NewAlert {
        kind: AlertKind::ContactAbsorbs.into(),
        subject: subject.to_owned(),
        message: "A contact took over 21 others today.".to_owned(),
        value: "noemail@example.org".to_owned(),
        ..Default::default()
    }
}

fn raise(tenant: &Tenant, alerts: Vec<NewAlert>) -> RaiseAlertsRequest {
    RaiseAlertsRequest {
        account_id: tenant.account_id.clone(),
        alerts,
    }
}

fn list(tenant: &Tenant) -> ListAlertsRequest {
    ListAlertsRequest {
        account_id: tenant.account_id.clone(),
        ..Default::default()
    }
}

#[tokio::test]
async fn an_alert_is_told_once_a_day_and_counted_up() {
    let office = PostOffice::open().await;
    let (mut service, client) = Service::start().await;
    service.stop().await;
    service.arguments = vec!["--smtp-url".to_owned(), office.url()];
    let client = {
        drop(client);
        service.another().await
    };
    let tenant = tenant(&client, "Demo").await;
    let mut alerts = service.alerts();
    let request = raise(&tenant, vec![absorbs("a"), absorbs("b"), absorbs("a")]);
    let raised = alerts.raise_alerts(request).await.unwrap().into_inner();
    assert_eq!((raised.raised, raised.repeated, raised.dropped), (2, 1, 0));
    let again = alerts
        .raise_alerts(raise(&tenant, vec![absorbs("a")]))
        .await;
    assert_eq!(again.unwrap().into_inner().repeated, 1);

    let listed = alerts
        .list_alerts(list(&tenant))
        .await
        .unwrap()
        .into_inner();
    let counts: Vec<_> = listed
        .alerts
        .iter()
        .map(|one| (one.subject.as_str(), one.count))
        .collect();
    assert_eq!(counts, [("b", 1), ("a", 3)]);
    eventually("both mails are there", async || office.mails().len() == 2).await;
    let unsent = ListDeliveriesRequest {
        account_id: tenant.account_id.clone(),
        unsent: true,
        ..Default::default()
    };
    eventually("both are known to be sent", async || {
        let listed = service.alerts().list_deliveries(unsent.clone()).await;
        listed.unwrap().into_inner().deliveries.is_empty()
    })
    .await;
    let body = office.mails()[0].readable();
    assert!(body.contains("took over 21 others") && body.contains("noemail@example.org"));

    // Seen to, it is no longer among the others, and stays so.
    let resolve = ResolveAlertRequest {
        account_id: tenant.account_id.clone(),
        alert_id: listed.alerts[1].alert_id.clone(),
    };
    let first = alerts
        .resolve_alert(resolve.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        alerts.resolve_alert(resolve).await.unwrap().into_inner(),
        first
    );
    alerts
        .raise_alerts(raise(&tenant, vec![absorbs("a")]))
        .await
        .unwrap();
    let unresolved = ListAlertsRequest {
        unresolved: true,
        ..list(&tenant)
    };
    let left = alerts.list_alerts(unresolved).await.unwrap().into_inner();
    let subjects: Vec<_> = left.alerts.iter().map(|one| one.subject.as_str()).collect();
    assert_eq!(subjects, ["b"]);
    assert_eq!(office.mails().len(), 2);
}

#[tokio::test]
async fn an_alert_does_not_name_who_was_deleted() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let mut alerts = service.alerts();
    let other = NewAlert {
        value: "info@example.org".to_owned(),
        ..absorbs("b")
    };
    let request = raise(&tenant, vec![absorbs("a"), other]);
    alerts.raise_alerts(request).await.unwrap();
    let mut people = service.people();
    let erase = ErasePersonRequest {
        account_id: tenant.account_id.clone(),
        identifiers: vec!["NoEmail@example.org".to_owned()],
        delete_time: Some(std::time::SystemTime::now().into()),
    };
    people.erase_person(erase).await.unwrap();
    let listed = alerts.list_alerts(list(&tenant)).await.unwrap();
    let listed = listed.into_inner().alerts;
    let values: Vec<_> = listed.iter().map(|one| one.value.as_str()).collect();
    assert_eq!(values, ["info@example.org", ""]);
}

#[tokio::test]
async fn alerts_come_in_pages() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let mut alerts = service.alerts();
    let subjects: Vec<_> = (0..5).map(|number| absorbs(&format!("{number}"))).collect();
    alerts.raise_alerts(raise(&tenant, subjects)).await.unwrap();
    let (mut read, mut token) = (Vec::new(), String::new());
    loop {
        let request = ListAlertsRequest {
            page_size: 2,
            page_token: token,
            ..list(&tenant)
        };
        let page = alerts.list_alerts(request).await.unwrap().into_inner();
        read.extend(page.alerts.into_iter().map(|one| one.subject));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(read, ["4", "3", "2", "1", "0"]);
}

#[tokio::test]
async fn an_account_raises_a_hundred_alerts_a_day_at_most() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let mut alerts = service.alerts();
    let subjects = |from: u32| {
        let numbers = from..from + 60;
        numbers
            .map(|number| absorbs(&format!("{number}")))
            .collect()
    };
    alerts
        .raise_alerts(raise(&tenant, subjects(0)))
        .await
        .unwrap();
    let more = alerts.raise_alerts(raise(&tenant, subjects(60))).await;
    let more = more.unwrap().into_inner();
    assert_eq!((more.raised, more.dropped), (40, 20));
    // Those that are there are still counted up.
    let again = alerts
        .raise_alerts(raise(&tenant, vec![absorbs("0")]))
        .await;
    assert_eq!(again.unwrap().into_inner().repeated, 1);
}

#[tokio::test]
async fn everything_that_is_wrong_with_alerts_is_said_at_once() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let mut alerts = service.alerts();
    let wrong = NewAlert {
        source_id: "website".to_owned(),
        message: "x".repeat(2_001),
        ..Default::default()
    };
    let request = raise(&tenant, vec![absorbs("a"), wrong]);
    let status = alerts.raise_alerts(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let fields: Vec<_> = violations.iter().map(|one| one.field.as_str()).collect();
    let expected = ["kind", "source_id", "subject", "message"];
    assert_eq!(fields, expected.map(|field| format!("alerts[1].{field}")));
    // None was raised.
    let listed = alerts
        .list_alerts(list(&tenant))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.alerts, []);

    let none = alerts
        .raise_alerts(raise(&tenant, vec![]))
        .await
        .unwrap_err();
    assert_eq!(none.code(), Code::InvalidArgument);
    let nobody = Tenant {
        account_id: uuid::Uuid::nil().to_string(),
        source_id: String::new(),
    };
    let unknown = alerts
        .raise_alerts(raise(&nobody, vec![absorbs("a")]))
        .await
        .unwrap_err();
    assert_eq!(weir_rpc::reason_of(&unknown), Some(Reason::AccountUnknown));
    let unknown = alerts
        .resolve_alert(ResolveAlertRequest {
            account_id: tenant.account_id.clone(),
            alert_id: uuid::Uuid::nil().to_string(),
        })
        .await;
    let reason = weir_rpc::reason_of(&unknown.unwrap_err());
    assert_eq!(reason, Some(Reason::AlertUnknown));
}
