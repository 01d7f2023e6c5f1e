//! Pages: bounded by bytes, and never failed by one row.

use weir_proto::mapping::v1::*;

use crate::call;
use crate::harness::*;

#[tokio::test]
async fn a_row_that_can_not_be_read_costs_its_page_itself_alone() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    call!(client, put_account, account("Other")).unwrap();
    for name in ["Login", "Logout"] {
        call!(client, put_activity_mapping, tenant.activity(name)).unwrap();
    }
    service
        .sql(
            "UPDATE mapping.accounts SET key_strategy = 9 WHERE name = 'Other';
             UPDATE mapping.activities SET retention_days = -1 WHERE event_name = 'Login'",
        )
        .await;
    let accounts = call!(client, list_accounts, ListAccountsRequest::default()).unwrap();
    let names: Vec<&str> = accounts.accounts.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, ["Demo"]);
    let request = ListActivityMappingsRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        ..Default::default()
    };
    let listed = call!(client, list_activity_mappings, request).unwrap();
    let names: Vec<&str> = listed
        .activities
        .iter()
        .map(|a| a.event_name.as_str())
        .collect();
    assert_eq!(names, ["Logout"]);
}

#[tokio::test]
async fn pages_of_activities_end_before_a_client_refuses_them() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let mut larger = account("Demo");
    larger.plan.as_mut().unwrap().activity_slots = Some(100);
    call!(client, put_account, larger).unwrap();
    let long = "\u{10348}".repeat(120);
    for number in 0..30 {
        let attribute = |index: usize| AttributeMapping {
            property_path: format!("{index}{long}"),
            attribute: format!("{index}{long}"),
            r#type: ValueType::Text.into(),
            ..Default::default()
        };
        let wide = PutActivityMappingRequest {
            attributes: (0..200).map(attribute).collect(),
            ..tenant.activity(&format!("Name {number:02}"))
        };
        call!(client, put_activity_mapping, wide).unwrap();
    }
    let mut request = ListActivityMappingsRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        page_size: 1_000,
        page_token: String::new(),
    };
    let mut lengths = Vec::new();
    loop {
        let page = call!(client, list_activity_mappings, request.clone()).unwrap();
        lengths.push(page.activities.len());
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert!(lengths.len() > 1, "{lengths:?}");
    assert_eq!(lengths.iter().sum::<usize>(), 30);
}
