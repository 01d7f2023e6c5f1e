//! One message for many, each in an envelope.

use data_encoding::BASE64;
use prost::Message;
use serde_json::{Value, json};
use weir_proto::contact::v1::{ExportContactsRequest, ExportContactsResponse};

use super::server::{EXPORT, Http, Served, enveloped, envelopes};

const JSON: &str = "application/connect+json";

fn json_of(envelope: &(u8, Vec<u8>)) -> Value {
    serde_json::from_slice(&envelope.1).unwrap()
}

#[tokio::test]
async fn a_stream_comes_message_by_message_and_says_how_it_ended() {
    let served = Served::start().await;
    for http in [Http::One, Http::Two] {
        let request = enveloped(0, r#"{"columns": ["a", "bc", "d"]}"#);
        let answer = served.post(http, EXPORT, JSON, request).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), JSON);
        let messages = envelopes(&answer.body);
        assert_eq!(messages.len(), 4);
        for (at, column) in ["a", "bc", "d"].into_iter().enumerate() {
            let message = json_of(&messages[at]);
            assert_eq!(messages[at].0, 0);
            assert_eq!(message["contacts"], json!((at + 1).to_string()));
            let data = BASE64.decode(message["data"].as_str().unwrap().as_bytes());
            assert_eq!(data.unwrap(), column.repeat(100_000).as_bytes());
        }
        assert_eq!(messages[3], (2, b"{}".to_vec()));
    }
}

#[tokio::test]
async fn a_stream_may_be_protobuf() {
    let served = Served::start().await;
    let request = ExportContactsRequest {
        columns: vec!["a".to_owned()],
        ..Default::default()
    };
    let request = enveloped(0, request.encode_to_vec());
    let answer = served
        .post(Http::One, EXPORT, "application/connect+proto", request)
        .await;
    let messages = envelopes(&answer.body);
    let message = ExportContactsResponse::decode(&*messages[0].1).unwrap();
    assert_eq!((message.contacts, message.data.len()), (1, 100_000));
    assert_eq!(messages[1], (2, b"{}".to_vec()));
}

#[tokio::test]
async fn whatever_goes_wrong_is_told_at_the_end() {
    let served = Served::start().await;
    let of = |account: &str| {
        enveloped(
            0,
            json!({"accountId": account, "columns": ["a"]}).to_string(),
        )
    };
    let long = vec![b' '; 17 * 1024 * 1024];
    for (request, before, code) in [
        (of("breaks"), 1, "unavailable"),
        (of("unknown"), 0, "not_found"),
        (enveloped(0, r#"{"column": []}"#), 0, "invalid_argument"),
        (enveloped(1, "{}"), 0, "unimplemented"),
        (enveloped(0, long), 0, "resource_exhausted"),
        (
            [enveloped(0, "{}"), enveloped(0, "{}")].concat().into(),
            0,
            "invalid_argument",
        ),
        (vec![0, 0].into(), 0, "invalid_argument"),
        (
            vec![0, 0, 0, 0, 9, b'{', b'}'].into(),
            0,
            "invalid_argument",
        ),
    ] {
        let answer = served.post(Http::One, EXPORT, JSON, request).await;
        assert_eq!(answer.status, 200);
        let messages = envelopes(&answer.body);
        assert_eq!(messages.len(), before + 1, "{code}");
        let end = &messages[before];
        assert_eq!((end.0, &json_of(end)["error"]["code"]), (2, &json!(code)));
        assert!(
            json_of(end)["error"]["details"].is_array(),
            "{code} has a reason"
        );
    }
}
