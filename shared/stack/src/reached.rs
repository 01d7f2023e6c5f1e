//! A connection that tells of an end of its own where it led: what is made of the network alone
//! ("h2 protocol error") says neither who is gone nor what to do.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{Request, Response};
use http_body_util::BodyExt;
use tonic::body::Body;
use tonic::transport::{Channel, Error};
use tonic::{Code, Status};
use tower_service::Service;
use weir_tls::Unconnected;

use crate::reach::unconnected;

/// Calls go to the service at an address. What the service itself answers is not touched.
#[derive(Debug, Clone)]
pub struct Reached {
    channel: Channel,
    address: Arc<str>,
}

impl Reached {
    pub fn at(address: &str, channel: Channel) -> Self {
        Self {
            channel,
            address: address.into(),
        }
    }
}

impl From<Channel> for Reached {
    fn from(channel: Channel) -> Self {
        Self::at("the address that was given", channel)
    }
}

impl Service<Request<Body>> for Reached {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        let ready = self.channel.poll_ready(context);
        ready.map_err(|error| unanswered(error, &self.address, Instant::now()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let begun = Instant::now();
        let (calling, address) = (self.channel.call(request), self.address.clone());
        Box::pin(async move {
            let answer = calling.await;
            let answer = answer.map_err(|error| unanswered(error, &address, begun))?;
            Ok(answer.map(|body| Body::new(body.map_err(move |cut| ended(&cut, &address)))))
        })
    }
}

/// No answer to this call. The code stays: by it callers decide whether to try again.
fn unanswered(error: Error, address: &str, begun: Instant) -> Status {
    let not_agreed = match unconnected(&error) {
        Some(Unconnected::NotAgreed(cause)) => Some(format!("no TLS with {address}: {cause}")),
        _ => None,
    };
    let status = Status::from_error(error.into());
    match (not_agreed, status.code()) {
        (Some(told), code) => Status::new(code, told),
        (None, code @ (Code::Cancelled | Code::DeadlineExceeded)) => {
            let seconds = begun.elapsed().as_secs_f64();
            let told = format!(
                "{address} did not answer within {seconds:.0} s: it hangs, or has too much to do"
            );
            Status::new(code, told)
        }
        _ => ended(&status, address),
    }
}

fn ended(status: &Status, address: &str) -> Status {
    match status.code() {
        // What `weir_tls` says to whom it is spoken to without TLS.
        Code::PermissionDenied => status.clone(),
        code => Status::new(
            code,
            format!(
                "the service at {address} ended, or closed the connection; do the same again when \
                 it is ready (`./weir health`)"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;
    use crate::Reach;

    async fn said(url: &str, limit: Duration) -> Status {
        let channel = Reach::default().connect(url, limit).await.unwrap();
        let mut client =
            tonic_health::pb::health_client::HealthClient::new(Reached::at(url, channel));
        let asked = tonic_health::pb::HealthCheckRequest::default();
        client.check(asked).await.unwrap_err()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_hangs_or_ends_is_named() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let late = said(&url, Duration::from_millis(600)).await;
        assert_eq!(late.code(), Code::Cancelled);
        let told = format!("{url} did not answer within 1 s");
        assert!(late.message().starts_with(&told), "{late}");

        let ends = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", ends.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = ends.accept().unwrap();
            // The call is there, and then nobody.
            let _ = stream.read(&mut [0; 64]);
        });
        let gone = said(&url, Duration::from_secs(20)).await;
        server.join().unwrap();
        let told = format!("the service at {url} ended, or closed the connection");
        assert!(gone.message().starts_with(&told), "{gone}");
    }
}
