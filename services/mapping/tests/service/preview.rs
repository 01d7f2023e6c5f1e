//! Drafts and suggestions over what was received (semantics 7.6, 7.7).

use tonic::Code;
use tonic_types::StatusExt;
use weir_proto::mapping::v1::preview_service_client::PreviewServiceClient;
use weir_proto::mapping::v1::*;
use weir_reasons::Reason;
use weir_rpc::reason_of;
use weir_testkit::eventually;

use crate::call;
use crate::harness::*;

fn field(path: &str, field_id: &str, format: &str) -> FieldMapping {
    FieldMapping {
        trait_path: path.to_owned(),
        field_id: field_id.to_owned(),
        date_format: format.to_owned(),
        ..Default::default()
    }
}

fn draft(tenant: &Tenant, mappings: Vec<FieldMapping>) -> PreviewContactMappingRequest {
    PreviewContactMappingRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        mappings,
    }
}

/// The documentation's own events, before anything is mapped.
async fn received(client: &Client, tenant: &Tenant) {
    let identify = r#"{"messageId":"3e9a","traits":{"firstName":"Lana","email":"lana.romeijn@example.org","birthday":"28-07-1980","active":true}}"#;
    let click = r#"{"messageId":"a5cb","properties":{"action":"sign-in-button-clicked","count":3},"traits":{"birthday":"1980-07-28"}}"#;
    let events = vec![
        event(EventKind::Identify, identify),
        track("Sign-in button clicked", click),
    ];
    tenant.map(client, events).await;
    eventually("samples are there", async || {
        let request = tenant.samples_request("Sign-in button clicked");
        let listed = call!(client, list_samples, request).unwrap();
        !listed.samples.is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_draft_is_tried_before_anything_is_saved() {
    let (service, client) = Service::start().await;
    let preview = PreviewServiceClient::new(service.channel());
    let tenant = tenant(&client, "Demo").await;
    received(&client, &tenant).await;
    let rows = vec![
        field("email", "str::email", ""),
        field("birthday", "dtz::b", "DD-MM-YYYY"),
    ];
    let request = draft(&tenant, rows.clone());
    let said = call!(preview, preview_contact_mapping, request).unwrap();
    let counts: Vec<_> = said
        .rows
        .iter()
        .map(|row| (row.taken_count, row.ignored_count, row.absent_count))
        .collect();
    // Of the track as well: its traits were those of a contact.
    assert_eq!(counts, [(1, 0, 1), (1, 1, 0)]);
    assert_eq!(said.rows[1].taken[0].value, r#""1980-07-28""#);
    let ignored = &said.rows[1].ignored[0];
    assert_eq!(
        (&*ignored.path, &*ignored.value, &*ignored.code),
        ("traits.birthday", "1980-07-28", "DATE_FORMAT_MISMATCH")
    );
    let outcomes: Vec<_> = said
        .events
        .iter()
        .map(|event| {
            (
                &*event.message_id,
                event.status,
                &*event.code,
                event.differences.len(),
            )
        })
        .collect();
    assert_eq!(
        outcomes,
        [("3e9a", 200, "", 2), ("a5cb", 422, "NO_MAPPING", 0)]
    );

    // Nothing was saved by it.
    let request = GetContactMappingRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
    };
    let saved = call!(client, get_contact_mapping, request).unwrap();
    assert_eq!((saved.mappings, saved.mapping_version), (vec![], 1));

    // Once it is, the same draft differs in nothing.
    let request = PutContactMappingRequest {
        mappings: rows.clone(),
        ..tenant.contact_mapping(&[])
    };
    call!(client, put_contact_mapping, request).unwrap();
    let said = call!(preview, preview_contact_mapping, draft(&tenant, rows)).unwrap();
    assert!(said.events.iter().all(|event| event.differences.is_empty()));
}

#[tokio::test]
async fn an_activity_is_tried_on_the_tracks_of_its_name() {
    let (service, client) = Service::start().await;
    let preview = PreviewServiceClient::new(service.channel());
    let tenant = tenant(&client, "Demo").await;
    tenant.map_contact(&client).await;
    received(&client, &tenant).await;
    let attribute = |path: &str, value_type: ValueType| AttributeMapping {
        property_path: path.to_owned(),
        attribute: path.to_owned(),
        r#type: value_type.into(),
        ..Default::default()
    };
    let request = PreviewActivityMappingRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        event_name: "Sign-in button clicked".to_owned(),
        retention_days: None,
        attributes: vec![
            attribute("count", ValueType::Integer),
            attribute("action", ValueType::Boolean),
        ],
    };
    let said = call!(preview, preview_activity_mapping, request.clone()).unwrap();
    let values = &said.events[0].values;
    assert_eq!((&*values[0].target, &*values[0].value), ("count", "3"));
    assert_eq!(
        (said.rows[0].taken_count, said.rows[1].ignored_count),
        (1, 1)
    );
    // It takes no slot.
    let listed = ListActivityMappingsRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        page_size: 10,
        page_token: String::new(),
    };
    let listed = call!(client, list_activity_mappings, listed).unwrap();
    assert_eq!(listed.activities, []);

    let wrong = PreviewActivityMappingRequest {
        retention_days: Some(31),
        attributes: vec![attribute("a..b", ValueType::Date)],
        ..request
    };
    let error = call!(preview, preview_activity_mapping, wrong).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    let details = error.get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    let fields: Vec<&str> = violations.iter().map(|one| &*one.field).collect();
    assert_eq!(
        fields,
        [
            "retention_days",
            "attributes[0].property_path",
            "attributes[0].date_format",
        ]
    );
}

#[tokio::test]
async fn what_is_not_mapped_is_suggested() {
    let (service, client) = Service::start().await;
    let preview = PreviewServiceClient::new(service.channel());
    let tenant = tenant(&client, "Demo").await;
    let suggest = async |event_name: &str| {
        let request = SuggestMappingsRequest {
            account_id: tenant.account_id.clone(),
            source_id: tenant.source_id.clone(),
            event_name: event_name.to_owned(),
        };
        call!(preview, suggest_mappings, request).unwrap()
    };
    assert_eq!(suggest("").await, SuggestMappingsResponse::default());
    received(&client, &tenant).await;
    let said = suggest("").await;
    let of = |said: &SuggestMappingsResponse| -> Vec<(String, u32, String, Vec<String>)> {
        let suggestions = said.suggestions.iter().cloned();
        suggestions
            .map(|one| (one.path, one.seen_count, one.field_id, one.formats))
            .collect()
    };
    let one =
        |path: &str, seen: u32, field: &str| (path.to_owned(), seen, field.to_owned(), vec![]);
    assert_eq!(
        of(&said),
        [
            // Written in two formats: a text, as long as that is so.
            one("birthday", 2, ""),
            one("active", 1, ""),
            one("email", 1, "str::email"),
            one("firstName", 1, "str::first"),
        ]
    );
    assert_eq!(said.event_count, 2);
    let said = suggest("Sign-in button clicked").await;
    let types: Vec<(&str, ValueType)> = said
        .suggestions
        .iter()
        .map(|one| (&*one.path, one.r#type()))
        .collect();
    assert_eq!(
        types,
        [("action", ValueType::Text), ("count", ValueType::Integer)]
    );

    tenant.map_contact(&client).await;
    let said = suggest("").await;
    assert_eq!(said.suggestions, []);
}

#[tokio::test]
async fn drafts_of_what_is_not_there_are_not_found() {
    let (service, client) = Service::start().await;
    let preview = PreviewServiceClient::new(service.channel());
    let ours = tenant(&client, "Ours").await;
    let theirs = tenant(&client, "Theirs").await;
    let mixed = Tenant {
        account_id: ours.account_id,
        source_id: theirs.source_id,
    };
    let rows = vec![field("email", "str::email", "")];
    let error = call!(preview, preview_contact_mapping, draft(&mixed, rows)).unwrap_err();
    assert_eq!(reason_of(&error), Some(Reason::SourceUnknown));
    let request = SuggestMappingsRequest {
        account_id: mixed.account_id.clone(),
        source_id: mixed.source_id.clone(),
        event_name: "Login".to_owned(),
    };
    let error = call!(preview, suggest_mappings, request).unwrap_err();
    assert_eq!(reason_of(&error), Some(Reason::SourceUnknown));
}
