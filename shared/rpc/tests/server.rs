//! A server of ours, called by strangers.

#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};
use weir_proto::quota::v1::{ReserveRequest, SettleRequest};
use weir_reasons::Reason;
use weir_rpc::{Access, Channel, Deadline, PrefixedMessage, Server, call, connect, reason_of};

const NAME: &str = "weir.quota.v1.QuotaService";
/// Served beside it.
const BESIDE: &str = "weir.ledger.v1.LedgerService";

/// Does whatever a method's name says.
#[derive(Clone)]
struct Odd;

impl tonic::server::NamedService for Odd {
    const NAME: &'static str = NAME;
}

impl tower::Service<Request<Body>> for Odd {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = request.uri().path().rsplit('/').next().unwrap().to_owned();
        Box::pin(async move {
            let status = match method.as_str() {
                "Panics" => panic!("for the test"),
                "Hangs" => std::future::pending().await,
                "Waits" => {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    weir_rpc::unavailable("it")
                }
                "Undecodable" => Status::internal("failed to decode Protobuf message"),
                "Large" => Status::out_of_range("decoded message length too large"),
                "Said" => weir_rpc::not_found(Reason::AccountUnknown, "account"),
                "Odd" => Status::data_loss("percent: % and \u{e9}"),
                _ => Status::unimplemented(""),
            };
            Ok(status.into_http())
        })
    }
}

#[derive(Clone)]
struct Beside(Odd);

impl tonic::server::NamedService for Beside {
    const NAME: &'static str = BESIDE;
}

impl tower::Service<Request<Body>> for Beside {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = <Odd as tower::Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.call(request)
    }
}

async fn serve() -> (Channel, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new(NAME)
        .access(Access::open())
        .service(Odd)
        .service(Beside(Odd));
    tokio::spawn(server.serve(listener, std::future::pending()));
    (connect(&format!("http://{address}")).unwrap(), address)
}

async fn ask(channel: &Channel, path: &'static str, within: Duration) -> Status {
    let message = PrefixedMessage::encode(&ReserveRequest::default());
    let request = Deadline::after(within).request(message).unwrap();
    call::<SettleRequest>(channel, path, request)
        .await
        .unwrap_err()
}

const LONG: Duration = Duration::from_secs(5);

#[tokio::test]
async fn every_error_has_a_reason_whoever_made_it() {
    let (channel, _) = serve().await;
    for (path, code, reason) in [
        (
            "/weir.quota.v1.QuotaService/Panics",
            Code::Internal,
            Reason::Internal,
        ),
        (
            "/weir.quota.v1.QuotaService/Undecodable",
            Code::InvalidArgument,
            Reason::MessageInvalid,
        ),
        (
            "/weir.quota.v1.QuotaService/Large",
            Code::OutOfRange,
            Reason::MessageTooLarge,
        ),
        (
            "/weir.quota.v1.QuotaService/Said",
            Code::NotFound,
            Reason::AccountUnknown,
        ),
        (
            "/weir.quota.v1.QuotaService/Nothing",
            Code::Unimplemented,
            Reason::CallUnsupported,
        ),
        (
            "/weir.other.v1.Service/Nothing",
            Code::Unimplemented,
            Reason::CallUnsupported,
        ),
        (
            "/nobody.Service/Nothing",
            Code::Unimplemented,
            Reason::CallUnsupported,
        ),
        (
            "/weir.quota.v1.QuotaService/Odd",
            Code::DataLoss,
            Reason::Internal,
        ),
    ] {
        let status = ask(&channel, path, LONG).await;
        assert_eq!(status.code(), code, "{path}");
        assert_eq!(reason_of(&status), Some(reason), "{path}");
        assert!(!status.message().is_empty(), "{path}");
    }
    let odd = ask(&channel, "/weir.quota.v1.QuotaService/Odd", LONG).await;
    assert_eq!(odd.message(), "percent: % and \u{e9}");

    let unknown = HealthCheckRequest {
        service: "nobody".to_owned(),
    };
    let refused = HealthClient::new(channel).check(unknown).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert_eq!(reason_of(&refused), Some(Reason::ServiceUnknown));
}

#[tokio::test]
async fn a_call_ends_at_its_deadline() {
    let (_, address) = serve().await;
    // Without tonic's client, which ends it on its own side.
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (executor, io) = (TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = Request::post(format!("http://{address}/{NAME}/Hangs"))
        .header("content-type", "application/grpc")
        .header("grpc-timeout", "300m")
        .body(PrefixedMessage::encode(&ReserveRequest::default()))
        .unwrap();
    let began = Instant::now();
    let answer = sender.send_request(request).await.unwrap();
    let late = Status::from_header_map(answer.headers()).unwrap();
    assert_eq!(late.code(), Code::DeadlineExceeded, "{late:?}");
    assert_eq!(reason_of(&late), Some(Reason::TooLate));
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn more_calls_than_there_is_room_for_are_turned_away_at_once() {
    let (channel, _) = serve().await;
    let waits = "/weir.quota.v1.QuotaService/Waits";
    let calls = (0..300).map(|_| ask(&channel, waits, LONG));
    let answers = futures_util::future::join_all(calls).await;
    let away = |status: &&Status| status.code() == Code::Unavailable;
    assert_eq!(answers.iter().filter(away).count(), 256);
    for status in answers.iter().filter(|status| !away(status)) {
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(reason_of(status), Some(Reason::Overloaded));
    }
    // And there is room again.
    assert_eq!(ask(&channel, waits, LONG).await.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_message_of_nonsense_is_told_from_a_fault_of_ours() {
    let (channel, _) = serve().await;
    // The generated service of health, with bytes that are no message of its.
    let nonsense = PrefixedMessage::new(vec![0, 0, 0, 0, 0, 0xff], bytes::Bytes::new());
    let request = Deadline::after(LONG).request(nonsense).unwrap();
    let path = "/grpc.health.v1.Health/Check";
    let refused = call::<SettleRequest>(&channel, path, request)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(reason_of(&refused), Some(Reason::MessageInvalid));
}

#[tokio::test]
async fn all_services_of_a_process_have_its_health() {
    let (channel, _) = serve().await;
    let health = |service: &str| {
        let mut client = HealthClient::new(channel.clone());
        let service = service.to_owned();
        async move { client.check(HealthCheckRequest { service }).await }
    };
    // Until the first probe the process is taken to be well, and its services are not known; they
    // become so in order.
    while health(BESIDE).await.is_err() {
        tokio::task::yield_now().await;
    }
    for service in [NAME, BESIDE, ""] {
        let status = health(service).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{service}");
    }
}

#[tokio::test]
async fn reflection_speaks_both_versions() {
    let (channel, _) = serve().await;
    let list = v1::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1::ServerReflectionRequest {
        message_request: Some(list),
        ..Default::default()
    };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let answers = client.server_reflection_info(tokio_stream::once(request));
    let answer = answers.await.unwrap().into_inner().message().await.unwrap();
    let listed = format!("{:?}", answer.unwrap());

    let list = v1alpha::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1alpha::ServerReflectionRequest {
        message_request: Some(list),
        ..Default::default()
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let answers = client.server_reflection_info(tokio_stream::once(request));
    let answer = answers.await.unwrap().into_inner().message().await.unwrap();
    for listed in [listed, format!("{:?}", answer.unwrap())] {
        for name in [
            NAME,
            BESIDE,
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
        ] {
            assert!(listed.contains(name), "{name} is not in {listed}");
        }
    }
}
