//! Addresses become places by a file that may change at any time (semantics 2.7).

use weir_proto::mapping::v1::*;
use weir_testkit::{Network, eventually, mmdb};

use crate::call;
use crate::harness::*;

fn network(city: &'static str) -> Network {
    Network {
        network: "203.0.113.0/24",
        country: "Australia",
        region: "",
        city,
        postal: "",
    }
}

/// The fields that an event from there has.
async fn located(tenant: &Tenant, client: &Client, kind: EventKind, raw: &str) -> Mapped {
    let event = Event {
        ip: "203.0.113.9".into(),
        event_name: "Login".into(),
        ..event(kind, raw)
    };
    let answer = tenant.map(client, vec![event]).await;
    mapped(&answer.results[0]).clone()
}

#[tokio::test]
async fn an_address_becomes_a_place_as_the_file_has_it_now() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("places.mmdb");
    // Whoever starts before the file is there serves all the same.
    let (_service, client) = Service::with_places(&file).await;
    let tenant = tenant(&client, "Demo").await;
    tenant.map_contact(&client).await;
    call!(client, put_activity_mapping, tenant.activity("Login")).unwrap();
    let identify = async || located(&tenant, &client, EventKind::Identify, "{}").await;
    assert_eq!(identify().await.fields_json, "");

    for (city, expected) in [
        (
            "Melbourne",
            r#"{"geo::country":"Australia","geo::city":"Melbourne"}"#,
        ),
        (
            "Geelong West",
            r#"{"geo::country":"Australia","geo::city":"Geelong West"}"#,
        ),
    ] {
        std::fs::write(&file, mmdb(&[network(city)])).unwrap();
        eventually("the file is read", async || {
            let mapped = identify().await;
            // Nobody said it.
            assert_eq!(mapped.traits(), MappedTraits::None);
            (mapped.fields_json == expected).then_some(())
        })
        .await;
    }

    let here = r#"{"location":{"city":"Utrecht"}}"#;
    let said = located(&tenant, &client, EventKind::Member, here).await;
    assert_eq!(said.fields_json, r#"{"geo::city":"Utrecht"}"#);
    assert_eq!(said.traits(), MappedTraits::Values);
    let track = located(&tenant, &client, EventKind::Track, "{}").await;
    assert_eq!(track.fields_json, "");
    assert_eq!(
        track.activity.unwrap().attributes_json,
        r#"{"geo::country":"Australia","geo::city":"Geelong West"}"#
    );
}
