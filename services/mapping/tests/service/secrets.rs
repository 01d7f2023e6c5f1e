//! A secret that keys and tokens are hashed with takes the place of another
//! (`docs/operations/secrets.md`): first all replicas know it, then it hashes, then it is alone.

use tonic::Code;
use weir_access::{HashKey, token};
use weir_proto::access::v1::*;
use weir_proto::mapping::v1::*;

use crate::call;
use crate::harness::{SECRET, Service, tenant, time};
use crate::keys::{create, whose};
use crate::tokens::{showing, sources, tokens, wish};

const NEW: &str = "the secret that takes its place";

#[tokio::test]
async fn a_key_that_was_used_meanwhile_outlives_the_secret_that_hashed_it() {
    let (mut service, old) = Service::start().await;
    let (ours, theirs) = (tenant(&old, "Ours").await, tenant(&old, "Theirs").await);
    for key in ["pau-used", "pau-unused"] {
        call!(old, create_key, create(&ours, key)).unwrap();
    }
    service.key_secret = format!("{SECRET},{NEW}");
    let first = service.another().await;
    service.key_secret = format!("{NEW},{SECRET}");
    let second = service.another().await;
    // Whoever hashes it, the others find it; and it is one and the same key.
    call!(second, create_key, create(&ours, "pau-made")).unwrap();
    for client in [&first, &second] {
        for key in ["pau-used", "pau-made"] {
            assert_eq!(
                whose(client, key).await,
                Ok(ours.source_id.clone()),
                "{key}"
            );
        }
        let taken = call!(client, create_key, create(&theirs, "pau-unused")).unwrap_err();
        assert_eq!(taken.code(), Code::AlreadyExists);
        let again = call!(client, create_key, create(&ours, "pau-unused")).unwrap();
        assert_eq!(again.change(), ChangeKind::Unchanged);
    }
    // Uses are written once a minute, or at the end. What counts is what is used when all replicas
    // hash with the new one: one that does not takes it for the older of both.
    service.stop().await;
    let both = service.another().await;
    for key in ["pau-used", "pau-made"] {
        assert_eq!(whose(&both, key).await, Ok(ours.source_id.clone()), "{key}");
    }
    service.stop().await;
    service.key_secret = NEW.to_owned();
    let new = service.another().await;
    for key in ["pau-used", "pau-made"] {
        assert_eq!(whose(&new, key).await, Ok(ours.source_id.clone()), "{key}");
    }
    // One that nobody used is lost: `last_use_time` tells which.
    assert_eq!(whose(&new, "pau-unused").await, Err(Code::Unauthenticated));
    let list = ListKeysRequest {
        account_id: ours.account_id.clone(),
        source_id: ours.source_id.clone(),
        ..Default::default()
    };
    let listed = call!(new, list_keys, list).unwrap().keys;
    let unused = listed.iter().filter(|key| key.last_use_time.is_none());
    assert_eq!((listed.len(), unused.count()), (3, 1));
}

#[tokio::test]
async fn so_does_a_token() {
    let (mut service, old) = Service::start().await;
    let ours = tenant(&old, "Ours").await;
    let made = call!(
        tokens(&service),
        create_token,
        wish("reports", Role::Read, &[])
    )
    .unwrap();
    let token_id = made.token.unwrap().token_id;
    let version = ask(&service, 0).await.version;
    service.stop().await;

    service.key_secret = format!("{NEW},{SECRET}");
    service.another().await;
    let listed = ask(&service, version).await;
    assert!(!listed.unchanged, "the keys are others, and so is the list");
    let [first, older] =
        [&listed.hash_key, &listed.older_hash_keys[0]].map(|key| HashKey::new(key));
    assert_eq!(listed.tokens[0].hash, older.hash(&made.secret).as_slice());
    wait_for(&service, &made.secret, &ours).await;

    // As every service tells it, once a minute; of a list of before it is left aside.
    for (key, is_taken) in [(&older, false), (&first, true)] {
        let uses = vec![TokenUse {
            token_id: token_id.clone(),
            use_time: Some(time(service.now().timestamp())),
            hash: key.hash(&made.secret).to_vec().into(),
            hash_key_name: key.name().to_vec().into(),
        }];
        let before = ask(&service, 0).await.version;
        call!(
            tokens(&service),
            note_token_uses,
            NoteTokenUsesRequest { uses }
        )
        .unwrap();
        let after = ask(&service, 0).await;
        assert_eq!(after.version > before, is_taken);
        let hash = if is_taken { &first } else { &older }.hash(&made.secret);
        assert_eq!(after.tokens[0].hash, hash.as_slice());
    }
    service.stop().await;
    service.key_secret = NEW.to_owned();
    service.another().await;
    wait_for(&service, &made.secret, &ours).await;
    let unknown = sources(showing(&service, &token([7; 32])), &ours).await;
    assert_eq!(unknown.unwrap_err().code(), Code::Unauthenticated);
}

async fn ask(service: &Service, known_version: i64) -> ListLiveTokensResponse {
    let request = ListLiveTokensRequest { known_version };
    call!(tokens(service), list_live_tokens, request).unwrap()
}

/// The service knows its list within a second of its start.
async fn wait_for(service: &Service, text: &str, tenant: &crate::harness::Tenant) {
    weir_testkit::eventually("the token is good", async || {
        sources(showing(service, text), tenant).await.ok()
    })
    .await;
}
