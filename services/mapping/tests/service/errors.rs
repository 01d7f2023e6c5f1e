//! Errors: what is not there is NOT_FOUND in every call, and each error says its reason.

use tonic::{Code, Status};
use weir_proto::mapping::v1::*;
use weir_reasons::Reason;
use weir_rpc::reason_of;

use crate::call;
use crate::harness::*;

/// Every call that names a source.
async fn of_a_source(client: &Client, tenant: &Tenant) -> Vec<(&'static str, Status)> {
    let (account_id, source_id) = (tenant.account_id.clone(), tenant.source_id.clone());
    macro_rules! refused {
        ($($method:ident($request:expr);)*) => {
            vec![$((
                stringify!($method),
                call!(client, $method, $request).map(|_| ()).expect_err(stringify!($method)),
            )),*]
        };
    }
    refused! {
        map_events(tenant.batch(vec![]));
        map_events(MapEventsRequest {
            refused_identifiers_version: Some(0),
            ..tenant.batch(vec![])
        });
        append_log(AppendLogRequest {
            account_id: account_id.clone(), source_id: source_id.clone(), entries: vec![],
        });
        get_source(tenant.source_request());
        create_key(CreateKeyRequest {
            account_id: account_id.clone(), source_id: source_id.clone(), ..Default::default()
        });
        list_keys(ListKeysRequest {
            account_id: account_id.clone(), source_id: source_id.clone(), ..Default::default()
        });
        put_contact_mapping(tenant.contact_mapping(&[("name", "str::name", "")]));
        get_contact_mapping(GetContactMappingRequest {
            account_id: account_id.clone(), source_id: source_id.clone(),
        });
        put_activity_mapping(tenant.activity("a"));
        delete_activity_mapping(DeleteActivityMappingRequest {
            account_id: account_id.clone(), source_id: source_id.clone(),
            event_name: "a".to_owned(),
            request_id: String::new(),
        });
        list_activity_mappings(ListActivityMappingsRequest {
            account_id: account_id.clone(), source_id: source_id.clone(), ..Default::default()
        });
        list_samples(tenant.samples_request(""));
        list_event_names(ListEventNamesRequest {
            account_id: account_id.clone(), source_id: source_id.clone(), ..Default::default()
        });
        list_log(tenant.log_request());
    }
}

/// Every call that names an account, and no source.
async fn of_an_account(client: &Client, account_id: &str) -> Vec<(&'static str, Status)> {
    let account_id = account_id.to_owned();
    let get = GetAccountRequest {
        account_id: account_id.clone(),
        name: String::new(),
    };
    let source = PutSourceRequest {
        account_id: account_id.clone(),
        kind: SourceKind::SegmentActions.into(),
        name: "Website".to_owned(),
        ..Default::default()
    };
    let sources = ListSourcesRequest {
        account_id: account_id.clone(),
        ..Default::default()
    };
    let revoke = RevokeKeyRequest {
        account_id: account_id.clone(),
        key_id: uuid::Uuid::now_v7().to_string(),
    };
    let create = CreateFieldRequest {
        account_id: account_id.clone(),
        name: "Email".to_owned(),
        r#type: ValueType::Text.into(),
        request_id: String::new(),
    };
    let fields = ListFieldsRequest {
        account_id,
        ..Default::default()
    };
    let failed = |method, answer: Result<(), Status>| (method, answer.expect_err(method));
    vec![
        failed("get", call!(client, get_account, get).map(|_| ())),
        failed("source", call!(client, put_source, source).map(|_| ())),
        failed("sources", call!(client, list_sources, sources).map(|_| ())),
        failed("revoke", call!(client, revoke_key, revoke).map(|_| ())),
        failed("field", call!(client, create_field, create).map(|_| ())),
        failed("fields", call!(client, list_fields, fields).map(|_| ())),
    ]
}

#[tokio::test]
async fn an_unknown_account_or_source_is_not_found_in_every_call() {
    let (_service, client) = Service::start().await;
    let ours = tenant(&client, "Ours").await;
    let theirs = tenant(&client, "Theirs").await;
    let nobody = Tenant {
        account_id: uuid::Uuid::now_v7().to_string(),
        source_id: theirs.source_id.clone(),
    };
    // Another account's source looks like none.
    let mixed = Tenant {
        account_id: ours.account_id.clone(),
        source_id: theirs.source_id.clone(),
    };
    let unknown_account = [
        of_a_source(&client, &nobody).await,
        of_an_account(&client, &nobody.account_id).await,
    ];
    for (method, status) in unknown_account.concat() {
        assert_eq!(status.code(), Code::NotFound, "{method}");
        let reason = reason_of(&status);
        assert_eq!(reason, Some(Reason::AccountUnknown), "{method}");
    }
    for (method, status) in of_a_source(&client, &mixed).await {
        assert_eq!(status.code(), Code::NotFound, "{method}");
        let reason = reason_of(&status);
        assert_eq!(reason, Some(Reason::SourceUnknown), "{method}");
    }
    let revoke = RevokeKeyRequest {
        account_id: ours.account_id,
        key_id: uuid::Uuid::now_v7().to_string(),
    };
    let status = call!(client, revoke_key, revoke).unwrap_err();
    assert_eq!(reason_of(&status), Some(Reason::KeyUnknown));
}

/// An activity with one attribute.
fn attribute(
    tenant: &Tenant,
    path: String,
    name: String,
    format: String,
) -> PutActivityMappingRequest {
    PutActivityMappingRequest {
        attributes: vec![AttributeMapping {
            property_path: path,
            attribute: name,
            r#type: ValueType::Date.into(),
            date_format: format,
            ..Default::default()
        }],
        ..tenant.activity("Login")
    }
}

