//! Accounts that nobody knows.

use std::sync::atomic::Ordering;

use tonic::{Code, Status};
use uuid::Uuid;
use weir_proto::erasure::v1::EraseAccountRequest;
use weir_proto::erasure::v1::erasure_service_client::ErasureServiceClient;
use weir_proto::quota::v1::{GetUsageRequest, ReserveRequest, SettleRequest, Settlement};
use weir_proto::settings::v1::Entitlement;
use weir_reasons::Reason;
use weir_servers::TestServers;

use crate::harness::{Client, TODAY, World, client, reserve, settle};

fn entitlement() -> Option<Entitlement> {
    Some(Entitlement {
        contacts: 1,
        mapped_activities: 1,
        profile_factor: 10,
        activity_factor: 10,
    })
}

fn settlement() -> Settlement {
    Settlement {
        batch_id: Uuid::now_v7().to_string(),
        window: TODAY.to_owned(),
        epoch: 1,
        profile_units: 1,
        activity_units: 1,
    }
}

/// What every RPC answers for the account.
async fn answers(client: &mut Client, account: &str) -> Vec<Result<(), Status>> {
    let mut answers = Vec::new();
    for entitlement in [entitlement(), None] {
        let request = GetUsageRequest {
            account_id: account.to_owned(),
            entitlement,
        };
        answers.push(client.get_usage(request).await.map(|_| ()));
    }
    for (ledger_epoch, settlements) in [(0, Vec::new()), (7, vec![settlement()])] {
        let request = ReserveRequest {
            account_id: account.to_owned(),
            batch_id: Uuid::now_v7().to_string(),
            profile_units: 1,
            activity_units: 1,
            entitlement: entitlement(),
            settlements,
            ledger_epoch,
        };
        answers.push(client.reserve(request).await.map(|_| ()));
    }
    let request = SettleRequest {
        account_id: account.to_owned(),
        settlements: vec![settlement()],
    };
    answers.push(client.settle(request).await.map(|_| ()));
    answers
}

/// All of the answers are this.
fn all_are(answers: Vec<Result<(), Status>>, code: Code, reason: Reason) {
    for answer in answers {
        let error = answer.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert_eq!(weir_rpc::reason_of(&error), Some(reason));
    }
}

async fn keys(world: &World) -> Vec<String> {
    let mut redis = world.redis().await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query_async(&mut redis)
        .await
        .unwrap();
    let is_of_accounts = |key: &String| key != "weir:quota:sweeper";
    keys.into_iter().filter(is_of_accounts).collect()
}

#[tokio::test]
async fn an_account_that_mapping_does_not_know_is_told_so_and_leaves_nothing_behind() {
    let servers = TestServers::start().await.unwrap();
    let world = World::on(servers.redis_url()).await;
    let mut client = world.replica().await;
    let stranger = Uuid::now_v7().to_string();
    for _ in 0..2 {
        let answers = answers(&mut client, &stranger).await;
        all_are(answers, Code::NotFound, Reason::AccountUnknown);
    }
    assert_eq!(keys(&world).await, Vec::<String>::new());
    assert_eq!(world.others.contact.raises.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_account_that_a_ledger_does_not_know_is_told_so_and_leaves_nothing_behind() {
    let servers = TestServers::start().await.unwrap();
    let world = World::on(servers.redis_url()).await;
    let mut client = world.replica().await;
    for ledger in [&world.others.contact, &world.others.activity] {
        let account = world.account(10, 10);
        ledger.unknown.lock().unwrap().insert(account.id.clone());
        for entitlement in [entitlement(), None] {
            let request = GetUsageRequest {
                account_id: account.id.clone(),
                entitlement,
            };
            let answer = client.get_usage(request).await.map(|_| ());
            all_are(vec![answer], Code::NotFound, Reason::AccountUnknown);
        }
        assert_eq!(keys(&world).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn while_mapping_is_away_accounts_that_have_a_state_are_served_and_others_not_refused() {
    let world = World::new().await;
    let mut client = world.replica().await;
    let (account, other) = (world.account(10, 10), world.account(10, 10));
    let batch = reserve(&mut client, &account, 1, 1).await;
    world.others.mapping_is_away.store(true, Ordering::SeqCst);
    settle(&mut client, &account, &batch, 0, 0).await;
    settle(&mut client, &account, &batch, 0, 0).await;
    // Nor does a replica that was just started need mapping for it.
    let mut fresh = world.replica().await;
    for client in [&mut client, &mut fresh] {
        assert_eq!(reserve(client, &account, 1, 1).await.granted(), (1, 1));
        settle(client, &account, &batch, 0, 0).await;
        let away = answers(client, &other.id).await;
        all_are(away, Code::Unavailable, Reason::ServiceAway);
    }
    world.others.mapping_is_away.store(false, Ordering::SeqCst);
    for answer in answers(&mut client, &other.id).await {
        answer.unwrap();
    }
}

#[tokio::test]
async fn an_account_that_is_gone_leaves_nothing_in_redis() {
    let world = World::new().await;
    let url = world.replica_at().await;
    let mut client = client(&url);
    let mut erasure = ErasureServiceClient::new(weir_rpc::connect(&url).unwrap());
    let account = world.account(100, 100);
    reserve(&mut client, &account, 5, 5).await;
    let keys = async || -> Vec<String> {
        let mut redis = world.redis().await;
        let mut ask = redis::cmd("KEYS");
        ask.arg(format!("*{}*", account.id));
        ask.query_async(&mut redis).await.unwrap()
    };
    assert!(!keys().await.is_empty());
    let request = EraseAccountRequest {
        account_id: account.id.clone(),
    };
    let error = erasure.erase_account(request.clone()).await.unwrap_err();
    assert_eq!(weir_rpc::reason_of(&error), Some(Reason::AccountLives));
    world.others.plans.lock().unwrap().remove(&account.id);
    // Another replica: this one takes it for living for a minute.
    let url = world.replica_at().await;
    let mut erasure = ErasureServiceClient::new(weir_rpc::connect(&url).unwrap());
    let erased = erasure.erase_account(request.clone()).await.unwrap();
    assert!(erased.into_inner().erased >= 2);
    assert_eq!(keys().await, Vec::<String>::new());
    let again = erasure.erase_account(request).await.unwrap();
    assert_eq!(again.into_inner().erased, 0);
}
