//! What is no good token is refused from memory: whoever tries many costs the database nothing
//! (semantics 9.2).

use tokio::task::JoinSet;
use tonic::{Code, Status};
use weir_proto::access::v1::*;
use weir_testkit::{Recorder, eventually};

use crate::call;
use crate::harness::{Service, Tenant, tenant, time};
use crate::tokens::{Shown, is_good, showing, sources, tokens, wish};

/// Calls with each of four tokens.
const EACH: usize = 2_000;
/// Executions of one statement meanwhile, at most a tenth of the calls: loops in the background
/// look every second.
const MOST: usize = 4 * EACH / 10;

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_calls_with_no_good_token_ask_postgresql_for_nothing() {
    let (mut service, client) = Service::start().await;
    let ours = tenant(&client, "Ours").await;
    let recorder = Recorder::to(&service.database.url_for("mapping")).await;
    service.stop().await;
    service.database = service.database.clone().by_way("mapping", &recorder.url);
    service.another().await;

    let (expired, revoked) = (
        expired(&service, &ours).await,
        revoked(&service, &ours).await,
    );
    let wrong = [
        expired,
        revoked,
        weir_access::token([9; 32]),
        "weir_nonsense".to_owned(),
    ];
    for token in &wrong {
        eventually("it is refused", async || {
            refused(&showing(&service, token), &ours).await.ok()
        })
        .await;
    }

    let before = recorder.executions();
    let mut callers = JoinSet::new();
    for token in &wrong {
        let channel = showing(&service, token);
        for _ in 0..10 {
            let (channel, ours) = (channel.clone(), ours.clone());
            callers.spawn(async move {
                for _ in 0..EACH / 10 {
                    refused(&channel, &ours).await.unwrap();
                }
            });
        }
    }
    while let Some(done) = callers.join_next().await {
        done.unwrap();
    }
    for (statement, executions) in recorder.executions() {
        let meanwhile = executions - before.get(&statement).copied().unwrap_or_default();
        assert!(meanwhile < MOST, "{meanwhile} times: {statement}");
    }
}

async fn refused(channel: &Shown, tenant: &Tenant) -> Result<(), Option<Status>> {
    match sources(channel.clone(), tenant).await {
        Err(status) if status.code() == Code::Unauthenticated => Ok(()),
        answer => Err(answer.err()),
    }
}

async fn expired(service: &Service, tenant: &Tenant) -> String {
    let end = service.now().timestamp() + 30;
    let request = CreateTokenRequest {
        expire_time: Some(time(end)),
        ..wish("expired", Role::Read, &[])
    };
    let made = call!(tokens(service), create_token, request).unwrap();
    is_good(service, &made.secret, tenant).await;
    service.forward(std::time::Duration::from_secs(30));
    made.secret
}

async fn revoked(service: &Service, tenant: &Tenant) -> String {
    let made = call!(
        tokens(service),
        create_token,
        wish("revoked", Role::Read, &[])
    );
    let made = made.unwrap();
    is_good(service, &made.secret, tenant).await;
    let request = RevokeTokenRequest {
        token_id: made.token.unwrap().token_id,
        ..Default::default()
    };
    call!(tokens(service), revoke_token, request).unwrap();
    made.secret
}
