//! The same calls with JSON over HTTP/1.1, as `curl` makes them.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;
use weir_testkit::ADMIN_TOKEN;

use crate::harness::*;

impl Service {
    /// Status and answer of `/weir.contact.v1.METHOD`.
    async fn post(&self, method: &str, request: &Value) -> (u16, Value) {
        let body = request.to_string();
        let head = format!(
            "POST /weir.contact.v1.{method} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\
             authorization: Bearer {ADMIN_TOKEN}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            self.address(),
            body.len()
        );
        let mut stream = TcpStream::connect(self.address()).await.unwrap();
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }
}

fn reason(error: &Value) -> &Value {
    let details = error["details"].as_array().unwrap();
    let info = |detail: &&Value| detail["type"] == "google.rpc.ErrorInfo";
    &details.iter().find(info).unwrap()["debug"]["reason"]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_read_as_json() {
    let service = Service::start().await;
    let lana = identify(0, ("lana", "-"), r#"{"str::first":"Lana"}"#);
    service.upsert(vec![lana]).await;
    let contact = service.user("lana").await;
    let request = json!({"accountId": service.account, "userId": "lana"});
    let (status, answer) = service.post("ContactService/GetContact", &request).await;
    assert_eq!(status, 200, "{answer}");
    let read = &answer["contact"];
    assert_eq!(read["contactId"], json!(contact.contact_id));
    assert_eq!(read["userIds"], json!(["lana"]));
    // 64 bits are a text, and a time is one.
    assert_eq!(read["userIdCount"], "1");
    assert!(
        read["createTime"].as_str().unwrap().ends_with('Z'),
        "{read}"
    );

    let request = json!({"account_id": service.account, "user_id": "nobody"});
    let (status, error) = service.post("ContactService/GetContact", &request).await;
    assert_eq!((status, &error["code"]), (404, &json!("not_found")));
    assert_eq!(reason(&error), "CONTACT_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_wrong_is_refused_alike_whoever_refuses_it() {
    let service = Service::start().await;
    for (request, field) in [
        // By the service, and by the reader.
        (json!({"accountId": "none", "userId": "lana"}), "account_id"),
        (json!({"accountId": 5}), "account_id"),
        (
            json!({"accountId": Uuid::nil(), "userID": "lana"}),
            "userID",
        ),
    ] {
        let (status, error) = service.post("ContactService/GetContact", &request).await;
        assert_eq!((status, &error["code"]), (400, &json!("invalid_argument")));
        assert_eq!(reason(&error), "FIELD_INVALID");
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{field}: ")), "{message}");
    }
}
