//! Values that mean nobody to an account, and user ids that are kept apart (semantics 3.1, 3.1a).

use tonic::Code;
use tonic_types::StatusExt;
use weir_proto::mapping::v1::*;
use weir_proto::settings::v1::{BlockedValue, BlockedValues};
use weir_testkit::eventually;

use crate::call;
use crate::harness::*;

fn blocked(entries: &[(&str, &str)], allowed: &[&str]) -> BlockedValues {
    let entries = entries.iter().map(|(kind, pattern)| BlockedValue {
        kind: (*kind).to_owned(),
        pattern: (*pattern).to_owned(),
    });
    BlockedValues {
        blocked: entries.collect(),
        allowed_defaults: allowed.iter().map(|text| (*text).to_owned()).collect(),
    }
}

fn put(values: BlockedValues) -> PutAccountRequest {
    PutAccountRequest {
        name: "Demo".to_owned(),
        blocked_values: Some(values),
        ..Default::default()
    }
}

#[tokio::test]
async fn an_account_blocks_values_of_its_own_at_any_time() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    tenant.map_contact(&client).await;
    let key = CreateKeyRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        key: "pau-key".to_owned(),
        ..Default::default()
    };
    call!(client, create_key, key).unwrap();
    let whose = AuthenticateRequest {
        key: "pau-key".to_owned(),
    };
    let before = call!(client, authenticate, whose.clone()).unwrap();
    assert_eq!(before.blocked_values, Some(BlockedValues::default()));

    let lists = blocked(
        &[("str::email", "noemail@*"), ("user_id", "test-*")],
        &["guest"],
    );
    let changed = call!(client, put_account, put(lists.clone())).unwrap();
    assert_eq!(changed.change(), ChangeKind::Updated);
    assert_eq!(
        changed.account.unwrap().blocked_values.as_ref(),
        Some(&lists)
    );
    let again = call!(client, put_account, put(lists.clone())).unwrap();
    assert_eq!(again.change(), ChangeKind::Unchanged);

    let now = call!(client, authenticate, whose.clone()).unwrap();
    assert_eq!(now.blocked_values, Some(lists));
    assert_eq!(
        now.blocked_values_version,
        before.blocked_values_version + 1
    );
    let raw = r#"{"traits":{"email":"NoEmail@shop.org"}}"#;
    eventually("the value is blocked", async || {
        let mapped_batch = tenant
            .map(&client, vec![event(EventKind::Identify, raw)])
            .await;
        let told = mapped_batch
            .contact_settings
            .unwrap()
            .blocked_values_version;
        assert!(told <= now.blocked_values_version);
        let is_ignored = mapped(&mapped_batch.results[0]).fields_json.is_empty();
        (told == now.blocked_values_version && is_ignored).then_some(())
    })
    .await;
    let log = tenant.log(&client, 1).await;
    assert_eq!(
        (&*log[0].code, &*log[0].field_id),
        ("VALUE_BLOCKED", "str::email")
    );

    // What says nothing of them leaves them, and the version.
    let other = PutAccountRequest {
        name: "Demo".to_owned(),
        keep_user_ids_apart: Some(true),
        ..Default::default()
    };
    let account = call!(client, put_account, other).unwrap().account.unwrap();
    assert!(account.keep_user_ids_apart);
    let still = call!(client, authenticate, whose.clone()).unwrap();
    assert_eq!(still.blocked_values_version, now.blocked_values_version);
    eventually("user ids are kept apart", async || {
        let answer = tenant.map(&client, vec![]).await;
        answer
            .contact_settings
            .unwrap()
            .keep_user_ids_apart
            .then_some(())
    })
    .await;
    call!(client, put_account, put(BlockedValues::default())).unwrap();
    let none = call!(client, authenticate, whose).unwrap();
    assert_eq!(none.blocked_values, Some(BlockedValues::default()));
}

#[tokio::test]
async fn every_entry_that_is_wrong_is_named() {
    let (_service, client) = Service::start().await;
    tenant(&client, "Demo").await;
    let wrong = blocked(
        &[("", "*"), ("", "ok"), ("user_id", " ")],
        &["lana", "guest"],
    );
    let error = call!(client, put_account, put(wrong)).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    let details = error.get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    let fields: Vec<&str> = violations.iter().map(|one| &*one.field).collect();
    assert_eq!(
        fields,
        [
            "blocked_values.blocked[0].pattern",
            "blocked_values.blocked[2].pattern",
            "blocked_values.allowed_defaults[0]",
        ]
    );
    for kind in ["email", "dtz::b", "str:cm:nope"] {
        let error = call!(client, put_account, put(blocked(&[(kind, "x")], &[]))).unwrap_err();
        assert!(error.message().contains("blocked[0].kind"), "{kind}");
    }
    let many: Vec<String> = (0..201).map(|at| format!("v{at}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|value| ("", &**value)).collect();
    let error = call!(client, put_account, put(blocked(&many, &[]))).unwrap_err();
    assert!(error.message().contains("200"), "{}", error.message());
}