/// PostgreSQL takes no NUL: no text of a request may be the first to show it one.
#[tokio::test]
async fn a_nul_in_a_text_is_the_callers_fault_and_not_ours() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let (account_id, source_id) = (tenant.account_id.clone(), tenant.source_id.clone());
    let nul = || "a\0b".to_owned();
    macro_rules! codes {
        ($($method:ident($request:expr);)*) => {
            [$((
                stringify!($method),
                call!(client, $method, $request).map(|_| ()).expect_err(stringify!($method)).code(),
            )),*]
        };
    }
    let attribute = |path, name, format| attribute(&tenant, path, name, format);
    let iso = || "ISO 8601".to_owned();
    let codes = codes! {
        authenticate(AuthenticateRequest { key: "pau-\0-0123456789".to_owned() });
        put_account(PutAccountRequest { name: nul(), ..Default::default() });
        put_account(PutAccountRequest {
            name: "Demo".to_owned(),
            notification_address: Some("a\0@example.org".to_owned()),
            ..Default::default()
        });
        put_account(PutAccountRequest {
            name: "Demo".to_owned(),
            unique_identifiers: Some(UniqueIdentifiers { field_ids: vec![nul()] }),
            ..Default::default()
        });
        get_account(GetAccountRequest { account_id: String::new(), name: nul() });
        put_source(PutSourceRequest {
            account_id: account_id.clone(),
            kind: SourceKind::SegmentClassic.into(),
            name: nul(),
            ..Default::default()
        });
        create_key(CreateKeyRequest {
            account_id: account_id.clone(), source_id: source_id.clone(),
            key: "pau-\0-0123456789".to_owned(), region: String::new(),
            ..Default::default()
        });
        create_key(CreateKeyRequest {
            account_id: account_id.clone(), source_id: source_id.clone(),
            key: String::new(), region: nul(),
            ..Default::default()
        });
        create_field(CreateFieldRequest {
            account_id: account_id.clone(), name: nul(), r#type: ValueType::Text.into(),
            request_id: String::new(),
        });
        put_contact_mapping(tenant.contact_mapping(&[("a\0b", "str::name", "")]));
        put_contact_mapping(tenant.contact_mapping(&[("[\"a\0b\"]", "str::name", "")]));
        put_contact_mapping(tenant.contact_mapping(&[("name", "str::\0", "")]));
        put_contact_mapping(tenant.contact_mapping(&[("born", "dtz::b", "YYYY-MM-DD[\0]")]));
        put_activity_mapping(tenant.activity("a\0b"));
        put_activity_mapping(attribute(nul(), "name".to_owned(), iso()));
        put_activity_mapping(attribute("path".to_owned(), nul(), iso()));
        put_activity_mapping(attribute("path".to_owned(), "name".to_owned(), nul()));
        delete_activity_mapping(DeleteActivityMappingRequest {
            account_id: account_id.clone(), source_id: source_id.clone(), event_name: nul(),
            request_id: String::new(),
        });
        list_activity_mappings(ListActivityMappingsRequest {
            account_id: account_id.clone(), source_id: source_id.clone(),
            page_size: 0, page_token: "00".to_owned(),
        });
    };
    for (number, (method, code)) in codes.into_iter().enumerate() {
        let expected = match method {
            "authenticate" => Code::Unauthenticated,
            "get_account" => Code::NotFound,
            _ => Code::InvalidArgument,
        };
        assert_eq!(code, expected, "{number}: {method}");
    }
}

/// What only Redis sees may hold anything.
#[tokio::test]
async fn a_nul_in_a_line_of_the_log_or_the_name_of_a_sample_is_taken() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let nul = || "a\0b".to_owned();
    let append = AppendLogRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        entries: vec![LogEntry {
            log_time: Some(time(NOW)),
            kind: EventKind::Track.into(),
            event_name: nul(),
            value: nul(),
            code: "NO_MAPPING".to_owned(),
            ..LogEntry::default()
        }],
    };
    call!(client, append_log, append).unwrap();
    assert_eq!(tenant.log(&client, 1).await[0].value, nul());
    call!(client, list_samples, tenant.samples_request("a\0b")).unwrap();
}

#[tokio::test]
async fn page_tokens_of_others_are_refused_in_one_wording() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let (account_id, source_id) = (tenant.account_id.clone(), tenant.source_id.clone());
    let (page_size, page_token, contains) = (10, "nonsense".to_owned(), String::new());
    let only_accounts = Vec::<String>::new();
    macro_rules! refused {
        ($($method:ident $request:ident { $($field:ident),* };)*) => {
            [$(call!(client, $method, $request {
                $($field: $field.clone(),)*
                page_size,
                page_token: page_token.clone(),
            }).map(|_| ()).expect_err(stringify!($method))),*]
        };
    }
    let refused = refused! {
        list_accounts ListAccountsRequest { only_accounts };
        list_sources ListSourcesRequest { account_id };
        list_keys ListKeysRequest { account_id, source_id };
        list_fields ListFieldsRequest { account_id, contains };
        list_activity_mappings ListActivityMappingsRequest { account_id, source_id };
        list_event_names ListEventNamesRequest { account_id, source_id, contains };
    };
    let log = ListLogRequest {
        page_token: page_token.clone(),
        ..tenant.log_request()
    };
    let log = call!(client, list_log, log).unwrap_err();
    for status in refused.iter().chain([&log]) {
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(reason_of(status), Some(Reason::PageTokenInvalid));
        assert_eq!(status.message(), refused[0].message());
    }
}
