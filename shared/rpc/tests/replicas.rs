//! A client and several servers of the same service, of which some go, come, or are not what
//! they should be.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::server::TcpConnectInfo;
use tonic::{Code, Request, Response, Status};
use weir_proto::quota::v1::quota_service_client::QuotaServiceClient;
use weir_proto::quota::v1::{ReserveRequest, ReserveResponse};
use weir_rpc::{Access, Channel, Deadline, Peer, PrefixedMessage, Server, Unary, call};

const QUOTA: &str = "weir.quota.v1.QuotaService";
const RESERVE: &str = "/weir.quota.v1.QuotaService/Reserve";
/// How long a call takes where a test looks at calls that are under way.
const WORK: Duration = Duration::from_millis(3);

/// A service without methods, so that those that a test adds are all it has.
#[derive(Clone)]
struct Nothing<const QUOTA_TOO: bool>;

impl tonic::server::NamedService for Nothing<true> {
    const NAME: &'static str = QUOTA;
}

impl tonic::server::NamedService for Nothing<false> {
    const NAME: &'static str = "weir.mapping.v1.MappingService";
}

impl<const QUOTA_TOO: bool> tower::Service<http::Request<tonic::body::Body>>
    for Nothing<QUOTA_TOO>
{
    type Response = http::Response<tonic::body::Body>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<tonic::body::Body>) -> Self::Future {
        std::future::ready(Ok(Status::unimplemented("").into_http()))
    }
}

/// What a server was asked.
#[derive(Default)]
struct Seen {
    begun: Mutex<BTreeSet<String>>,
    connections: Mutex<BTreeSet<SocketAddr>>,
    away: AtomicBool,
}

impl Seen {
    async fn reserve(
        self: Arc<Self>,
        request: Request<ReserveRequest>,
    ) -> Result<Response<ReserveResponse>, Status> {
        let from = request.extensions().get::<TcpConnectInfo>().unwrap();
        self.connections
            .lock()
            .unwrap()
            .insert(from.remote_addr().unwrap());
        let batch_id = request.into_inner().batch_id;
        let is_new = self.begun.lock().unwrap().insert(batch_id);
        assert!(is_new, "a call came twice");
        tokio::time::sleep(WORK).await;
        Ok(Response::new(ReserveResponse::default()))
    }

    fn count(&self) -> usize {
        self.begun.lock().unwrap().len()
    }
}

