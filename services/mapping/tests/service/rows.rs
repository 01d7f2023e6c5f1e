//! `MapRows`: contact mappings over what is no event (semantics 3.13).

use tonic::Code;
use weir_proto::mapping::v1::*;
use weir_proto::settings::v1::MergeStrategy;
use weir_reasons::Reason;
use weir_rpc::reason_of;

use crate::call;
use crate::harness::*;

fn request(tenant: &Tenant, traits: &[&str]) -> MapRowsRequest {
    MapRowsRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        traits: traits
            .iter()
            .map(|row| row.as_bytes().to_vec().into())
            .collect(),
        ..Default::default()
    }
}

#[tokio::test]
async fn rows_are_mapped_like_identifies_and_leave_nothing_behind() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let rows = service.rows();
    let refused = call!(rows, map_rows, request(&tenant, &["{}"])).unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason_of(&refused), Some(Reason::NoMapping));

    tenant.map_contact(&client).await;
    let wanted = request(
        &tenant,
        &[
            r#"{"firstName":"Lana","birthday":"1980-07-28","email":"x"}"#,
            r#"{"lastName":null}"#,
            "{}",
            "no JSON",
        ],
    );
    // The mapping was saved by another call: it counts within a second.
    let answer = weir_testkit::eventually("the mapping is there", async || {
        call!(rows, map_rows, wanted.clone()).ok()
    })
    .await;
    let of = |row: usize| {
        let row = &answer.results[row];
        let codes: Vec<&str> = row.ignored.iter().map(|one| one.code.as_str()).collect();
        (row.fields_json.as_str(), row.traits(), codes)
    };
    assert_eq!(
        of(0),
        (
            r#"{"str::first":"Lana"}"#,
            MappedTraits::Values,
            vec!["EMAIL_INVALID", "DATE_FORMAT_MISMATCH"]
        )
    );
    assert_eq!(answer.results[0].ignored[1].path, "birthday");
    assert_eq!(
        of(1),
        (r#"{"str::last":null}"#, MappedTraits::Clears, vec![])
    );
    assert_eq!(of(2), ("", MappedTraits::None, vec![]));
    assert_eq!(of(3), ("", MappedTraits::None, vec!["INVALID_JSON"]));
    let settings = answer.contact_settings.unwrap();
    assert_eq!(settings.merge_strategy(), MergeStrategy::Overwrite);
    assert_eq!(settings.unique_identifiers, ["str::email"]);

    let get = GetSourceRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
    };
    let source = call!(client, get_source, get).unwrap().source.unwrap();
    assert_eq!(source.status(), SourceStatus::WaitingForEvents);
    let samples = ListSamplesRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        event_name: String::new(),
    };
    assert_eq!(call!(client, list_samples, samples).unwrap().samples, []);
}

#[tokio::test]
async fn fields_are_named_by_their_ids_and_all_that_are_none_are_said() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let field = CreateFieldRequest {
        account_id: tenant.account_id.clone(),
        name: "Joined at".into(),
        r#type: ValueType::TimeAndDate.into(),
        request_id: String::new(),
    };
    call!(client, create_field, field).unwrap();
    let by_fields = |ids: &[&str], row: &str| MapRowsRequest {
        source_id: String::new(),
        field_ids: ids.iter().map(ToString::to_string).collect(),
        nulls_clear: true,
        ..request(&tenant, &[row])
    };
    let ids = ["str::first", "dtz::b", "dtz:cm:joined-at", "phn::phone"];
    let row = r#"{"str::first":"Lana","dtz::b":"1980-07-28","dtz:cm:joined-at":"2025-07-10T06:09:00+02:00","phn::phone":null}"#;
    let rows = service.rows();
    let answer = call!(rows, map_rows, by_fields(&ids, row)).unwrap();
    let mapped = &answer.results[0];
    assert_eq!(
        mapped.fields_json,
        r#"{"str::first":"Lana","dtz::b":"1980-07-28","dtz:cm:joined-at":"2025-07-10T04:09:00Z","phn::phone":null}"#
    );
    assert_eq!(mapped.ignored, []);
    // Of somebody who is named and nothing else.
    let answer = call!(rows, map_rows, by_fields(&[], "{}")).unwrap();
    assert_eq!(answer.results[0].traits(), MappedTraits::None);

    let none = ["str:cm:nothing", "str::first", "int:cm:nothing"];
    let row = r#"{"str:cm:nothing":"x","str::first":"Lana"}"#;
    let answer = call!(rows, map_rows, by_fields(&none, row)).unwrap();
    assert_eq!(answer.unknown_field_ids, [none[0], none[2]]);
    assert_eq!(answer.results[0].fields_json, r#"{"str::first":"Lana"}"#);

    let both = MapRowsRequest {
        source_id: tenant.source_id.clone(),
        ..by_fields(&["str::first"], "{}")
    };
    assert!(call!(rows, map_rows, both).is_err());
    let many = MapRowsRequest {
        traits: vec![b"{}".to_vec().into(); 1_001],
        ..by_fields(&[], "{}")
    };
    assert!(call!(rows, map_rows, many).is_err());
    let mut nobody = by_fields(&[], "{}");
    nobody.account_id = uuid::Uuid::now_v7().to_string();
    let unknown = call!(rows, map_rows, nobody).unwrap_err();
    assert_eq!(reason_of(&unknown), Some(Reason::AccountUnknown));
}
