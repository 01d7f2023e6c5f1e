//! API keys.

use tonic::Code;
use weir_proto::mapping::v1::*;

use crate::call;
use crate::harness::*;

fn create(tenant: &Tenant, key: &str) -> CreateKeyRequest {
    CreateKeyRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        key: key.to_owned(),
        region: String::new(),
    }
}

async fn whose(client: &Client, key: &str) -> Result<String, Code> {
    let request = AuthenticateRequest {
        key: key.to_owned(),
    };
    call!(client, authenticate, request)
        .map(|answer| answer.source_id)
        .map_err(|status| status.code())
}

#[tokio::test]
async fn a_generated_key_is_shown_once_and_several_are_valid_at_once() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let first = call!(client, create_key, create(&tenant, "")).unwrap();
    let second = call!(client, create_key, create(&tenant, "")).unwrap();
    assert!(first.secret.starts_with("pau-"));
    assert_eq!(first.secret.len(), 47);
    assert_ne!(first.secret, second.secret);
    for secret in [&first.secret, &second.secret] {
        assert_eq!(whose(&client, secret).await, Ok(tenant.source_id.clone()));
    }
    let request = ListKeysRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        ..Default::default()
    };
    let listed = call!(client, list_keys, request).unwrap().keys;
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|key| !first.secret.ends_with(&key.hint)));
}

#[tokio::test]
async fn a_given_key_belongs_to_one_source() {
    let (_service, client) = Service::start().await;
    let ours = tenant(&client, "Ours").await;
    let theirs = tenant(&client, "Theirs").await;
    let first = call!(client, create_key, create(&ours, "pau-key")).unwrap();
    assert_eq!(
        (first.change(), first.secret.as_str()),
        (ChangeKind::Created, "")
    );
    let again = call!(client, create_key, create(&ours, "pau-key")).unwrap();
    assert_eq!(again.change(), ChangeKind::Unchanged);
    assert_eq!(first.key.unwrap().key_id, again.key.unwrap().key_id);
    let error = call!(client, create_key, create(&theirs, "pau-key")).unwrap_err();
    assert_eq!(error.code(), Code::AlreadyExists);
    for wrong in ["pau-ke", "pau key key", &"x".repeat(129)] {
        let error = call!(client, create_key, create(&ours, wrong)).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{wrong}");
        assert!(!error.message().contains(wrong));
    }
    for unknown in ["", "pau-kex", "PAU-KEY"] {
        assert_eq!(whose(&client, unknown).await, Err(Code::Unauthenticated));
    }
}

#[tokio::test]
async fn a_revoked_key_stays_revoked() {
    let (_service, client) = Service::start().await;
    let ours = tenant(&client, "Ours").await;
    let theirs = tenant(&client, "Theirs").await;
    let key = call!(client, create_key, create(&ours, "pau-key"))
        .unwrap()
        .key
        .unwrap();
    let revoke = |tenant: &Tenant| RevokeKeyRequest {
        account_id: tenant.account_id.clone(),
        key_id: key.key_id.clone(),
    };
    let error = call!(client, revoke_key, revoke(&theirs)).unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert!(whose(&client, "pau-key").await.is_ok());
    call!(client, revoke_key, revoke(&ours)).unwrap();
    call!(client, revoke_key, revoke(&ours)).unwrap();
    assert_eq!(whose(&client, "pau-key").await, Err(Code::Unauthenticated));
    let error = call!(client, create_key, create(&ours, "pau-key")).unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
}