/// A server in a runtime of its own, so that it can end as a process does.
struct Replica {
    address: SocketAddr,
    seen: Arc<Seen>,
    stop: Option<oneshot::Sender<()>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Replica {
    fn start(at: SocketAddr, server: impl FnOnce(&Arc<Seen>) -> Server) -> Self {
        let seen = Arc::new(Seen::default());
        let probed = Arc::clone(&seen);
        let server = server(&seen).probe(move || {
            let is_away = probed.away.load(Ordering::SeqCst);
            async move { !is_away }
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = std::net::TcpListener::bind(at).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let stopped = async { _ = stopped.await };
            server.serve(listener, stopped).await
        });
        Self {
            address,
            seen,
            stop: Some(stop),
            runtime: Some(runtime),
        }
    }

    fn quota() -> Self {
        Self::start(nowhere_yet(), quota)
    }

    /// As kill -9: its sockets close, and nothing is said.
    fn kill(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }

    /// As SIGTERM.
    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A port of the system's choice.
fn nowhere_yet() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn quota(seen: &Arc<Seen>) -> Server {
    Server::new(QUOTA)
        .access(Access::open())
        .service(Unary::new(Nothing::<true>, seen, "Reserve", Seen::reserve))
}

fn connect(addresses: &[SocketAddr]) -> Channel {
    let urls = addresses.iter().map(|address| format!("http://{address}"));
    Peer::QUOTA
        .connect(&urls.collect::<Vec<_>>().join(","))
        .unwrap()
}

async fn reserve(channel: &Channel, id: &str) -> Result<(), Status> {
    let message = PrefixedMessage::encode(&ReserveRequest {
        batch_id: id.to_owned(),
        ..Default::default()
    });
    let request = Deadline::after(Duration::from_secs(5)).request(message)?;
    call::<ReserveResponse>(channel, RESERVE, request).await?;
    Ok(())
}

/// Calls named `name-0` and on, so many at once; those that failed.
async fn load(
    channel: &Channel,
    name: &str,
    calls: usize,
    at_once: usize,
) -> Vec<(String, Status)> {
    let calls = (0..calls).map(|n| async move {
        let id = format!("{name}-{n}");
        let failed = reserve(channel, &id).await.err();
        failed.map(|status| (id, status))
    });
    let answered = futures_util::stream::iter(calls).buffer_unordered(at_once);
    answered.filter_map(std::future::ready).collect().await
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < Duration::from_secs(10), "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Until calls reach it.
async fn until_found(channel: &Channel, name: &str, replica: &Replica) {
    let before = replica.seen.count();
    let mut round = 0;
    until("a call reaches the replica", async || {
        round += 1;
        let failed = load(channel, &format!("{name}-{round}"), 2, 2).await;
        assert!(failed.is_empty(), "{failed:?}");
        replica.seen.count() > before
    })
    .await;
}

#[tokio::test]
async fn two_replicas_share_the_calls() {
    let (one, two) = (Replica::quota(), Replica::quota());
    let channel = connect(&[one.address, two.address]);
    until_found(&channel, "first", &one).await;
    until_found(&channel, "second", &two).await;
    for (name, calls, at_once) in [("alone", 50, 1), ("many", 600, 20)] {
        let before = [one.seen.count(), two.seen.count()];
        assert!(load(&channel, name, calls, at_once).await.is_empty());
        for (replica, before) in [&one, &two].into_iter().zip(before) {
            let part = (replica.seen.count() - before) * 100 / calls;
            assert!((40..=60).contains(&part), "{name}: {part} %");
        }
    }
}

#[tokio::test]
async fn a_slow_replica_gets_less() {
    let one = Replica::quota();
    let slow = Replica::start(nowhere_yet(), |seen| {
        let reserve = |seen: Arc<Seen>, request| async {
            tokio::time::sleep(WORK * 10).await;
            seen.reserve(request).await
        };
        Server::new(QUOTA)
            .access(Access::open())
            .service(Unary::new(Nothing::<true>, seen, "Reserve", reserve))
    });
    let channel = connect(&[one.address, slow.address]);
    assert!(load(&channel, "call", 300, 10).await.is_empty());
    assert!(
        slow.seen.count() * 2 < one.seen.count(),
        "{} of 300",
        slow.seen.count()
    );
}

#[tokio::test]
async fn a_replica_that_is_killed_fails_only_calls_that_were_sent_to_it() {
    let (mut one, two) = (Replica::quota(), Replica::quota());
    let channel = connect(&[one.address, two.address]);
    until_found(&channel, "before", &one).await;
    let killed = async {
        until("it is under load", async || one.seen.count() > 100).await;
        one.kill();
    };
    let (failed, ()) = tokio::join!(load(&channel, "call", 3_000, 32), killed);
    // What was sent may have been begun, and is not sent to another.
    for (_, status) in &failed {
        assert!(std::error::Error::source(status).is_some(), "{status:?}");
    }
    let most = 32;
    assert!(failed.len() <= most, "{} failed", failed.len());
    assert!(two.seen.count() > 2_000);

    // And once it is back it has work again.
    let again = Replica::start(one.address, quota);
    until_found(&channel, "after", &again).await;
}

#[tokio::test]
async fn a_replica_that_stops_fails_no_call_at_all() {
    let (mut one, two) = (Replica::quota(), Replica::quota());
    let channel = connect(&[one.address, two.address]);
    until_found(&channel, "before", &one).await;
    let stopped = async {
        until("it is under load", async || one.seen.count() > 100).await;
        one.stop();
    };
    let (failed, ()) = tokio::join!(load(&channel, "call", 3_000, 32), stopped);
    assert!(failed.is_empty(), "{failed:?}");
    let both = one.seen.count() + two.seen.count();
    assert!(both >= 3_000 && one.seen.count() < 1_500, "{both}");
}

#[tokio::test]
async fn a_replica_of_another_service_is_left_out() {
    let other = Replica::start(nowhere_yet(), |seen| {
        Server::new("weir.mapping.v1.MappingService")
            .access(Access::open())
            .service(Unary::new(Nothing::<false>, seen, "Reserve", Seen::reserve))
    });
    let one = Replica::quota();
    let channel = connect(&[other.address, one.address]);
    // The first calls as well, before anything is known of either.
    assert!(load(&channel, "call", 200, 8).await.is_empty());
    let mut generated = QuotaServiceClient::new(channel.clone());
    for n in 0..20 {
        let request = ReserveRequest {
            batch_id: format!("generated-{n}"),
            ..Default::default()
        };
        generated.reserve(request).await.unwrap();
    }
    assert_eq!(one.seen.count(), 220);

    // Where there are none but these, they say so.
    let channel = connect(&[other.address, other.address]);
    let refused = reserve(&channel, "call").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_replica_without_a_method_that_others_have_is_left_out() {
    let asked = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&asked);
    let older = Replica::start(nowhere_yet(), move |seen| {
        let reserve = move |_: Arc<Seen>, _: Request<ReserveRequest>| {
            *counted.lock().unwrap() += 1;
            async { Err::<Response<ReserveResponse>, _>(Status::unimplemented("")) }
        };
        Server::new(QUOTA)
            .access(Access::open())
            .service(Unary::new(Nothing::<true>, seen, "Reserve", reserve))
    });
    let one = Replica::quota();
    let channel = connect(&[older.address, one.address]);
    assert!(load(&channel, "call", 200, 8).await.is_empty());
    assert_eq!(one.seen.count(), 200);
    let asked = *asked.lock().unwrap();
    assert!((1..=16).contains(&asked), "asked {asked} times");
}

#[tokio::test]
async fn a_replica_that_can_not_serve_is_left_out_until_it_can() {
    let (one, two) = (Replica::quota(), Replica::quota());
    let channel = connect(&[one.address, two.address]);
    until_found(&channel, "before", &one).await;
    one.seen.away.store(true, Ordering::SeqCst);
    let mut round = 0;
    until("it is left out", async || {
        let before = one.seen.count();
        round += 1;
        assert!(
            load(&channel, &format!("out-{round}"), 20, 4)
                .await
                .is_empty()
        );
        one.seen.count() == before
    })
    .await;
    // Where none is well, one is tried all the same.
    two.seen.away.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(load(&channel, "none", 20, 4).await.is_empty());
    one.seen.away.store(false, Ordering::SeqCst);
    two.seen.away.store(false, Ordering::SeqCst);
    until_found(&channel, "one", &one).await;
    until_found(&channel, "two", &two).await;
}

#[tokio::test]
async fn a_new_replica_is_found() {
    let one = Replica::quota();
    // Of an address where nobody is yet.
    let later = std::net::TcpListener::bind(nowhere_yet()).unwrap();
    let address = later.local_addr().unwrap();
    drop(later);
    let channel = connect(&[address, one.address]);
    assert!(load(&channel, "call", 100, 8).await.is_empty());
    assert_eq!(one.seen.count(), 100);
    let new = Replica::start(address, quota);
    until_found(&channel, "new", &new).await;
}

#[tokio::test]
async fn connections_that_are_old_are_closed_and_no_call_notices() {
    let age = Duration::from_millis(50);
    let replica = Replica::start(nowhere_yet(), |seen| quota(seen).connection_age(age));
    let channel = connect(&[replica.address]);
    let mut round = 0;
    until("there were several connections", async || {
        round += 1;
        let failed = load(&channel, &format!("call-{round}"), 200, 16).await;
        assert!(failed.is_empty(), "{failed:?}");
        replica.seen.connections.lock().unwrap().len() > 10
    })
    .await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_no_reason_to_end() {
    let channel = Peer::QUOTA
        .connect("http://weir-test.invalid:7005")
        .unwrap();
    let failed = reserve(&channel, "call").await.unwrap_err();
    assert_eq!(failed.code(), Code::Unavailable);
    assert!(std::error::Error::source(&failed).is_some());

    // And others are called meanwhile.
    let one = Replica::quota();
    let both = format!("http://weir-test.invalid:7005,http://{}", one.address);
    let channel = Peer::QUOTA.connect(&both).unwrap();
    assert!(load(&channel, "call", 50, 4).await.is_empty());
    assert_eq!(one.seen.count(), 50);
}

#[tokio::test]
async fn all_addresses_of_a_name_are_called() {
    let one = Replica::quota();
    let named = format!("http://localhost:{}", one.address.port());
    let channel = Peer::QUOTA.connect(&named).unwrap();
    // It may have one for IPv6 as well, where nobody listens.
    assert!(load(&channel, "call", 100, 8).await.is_empty());
    assert_eq!(one.seen.count(), 100);
}

#[tokio::test]
async fn what_is_no_address_names_its_variable() {
    let refused = Peer::QUOTA.connect("http://a:1,quota:7005").unwrap_err();
    let said = refused.to_string();
    assert!(
        said.starts_with("WEIR_QUOTA_URL: \"quota:7005\" is not"),
        "{said}"
    );
}
