//! Rows of several paths, with options (semantics 2.2, 2.4a): saved, given back, and carried out.

use tonic::Code;
use tonic_types::StatusExt;
use weir_proto::mapping::v1::*;

use crate::call;
use crate::harness::*;

fn options() -> RowOptions {
    RowOptions {
        blank: BlankRule::Clear.into(),
        ..Default::default()
    }
}

fn rows() -> Vec<FieldMapping> {
    vec![
        FieldMapping {
            trait_path: "email".to_owned(),
            fallback_paths: vec!["contact.email".to_owned(), "emails[0]".to_owned()],
            field_id: "str::email".to_owned(),
            options: Some(options()),
            ..Default::default()
        },
        FieldMapping {
            trait_path: "phone".to_owned(),
            field_id: "phn::phone".to_owned(),
            options: Some(RowOptions {
                phone_country: "AU".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        },
        FieldMapping {
            trait_path: "birthday".to_owned(),
            field_id: "dtz::b".to_owned(),
            date_format: "DD-MM-YYYY".to_owned(),
            fallback_formats: vec!["ISO 8601".to_owned(), "Unix seconds".to_owned()],
            ..Default::default()
        },
        FieldMapping {
            trait_path: "firstName".to_owned(),
            field_id: "str::first".to_owned(),
            options: Some(RowOptions {
                truncate: true,
                ..Default::default()
            }),
            ..Default::default()
        },
    ]
}

fn mapping(tenant: &Tenant, mappings: Vec<FieldMapping>) -> PutContactMappingRequest {
    PutContactMappingRequest {
        mappings,
        ..tenant.contact_mapping(&[])
    }
}

#[tokio::test]
async fn rows_with_options_are_given_back_as_they_were_saved_and_carried_out() {
    let (mut service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let saved = call!(client, put_contact_mapping, mapping(&tenant, rows())).unwrap();
    assert_eq!(saved.change(), ChangeKind::Created);
    // Another instance knows what the database holds, and nothing else.
    let other = service.another().await;
    let request = GetContactMappingRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
    };
    let read = call!(other, get_contact_mapping, request).unwrap();
    assert_eq!(read.mappings, rows());
    let again = call!(other, put_contact_mapping, mapping(&tenant, read.mappings)).unwrap();
    assert_eq!(again.change(), ChangeKind::Unchanged);
    assert_eq!(again.mapping_version, saved.mapping_version);

    let traits = [
        r#"{"email":"lana","contact":{"email":"b@x.io"},"phone":"0412 345 678","birthday":"1980-07-28"}"#,
        r#"{"email":"","emails":["c@x.io"],"birthday":333590400}"#,
        r#"{"email":" "}"#,
    ];
    let events = traits.map(|traits| {
        let raw = format!(r#"{{"traits":{traits}}}"#);
        event(EventKind::Identify, &raw)
    });
    let answer = tenant.map(&other, events.to_vec()).await;
    let fields: Vec<&[u8]> = answer
        .results
        .iter()
        .map(|result| &mapped(result).fields_json[..])
        .collect();
    let expected: [&[u8]; 3] = [
        br#"{"str::email":"b@x.io","phn::phone":"+61412345678","dtz::b":"1980-07-28"}"#,
        br#"{"str::email":"c@x.io","dtz::b":"1980-07-28"}"#,
        br#"{"str::email":null}"#,
    ];
    assert_eq!(fields, expected);
    let log = tenant.log(&other, 1).await;
    let lines: Vec<(&str, &str)> = log
        .iter()
        .map(|line| (line.path.as_str(), line.code.as_str()))
        .collect();
    assert_eq!(lines, [("traits.email", "EMAIL_INVALID")]);
}

#[tokio::test]
async fn activities_have_the_same_options() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    call!(client, put_contact_mapping, mapping(&tenant, rows())).unwrap();
    let total = AttributeMapping {
        property_path: "total".to_owned(),
        fallback_paths: vec!["cart.total".to_owned()],
        attribute: "total".to_owned(),
        r#type: ValueType::Currency.into(),
        options: Some(RowOptions {
            round: true,
            ..options()
        }),
        ..Default::default()
    };
    let day = AttributeMapping {
        property_path: "day".to_owned(),
        attribute: "day".to_owned(),
        r#type: ValueType::Date.into(),
        date_format: "ISO 8601".to_owned(),
        fallback_formats: vec!["D/M/YYYY".to_owned()],
        ..Default::default()
    };
    let order = PutActivityMappingRequest {
        attributes: vec![total, day],
        ..tenant.activity("Order")
    };
    let saved = call!(client, put_activity_mapping, order.clone()).unwrap();
    let attributes = saved.activity.unwrap().attributes;
    assert_eq!(attributes, order.attributes);
    let again = call!(client, put_activity_mapping, order).unwrap();
    assert_eq!(again.change(), ChangeKind::Unchanged);
    let raw = r#"{"properties":{"total":" ","cart":{"total":"9.9995"},"day":"1/2/2025"}}"#;
    let answer = tenant.map(&client, vec![track("Order", raw)]).await;
    let activity = mapped(&answer.results[0]).activity.clone().unwrap();
    assert_eq!(
        activity.attributes_json,
        &br#"{"total":"10","day":"2025-02-01"}"#[..]
    );
}

/// Whoever fills a form sees all of it at once.
#[tokio::test]
async fn all_that_is_wrong_with_a_draft_is_said_at_once_by_row() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let mut wrong = rows();
    wrong[0].fallback_paths[1] = "$.email".to_owned();
    wrong[0].options.as_mut().unwrap().round = true;
    wrong[0].options.as_mut().unwrap().blank = 9;
    wrong[1].options.as_mut().unwrap().phone_country = "Australia".to_owned();
    wrong[2].fallback_formats[0] = "YYYY-MM-DDTHH".to_owned();
    wrong[3].field_id = "str::nope".to_owned();
    let error = call!(client, put_contact_mapping, mapping(&tenant, wrong)).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    let fields = |error: &tonic::Status| -> Vec<String> {
        let details = error.get_error_details();
        let violations = &details.bad_request().unwrap().field_violations;
        violations.iter().map(|one| one.field.clone()).collect()
    };
    assert_eq!(
        fields(&error),
        [
            "mappings[0].fallback_paths[1]",
            "mappings[0].options.round",
            "mappings[0].options.blank",
            "mappings[1].options.phone_country",
            "mappings[2].fallback_formats[0]",
            "mappings[3].field_id",
        ]
    );
    assert!(error.message().contains("(and 5 more)"), "{error}");

    let mut order = tenant.activity(" ");
    order.retention_days = Some(31);
    order.attributes[0].property_path = "a..b".to_owned();
    order.attributes[1].r#type = 99;
    let error = call!(client, put_activity_mapping, order).unwrap_err();
    assert_eq!(
        fields(&error),
        [
            "event_name",
            "retention_days",
            "attributes[0].property_path",
            "attributes[1].type",
        ]
    );

    // More than an answer's header holds: as much as does, and how many more there are.
    let many: Vec<FieldMapping> = (0..500)
        .map(|number| FieldMapping {
            trait_path: "a b".to_owned(),
            field_id: format!("str:cm:no-such-field-{number}"),
            ..Default::default()
        })
        .collect();
    let error = call!(client, put_contact_mapping, mapping(&tenant, many)).unwrap_err();
    let details = error.get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    assert!(violations.len() > 30, "{}", violations.len());
    assert!(violations.last().unwrap().description.starts_with("and "));
}
