//! API keys.

use tonic::Code;
use weir_proto::mapping::v1::*;
use weir_reasons::Reason;
use weir_rpc::reason_of;

use crate::call;
use crate::harness::*;

pub fn create(tenant: &Tenant, key: &str) -> CreateKeyRequest {
    CreateKeyRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        key: key.to_owned(),
        region: String::new(),
        expire_time: None,
        request_id: String::new(),
    }
}

pub async fn whose(client: &Client, key: &str) -> Result<String, Code> {
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

async fn why_not(client: &Client, key: &str) -> Option<Reason> {
    let request = AuthenticateRequest {
        key: key.to_owned(),
    };
    reason_of(&call!(client, authenticate, request).unwrap_err())
}

fn rotate(tenant: &Tenant, overlap: i64, request_id: &str) -> RotateKeyRequest {
    RotateKeyRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        overlap: Some(prost_types::Duration {
            seconds: overlap,
            nanos: 0,
        }),
        request_id: request_id.to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_rotated_key_is_good_until_the_overlap_is_over() {
    let (service, client) = Service::start().await;
    let configuration = service.configuration();
    let tenant = tenant(&client, "Demo").await;
    call!(client, create_key, create(&tenant, "pau-the-old-key")).unwrap();
    let id = "0199aaaa-0000-7000-8000-000000000001";
    let rotated = call!(configuration, rotate_key, rotate(&tenant, 3_600, id)).unwrap();
    assert!(rotated.secret.starts_with("pau-"));
    assert_eq!(rotated.expiring.len(), 1);
    for key in ["pau-the-old-key", &rotated.secret] {
        assert_eq!(whose(&client, key).await, Ok(tenant.source_id.clone()));
    }
    // The same call again makes nothing, and shows nothing.
    let again = call!(configuration, rotate_key, rotate(&tenant, 7_200, id)).unwrap();
    assert_eq!(again.secret, "");
    assert_eq!(
        again.key.as_ref().unwrap().key_id,
        rotated.key.unwrap().key_id
    );
    assert_eq!(again.expiring, rotated.expiring);

    service.forward(std::time::Duration::from_secs(3_601));
    assert_eq!(
        why_not(&client, "pau-the-old-key").await,
        Some(Reason::KeyExpired)
    );
    assert!(whose(&client, &rotated.secret).await.is_ok());
    let too_long = "x".repeat(101);
    for (overlap, request_id) in [(-1, ""), (31 * 86_400, ""), (1, &too_long)] {
        let request = rotate(&tenant, overlap, request_id);
        let error = call!(configuration, rotate_key, request).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
    }
    let mut unknown = rotate(&tenant, 1, "");
    unknown.key_id = id.to_owned();
    let error = call!(configuration, rotate_key, unknown).unwrap_err();
    assert_eq!(reason_of(&error), Some(Reason::KeyUnknown));
}

#[tokio::test]
async fn a_key_ends_when_it_was_said_to() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let ends = |ahead: i64| CreateKeyRequest {
        expire_time: Some(time(service.now().timestamp() + ahead)),
        ..create(&tenant, "pau-the-key-that-ends")
    };
    let error = call!(client, create_key, ends(-1)).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    call!(client, create_key, ends(60)).unwrap();
    assert!(whose(&client, "pau-the-key-that-ends").await.is_ok());
    let moved = call!(client, create_key, ends(120)).unwrap();
    assert_eq!(moved.change(), ChangeKind::Updated);
    service.forward(std::time::Duration::from_secs(61));
    assert!(whose(&client, "pau-the-key-that-ends").await.is_ok());
    service.forward(std::time::Duration::from_secs(60));
    assert_eq!(
        why_not(&client, "pau-the-key-that-ends").await,
        Some(Reason::KeyExpired)
    );
}

#[tokio::test]
async fn the_last_use_of_a_key_is_written_at_the_latest_when_the_service_ends() {
    let (mut service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    call!(client, create_key, create(&tenant, "pau-the-used-key")).unwrap();
    call!(client, create_key, create(&tenant, "pau-the-other-key")).unwrap();
    let before = service.now().timestamp();
    assert!(whose(&client, "pau-the-used-key").await.is_ok());
    service.stop().await;
    let client = service.another().await;
    let request = ListKeysRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        ..Default::default()
    };
    let keys = call!(client, list_keys, request).unwrap().keys;
    let used = keys[0].last_use_time.unwrap();
    assert!(used.seconds >= before);
    assert_eq!(keys[1].last_use_time, None);
}

#[tokio::test]
async fn the_same_call_makes_one_key() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let request = CreateKeyRequest {
        request_id: "0199aaaa-0000-7000-8000-000000000002".to_owned(),
        ..create(&tenant, "")
    };
    let first = call!(client, create_key, request.clone()).unwrap();
    let again = call!(client, create_key, request).unwrap();
    assert_eq!(again.change(), ChangeKind::Unchanged);
    assert_eq!(
        (again.secret, again.key),
        (String::new(), first.key.clone())
    );
    // Another key is another wish, and so is one that ends, or one of elsewhere.
    let id = "0199aaaa-0000-7000-8000-000000000002";
    let end = service.now().timestamp() + 3_600;
    for wish in [
        create(&tenant, "pau-another-key"),
        CreateKeyRequest {
            expire_time: Some(time(end)),
            ..create(&tenant, "")
        },
        CreateKeyRequest {
            region: "us".to_owned(),
            ..create(&tenant, "")
        },
    ] {
        let other = CreateKeyRequest {
            request_id: id.to_owned(),
            ..wish
        };
        let error = call!(client, create_key, other).unwrap_err();
        assert_eq!(reason_of(&error), Some(Reason::RequestIdTaken));
    }
    // So is a rotation: it ends what was made.
    let rotated = rotate(&tenant, 3_600, id);
    let rotated = call!(service.configuration(), rotate_key, rotated).unwrap();
    assert_eq!(rotated.expiring.len(), 1);

    // Whether it is there can be asked without using it.
    let find = |tenant: Option<&Tenant>, key: &str| FindKeyRequest {
        account_id: tenant.map_or_else(String::new, |tenant| tenant.account_id.clone()),
        source_id: tenant.map_or_else(String::new, |tenant| tenant.source_id.clone()),
        key: key.to_owned(),
    };
    let configuration = service.configuration();
    let found = call!(configuration, find_key, find(Some(&tenant), &first.secret)).unwrap();
    assert_eq!(found.key.unwrap().last_use_time, None);
    let nobodys = call!(configuration, find_key, find(None, "pau-nobody-has-it")).unwrap();
    assert_eq!(nobodys.key, None);
    let error = call!(configuration, find_key, find(None, &first.secret)).unwrap_err();
    assert_eq!(reason_of(&error), Some(Reason::KeyTaken));
}
