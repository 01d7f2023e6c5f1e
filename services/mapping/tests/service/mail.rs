//! The mail that data arrived, and what becomes of mail that can't be sent (semantics 7.2).

use std::path::PathBuf;

use tempfile::TempDir;
use weir_proto::mapping::v1::*;
use weir_testkit::{PostOffice, eventually};

use crate::call;
use crate::harness::{Client, Service, Tenant, account, event, tenant};

const IDENTIFY: &str = r#"{"traits":{"email":"lana@example.org"}}"#;

fn with_server(office: &PostOffice) -> Vec<String> {
    [
        "--smtp-url",
        &office.url(),
        "--console-url",
        "https://weir.example/",
    ]
    .map(str::to_owned)
    .into()
}

fn with_folder(folder: &TempDir) -> Vec<String> {
    let folder = folder.path().to_str().unwrap();
    ["--mail-folder", folder].map(str::to_owned).into()
}

async fn started(arguments: Vec<String>) -> (Service, Client) {
    let (mut service, _) = Service::start().await;
    service.stop().await;
    service.arguments = arguments;
    let client = service.another().await;
    (service, client)
}

async fn identify(client: &Client, tenant: &Tenant) {
    tenant
        .map(client, vec![event(EventKind::Identify, IDENTIFY)])
        .await;
}

async fn source(client: &Client, tenant: &Tenant) -> Source {
    let answer = call!(client, get_source, tenant.source_request()).unwrap();
    answer.source.unwrap()
}

/// The mail of a source, once it is in this state.
async fn arrival(client: &Client, tenant: &Tenant, state: DeliveryState) -> Delivery {
    eventually(state.as_str_name(), async || {
        let mail = source(client, tenant).await.arrival_mail?;
        (mail.state() == state).then_some(mail)
    })
    .await
}

async fn rename(client: &Client, address: &str) {
    let put = PutAccountRequest {
        notification_address: Some(address.to_owned()),
        ..account("Demo")
    };
    call!(client, put_account, put).unwrap();
}

/// Semantics 7.2, over two replicas.
#[tokio::test]
async fn the_first_identify_without_a_mapping_sends_one_mail() {
    let office = PostOffice::open().await;
    let (mut service, client) = started(with_server(&office)).await;
    let other = service.another().await;
    let tenant = tenant(&client, "Demo").await;
    assert_eq!(source(&client, &tenant).await.arrival_mail, None);
    for client in [&client, &other, &client, &other] {
        identify(client, &tenant).await;
    }
    let told = arrival(&client, &tenant, DeliveryState::Sent).await;
    let source = source(&other, &tenant).await;
    assert_eq!(source.status(), SourceStatus::WaitingForMapping);
    assert_eq!(
        (told.receiver.as_str(), told.tries),
        ("owner@example.org", 1)
    );

    // Nothing else is on its way.
    let mails = office.mails();
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert_eq!(mails[0].to, ["owner@example.org"]);
    assert_eq!(
        mails[0].header("Subject"),
        "Data has arrived from Website, ready to be mapped"
    );
    assert_eq!(
        mails[0].header("Message-ID"),
        format!("<{}@localhost>", told.delivery_id)
    );
    let link = format!(
        "https://weir.example/accounts/{}/sources/{}/map",
        tenant.account_id, tenant.source_id
    );
    let body = mails[0].readable();
    for part in [
        "text/plain",
        "text/html",
        &link,
        &format!("href=\"{link}\""),
    ] {
        assert!(body.contains(part), "{part} is not in {body}");
    }
    // A person's values are in no mail.
    assert!(!body.contains("lana@example.org"));
}

#[tokio::test]
async fn a_source_whose_mapping_was_saved_before_sends_none() {
    let office = PostOffice::open().await;
    let (_service, client) = started(with_server(&office)).await;
    let mapped = tenant(&client, "Mapped").await;
    mapped.map_contact(&client).await;
    identify(&client, &mapped).await;
    eventually("the source is active", async || {
        source(&client, &mapped).await.status() == SourceStatus::Active
    })
    .await;
    assert_eq!(source(&client, &mapped).await.arrival_mail, None);
    // What is written later was sent, and this was not.
    let other = tenant(&client, "Demo").await;
    identify(&client, &other).await;
    arrival(&client, &other, DeliveryState::Sent).await;
    assert_eq!(office.mails().len(), 1);
}

#[tokio::test]
async fn mail_waits_for_a_server_that_is_away_and_comes_once() {
    let office = PostOffice::open().await;
    let (address, arguments) = (office.address(), with_server(&office));
    drop(office);
    let (_service, client) = started(arguments).await;
    let tenant = tenant(&client, "Demo").await;
    identify(&client, &tenant).await;
    let waiting = eventually("a try failed", async || {
        let mail = source(&client, &tenant).await.arrival_mail?;
        (!mail.error.is_empty()).then_some(mail)
    })
    .await;
    assert_eq!(waiting.state(), DeliveryState::Waiting);
    assert!(waiting.next_try_time.is_some() && waiting.tries > 0);
    let office = PostOffice::open_at(address).await;
    arrival(&client, &tenant, DeliveryState::Sent).await;
    assert_eq!(office.mails().len(), 1);
}

