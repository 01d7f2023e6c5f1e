//! News by webhook: signed, tried again, and with the words of the mail.

use uuid::Uuid;
use weir_mapping::domain::webhook::WebhookSecret;
use weir_proto::mapping::v1::*;
use weir_testkit::{Receiver, eventually};

use crate::call;
use crate::harness::{Client, Service, account, event, tenant};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

async fn put_webhook(client: &Client, url: &str, secret: Option<&str>) -> Account {
    let put = PutAccountRequest {
        webhook_url: Some(url.to_owned()),
        webhook_secret: secret.map(str::to_owned),
        ..account("Demo")
    };
    let answer = call!(client, put_account, put).unwrap();
    answer.account.unwrap()
}

#[tokio::test]
async fn a_webhook_gets_signed_news_and_is_called_again_where_it_fails() {
    let receiver = Receiver::start(&[503]).await;
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let account = put_webhook(&client, &receiver.url(), Some(SECRET)).await;
    assert_eq!(account.webhook_url, receiver.url());

    let identify = event(EventKind::Identify, r#"{"traits":{"email":"a@b.example"}}"#);
    tenant.map(&client, vec![identify]).await;
    let calls = eventually("it is called again", async || {
        let calls = receiver.calls();
        (calls.len() == 2).then_some(calls)
    })
    .await;
    let secret = WebhookSecret::read(SECRET).unwrap();
    for call in &calls {
        assert!(call.head.starts_with("POST /news "), "{}", call.head);
        let id: Uuid = call.header("webhook-id").parse().unwrap();
        let seconds: i64 = call.header("webhook-timestamp").parse().unwrap();
        let time = chrono::DateTime::from_timestamp(seconds, 0).unwrap();
        let signature = secret.sign(id, time, &call.body);
        assert_eq!(call.header("webhook-signature"), signature);
    }
    // By its id a receiver knows what it was told before.
    assert_eq!(calls[0].header("webhook-id"), calls[1].header("webhook-id"));
    assert_eq!(calls[0].body, calls[1].body);
    let body: serde_json::Value = serde_json::from_str(&calls[0].body).unwrap();
    assert_eq!(body["type"], "source.waiting_for_mapping");
    assert_eq!(body["data"]["source_id"], tenant.source_id);

    eventually("it counts as sent", async || {
        let request = ListDeliveriesRequest {
            account_id: tenant.account_id.clone(),
            ..Default::default()
        };
        let listed = service.alerts().list_deliveries(request).await;
        let deliveries = listed.unwrap().into_inner().deliveries;
        let mut calls = deliveries.iter();
        let call = calls.find(|one| one.channel() == DeliveryChannel::Webhook);
        call.is_some_and(|one| one.state() == DeliveryState::Sent && one.tries == 2)
    })
    .await;
}

#[tokio::test]
async fn a_webhook_keeps_its_secret_until_another_is_given_and_none_is_shown() {
    let (_service, client) = Service::start().await;
    tenant(&client, "Demo").await;
    let put = |url: Option<&str>, secret: Option<&str>| PutAccountRequest {
        webhook_url: url.map(str::to_owned),
        webhook_secret: secret.map(str::to_owned),
        ..account("Demo")
    };
    for (wrong, field) in [
        (put(Some("https://example.org/"), None), "webhook_secret"),
        (
            put(Some("https://example.org/"), Some("short")),
            "webhook_secret",
        ),
        (
            put(Some("mailto:me@example.org"), Some(SECRET)),
            "webhook_url",
        ),
        (put(None, Some(SECRET)), "webhook_url"),
    ] {
        let status = call!(client, put_account, wrong).unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert!(status.message().starts_with(field), "{status}");
        assert!(!status.message().contains(SECRET));
    }
    put_webhook(&client, "https://example.org/one", Some(SECRET)).await;
    let moved = put_webhook(&client, "https://example.org/two", None).await;
    assert_eq!(moved.webhook_url, "https://example.org/two");
    assert!(!format!("{moved:?}").contains(SECRET));
    let none = put_webhook(&client, "", None).await;
    assert_eq!(none.webhook_url, "");
}
