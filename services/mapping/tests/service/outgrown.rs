//! A batch whose values outgrow a message: refused, and taken in parts.

use weir_proto::mapping::v1::*;
use weir_reasons::Reason;
use weir_rpc::reason_of;

use crate::call;
use crate::harness::*;

/// One property that leads to as many object attributes as there may be.
fn order(tenant: &Tenant) -> PutActivityMappingRequest {
    let attributes = (0..200).map(|number| AttributeMapping {
        property_path: "cart".to_owned(),
        attribute: format!("cart {number}"),
        r#type: ValueType::Object.into(),
        ..Default::default()
    });
    PutActivityMappingRequest {
        attributes: attributes.collect(),
        ..tenant.activity("Order")
    }
}

#[tokio::test]
async fn a_batch_that_outgrows_an_answer_is_refused_and_taken_in_parts() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    tenant.map_contact(&client).await;
    call!(client, put_activity_mapping, order(&tenant)).unwrap();
    let cart = format!(r#"{{"a":"{}"}}"#, "x".repeat(14_900));
    // The birthday leaves a line in the log.
    let raw = format!(r#"{{"traits":{{"birthday":"x"}},"properties":{{"cart":{cart}}}}}"#);
    let events = vec![track("Order", &raw); 9];
    let request = tenant.batch(events.clone());
    let status = call!(client, map_events, request).unwrap_err();
    assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status}");
    assert_eq!(reason_of(&status), Some(Reason::AnswerTooLarge));

    for part in events.chunks(4) {
        let answer = tenant.map(&client, part.to_vec()).await;
        assert_eq!(answer.results.len(), part.len());
        for result in &answer.results {
            let activity = mapped(result).activity.as_ref().unwrap();
            assert!(activity.attributes_json.len() > 200 * cart.len());
        }
    }
    // What was refused left nothing: each event has one line.
    let log = tenant.log(&client, events.len()).await;
    assert_eq!(log.len(), events.len());
}