#[tokio::test]
async fn mail_is_kept_as_a_file_until_there_is_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let (mut service, client) = started(with_folder(&folder)).await;
    let tenant = tenant(&client, "Demo").await;
    identify(&client, &tenant).await;
    let kept = arrival(&client, &tenant, DeliveryState::Kept).await;
    let file = std::fs::read_to_string(&kept.file).unwrap();
    assert!(file.contains("To: owner@example.org") && file.contains("Data has arrived"));
    // Without a console, a command leads on.
    assert!(file.contains("./weir call mapping/ListSamples"));

    let mut alerts = service.alerts();
    let status = alerts.get_mail_status(GetMailStatusRequest {}).await;
    let status = status.unwrap().into_inner();
    assert_eq!((status.server.as_str(), status.kept), ("", 1));
    assert_eq!(status.folder, folder.path().to_str().unwrap());
    assert_eq!(status.undelivered[0].file, kept.file);
    assert_eq!(status.undelivered[0].account_id, tenant.account_id);

    let office = PostOffice::open().await;
    service.stop().await;
    service.arguments.extend(with_server(&office));
    let client = service.another().await;
    let sent = arrival(&client, &tenant, DeliveryState::Sent).await;
    assert_eq!(sent.file, "");
    assert_eq!(office.mails().len(), 1);
    assert!(!std::path::Path::new(&kept.file).exists());
}

#[tokio::test]
async fn an_address_that_is_refused_is_given_up_until_there_is_another() {
    let (office, folder) = (PostOffice::open().await, tempfile::tempdir().unwrap());
    office.refuse(Some("550 5.1.1 no such user"));
    let mut arguments = with_server(&office);
    arguments.extend(with_folder(&folder));
    let (_service, client) = started(arguments).await;
    let tenant = tenant(&client, "Demo").await;
    identify(&client, &tenant).await;
    let given_up = arrival(&client, &tenant, DeliveryState::GivenUp).await;
    assert!(given_up.error.contains("no such user"), "{given_up:?}");
    assert!(std::fs::exists(&given_up.file).unwrap());
    assert_eq!(given_up.next_try_time, None);

    office.refuse(None);
    rename(&client, "other@example.org").await;
    arrival(&client, &tenant, DeliveryState::Sent).await;
    assert_eq!(office.mails()[0].to, ["other@example.org"]);
    assert!(!std::fs::exists(&given_up.file).unwrap());
}

#[tokio::test]
async fn mail_of_an_account_without_an_address_is_kept_until_it_has_one() {
    let office = PostOffice::open().await;
    let (_service, client) = started(with_server(&office)).await;
    let tenant = tenant(&client, "Demo").await;
    rename(&client, "").await;
    identify(&client, &tenant).await;
    let kept = arrival(&client, &tenant, DeliveryState::Kept).await;
    // No folder is configured: it is in the database alone.
    assert_eq!((kept.receiver.as_str(), kept.file.as_str()), ("", ""));
    rename(&client, "owner@example.org").await;
    arrival(&client, &tenant, DeliveryState::Sent).await;
}

#[tokio::test]
async fn a_test_mail_tells_how_it_went() {
    let office = PostOffice::open().await;
    let (service, client) = started(with_server(&office)).await;
    let tenant = tenant(&client, "Demo").await;
    let test = async || {
        let request = SendTestMailRequest {
            account_id: tenant.account_id.clone(),
            request_id: String::new(),
        };
        service.alerts().send_test_mail(request).await
    };
    let sent = test().await.unwrap().into_inner().deliveries;
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].state(), DeliveryState::Sent);
    assert_eq!(
        office.mails()[0].header("Subject"),
        "Test: news of Demo arrives here"
    );

    office.refuse(Some("451 4.7.1 come again later"));
    let failed = test().await.unwrap().into_inner().deliveries;
    assert_eq!(failed[0].state(), DeliveryState::GivenUp);
    assert!(failed[0].error.contains("come again later"), "{failed:?}");

    rename(&client, "").await;
    let refused = test().await.unwrap_err();
    assert_eq!(
        weir_rpc::reason_of(&refused),
        Some(weir_reasons::Reason::NoNotificationAddress)
    );
}

/// Semantics 3.9.
#[tokio::test]
async fn a_mail_that_was_kept_does_not_name_who_was_deleted() {
    let folder = TempDir::new().unwrap();
    let (service, client) = started(with_folder(&folder)).await;
    let tenant = tenant(&client, "Demo").await;
    let alert = NewAlert {
        kind: AlertKind::ContactAbsorbs.into(),
        subject: "a".to_owned(),
        message: "A contact took over 21 others today.".to_owned(),
        value: "shared@example.org".to_owned(),
        ..Default::default()
    };
    let raise = RaiseAlertsRequest {
        account_id: tenant.account_id.clone(),
        alerts: vec![alert],
    };
    service.alerts().raise_alerts(raise).await.unwrap();
    let files = || {
        let files = std::fs::read_dir(folder.path()).unwrap();
        files.map(|file| file.unwrap().path()).collect::<Vec<_>>()
    };
    // One that is being written has another name, and gets this one as a whole.
    let is_kept = |file: &PathBuf| file.extension().is_some_and(|name| name == "eml");
    eventually("it is kept", async || files().iter().any(is_kept)).await;
    let mail = std::fs::read_to_string(&files()[0]).unwrap();
    assert!(mail.contains("shared@example.org"));
    let deliveries = ListDeliveriesRequest {
        account_id: tenant.account_id.clone(),
        ..Default::default()
    };
    eventually("that is known", async || {
        let listed = service.alerts().list_deliveries(deliveries.clone()).await;
        let listed = listed.unwrap().into_inner().deliveries;
        listed.iter().any(|one| !one.file.is_empty())
    })
    .await;
    let erase = ErasePersonRequest {
        account_id: tenant.account_id.clone(),
        identifiers: vec!["shared@example.org".to_owned()],
        delete_time: Some(std::time::SystemTime::now().into()),
    };
    service.people().erase_person(erase).await.unwrap();
    assert_eq!(files(), Vec::<PathBuf>::new());
    let listed = service.alerts().list_deliveries(deliveries).await.unwrap();
    assert!(listed.into_inner().deliveries[0].file.is_empty());
}
