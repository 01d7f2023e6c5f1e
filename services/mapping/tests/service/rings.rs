//! What a source leaves in Redis is bounded at every moment, whatever breaks.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use weir_proto::mapping::v1::*;
use weir_servers::{RedisCluster, TestServers};

use crate::call;
use weir_testkit::{Proxy, eventually};

use crate::harness::*;

/// A service whose Redis is looked at behind its back.
pub async fn on_own_redis() -> (Service, Client) {
    let url = TestServers::shared().await.own_redis_url().await;
    Service::with_redis(&url).await
}

/// A way to Redis of the test's own.
struct Redis(MultiplexedConnection);

impl Redis {
    async fn connect() -> Self {
        let url = TestServers::shared().await.own_redis_url().await;
        let client = redis::Client::open(url).unwrap();
        Self(client.get_multiplexed_async_connection().await.unwrap())
    }

    /// The keys of an account.
    async fn keys(&self, account_id: &str) -> Vec<String> {
        let mut connection = self.0.clone();
        let mut found = HashSet::new();
        let pattern = format!("weir:{{{account_id}}}:*");
        let options = redis::ScanOptions::default()
            .with_pattern(pattern)
            .with_count(10_000);
        let mut scan = connection.scan_options::<String>(options).await.unwrap();
        while let Some(key) = scan.next_item().await {
            found.insert(key.unwrap());
        }
        found.into_iter().collect()
    }

    /// Keys of samples whose name is not among the source's names.
    async fn orphans(&self, account_id: &str) -> Vec<String> {
        let keys = self.keys(account_id).await;
        let names = keys.iter().find(|key| key.ends_with(":event_names"));
        let mut connection = self.0.clone();
        let members: Vec<String> = match names {
            Some(key) => connection.zrange(key, 0, -1).await.unwrap(),
            None => Vec::new(),
        };
        assert!(members.len() <= 500, "{}", members.len());
        let owned: HashSet<&str> = members.iter().map(|member| &member[..32]).collect();
        let samples = keys.iter().filter(|key| key.contains(":samples:track:"));
        samples
            .filter(|key| !owned.contains(key.rsplit(':').next().unwrap()))
            .cloned()
            .collect()
    }
}

fn names(from: usize, count: usize) -> Vec<Event> {
    (from..from + count)
        .map(|number| track(&format!("Name {number}"), "{}"))
        .collect()
}

/// Sends batches of new names through every client in turn, as long as it is told to.
async fn flood(tenant: &Tenant, clients: &[Client], batches: usize) {
    for batch in 0..batches {
        let mut request = tenant.batch(names(batch * 400, 400));
        request.requests[0].receive_time = Some(time(NOW + i64::try_from(batch).unwrap()));
        let client = &clients[batch % clients.len()];
        call!(client, map_events, request).unwrap();
    }
}

#[tokio::test]
async fn two_replicas_never_keep_more_than_500_names_and_their_samples() {
    let (mut service, client) = on_own_redis().await;
    let clients = [client.clone(), service.another().await];
    let tenant = tenant(&client, "Demo").await;
    let redis = Redis::connect().await;
    let done = Arc::new(AtomicBool::new(false));
    let watching = {
        let (done, account) = (done.clone(), tenant.account_id.clone());
        tokio::spawn(async move {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                let keys = redis.keys(&account).await;
                let samples = keys.iter().filter(|key| key.contains(":samples:track:"));
                most = most.max(samples.count());
            }
            most
        })
    };
    flood(&tenant, &clients, 50).await;
    // The last batch is there: whatever waited before it is, too.
    eventually("the last sample is there", async || {
        let request = tenant.samples_request("Name 19999");
        let found = call!(client, list_samples, request).unwrap();
        !found.samples.is_empty()
    })
    .await;
    done.store(true, Ordering::Relaxed);
    let most = watching.await.unwrap();
    // A scan is no moment: what it saw first may be gone when it sees the rest.
    assert!((1..=1_000).contains(&most), "{most}");

    let redis = Redis::connect().await;
    // The other replica writes behind its answers as well.
    let sorted = async || {
        let mut keys = redis.keys(&tenant.account_id).await;
        keys.sort();
        keys
    };
    eventually("nothing moves any more", async || {
        let before = sorted().await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        sorted().await == before
    })
    .await;
    assert_eq!(redis.orphans(&tenant.account_id).await, [""; 0]);
    let keys = redis.keys(&tenant.account_id).await;
    assert!(keys.len() <= 500 + 7, "{}", keys.len());
    for key in keys {
        let ttl: i64 = redis.0.clone().ttl(&key).await.unwrap();
        assert!((1..=35 * 86_400).contains(&ttl), "{key}: {ttl}");
    }
}

