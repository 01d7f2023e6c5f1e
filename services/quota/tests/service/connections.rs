//! Connections to Redis that are cut, that fall silent, that nobody answers.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use weir_servers::TestServers;
use weir_servers::child::signal;
use weir_testkit::{Proxy, eventually};

use crate::harness::{World, counted, reserve, settle};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_every_30_ms_cost_no_call() {
    let proxy = Proxy::to(&TestServers::shared().await.own_redis_url().await).await;
    let world = World::on(proxy.url.clone()).await;
    let mut client = world.replica().await;
    let account = world.account(100_000, 100_000);
    let began = Instant::now();
    let (mut batches, mut cut) = (0, Instant::now());
    while began.elapsed() < Duration::from_secs(2) {
        if cut.elapsed() >= Duration::from_millis(30) {
            proxy.cut();
            cut = Instant::now();
        }
        let batch = reserve(&mut client, &account, 3, 2).await;
        assert_eq!(world.store(&account, &batch, 3, 2), (true, true));
        settle(&mut client, &account, &batch, 3, 2).await;
        batches += 1;
    }
    assert!(batches > 30, "{batches}");
    // Each was counted once, however often it was sent.
    let units = counted(&mut client, &account).await;
    assert_eq!(units, [(3 * batches, 0), (2 * batches, 0)]);
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_replaced_within_one_call() {
    let proxy = Proxy::to(&TestServers::shared().await.own_redis_url().await).await;
    let world = World::on(proxy.url.clone()).await;
    let mut client = world.replica().await;
    let account = world.account(10, 10);
    reserve(&mut client, &account, 1, 1).await;
    proxy.silence();
    reserve(&mut client, &account, 1, 1).await;
    // Nobody waits for the silent one again. The quickest of some: this machine may be busy.
    let mut quickest = Duration::MAX;
    for _ in 0..3 {
        let began = Instant::now();
        reserve(&mut client, &account, 1, 1).await;
        quickest = quickest.min(began.elapsed());
    }
    assert!(quickest < Duration::from_millis(500), "{quickest:?}");
}

/// Of four thousand lines, each of which takes it some time; every thousandth it says so.
#[tokio::test]
async fn while_a_redis_reads_its_log_nobody_waits_long() {
    let mut servers = TestServers::start().await.unwrap();
    let world = World::on(servers.redis_url()).await;
    let mut client = world.replica().await;
    let account = world.account(10, 10);
    let batch = reserve(&mut client, &account, 1, 1).await;
    assert_eq!(world.store(&account, &batch, 1, 1), (true, true));
    let mut redis = world.redis().await;
    let mut log = redis::pipe();
    for n in 0..4_200 {
        log.cmd("SET").arg("log").arg(n).ignore();
    }
    log.cmd("CONFIG").arg("SET").arg("key-load-delay").arg(20);
    log.ignore().cmd("CONFIG").arg("REWRITE").ignore();
    log.query_async::<()>(&mut redis).await.unwrap();
    servers.redis.stop().await;

    let url = world.redis_url.clone();
    let reserved = async {
        loop {
            let client = redis::Client::open(url.as_str()).unwrap();
            let said = async {
                let mut redis = client.get_multiplexed_async_connection().await?;
                redis::cmd("PING").query_async::<()>(&mut redis).await
            };
            match said.await {
                Err(error) if error.code() == Some("LOADING") => break,
                Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
                Ok(()) => panic!("it was there before anybody saw it read its log"),
            }
        }
        let began = Instant::now();
        let granted = reserve(&mut client, &account, 10, 10).await.granted();
        assert!(began.elapsed() < Duration::from_secs(10));
        granted
    };
    let (started, granted) = tokio::join!(servers.redis.start_again(), reserved);
    started.unwrap();
    assert_eq!(granted, (9, 9));
}

async fn health(address: String) -> HealthClient<Channel> {
    let channel = Channel::from_shared(address).unwrap().connect().await;
    HealthClient::new(channel.unwrap())
}

async fn serves(health: &HealthClient<Channel>) -> bool {
    let request = HealthCheckRequest::default();
    let answer = health.clone().check(request).await.unwrap().into_inner();
    answer.status() == ServingStatus::Serving
}

#[tokio::test]
async fn health_follows_redis_and_the_ledgers_where_it_was_stopped() {
    let servers = TestServers::start().await.unwrap();
    let world = World::on(servers.redis_url()).await;
    let health = health(world.replica_at().await).await;
    let serves = async || serves(&health).await;
    eventually("healthy", serves).await;
    signal("STOP", servers.redis.child().pid());
    let began = Instant::now();
    let is_away = &world.others.activity.away;
    is_away.store(true, Ordering::SeqCst);
    eventually("unhealthy", async || !serves().await).await;
    let took = began.elapsed();
    assert!(took < Duration::from_millis(2_500), "{took:?}");
    is_away.store(false, Ordering::SeqCst);
    eventually("healthy by the ledgers", serves).await;
    is_away.store(true, Ordering::SeqCst);
    eventually("unhealthy again", async || !serves().await).await;
    signal("CONT", servers.redis.child().pid());
    eventually("healthy again", serves).await;
}

/// As while somebody gives Redis another password: the client library tries a connection that was
/// refused never again.
#[tokio::test]
async fn who_was_refused_for_a_while_comes_in_again() {
    let servers = TestServers::start().await.unwrap();
    let world = World::on(servers.redis_url()).await;
    let health = health(world.replica_at().await).await;
    let serves = async || serves(&health).await;
    // Nobody but Redis can grant anything.
    world.others.activity.away.store(true, Ordering::SeqCst);
    eventually("healthy", serves).await;
    let url = servers.redis_url();
    let password = url.split_once('@').unwrap().0.rsplit_once(':').unwrap().1;
    let mut redis = world.redis().await;
    let mut gets = async |password: &str| {
        let mut user = redis::cmd("ACL");
        user.arg(&["SETUSER", "default", "resetpass"])
            .arg(format!(">{password}"));
        user.query_async::<()>(&mut redis).await.unwrap();
        let mut others = redis::cmd("CLIENT");
        others.arg(&["KILL", "TYPE", "normal"]);
        others.query_async::<u64>(&mut redis).await.unwrap();
    };
    gets("another").await;
    eventually("refused", async || !serves().await).await;
    gets(password).await;
    let began = Instant::now();
    eventually("let in", serves).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
}
