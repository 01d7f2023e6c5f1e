//! Unary calls over a real connection, with the generated code on either side.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use weir_rpc::{Channel, Deadline, PrefixedMessage, Unary, call, connect};

const CHECK: &str = "/grpc.health.v1.Health/Check";

/// Serves `Check` in the place of the generated service, which has no status of "here".
async fn check(
    request: Request<HealthCheckRequest>,
) -> Result<Response<HealthCheckResponse>, Status> {
    assert!(
        Deadline::of(&request).remaining() < Duration::from_secs(6),
        "its deadline came along"
    );
    if request.get_ref().service.starts_with("here") {
        let mut response = Response::new(HealthCheckResponse {
            status: ServingStatus::Serving.into(),
        });
        response
            .metadata_mut()
            .insert("said", "yes".parse().unwrap());
        Ok(response)
    } else {
        Err(weir_rpc::invalid("service", "must be here"))
    }
}

async fn serve() -> Channel {
    let (_, generated) = tonic_health::server::health_reporter();
    let incoming = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = incoming.local_addr().unwrap();
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(Unary::new(
                generated,
                &Arc::new(()),
                "Check",
                |_, request| check(request),
            ))
            .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(incoming)),
    );
    connect(&format!("http://{address}")).unwrap()
}

fn request<T>(message: T) -> Request<T> {
    Deadline::after(Duration::from_secs(5))
        .request(message)
        .unwrap()
}

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

async fn ask(channel: &Channel, service: &str) -> Result<Response<HealthCheckResponse>, Status> {
    call(
        channel,
        CHECK,
        request(PrefixedMessage::encode(&of(service))),
    )
    .await
}

#[tokio::test]
async fn both_sides_understand_the_generated_ones() {
    let channel = serve().await;
    let mut generated = HealthClient::new(channel.clone());
    for answer in [
        ask(&channel, "here").await,
        generated.check(request(of("here"))).await,
    ] {
        let answer = answer.unwrap();
        assert_eq!(answer.metadata().get("said").unwrap(), "yes");
        assert_eq!(answer.get_ref().status(), ServingStatus::Serving);
    }
    for refused in [
        ask(&channel, "there").await,
        generated.check(request(of("there"))).await,
    ] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(refused.message(), "service: must be here");
        assert!(!refused.details().is_empty());
    }
}

#[tokio::test]
async fn a_message_of_many_frames_arrives() {
    let channel = serve().await;
    let long = format!("here{}", "x".repeat(5_000_000));
    assert_eq!(
        ask(&channel, &long).await.unwrap().get_ref().status(),
        ServingStatus::Serving
    );
    let too_long = "here".repeat(weir_rpc::MAX_MESSAGE / 4);
    let refused = ask(&channel, &too_long).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
}

#[tokio::test]
async fn other_methods_are_the_generated_ones() {
    let channel = serve().await;
    let mut generated = HealthClient::new(channel.clone());
    let mut watched = generated.watch(request(of(""))).await.unwrap().into_inner();
    let status = watched.message().await.unwrap().unwrap().status();
    assert_eq!(status, ServingStatus::Serving);
    let unknown = "/grpc.health.v1.Health/Nothing";
    let message = request(PrefixedMessage::encode(&of("here")));
    let refused = call::<HealthCheckResponse>(&channel, unknown, message)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_connection_that_fails_is_told_from_an_answer() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let channel = connect(&format!("http://{nobody}")).unwrap();
    let failed = ask(&channel, "here").await.unwrap_err();
    assert!(std::error::Error::source(&failed).is_some(), "{failed:?}");
    assert_eq!(failed.code(), Code::Unavailable);
}
