//! A service that can't serve yet says so: whoever asks for its health is told NOT_SERVING, and
//! every call is UNAVAILABLE, until what it begins with is done.

use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use futures_util::future::Either;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use weir_tls::Acceptor;

use super::NoDelay;
use super::secure::Incoming;

/// Who was answered a moment ago reads that within this; who holds on is cut off.
const GRACE: Duration = Duration::from_secs(1);

/// Awaits `work`, and answers at `listener` meanwhile once it is `away` what is waited for, by TLS
/// where `tls` says so. Before that, and when this returns, connections wait for who serves next:
/// who starts as usual refuses nobody.
///
/// # Errors
/// The listener can't be shared.
pub async fn while_beginning<T>(
    listener: &TcpListener,
    tls: Option<&Acceptor>,
    away: &Notify,
    work: impl Future<Output = T>,
) -> io::Result<T> {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        done = &mut work => return Ok(done),
        () = away.notified() => {}
    }
    let shared = std::net::TcpListener::from(listener.as_fd().try_clone_to_owned()?);
    let shared = TcpListener::from_std(shared)?;
    let routes = Routes::new(HealthServer::new(NotYet)).into_axum_router();
    let refused =
        || async { crate::unavailable("this service, which is starting,").into_http::<Body>() };
    let routes = Routes::from(routes.fallback(refused));
    let router = tonic::transport::Server::builder().add_routes(routes);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let until = async {
        let _ = stopped.await;
    };
    let serving = match tls {
        Some(tls) => {
            let incoming = Incoming::new(shared, tls.clone());
            Either::Left(router.serve_with_incoming_shutdown(incoming, until))
        }
        None => {
            let incoming = NoDelay(TcpListenerStream::new(shared));
            Either::Right(router.serve_with_incoming_shutdown(incoming, until))
        }
    };
    let serving = AbortOnDropHandle::new(tokio::spawn(serving));
    let done = work.await;
    drop(stop);
    let _ = tokio::time::timeout(GRACE, serving).await;
    Ok(done)
}

/// The health of all services, whatever they are called.
struct NotYet;

#[tonic::async_trait]
impl Health for NotYet {
    async fn check(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse {
            status: ServingStatus::NotServing.into(),
        }))
    }

    type WatchStream = tokio_stream::Empty<Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        // Who watches would watch another server in a moment.
        Err(crate::unavailable("this service, which is starting,"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tonic::Code;
    use tonic_health::pb::health_client::HealthClient;
    use weir_proto::quota::v1::ReserveRequest;
    use weir_proto::quota::v1::quota_service_client::QuotaServiceClient;

    use super::*;

    #[tokio::test]
    async fn who_begins_as_usual_answers_nobody_meanwhile() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let away = Notify::new();
        let work = tokio::net::TcpStream::connect(address);
        let connected = while_beginning(&listener, None, &away, work).await.unwrap();
        let (_, from) = listener.accept().await.unwrap();
        assert_eq!(connected.unwrap().local_addr().unwrap(), from);
    }

    #[tokio::test]
    async fn who_comes_while_it_begins_is_told_so_and_who_comes_later_is_served() {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = listener.local_addr().unwrap();
        let (done, until) = tokio::sync::oneshot::channel();
        let (own, away) = (listener.clone(), Notify::new());
        away.notify_one();
        let beginning =
            tokio::spawn(async move { while_beginning(&own, None, &away, until).await });
        let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}"));
        let channel = channel.unwrap().connect().await.unwrap();
        let mut health = HealthClient::new(channel.clone());
        let request = HealthCheckRequest {
            service: "weir.quota.v1.QuotaService".to_owned(),
        };
        let answer = health.check(request.clone()).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::NotServing);
        let watched = health.watch(request).await.unwrap_err();
        assert_eq!(watched.code(), Code::Unavailable);

        let mut quota = QuotaServiceClient::new(channel);
        let called = quota.reserve(ReserveRequest::default()).await;
        assert_eq!(called.unwrap_err().code(), Code::Unavailable);

        done.send(7).unwrap();
        assert_eq!(beginning.await.unwrap().unwrap().unwrap(), 7);
        let (connected, accepted) =
            tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
        assert_eq!(
            connected.unwrap().local_addr().unwrap(),
            accepted.unwrap().1
        );
    }
}