#[tokio::test]
async fn connections_cut_while_names_arrive_leave_nothing_behind_and_come_back_at_once() {
    let url = TestServers::shared().await.own_redis_url().await;
    let proxy = Proxy::to(&url).await;
    let (_service, client) = Service::with_redis(&proxy.url).await;
    let tenant = tenant(&client, "Demo").await;
    let cutting = proxy.cut_every(Duration::from_millis(30));
    for round in 0..60 {
        let mut request = tenant.batch(names(round * 100, 100));
        request.requests[0].receive_time = Some(time(NOW + i64::try_from(round).unwrap()));
        call!(client, map_events, request).unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(cutting);
    proxy.cut();
    // The first read after it.
    let request = ListEventNamesRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        page_size: 1_000,
        ..Default::default()
    };
    let found = call!(client, list_event_names, request).unwrap();
    assert!(found.names.len() <= 500, "{}", found.names.len());
    let redis = Redis::connect().await;
    assert_eq!(redis.orphans(&tenant.account_id).await, [""; 0]);
}

#[tokio::test]
async fn lines_that_are_sent_while_connections_break_are_there_once() {
    let url = TestServers::shared().await.own_redis_url().await;
    let proxy = Proxy::to(&url).await;
    let (_service, client) = Service::with_redis(&proxy.url).await;
    let tenant = tenant(&client, "Demo").await;
    let cutting = proxy.cut_every(Duration::from_millis(15));
    let mut sent = 0;
    for _ in 0..100 {
        let request = AppendLogRequest {
            account_id: tenant.account_id.clone(),
            source_id: tenant.source_id.clone(),
            entries: vec![LogEntry {
                log_time: Some(time(NOW)),
                kind: EventKind::Track.into(),
                event_name: "Login".to_owned(),
                code: "NO_MAPPING".to_owned(),
                status: 422,
                ..LogEntry::default()
            }],
        };
        sent += i64::from(call!(client, append_log, request).is_ok());
    }
    drop(cutting);
    assert_eq!(sent, 100, "what Redis does not take is kept");
    let count = async || {
        let log = tenant.log(&client, 1).await;
        assert_eq!(log.len(), 1);
        log[0].count
    };
    eventually("all are written", async || count().await >= sent).await;
    // None was written twice.
    assert_eq!(count().await, sent);
}

#[tokio::test]
async fn what_came_while_redis_was_away_is_there_when_it_is_back() {
    let url = TestServers::shared().await.own_redis_url().await;
    let proxy = Proxy::to(&url).await;
    let (_service, client) = Service::with_redis(&proxy.url).await;
    let tenant = tenant(&client, "Demo").await;
    tenant.map_contact(&client).await;
    proxy.down();
    let line = |number: usize| LogEntry {
        log_time: Some(time(NOW)),
        kind: EventKind::Track.into(),
        event_name: "Login".to_owned(),
        code: "NO_MAPPING".to_owned(),
        status: 422,
        message_id: number.to_string(),
        ..LogEntry::default()
    };
    for number in 0..300 {
        let raw = format!(r#"{{"traits":{{"email":"no address"}},"number":{number}}}"#);
        tenant
            .map(&client, vec![event(EventKind::Identify, &raw)])
            .await;
        let request = AppendLogRequest {
            account_id: tenant.account_id.clone(),
            source_id: tenant.source_id.clone(),
            entries: vec![line(number)],
        };
        // It is kept, and nobody waits for Redis.
        call!(client, append_log, request).unwrap();
    }
    proxy.up();
    let log = tenant.log(&client, 301).await;
    let (folded, own): (Vec<_>, Vec<_>) = log.iter().partition(|line| line.code == "NO_MAPPING");
    assert_eq!((folded.len(), own.len()), (1, 300));
    assert_eq!(folded[0].count, 300, "each once");
    assert!(own.iter().all(|line| line.code == "EMAIL_INVALID"));
    let samples = call!(client, list_samples, tenant.samples_request("")).unwrap();
    let expected = [299, 298, 297, 296, 295].map(|number| format!("\"number\":{number}}}"));
    assert_eq!(samples.samples.len(), 5);
    for (sample, end) in samples.samples.iter().zip(expected) {
        assert!(sample.raw.ends_with(&end), "{}", sample.raw);
    }
}

#[tokio::test]
async fn rings_lie_in_a_cluster_and_are_written_on_when_a_master_dies() {
    let mut cluster = RedisCluster::start().await.unwrap();
    let (_service, client) = Service::with_redis(&cluster.url()).await;
    let tenant = tenant(&client, "Demo").await;
    tenant.map_contact(&client).await;
    call!(client, map_events, tenant.batch(names(0, 20))).unwrap();
    let found = async || {
        let request = ListEventNamesRequest {
            account_id: tenant.account_id.clone(),
            source_id: tenant.source_id.clone(),
            page_size: 1_000,
            ..Default::default()
        };
        let found = call!(client, list_event_names, request);
        found.map_or(0, |found| found.names.len())
    };
    eventually("names are written", async || found().await == 20).await;
    let tag = format!("{{{}}}", tenant.account_id);
    let lost = cluster.master_of(&tag).await.unwrap();
    cluster.node(lost).kill9().await;
    // What comes while nobody has its place is kept until somebody has.
    call!(client, map_events, tenant.batch(names(20, 20))).unwrap();
    eventually("what came meanwhile is written", async || {
        found().await == 40
    })
    .await;
    cluster.start_again(lost).await.unwrap();
    call!(client, map_events, tenant.batch(names(40, 20))).unwrap();
    eventually("it goes on", async || found().await == 60).await;
}
